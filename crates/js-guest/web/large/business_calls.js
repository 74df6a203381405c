// What the parts of `$` share, and those that are little more than calls: $.api, $.send, $.decide and $.user.
(function (native) {
  'use strict';
  const { arity, context, isObject, serviceError, services, str } = native;
  const { freeze, hasOwn } = Object;
  const isArray = Array.isArray;
  const then = native.uncurry(Promise.prototype.then);

  const invalid = (message) => serviceError('invalid_request', message);
  const record = (v, what) => {
    if (!isObject(v) || isArray(v) || typeof v === 'function') throw invalid(`${what}: must be an object`);
    return v;
  };
  const options = (v, what) => (v === undefined || v === null ? {} : record(v, what));
  const call = (method, ...args) => services[method](...args);

  // The body of an answer, where the upstream says that all is well.
  const answered = (method, path) => (answer) => {
    const { status, body } = answer;
    if (status >= 200 && status < 300) return body;
    const said = isObject(body) ? body.error?.message ?? body.message : undefined;
    const why = typeof said === 'string' ? `: ${said.slice(0, 500)}` : '';
    const error = serviceError('upstream_error', `${method} ${path}: the upstream answered ${status}${why}`);
    error.status = status;
    error.body = body;
    throw error;
  };
  const send = (method, path, more) => {
    path = str(path);
    return then(call('gateway_route', path, { ...more, method }), answered(method, path));
  };
  const without = (method) => (path, more = undefined) => send(method, path, options(more, 'options'));
  const withBody = (method) => (path, body = undefined, more = undefined) => (
    send(method, path, { ...options(more, 'options'), body })
  );
  const api = freeze({
    __proto__: null,
    get: without('GET'),
    post: withBody('POST'),
    put: withBody('PUT'),
    patch: withBody('PATCH'),
    delete: without('DELETE'),
  });

  const sending = freeze({
    __proto__: null,
    email(mail) {
      const { to, subject, body, template, data, ...rest } = record(mail, 'mail');
      if (template !== undefined) {
        for (const [name, value] of Object.entries({ subject, body, ...rest })) {
          if (value !== undefined) throw invalid(`mail.${name}: cannot be said of a mail that is made from a template`);
        }
        return call('email_sendTemplate', to, template, data ?? {});
      }
      if (data !== undefined) throw invalid('mail.data: is for a template; name it as mail.template');
      const isSaid = rest.text !== undefined || rest.html !== undefined;
      return call('email_send', to, subject, body ?? (isSaid ? '' : undefined), rest);
    },
    webhook: (event, payload = undefined) => call('webhooks_send', event, payload ?? {}),
  });

  // A promise is true whatever becomes of it.
  const holds = (condition, ...args) => {
    const value = typeof condition === 'function' ? condition(...args) : condition;
    if (isObject(value) && typeof value.then === 'function') {
      throw new TypeError('A condition cannot be a promise: await it first');
    }
    return Boolean(value);
  };
  const outcome = (value, ...args) => (typeof value === 'function' ? value(...args) : value);
  const decide = freeze({
    __proto__: null,
    if: (condition, yes, no = undefined) => outcome(holds(condition) ? yes : no),
    switch(value, cases, otherwise = undefined) {
      const key = str(value);
      return outcome(hasOwn(record(cases, 'cases'), key) ? cases[key] : otherwise, value);
    },
    rules(rules, facts = undefined) {
      if (!isArray(rules)) throw invalid('rules: must be an array');
      for (let i = 0; i < rules.length; i++) {
        const { when, then: result } = record(rules[i], `rules[${i}]`);
        const applies = when === undefined || (isObject(when) && typeof when !== 'function'
          ? native.matches(when, facts, `rules[${i}].when`)
          : holds(when, facts));
        if (applies) return outcome(result, facts);
      }
      return undefined;
    },
  });

  // As far as the credentials of this run go.
  const user = () => {
    const known = context().user ?? {};
    const { id = null, email = null, name = null, role, permissions = [] } = known;
    const roles = freeze(role === undefined || role === null ? [] : [role]);
    return freeze({
      __proto__: null,
      id,
      email,
      name,
      roles,
      permissions,
      hasRole(wanted) {
        arity(arguments.length, 1, 'hasRole');
        return roles.includes(wanted);
      },
      hasPermission(wanted) {
        arity(arguments.length, 1, 'hasPermission');
        wanted = str(wanted);
        return permissions.some((held) => held === '*' || held === wanted || (
          held.endsWith(':*') && wanted.startsWith(held.slice(0, -1))
        ));
      },
    });
  };

  native.business = { __proto__: null, call, invalid, options, record, send, then, api, sending, decide, user };
})
