// fetch: checks its arguments as the standard says; the network is not reachable from here.
(function (native, globalThis) {
  'use strict';
  const { Request, abortReason, arity, defineGlobal, isAborted } = native;
  const fetchNative = native.fetch;

  // Not an async function: the standard's `fetch` is no AsyncFunction, and must still reject, not throw.
  const start = async (given, input, init) => {
    arity(given, 1, 'fetch');
    const { signal } = new Request(input, init);
    if (isAborted(signal)) throw abortReason(signal);
    return fetchNative();
  };
  defineGlobal('fetch', { fetch(input, init = undefined) {
    return start(arguments.length, input, init);
  } }.fetch);
})
