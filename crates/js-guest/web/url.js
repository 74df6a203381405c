// URL, over a parsed record in Rust.
(function (native, globalThis) {
  'use strict';
  const { arity, attachParams, define, reloadParams, str, urlParse, urlGet, urlSet } = native;

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
    get searchParams() { return (this.#params ??= attachParams(this.#record)); }
    get hash() { return urlGet(this.#record, 10); }
    set hash(value) { set(this, 10, value); }
    toString() { return urlGet(this.#record, 0); }
    toJSON() { return urlGet(this.#record, 0); }
    static {
      set = (url, part, value) => {
        const done = urlSet(url.#record, part, str(value));
        if (done && url.#params !== undefined && (part === 0 || part === 9)) reloadParams(url.#params, url.#record);
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
})
