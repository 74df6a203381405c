// performance: a clock per invocation; see clock.rs for why its origin is no constant.
(function (native, globalThis) {
  'use strict';
  const { EventTarget, SECRET, define, defineGlobal, illegal, now, timeOrigin } = native;

  class Performance extends EventTarget {
    #brand = undefined;
    constructor(secret = undefined) {
      if (secret !== SECRET) throw illegal();
      super();
    }
    now() {
      this.#brand;
      return now();
    }
    get timeOrigin() {
      this.#brand;
      return timeOrigin();
    }
    toJSON() {
      this.#brand;
      return { timeOrigin: timeOrigin() };
    }
  }
  define(Performance);
  defineGlobal('performance', new Performance(SECRET));
})
