// ErrorEvent, PromiseRejectionEvent and reportError: what becomes of an error that nobody caught.
(function (native, globalThis) {
  'use strict';
  const { Event, arity, define, defineGlobal, dictionary, dispatchTrusted, handlerAttribute, isObject, str } = native;

  class ErrorEvent extends Event {
    #message = '';
    #filename = '';
    #lineno = 0;
    #colno = 0;
    #error = undefined;
    constructor(type, init = undefined) {
      arity(arguments.length, 1, 'ErrorEvent');
      super(type, init);
      init = dictionary(init, 'ErrorEvent: init');
      if (init === undefined) return;
      const { colno, error, filename, lineno, message } = init;
      if (colno !== undefined) this.#colno = +colno >>> 0;
      if (error !== undefined) this.#error = error;
      if (filename !== undefined) this.#filename = str(filename);
      if (lineno !== undefined) this.#lineno = +lineno >>> 0;
      if (message !== undefined) this.#message = str(message);
    }
    get message() { return this.#message; }
    get filename() { return this.#filename; }
    get lineno() { return this.#lineno; }
    get colno() { return this.#colno; }
    get error() { return this.#error; }
    static {
      native.isErrorEvent = (v) => isObject(v) && #message in v;
    }
  }
  define(ErrorEvent);

  class PromiseRejectionEvent extends Event {
    #promise;
    #reason = undefined;
    constructor(type, init) {
      arity(arguments.length, 2, 'PromiseRejectionEvent');
      super(type, init);
      init = dictionary(init, 'PromiseRejectionEvent: init');
      if (init === undefined || !isObject(init.promise)) throw new TypeError('PromiseRejectionEvent: promise is not an object');
      this.#promise = init.promise;
      this.#reason = init.reason;
    }
    get promise() { return this.#promise; }
    get reason() { return this.#reason; }
  }
  define(PromiseRejectionEvent);

  const messageOf = (error) => {
    try {
      return isObject(error) && error.message !== undefined ? `Uncaught ${str(error.name)}: ${str(error.message)}` : `Uncaught ${str(error)}`;
    } catch {
      return 'Uncaught exception';
    }
  };
  let reporting = false;
  // Tells the listeners of the global object. Says whether one of them has dealt with it.
  native.report = (error) => {
    // What a listener throws meanwhile is told to nobody but the console.
    if (reporting) return false;
    reporting = true;
    try {
      const event = new ErrorEvent('error', { __proto__: null, cancelable: true, error, message: messageOf(error) });
      return !dispatchTrusted(globalThis, event);
    } finally {
      reporting = false;
    }
  };
  native.reportUncaught = (error) => {
    if (native.report(error)) return;
    try {
      globalThis.console.error(error);
    } catch {
      // Without a working console there is nobody to tell.
    }
  };
  // A method, because a function could be called with `new`.
  defineGlobal('reportError', { reportError(error) {
    arity(arguments.length, 1, 'reportError');
    native.reportUncaught(error);
  } }.reportError);
  const check = (v) => {
    if (v !== globalThis && v !== undefined) throw new TypeError('Illegal invocation');
    return globalThis;
  };
  handlerAttribute(globalThis, 'error', check);

  // The engine's own drops what a callback throws.
  const { queueMicrotask: enqueue } = globalThis;
  defineGlobal('queueMicrotask', { queueMicrotask(callback) {
    arity(arguments.length, 1, 'queueMicrotask');
    if (typeof callback !== 'function') throw new TypeError('queueMicrotask: the callback is not a function');
    enqueue(() => {
      try {
        callback();
      } catch (error) {
        native.reportUncaught(error);
      }
    });
  } }.queueMicrotask);
})
