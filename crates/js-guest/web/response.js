// Response.
(function (native, globalThis) {
  'use strict';
  const {
    SECRET, arity, bodyContent, breakOffContent, bufferContent, cloneContent, copyList, define, dictionary, extractBody, headerList, headerLookup, isObject, isReasonPhrase, isStreaming,
    makeHeaders, mixBody, str, takeContent, urlHref,
  } = native;
  const stringify = JSON.stringify;

  // WebIDL's unsigned short.
  const unsignedShort = (v) => {
    v = +v;
    return v === v && v !== Infinity && v !== -Infinity ? (v - (v % 1)) & 0xffff : 0;
  };
  const bodyless = (status) => status === 204 || status === 205 || status === 304 || status === 101;

  const DEFAULT = 0;
  const REDIRECT = 1;
  const ERROR = 2;

  let initialize;
  class Response {
    #status = 200;
    #statusText = '';
    // The flat header list; `#headers` wraps it when somebody asks.
    #list;
    #headers = undefined;
    #content = null;
    // DEFAULT, REDIRECT, ERROR, or where it came from: `{ url, redirected }`. Only the first has headers that can be changed.
    #kind = DEFAULT;
    constructor(body = null, init = undefined) {
      if (body === SECRET) return;
      initialize(this, init, body === null || body === undefined ? null : extractBody(body));
    }
    get type() { return this.#kind === ERROR ? 'error' : isObject(this.#kind) ? 'basic' : 'default'; }
    get url() { return isObject(this.#kind) ? this.#kind.url : ''; }
    get redirected() { return isObject(this.#kind) && this.#kind.redirected; }
    get status() { return this.#status; }
    get ok() { return this.#status >= 200 && this.#status <= 299; }
    get statusText() { return this.#statusText; }
    get headers() { return (this.#headers ??= makeHeaders(this.#list, this.#kind !== DEFAULT)); }
    clone() {
      const content = cloneContent(this.#content);
      const copy = new Response(SECRET);
      copy.#status = this.#status;
      copy.#statusText = this.#statusText;
      copy.#list = copyList(this.#list);
      copy.#content = content;
      copy.#kind = this.#kind;
      return copy;
    }
    static error() {
      const response = new Response(SECRET);
      response.#kind = ERROR;
      response.#status = 0;
      response.#list = [];
      return response;
    }
    static json(data, init = undefined) {
      arity(arguments.length, 1, 'Response.json');
      const text = stringify(data);
      if (text === undefined) throw new TypeError('Response.json: the value has no JSON form');
      const response = new Response(SECRET);
      initialize(response, init, bodyContent(text, 'application/json'));
      return response;
    }
    static redirect(url, status = 302) {
      arity(arguments.length, 1, 'Response.redirect');
      const href = urlHref(str(url));
      if (href === undefined) throw new TypeError('Response.redirect: the URL is not absolute');
      const code = unsignedShort(status);
      if (code !== 301 && code !== 302 && code !== 303 && code !== 307 && code !== 308) {
        throw new RangeError(`Response.redirect: the status ${code} is no redirect`);
      }
      const response = new Response(SECRET);
      response.#status = code;
      response.#kind = REDIRECT;
      response.#list = ['location', href];
      return response;
    }
    static {
      // No private method, because each instance would pay for it.
      initialize = (response, init, content) => {
        let list;
        if (init !== undefined && (init = dictionary(init, 'Response: init')) !== undefined) {
          const { headers, status, statusText } = init;
          if (headers !== undefined) list = headerList(headers, 'Response');
          if (status !== undefined) {
            const code = unsignedShort(status);
            if (code < 200 || code > 599) throw new RangeError(`Response: the status ${code} is not between 200 and 599`);
            response.#status = code;
          }
          if (statusText !== undefined) {
            const text = str(statusText);
            if (!isReasonPhrase(text)) throw new TypeError('Response: statusText is not a valid reason phrase');
            response.#statusText = text;
          }
        }
        if (content === null) {
          response.#list = list ?? [];
          return;
        }
        if (bodyless(response.#status)) throw new TypeError(`Response: the status ${response.#status} takes no body`);
        const { type } = content;
        response.#content = content;
        if (list === undefined) {
          response.#list = type === null ? [] : ['content-type', type];
          return;
        }
        if (type !== null && headerLookup(list, 'content-type') === null) {
          list[list.length] = 'content-type';
          list[list.length] = type;
        }
        response.#list = list;
      };
      mixBody(Response.prototype, (response) => response.#content, (response) => response.#list);
      native.brand((v) => #status in v);
      const isStreamed = (response) => response.#content !== null && isStreaming(response.#content);
      // 0: none; 1: with its body at hand, if it has one; 2: with one that comes piece by piece.
      native.responseKind = (v) => (#status in v ? (isStreamed(v) ? 2 : 1) : 0);
      native.networkResponse = (status, statusText, url, redirected, body, ...list) => {
        const response = new Response(SECRET);
        response.#status = status;
        response.#statusText = statusText;
        response.#kind = { __proto__: null, url, redirected };
        response.#list = list;
        if (body !== undefined && body !== null) response.#content = bodyContent(typeof body === 'number' ? native.bodyFrom(body) : body, null);
        return response;
      };
      native.breakOffResponse = (response, reason) => {
        if (response.#content !== null) breakOffContent(response.#content, reason);
      };
      native.dropBody = (response) => {
        response.#content = null;
      };
      // The body of a response that came from the network, which nobody has seen yet.
      native.networkBody = (response) => response.#content;
      // The response itself, once its body is at hand; undefined where it is already.
      native.bufferResponse = (response) => {
        const content = response.#content;
        if (content === null || !isStreaming(content)) return undefined;
        return (async () => {
          await bufferContent(content);
          return response;
        })();
      };
      native.isStreamedResponse = isStreamed;
      native.takeResponse = (response) => {
        const content = response.#content;
        return [response.#status, response.#list, content === null ? null : takeContent(content)];
      };
    }
  }
  define(Response);
})
