// fetch: checks its arguments as the standard says, and leaves the rest to the host.
(function (native, globalThis) {
  'use strict';
  const {
    Request, abortReason, arity, cancelFetch, defineGlobal, isAborted, requestParts, requestSignal, startFetch, whenAborted,
  } = native;
  const Pending = Promise;

  // A signal rejects at once, and tells the host that nobody waits any more.
  const send = (request, signal) => new Pending((resolve, reject) => {
    const operation = startFetch(requestParts(request), resolve, reject);
    if (signal === undefined) return;
    whenAborted(signal, (reason) => {
      cancelFetch(operation);
      reject(reason);
    });
  });
  // Not an async function: the standard's `fetch` is no AsyncFunction, and must still reject, not throw.
  const start = async (given, input, init) => {
    arity(given, 1, 'fetch');
    const request = new Request(input, init);
    const signal = requestSignal(request);
    if (signal !== undefined && isAborted(signal)) throw abortReason(signal);
    return await send(request, signal);
  };
  native.fetch = { fetch(input, init = undefined) {
    return start(arguments.length, input, init);
  } }.fetch;
  defineGlobal('fetch', native.fetch);
})
