// fetch: checks its arguments as the standard says, and leaves the rest to the host.
(function (native, globalThis) {
  'use strict';
  const {
    Request, abortReason, arity, cancelFetch, defineGlobal, isAborted, requestParts, requestSignal, startFetch, whenAborted,
  } = native;
  const Pending = Promise;

  // Not an async function: the standard's `fetch` is no AsyncFunction, and must still reject, not throw. Nor is there
  // one inside: an error would be thrown there first, and have its stack from there instead of from the caller's `await`.
  native.fetch = { fetch(input, init = undefined) {
    const given = arguments.length;
    return new Pending((resolve, reject) => {
      arity(given, 1, 'fetch');
      const request = new Request(input, init);
      const signal = requestSignal(request);
      if (signal !== undefined && isAborted(signal)) throw abortReason(signal);
      const operation = startFetch(requestParts(request), resolve, reject);
      // A signal rejects at once, and tells the host that nobody waits any more.
      if (signal !== undefined) {
        whenAborted(signal, (reason) => {
          cancelFetch(operation);
          reject(reason);
        });
      }
    });
  } }.fetch;
  defineGlobal('fetch', native.fetch);
})
