// Headers: a flat list of lower-case names and values.
(function (native, globalThis) {
  'use strict';
  const { SECRET, arity, define, defineIterable, headerName, headerValue, isObject, pairs, str } = native;
  const { defineProperty } = Object;
  const sort = native.uncurry(Array.prototype.sort);

  // Names that need no look at their characters, as they are mostly written.
  const KNOWN = { __proto__: null };
  for (const name of [
    'Accept', 'Accept-Encoding', 'Accept-Language', 'Authorization', 'Cache-Control', 'Content-Encoding', 'Content-Length', 'Content-Type',
    'Cookie', 'Date', 'ETag', 'Host', 'If-None-Match', 'Location', 'Origin', 'Set-Cookie', 'User-Agent', 'Vary', 'X-Request-Id',
  ]) {
    const lower = headerName(name);
    KNOWN[name] = KNOWN[lower] = lower;
  }
  const nameOf = (name) => KNOWN[name] ?? headerName(name);

  const lookup = (list, name) => {
    let value = null;
    for (let i = 0; i < list.length; i += 2) {
      if (list[i] === name) value = value === null ? list[i + 1] : `${value}, ${list[i + 1]}`;
    }
    return value;
  };
  const remove = (list, name) => {
    let kept = 0;
    for (let i = 0; i < list.length; i += 2) {
      if (list[i] === name) continue;
      list[kept++] = list[i];
      list[kept++] = list[i + 1];
    }
    list.length = kept;
  };
  // Replaces the first of that name where it stands, as the standard's "set" does.
  const replace = (list, name, value) => {
    let kept = 0;
    let found = false;
    for (let i = 0; i < list.length; i += 2) {
      if (list[i] === name) {
        if (found) continue;
        found = true;
        list[kept++] = name;
        list[kept++] = value;
      } else {
        list[kept++] = list[i];
        list[kept++] = list[i + 1];
      }
    }
    list.length = kept;
    if (!found) {
      list[kept] = name;
      list[kept + 1] = value;
    }
  };
  // Sorted by name, values of one name combined, except those of set-cookie.
  const sortAndCombine = (list) => {
    const names = [];
    for (let i = 0; i < list.length; i += 2) names[i / 2] = list[i];
    sort(names);
    const sorted = [];
    for (let i = 0; i < names.length; i++) {
      const name = names[i];
      if (i > 0 && names[i - 1] === name) continue;
      if (name !== 'set-cookie') {
        sorted[sorted.length] = name;
        sorted[sorted.length] = lookup(list, name);
        continue;
      }
      for (let j = 0; j < list.length; j += 2) {
        if (list[j] !== name) continue;
        sorted[sorted.length] = name;
        sorted[sorted.length] = list[j + 1];
      }
    }
    return sorted;
  };
  // The list of a HeadersInit.
  const listOf = (init, what) => {
    if (!isObject(init)) throw new TypeError(`${what}: the headers are not an object`);
    // Checked while they are converted, for a name or value that is no byte string must end the conversion.
    return pairs(init, nameOf, headerValue, false, what);
  };
  const immutable = () => new TypeError('Headers are immutable');

  // In the mode 'no-cors' a request has only headers that a form could have sent, too.
  const lengthOfText = (text) => native.lengthOf(native.encode(text));
  const SAFE = { __proto__: null, accept: 1, 'accept-language': 1, 'content-language': 1, 'content-type': 1 };
  const matches = native.uncurry(RegExp.prototype.test);
  const isSafelisted = (name, value) => {
    if (!(name in SAFE) || lengthOfText(value) > 128) return false;
    if (name === 'accept') return !matches(/[\x00-\x08\x0a-\x1f"():<>?@[\\\]{}\x7f]/, value);
    if (name !== 'content-type') return matches(/^[0-9A-Za-z *,\-.;=]*$/, value);
    if (matches(/[\x00-\x08\x0a-\x1f"():<>?@[\\\]{}\x7f]/, value)) return false;
    const essence = native.mimeEssence(value);
    return essence === 'application/x-www-form-urlencoded' || essence === 'multipart/form-data' || essence === 'text/plain';
  };
  const allowed = (list, name, value, combine) => {
    if (!(name in SAFE)) return false;
    const before = combine ? lookup(list, name) : null;
    return isSafelisted(name, before === null ? value : `${before}, ${value}`);
  };
  native.onlySafelisted = (given) => {
    const list = [];
    for (let i = 0; i < given.length; i += 2) {
      if (!allowed(list, given[i], given[i + 1], true)) continue;
      list[list.length] = given[i];
      list[list.length] = given[i + 1];
    }
    return list;
  };

  class Headers {
    #list;
    #immutable = false;
    #noCors = false;
    #sorted = undefined;
    constructor(init = undefined, list = undefined, frozen = false, noCors = false) {
      // The platform wraps a list that a Request or Response already has.
      if (init === SECRET) {
        this.#list = list;
        this.#immutable = frozen;
        this.#noCors = noCors;
      } else {
        this.#list = init === undefined ? [] : listOf(init, 'Headers');
      }
    }
    append(name, value) {
      const list = this.#list;
      arity(arguments.length, 2, 'Headers.append');
      name = str(name);
      value = headerValue(str(value));
      name = nameOf(name);
      if (this.#immutable) throw immutable();
      if (this.#noCors && !allowed(list, name, value, true)) return;
      list[list.length] = name;
      list[list.length] = value;
      this.#sorted = undefined;
    }
    delete(name) {
      const list = this.#list;
      arity(arguments.length, 1, 'Headers.delete');
      name = nameOf(str(name));
      if (this.#immutable) throw immutable();
      if (this.#noCors && !(name in SAFE)) return;
      remove(list, name);
      this.#sorted = undefined;
    }
    get(name) {
      const list = this.#list;
      arity(arguments.length, 1, 'Headers.get');
      return lookup(list, nameOf(str(name)));
    }
    getSetCookie() {
      const list = this.#list;
      const values = [];
      for (let i = 0; i < list.length; i += 2) if (list[i] === 'set-cookie') values[values.length] = list[i + 1];
      return values;
    }
    has(name) {
      const list = this.#list;
      arity(arguments.length, 1, 'Headers.has');
      return lookup(list, nameOf(str(name))) !== null;
    }
    set(name, value) {
      const list = this.#list;
      arity(arguments.length, 2, 'Headers.set');
      name = str(name);
      value = headerValue(str(value));
      name = nameOf(name);
      if (this.#immutable) throw immutable();
      if (this.#noCors && !allowed(list, name, value, false)) return;
      replace(list, name, value);
      this.#sorted = undefined;
    }
    static {
      native.brand((v) => #list in v);
      defineIterable(Headers, (headers) => (headers.#sorted ??= sortAndCombine(headers.#list)));
    }
  }
  define(Headers);
  native.makeHeaders = (list, frozen, noCors = false) => new Headers(SECRET, list, frozen, noCors);
  // Neither a spread, which asks an iterator that user code can replace, nor an assignment, which can run a setter.
  native.copyList = (list) => {
    const copy = [];
    for (let i = 0; i < list.length; i++) defineProperty(copy, i, { __proto__: null, value: list[i], writable: true, enumerable: true, configurable: true });
    return copy;
  };
  native.headerList = listOf;
  native.headerLookup = lookup;
  // FormData keeps the same kind of list.
  native.removeName = remove;
  native.replaceName = replace;
  native.headerNameOf = nameOf;
})
