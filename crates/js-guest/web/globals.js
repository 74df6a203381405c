// atob, btoa, navigator and self.
(function (native, globalThis) {
  'use strict';
  const { SECRET, arity, define, defineGlobal, illegal, str } = native;

  defineGlobal('atob', { atob(data) {
    arity(arguments.length, 1, 'atob');
    return native.atob(str(data));
  } }.atob);
  defineGlobal('btoa', { btoa(data) {
    arity(arguments.length, 1, 'btoa');
    return native.btoa(str(data));
  } }.btoa);

  class Navigator {
    #brand = undefined;
    static { native.brand((v) => #brand in v); }
    constructor(secret = undefined) {
      if (secret !== SECRET) throw illegal();
    }
    get userAgent() {
      this.#brand;
      return 'doer';
    }
  }
  define(Navigator);
  defineGlobal('navigator', new Navigator(SECRET));
  defineGlobal('self', globalThis);
})
