// $.db: documents, which are things whose data is an object, with their id and times among its members.
(function (native) {
  'use strict';
  const { conditionsSql, isObject, orderSql, str } = native;
  const { call, invalid, options, record, then } = native.business;
  const isArray = Array.isArray;
  const parse = JSON.parse;

  const document = (id, data, createdAt, updatedAt) => ({ id, ...data, id, createdAt, updatedAt });
  const ofThing = (thing) => {
    if (thing === null || !isObject(thing.data) || isArray(thing.data)) return null;
    return document(thing.id, thing.data, thing.createdAt, thing.updatedAt);
  };
  // What is written of a document: the rest is the store's own.
  const content = (given, what) => {
    const { id, createdAt, updatedAt, ...data } = record(given, what);
    return data;
  };

  const bound = (v, fallback, least, most, what) => {
    if (v === undefined || v === null) return fallback;
    if (!Number.isInteger(v) || v < least || v > most) {
      throw invalid(`${what}: must be a whole number from ${least} to ${most}`);
    }
    return v;
  };
  const statement = (collection, where, select, more) => {
    const params = [];
    const add = (value) => `?${params.push(value)}`;
    const ns = `ns = ${add(str(collection))} AND json_type(data) = 'object'`;
    const conditions = conditionsSql(options(where, 'where'), add);
    return [`SELECT ${select} FROM things WHERE ${ns} AND ${conditions}${more(add)}`, params];
  };
  const find = (collection, where = undefined, given = undefined) => {
    const { limit, offset, sort, ...unknown } = options(given, 'options');
    for (const name in unknown) throw invalid(`options.${name}: unknown option; known: limit, offset, sort`);
    const most = bound(limit, 100, 1, 1000, 'options.limit');
    const first = bound(offset, 0, 0, Number.MAX_SAFE_INTEGER, 'options.offset');
    const page = (add) => {
      const order = [...orderSql(sort ?? '-createdAt', add), 'n DESC'].join(', ');
      return ` ORDER BY ${order} LIMIT ${add(most)} OFFSET ${add(first)}`;
    };
    const [sql, params] = statement(collection, where, 'id, created_at, updated_at, data', page);
    return then(call('db_query', sql, params), ({ rows }) => (
      rows.map((row) => document(row.id, parse(row.data), row.created_at, row.updated_at))
    ));
  };

  native.business.db = Object.freeze({
    __proto__: null,
    find,
    findOne(collection, which, given = undefined) {
      if (typeof which === 'string') return then(call('db_get', collection, which), ofThing);
      return then(find(collection, which, { ...options(given, 'options'), limit: 1 }), (found) => found[0] ?? null);
    },
    create(collection, given) {
      const data = content(given, 'document');
      return then(call('db_insert', collection, given.id ?? native.randomUUID(), data), ofThing);
    },
    update: (collection, id, changes) => then(call('db_patch', collection, id, content(changes, 'changes')), ofThing),
    delete: (collection, id) => then(call('db_delete', collection, id), ofThing),
    count(collection, where = undefined) {
      const [sql, params] = statement(collection, where, 'count(*) AS n', () => '');
      return then(call('db_query', sql, params), ({ rows }) => rows[0].n);
    },
  });
})
