// fetch: checks its arguments as the standard says, and leaves the rest to the host.
(function (native, globalThis) {
  'use strict';
  const {
    Request, abortReason, arity, breakOffResponse, cancelFetch, defineGlobal, encode, headerLookup, isAborted, isView,
    requestCare, requestParts, requestSignal, startFetch, whenAborted,
  } = native;
  const Pending = Promise;
  const then = native.uncurry(Promise.prototype.then);
  const ignore = (promise) => then(promise, undefined, () => {});

  const split = native.uncurry(String.prototype.split);
  const slice = native.uncurry(String.prototype.slice);
  const startsWith = native.uncurry(String.prototype.startsWith);

  // Subresource integrity: the strongest digests of the list are those that count.
  const STRENGTH = { __proto__: null, sha256: 1, sha384: 2, sha512: 3 };
  const HASH = [undefined, 'SHA-256', 'SHA-384', 'SHA-512'];
  const matches = (integrity, content) => {
    let strongest = 0;
    let wanted = [];
    const parts = split(integrity, /[\t\n\f\r ]+/);
    for (let i = 0; i < parts.length; i++) {
      const item = split(parts[i], '?')[0];
      const name = slice(item, 0, 6);
      const value = slice(item, 7);
      const strength = STRENGTH[name] ?? 0;
      if (strength === 0 || value === '' || strength < strongest) continue;
      if (strength > strongest) wanted = [];
      strongest = strength;
      wanted[wanted.length] = value;
    }
    if (strongest === 0) return true;
    const source = content === null ? '' : content.source;
    const digest = native.digestBase64(HASH[strongest], typeof source === 'string' ? encode(source) : source);
    for (let i = 0; i < wanted.length; i++) if (native.sameBase64(wanted[i], digest)) return true;
    return false;
  };
  // The headers by which a request says that it wants no cache's answer. There is no cache here, but there are others.
  const CONDITIONAL = ['if-modified-since', 'if-none-match', 'if-unmodified-since', 'if-match', 'if-range'];
  const addCacheHeaders = (cache, list) => {
    if (cache === 'default') {
      for (let i = 0; i < CONDITIONAL.length; i++) if (headerLookup(list, CONDITIONAL[i]) !== null) cache = 'no-store';
    }
    const add = (name, value) => {
      if (headerLookup(list, name) !== null) return;
      list[list.length] = name;
      list[list.length] = value;
    };
    if (cache === 'no-cache') add('cache-control', 'max-age=0');
    if (cache === 'no-store' || cache === 'reload') {
      add('pragma', 'no-cache');
      add('cache-control', 'no-cache');
    }
  };

  // Starts a request, with `start`. Where its body is a stream, that is read first.
  const send = (start, parts, care, resolve, reject) => {
    const operation = { __proto__: null, number: undefined, body: undefined, aborted: false };
    const method = parts[0];
    const url = parts[1];
    const list = parts[3];
    const body = parts[4];
    if (startsWith(url, 'data:')) {
      const data = native.dataUrl(url);
      if (data === undefined) throw new TypeError('fetch failed: the data: URL is not valid');
      resolve(native.networkResponse(200, 'OK', url, false, method === 'HEAD' ? null : data[1], 'content-type', data[0]));
      return operation;
    }
    if (care[0] === 'only-if-cached') throw new TypeError('fetch failed: there is no cache');
    addCacheHeaders(care[0], list);
    const arrived = (response) => {
      if (method === 'HEAD') native.dropBody(response);
      if (care[1] !== '' && (native.isStreamedResponse(response) || !matches(care[1], native.networkBody(response)))) {
        reject(new TypeError('fetch failed: the response is not what integrity says'));
      } else {
        resolve(response);
      }
    };
    if (body === null || typeof body === 'string' || isView(body)) {
      operation.number = start(parts, arrived, reject);
      return operation;
    }
    operation.body = body;
    then(native.gather(body.read), (bytes) => {
      operation.body = undefined;
      if (operation.aborted) return;
      parts[4] = bytes;
      try {
        operation.number = start(parts, arrived, reject);
      } catch (error) {
        reject(error);
      }
    }, reject);
    return operation;
  };

  // Not an async function: the standard's `fetch` is no AsyncFunction, and must still reject, not throw. Nor is there
  // one inside: an error would be thrown there first, and have its stack from there instead of from the caller's `await`.
  native.fetchBy = (start, given, input, init) => {
    return new Pending((resolve, reject) => {
      arity(given, 1, 'fetch');
      const request = new Request(input, init);
      const signal = requestSignal(request);
      const care = requestCare(request);
      const parts = requestParts(request);
      if (signal !== undefined && isAborted(signal)) {
        const reason = abortReason(signal);
        const body = parts[4];
        if (body !== null && typeof body !== 'string' && !isView(body)) ignore(body.cancel(reason));
        throw reason;
      }
      if (signal === undefined) {
        send(start, parts, care, resolve, reject);
        return;
      }
      let response;
      const operation = send(start, parts, care, (v) => {
        response = v;
        resolve(v);
      }, reject);
      // A signal rejects at once, and tells the host that nobody waits any more.
      whenAborted(signal, (reason) => {
        if (operation.number !== undefined) cancelFetch(operation.number);
        operation.aborted = true;
        if (operation.body !== undefined) ignore(operation.body.cancel(reason));
        reject(reason);
        if (response !== undefined) breakOffResponse(response, reason);
      });
    });
  };
  native.fetch = { fetch(input, init = undefined) {
    return native.fetchBy(startFetch, arguments.length, input, init);
  } }.fetch;
  defineGlobal('fetch', native.fetch);
})
