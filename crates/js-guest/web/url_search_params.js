// URLSearchParams, on its own or as the `searchParams` of a URL.
(function (native, globalThis) {
  'use strict';
  const { arity, define, defineIterable, formParse, formSerialize, isObject, pairs, str, urlGet, urlSet, usv } = native;
  const MERGE = true;
  const sort = native.uncurry(Array.prototype.sort);
  const startsWith = native.uncurry(String.prototype.startsWith);
  const slice = native.uncurry(String.prototype.slice);

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
      native.attachParams = (record) => {
        const params = new URLSearchParams();
        params.#list = formParse(urlGet(record, 11));
        params.#record = record;
        return params;
      };
      native.reloadParams = (params, record) => {
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
