// Request.
(function (native, globalThis) {
  'use strict';
  const {
    SECRET, anySignal, bodyContent, choice, cloneContent, copyList, define, dictionary, extractBody, headerList, headerLookup,
    isAbortSignal, isObject, isToken, makeHeaders, mixBody, moveContent, requestUrl, spendContent, str, takeContent, urlHref,
  } = native;
  const upper = native.uncurry(String.prototype.toUpperCase);

  const STANDARD = { __proto__: null, DELETE: 1, GET: 1, HEAD: 1, OPTIONS: 1, POST: 1, PUT: 1 };
  const SIMPLE = { __proto__: null, GET: 1, HEAD: 1, POST: 1 };
  const FORBIDDEN = { __proto__: null, CONNECT: 1, TRACE: 1, TRACK: 1 };
  // Members that only describe how a browser would fetch, and what they are where nobody says.
  const DEFAULTS = {
    __proto__: null, cache: 'default', credentials: 'same-origin', destination: '', integrity: '', keepalive: false, mode: 'cors',
    redirect: 'follow', referrer: 'about:client', referrerPolicy: '',
  };
  const CHOICES = {
    __proto__: null,
    cache: ['default', 'no-store', 'reload', 'no-cache', 'force-cache', 'only-if-cached'],
    credentials: ['omit', 'same-origin', 'include'],
    mode: ['same-origin', 'no-cors', 'cors'],
    redirect: ['follow', 'error', 'manual'],
    referrerPolicy: [
      '', 'no-referrer', 'no-referrer-when-downgrade', 'same-origin', 'origin', 'strict-origin', 'origin-when-cross-origin',
      'strict-origin-when-cross-origin', 'unsafe-url',
    ],
  };

  const methodOf = (method) => {
    method = str(method);
    if (!isToken(method)) throw new TypeError(`Request: '${method}' is not a valid method`);
    const name = upper(method);
    if (name in FORBIDDEN) throw new TypeError(`Request: the method '${method}' is forbidden`);
    return name in STANDARD ? name : method;
  };
  const descriptionOf = (init, from) => {
    const d = { __proto__: null, ...from };
    let changed = false;
    for (const key in CHOICES) {
      const value = init[key];
      if (value === undefined) continue;
      d[key] = choice(value, CHOICES[key], `Request: ${key}`);
      changed = true;
    }
    const { integrity, keepalive, referrer } = init;
    if (integrity !== undefined) d.integrity = str(integrity);
    if (keepalive !== undefined) d.keepalive = !!keepalive;
    if (referrer !== undefined) {
      const text = str(referrer);
      d.referrer = text === '' ? '' : urlHref(text);
      if (d.referrer === undefined) throw new TypeError('Request: the referrer is not an absolute URL');
    }
    if (d.cache === 'only-if-cached' && d.mode !== 'same-origin') {
      throw new TypeError("Request: 'only-if-cached' needs the mode 'same-origin'");
    }
    return changed || integrity !== undefined || keepalive !== undefined || referrer !== undefined ? d : from;
  };

  let initialize;
  class Request {
    #url;
    #method = 'GET';
    // The flat header list; `#headers` wraps it when somebody asks.
    #list;
    #headers = undefined;
    #content = null;
    #description = DEFAULTS;
    // What the request's own signal follows, which exists when somebody asks.
    #followed = undefined;
    #signal = undefined;
    constructor(input, init = undefined) {
      if (input === SECRET) return;
      let taken = null;
      if (isObject(input) && #url in input) {
        this.#url = input.#url;
        this.#method = input.#method;
        this.#list = input.#list;
        this.#description = input.#description;
        this.#followed = input.#signal ?? input.#followed;
        taken = input.#content;
      } else {
        this.#url = requestUrl(str(input));
        this.#list = undefined;
      }
      init = dictionary(init, 'Request: init');
      let body = null;
      if (init !== undefined) body = initialize(this, init);
      else if (this.#list !== undefined) this.#list = copyList(this.#list);
      else this.#list = [];
      if (body !== null) {
        this.#content = body;
        if (taken !== null) spendContent(taken);
      } else if (taken !== null) {
        if (this.#method === 'GET' || this.#method === 'HEAD') throw new TypeError('Request: GET and HEAD take no body');
        this.#content = moveContent(taken);
      }
    }
    get method() { return this.#method; }
    get url() { return this.#url; }
    get headers() { return (this.#headers ??= makeHeaders(this.#list, false, this.#description.mode === 'no-cors')); }
    get destination() { return this.#description.destination; }
    get referrer() { return this.#description.referrer; }
    get referrerPolicy() { return this.#description.referrerPolicy; }
    get mode() { return this.#description.mode; }
    get credentials() { return this.#description.credentials; }
    get cache() { return this.#description.cache; }
    get redirect() { return this.#description.redirect; }
    get integrity() { return this.#description.integrity; }
    get keepalive() { return this.#description.keepalive; }
    get isReloadNavigation() {
      this.#url;
      return false;
    }
    get isHistoryNavigation() {
      this.#url;
      return false;
    }
    get signal() { return (this.#signal ??= anySignal(this.#followed === undefined ? [] : [this.#followed])); }
    get duplex() {
      this.#url;
      return 'half';
    }
    clone() {
      const content = cloneContent(this.#content);
      const copy = new Request(SECRET);
      copy.#url = this.#url;
      copy.#method = this.#method;
      copy.#list = copyList(this.#list);
      copy.#content = content;
      copy.#description = this.#description;
      copy.#followed = this.#signal ?? this.#followed;
      return copy;
    }
    static {
      // Applies a RequestInit, and answers the body in it.
      initialize = (request, init) => {
        const { body, duplex, headers, method, priority, signal, window } = init;
        if (window !== undefined && window !== null) throw new TypeError('Request: window must be null');
        if (priority !== undefined) choice(priority, ['high', 'low', 'auto'], 'Request: priority');
        if (duplex !== undefined) choice(duplex, ['half'], 'Request: duplex');
        request.#description = descriptionOf(init, request.#description);
        if (method !== undefined) request.#method = methodOf(method);
        if (request.#description.mode === 'no-cors' && !(request.#method in SIMPLE)) {
          throw new TypeError(`Request: the mode 'no-cors' does not allow the method '${request.#method}'`);
        }
        if (signal !== undefined) {
          if (signal !== null && !isAbortSignal(signal)) throw new TypeError('Request: signal is not an AbortSignal');
          request.#followed = signal === null ? undefined : signal;
        }
        if (headers !== undefined) request.#list = headerList(headers, 'Request');
        else request.#list = request.#list === undefined ? [] : copyList(request.#list);
        if (request.#description.mode === 'no-cors') request.#list = native.onlySafelisted(request.#list);
        if (body === undefined || body === null) return null;
        if (request.#method === 'GET' || request.#method === 'HEAD') throw new TypeError('Request: GET and HEAD take no body');
        const content = extractBody(body);
        if (content.source === undefined && duplex === undefined) throw new TypeError("Request: a stream as body needs duplex: 'half'");
        const { type } = content;
        const list = request.#list;
        if (type !== null && headerLookup(list, 'content-type') === null) {
          list[list.length] = 'content-type';
          list[list.length] = type;
        }
        return content;
      };
      mixBody(Request.prototype, (request) => request.#content, (request) => request.#list);
      native.brand((v) => #url in v);
      // What is sent of a request; its body counts as used from then on.
      native.requestParts = (request) => {
        const content = request.#content;
        const body = content === null ? null : takeContent(content);
        return [request.#method, request.#url, request.#description.redirect, request.#list, body];
      };
      // Cache mode and integrity, which the platform itself looks after.
      native.requestCare = (request) => [request.#description.cache, request.#description.integrity];
      // The signal that can abort a request; undefined where there is none.
      native.requestSignal = (request) => request.#signal ?? request.#followed;
      // The one that a run is asked with lies ready: a heap serves one run.
      let ready = new Request(SECRET);
      native.newRequest = (url, method, list, body) => {
        const request = ready ?? new Request(SECRET);
        ready = undefined;
        request.#url = url;
        request.#method = method in STANDARD ? method : methodOf(method);
        request.#list = list;
        if (body !== undefined && body !== null) request.#content = bodyContent(typeof body === 'number' ? native.bodyFrom(body) : body, null);
        return request;
      };
    }
  }
  define(Request);
  native.Request = Request;
})
