// Conditions of documents, which $.db.find and $.decide.rules have in common: as SQL, and held against an object.
(function (native) {
  'use strict';
  const { isObject } = native;
  const { invalid, record } = native.business;
  const { hasOwn, keys } = Object;
  const isArray = Array.isArray;
  const stringify = JSON.stringify;

  const ORDERED = { __proto__: null, $gt: '>', $gte: '>=', $lt: '<', $lte: '<=' };
  const OPERATORS = ['$eq', '$ne', '$gt', '$gte', '$lt', '$lte', '$in'];
  const SCALAR = 'must be text, a finite number, a boolean or null';

  const isOrdered = (v) => typeof v === 'string' || Number.isFinite(v);
  const isScalar = (v) => v === null || typeof v === 'boolean' || isOrdered(v);
  // What is wrong with an operand; undefined where nothing is.
  const problem = (operator, operand) => {
    if (!OPERATORS.includes(operator)) return `unknown operator; known: ${OPERATORS.join(', ')}`;
    if (operator in ORDERED) return isOrdered(operand) ? undefined : 'must be text or a finite number';
    if (operator === '$in') return isArray(operand) && operand.every(isScalar) ? undefined : `each one ${SCALAR}`;
    return isScalar(operand) ? undefined : SCALAR;
  };
  // The operators of a field, each with its operand: a value alone is `$eq`.
  const operators = (condition, what) => {
    if (isScalar(condition)) return [['$eq', condition]];
    if (!isObject(condition) || isArray(condition) || typeof condition === 'function') {
      throw invalid(`${what}: ${SCALAR}, or an object of operators`);
    }
    return keys(condition).map((operator) => {
      const found = problem(operator, condition[operator]);
      if (found !== undefined) throw invalid(`${what}.${operator}: ${found}`);
      return [operator, condition[operator]];
    });
  };
  const pathOf = (field, what) => {
    const parts = field.split('.');
    if (field.startsWith('$') || parts.some((part) => part === '' || /["\\\u0000-\u001f]/.test(part))) {
      throw invalid(`${what}: is no name of a field`);
    }
    return parts;
  };
  // All conditions of an object, each by `field`, or by `either` where several are alternatives.
  const each = (where, what, field, either) => keys(record(where, what)).map((name) => {
    const place = `${what}[${stringify(name)}]`;
    if (name !== '$or') return field(name, operators(where[name], place), place);
    if (!isArray(where.$or)) throw invalid(`${place}: must be an array of conditions`);
    return either(where.$or, place);
  });

  // Over the table `things`. `add` keeps a value and gives its parameter.
  const COLUMNS = { __proto__: null, id: 'string', createdAt: 'number', updatedAt: 'number' };
  const SQL_COLUMNS = { __proto__: null, id: 'id', createdAt: 'created_at', updatedAt: 'updated_at' };
  const TYPES = { __proto__: null, string: "'text'", number: "'integer', 'real'", true: "'true'", false: "'false'" };
  const expression = (name, what, add) => {
    if (name in COLUMNS) return { value: SQL_COLUMNS[name], is: (kind) => (kind === COLUMNS[name] ? '1' : '0') };
    const path = `$${pathOf(name, what).map((part) => `."${part}"`).join('')}`;
    // A statement takes no values that it has no place for.
    let added;
    const at = () => (added ??= add(path));
    return {
      get value() { return `json_extract(data, ${at()})`; },
      is: (kind) => `ifnull(json_type(data, ${at()}), '') IN (${TYPES[kind]})`,
    };
  };
  const equalSql = ({ value, is }, operand, add) => {
    if (operand === null) return `(${value} IS NULL)`;
    if (typeof operand === 'boolean') return `(${is(`${operand}`)})`;
    return `(${is(typeof operand)} AND ${value} = ${add(operand)})`;
  };
  const operatorSql = (field, operator, operand, add) => {
    if (operator === '$eq') return equalSql(field, operand, add);
    if (operator === '$ne') return `NOT ${equalSql(field, operand, add)}`;
    if (operator === '$in') return `(${operand.map((one) => equalSql(field, one, add)).join(' OR ') || '0'})`;
    return `(${field.is(typeof operand)} AND ${field.value} ${ORDERED[operator]} ${add(operand)})`;
  };
  const sql = (where, add, what) => {
    const field = (name, all, place) => {
      const found = expression(name, place, add);
      return all.map(([operator, operand]) => operatorSql(found, operator, operand, add)).join(' AND ') || '1';
    };
    const either = (list, place) => (
      `(${list.map((one, number) => `(${sql(one, add, `${place}[${number}]`)})`).join(' OR ') || '0'})`
    );
    return each(where, what, field, either).join(' AND ') || '1';
  };
  native.conditionsSql = (where, add) => sql(where, add, 'where');
  native.orderSql = (sort, add) => (isArray(sort) ? sort : [sort]).map((name, number) => {
    const what = isArray(sort) ? `options.sort[${number}]` : 'options.sort';
    if (typeof name !== 'string') throw invalid(`${what}: must be the name of a field, after a - from the largest on`);
    const falls = name.startsWith('-');
    return `${expression(falls ? name.slice(1) : name, what, add).value} ${falls ? 'DESC' : 'ASC'}`;
  });

  const read = (facts, parts) => {
    for (const part of parts) {
      if (!isObject(facts) || isArray(facts) || !hasOwn(facts, part)) return null;
      facts = facts[part];
    }
    return facts ?? null;
  };
  const comparable = (compare) => (value, operand) => typeof value === typeof operand && compare(value, operand);
  const HOLDS = {
    __proto__: null,
    $eq: (value, operand) => value === operand,
    $ne: (value, operand) => value !== operand,
    $in: (value, operand) => operand.includes(value),
    $gt: comparable((value, operand) => value > operand),
    $gte: comparable((value, operand) => value >= operand),
    $lt: comparable((value, operand) => value < operand),
    $lte: comparable((value, operand) => value <= operand),
  };
  const matches = (where, facts, what) => each(
    where,
    what,
    (name, all, place) => {
      const value = read(facts, pathOf(name, place));
      return all.every(([operator, operand]) => HOLDS[operator](value, operand));
    },
    (list, place) => list.some((one, number) => matches(one, facts, `${place}[${number}]`)),
  ).every(Boolean);
  native.matches = matches;
})
