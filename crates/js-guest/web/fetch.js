// fetch: checks its arguments as the standard says, and leaves the rest to the host.
(function (native, globalThis) {
  'use strict';
  const {
    Request, abortReason, arity, breakOffResponse, cancelFetch, defineGlobal, gather, isAborted, isView, requestParts, requestSignal, startFetch, whenAborted,
  } = native;
  const Pending = Promise;
  const then = native.uncurry(Promise.prototype.then);
  const ignore = (promise) => then(promise, undefined, () => {});

  // Starts a request. Where its body is a stream, that is read first.
  const send = (parts, resolve, reject) => {
    const operation = { __proto__: null, number: undefined, body: undefined, aborted: false };
    const body = parts[4];
    if (body === null || typeof body === 'string' || isView(body)) {
      operation.number = startFetch(parts, resolve, reject);
      return operation;
    }
    operation.body = body;
    then(gather(body.read), (bytes) => {
      operation.body = undefined;
      if (operation.aborted) return;
      parts[4] = bytes;
      try {
        operation.number = startFetch(parts, resolve, reject);
      } catch (error) {
        reject(error);
      }
    }, reject);
    return operation;
  };

  // Not an async function: the standard's `fetch` is no AsyncFunction, and must still reject, not throw. Nor is there
  // one inside: an error would be thrown there first, and have its stack from there instead of from the caller's `await`.
  native.fetch = { fetch(input, init = undefined) {
    const given = arguments.length;
    return new Pending((resolve, reject) => {
      arity(given, 1, 'fetch');
      const request = new Request(input, init);
      const signal = requestSignal(request);
      if (signal !== undefined && isAborted(signal)) throw abortReason(signal);
      const parts = requestParts(request);
      if (signal === undefined) {
        send(parts, resolve, reject);
        return;
      }
      let response;
      const operation = send(parts, (v) => {
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
  } }.fetch;
  defineGlobal('fetch', native.fetch);
})
