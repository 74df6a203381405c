// What a page of web-platform-tests finds around it, and how its results get out: a worker's scope, more or less.
export default (input, done) => {
  const print = console.log;
  const show = (mark, value) => print(`\u0001${mark}${JSON.stringify(value)}`);
  const wellFormed = (text) => String(text).toWellFormed();
  const wait = setTimeout;
  const page = new URL(input.href);

  const define = (name, value) => Object.defineProperty(globalThis, name, { value, writable: true, configurable: true });
  const location = {};
  for (const part of ['href', 'origin', 'protocol', 'host', 'hostname', 'port', 'pathname', 'search', 'hash']) location[part] = page[part];
  location.toString = () => page.href;
  define('location', location);
  define('GLOBAL', { isWindow: () => false, isWorker: () => true, isShadowRealm: () => false });
  define('isSecureContext', page.protocol === 'https:');

  // Tests get at SharedArrayBuffer through it.
  if (typeof WebAssembly === 'undefined') {
    define('WebAssembly', { Memory: class { buffer = new SharedArrayBuffer(0); } });
  }

  // Addresses in a page are relative to it; outside of one there is nothing that they could be relative to.
  const absolute = (address) => (typeof address === 'string' && URL.canParse(address, page) ? new URL(address, page).href : address);
  const wrap = (name, handler) => {
    const wrapped = new Proxy(globalThis[name], handler);
    if (wrapped.prototype) Object.defineProperty(wrapped.prototype, 'constructor', { value: wrapped });
    define(name, wrapped);
  };
  wrap('Request', { construct: (target, [input, ...rest], as) => Reflect.construct(target, [absolute(input), ...rest], as === Request ? target : as) });
  wrap('fetch', { apply: (target, self, [input, ...rest]) => Reflect.apply(target, undefined, [absolute(input), ...rest]) });
  const { redirect } = Response;
  Response.redirect = { redirect(address, ...rest) { return Reflect.apply(redirect, Response, [absolute(address), ...rest]); } }.redirect;

  define('wptHook', () => {
    // Later than the harness, which would report to a page otherwise: idlharness.js asks what is exposed where.
    define('DedicatedWorkerGlobalScope', { __proto__: Function.prototype, [Symbol.hasInstance]: (v) => v === globalThis });
    const known = new Set();
    add_test_state_callback((test) => {
      if (known.has(test.index)) return;
      known.add(test.index);
      show('T', [test.index, wellFormed(test.name)]);
    });
    add_result_callback((test) => show('R', [test.index, wellFormed(test.name), test.status, test.message && wellFormed(test.message)]));
    add_completion_callback((tests, status) => done(status.status === 0 ? null : wellFormed(`${status.status}: ${status.message}`)));
    wait(timeout, input.time);
  });
};
