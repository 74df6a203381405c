// URL and URLSearchParams over parsed records in Rust.
(function (native, globalThis) {
  'use strict';
  const { arity, classId, define, defineIterable, isObject, pairs, str, usv, urlParse, urlGet, urlSet, formParse, formSerialize } = native;
  const MERGE = true;
  const sort = native.uncurry(Array.prototype.sort);
  const startsWith = native.uncurry(String.prototype.startsWith);
  const slice = native.uncurry(String.prototype.slice);

  // Set by URLSearchParams, for URL.
  let attach;
  let reload;

  let set;
  class URL {
    #record;
    #params = undefined;
    static { native.brand((v) => #params in v); }
    constructor(url, base = undefined) {
      arity(arguments.length, 1, 'URL');
      url = str(url);
      const record = urlParse(url, base === undefined ? undefined : str(base));
      if (record === undefined) throw new TypeError('Invalid URL');
      this.#record = record;
    }
    get href() { return urlGet(this.#record, 0); }
    set href(value) { if (!set(this, 0, value)) throw new TypeError('Invalid URL'); }
    get origin() { return urlGet(this.#record, 1); }
    get protocol() { return urlGet(this.#record, 2); }
    set protocol(value) { set(this, 2, value); }
    get username() { return urlGet(this.#record, 3); }
    set username(value) { set(this, 3, value); }
    get password() { return urlGet(this.#record, 4); }
    set password(value) { set(this, 4, value); }
    get host() { return urlGet(this.#record, 5); }
    set host(value) { set(this, 5, value); }
    get hostname() { return urlGet(this.#record, 6); }
    set hostname(value) { set(this, 6, value); }
    get port() { return urlGet(this.#record, 7); }
    set port(value) { set(this, 7, value); }
    get pathname() { return urlGet(this.#record, 8); }
    set pathname(value) { set(this, 8, value); }
    get search() { return urlGet(this.#record, 9); }
    set search(value) { set(this, 9, value); }
    get searchParams() { return (this.#params ??= attach(this.#record)); }
    get hash() { return urlGet(this.#record, 10); }
    set hash(value) { set(this, 10, value); }
    toString() { return urlGet(this.#record, 0); }
    toJSON() { return urlGet(this.#record, 0); }
    static {
      set = (url, part, value) => {
        const done = urlSet(url.#record, part, str(value));
        if (done && url.#params !== undefined && (part === 0 || part === 9)) reload(url.#params, url.#record);
        return done;
      };
    }
    static parse(url, base = undefined) {
      arity(arguments.length, 1, 'URL.parse');
      // The constructor parses again; a failure must not be told by an exception that a base's toString threw.
      url = str(url);
      base = base === undefined ? undefined : str(base);
      return urlParse(url, base) === undefined ? null : new URL(url, base);
    }
    static canParse(url, base = undefined) {
      arity(arguments.length, 1, 'URL.canParse');
      url = str(url);
      return urlParse(url, base === undefined ? undefined : str(base)) !== undefined;
    }
  }
  define(URL);

  let update;
  class URLSearchParams {
    #list;
    // The record of the URL that these are the `searchParams` of.
    #record = undefined;
    constructor(init = '') {
      if (isObject(init)) {
        this.#list = pairs(init, usv, usv, MERGE, 'URLSearchParams');
      } else {
        init = str(init);
        this.#list = formParse(startsWith(init, '?') ? slice(init, 1) : init);
      }
    }
    get size() { return this.#list.length / 2; }
    append(name, value) {
      const list = this.#list;
      arity(arguments.length, 2, 'URLSearchParams.append');
      name = usv(name);
      value = usv(value);
      list[list.length] = name;
      list[list.length] = value;
      update(this);
    }
    delete(name, value = undefined) {
      const list = this.#list;
      arity(arguments.length, 1, 'URLSearchParams.delete');
      name = usv(name);
      if (value !== undefined) value = usv(value);
      let kept = 0;
      for (let i = 0; i < list.length; i += 2) {
        if (list[i] === name && (value === undefined || list[i + 1] === value)) continue;
        list[kept++] = list[i];
        list[kept++] = list[i + 1];
      }
      list.length = kept;
      update(this);
    }
    get(name) {
      const list = this.#list;
      arity(arguments.length, 1, 'URLSearchParams.get');
      name = usv(name);
      for (let i = 0; i < list.length; i += 2) if (list[i] === name) return list[i + 1];
      return null;
    }
    getAll(name) {
      const list = this.#list;
      arity(arguments.length, 1, 'URLSearchParams.getAll');
      name = usv(name);
      const values = [];
      for (let i = 0; i < list.length; i += 2) if (list[i] === name) values[values.length] = list[i + 1];
      return values;
    }
    has(name, value = undefined) {
      const list = this.#list;
      arity(arguments.length, 1, 'URLSearchParams.has');
      name = usv(name);
      if (value !== undefined) value = usv(value);
      for (let i = 0; i < list.length; i += 2) {
        if (list[i] === name && (value === undefined || list[i + 1] === value)) return true;
      }
      return false;
    }
    set(name, value) {
      const list = this.#list;
      arity(arguments.length, 2, 'URLSearchParams.set');
      name = usv(name);
      value = usv(value);
      let kept = 0;
      let found = false;
      for (let i = 0; i < list.length; i += 2) {
        if (list[i] === name && found) continue;
        const first = list[i] === name;
        found ||= first;
        list[kept++] = list[i];
        list[kept++] = first ? value : list[i + 1];
      }
      list.length = kept;
      if (!found) {
        list[kept] = name;
        list[kept + 1] = value;
      }
      update(this);
    }
    sort() {
      const list = this.#list;
      const entries = [];
      for (let i = 0; i < list.length; i += 2) entries[i / 2] = { __proto__: null, name: list[i], value: list[i + 1] };
      // By UTF-16 code units, and stable.
      sort(entries, (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
      for (let i = 0; i < entries.length; i++) {
        list[2 * i] = entries[i].name;
        list[2 * i + 1] = entries[i].value;
      }
      update(this);
    }
    toString() { return formSerialize(this.#list); }
    static {
      update = (params) => {
        if (params.#record !== undefined) urlSet(params.#record, 11, formSerialize(params.#list));
      };
      attach = (record) => {
        const params = new URLSearchParams();
        params.#list = formParse(urlGet(record, 11));
        params.#record = record;
        return params;
      };
      // In place: iterators see the new entries.
      reload = (params, record) => {
        params.#list = formParse(urlGet(record, 11));
      };
      defineIterable(URLSearchParams, (params) => params.#list);
      native.isURLSearchParams = (v) => isObject(v) && #list in v;
      native.brand((v) => #list in v);
    }
  }
  define(URLSearchParams);
  native.paramsToString = native.uncurry(URLSearchParams.prototype.toString);
})
