// URLPattern: the patterns become regular expressions in Rust, and match here.
(function (native, globalThis) {
  'use strict';
  const { define, dictionary, isObject, uncurry, urlPatternInput, urlPatternParse, usv } = native;
  const { defineProperty } = Object;
  const exec = uncurry(RegExp.prototype.exec);
  const Pattern = RegExp;
  const NAMES = ['protocol', 'username', 'password', 'hostname', 'port', 'pathname', 'search', 'hash'];
  const MEMBERS = ['baseURL', 'hash', 'hostname', 'password', 'pathname', 'port', 'protocol', 'search', 'username'];

  // A string, or the members of a URLPatternInit.
  const inputOf = (v) => {
    if (!isObject(v) && v !== undefined && v !== null) return usv(v);
    const init = { __proto__: null };
    if (!isObject(v)) return init;
    for (let i = 0; i < MEMBERS.length; i++) {
      const value = v[MEMBERS[i]];
      if (value !== undefined) init[MEMBERS[i]] = usv(value);
    }
    return init;
  };
  const partsOf = (init) => {
    if (typeof init === 'string') return init;
    const parts = [];
    for (let i = 0; i < NAMES.length; i++) parts[i] = init[NAMES[i]];
    parts[8] = init.baseURL;
    return parts;
  };
  const plain = (init) => (typeof init === 'string' ? init : { ...init });

  // The standard compiles patterns under the flag `v`. Under it the engine refuses, everywhere, what is syntax only within
  // a class, so it gets that flag only for what the flag `u` does not have: sets within classes. Under either, what
  // needs no escape outside of a class may not have one.
  const SYNTAX = { __proto__: null };
  for (const c of '^$\\.*+?()[]{}|/') SYNTAX[c] = true;
  const isWord = (c) => (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
  const compile = (expression, ignoreCase) => {
    let text = '';
    let depth = 0;
    let sets = false;
    for (let i = 0; i < expression.length; i++) {
      const c = expression[i];
      if (c === '\\') {
        const next = expression[++i] ?? '';
        text += depth > 0 || SYNTAX[next] || isWord(next) ? c + next : next;
        continue;
      }
      if (depth > 0 && (c === '[' || ((c === '-' || c === '&') && expression[i + 1] === c))) sets = true;
      if (c === '[') depth++;
      else if (c === ']') depth--;
      text += c === '/' ? '\\/' : c;
    }
    const flag = sets ? 'v' : 'u';
    return new Pattern(text, ignoreCase ? `${flag}i` : flag);
  };
  // The parser in Rust asks this of a protocol, which may be any regular expression.
  native.keepMatcher((pattern, text) => {
    try {
      return exec(compile(pattern, false), text) !== null;
    } catch {
      return false;
    }
  });

  let match;
  class URLPattern {
    #components;
    #hasRegExpGroups;
    static { native.brand((v) => #components in v); }
    constructor(input = undefined, base = undefined, options = undefined) {
      const pattern = inputOf(input);
      // URLPattern(input, baseURL, options) or URLPattern(input, options).
      let baseURL;
      if (arguments.length > 2 || (base !== undefined && base !== null && !isObject(base))) baseURL = usv(base);
      else options = base;
      options = dictionary(options, 'URLPattern: options');
      const ignoreCase = options !== undefined && !!options.ignoreCase;
      const parsed = urlPatternParse(partsOf(pattern), baseURL, ignoreCase);
      this.#hasRegExpGroups = parsed[8];
      this.#components = { __proto__: null };
      for (let i = 0; i < NAMES.length; i++) {
        const [text, expression, ...groups] = parsed[i];
        let regexp;
        try {
          regexp = compile(expression, ignoreCase);
        } catch {
          throw new TypeError(`URLPattern: the ${NAMES[i]} is not a valid pattern`);
        }
        this.#components[NAMES[i]] = { __proto__: null, text, regexp, groups };
      }
    }
    get protocol() { return this.#components.protocol.text; }
    get username() { return this.#components.username.text; }
    get password() { return this.#components.password.text; }
    get hostname() { return this.#components.hostname.text; }
    get port() { return this.#components.port.text; }
    get pathname() { return this.#components.pathname.text; }
    get search() { return this.#components.search.text; }
    get hash() { return this.#components.hash.text; }
    get hasRegExpGroups() {
      this.#components;
      return this.#hasRegExpGroups;
    }
    test(input = undefined, baseURL = undefined) {
      this.#components;
      return match(this, inputOf(input), baseURL === undefined ? undefined : usv(baseURL)) !== null;
    }
    exec(input = undefined, baseURL = undefined) {
      this.#components;
      input = inputOf(input);
      if (baseURL !== undefined) baseURL = usv(baseURL);
      const found = match(this, input, baseURL);
      if (found === null) return null;
      const result = { inputs: baseURL === undefined ? [plain(input)] : [plain(input), baseURL] };
      for (let i = 0; i < NAMES.length; i++) {
        const groups = {};
        const names = this.#components[NAMES[i]].groups;
        for (let j = 0; j < names.length; j++) {
          const property = { __proto__: null, value: found[i].values[j + 1], writable: true, enumerable: true, configurable: true };
          defineProperty(groups, names[j], property);
        }
        result[NAMES[i]] = { input: found[i].text, groups };
      }
      return result;
    }
    static {
      match = (pattern, input, baseURL) => {
        const texts = urlPatternInput(partsOf(input), baseURL);
        if (texts === undefined) return null;
        const found = [];
        for (let i = 0; i < NAMES.length; i++) {
          const values = exec(pattern.#components[NAMES[i]].regexp, texts[i]);
          if (values === null) return null;
          found[i] = { __proto__: null, text: texts[i], values };
        }
        return found;
      };
    }
  }
  define(URLPattern);
})
