// CryptoKey: what it holds can neither be read nor copied by scripts, unless it is exported.
(function (native, globalThis) {
  'use strict';
  const { SECRET, define, illegal, isObject } = native;

  class CryptoKey {
    // `{ type, extractable, algorithm, usages, data }`: `data` is raw for secrets; the point or the scalar for elliptic
    // curves; PKCS #1 for RSA.
    #slot;
    #algorithm = undefined;
    #usages = undefined;
    constructor(secret = undefined, slot = undefined) {
      if (secret !== SECRET) throw illegal();
      this.#slot = slot;
    }
    get type() { return this.#slot.type; }
    get extractable() { return this.#slot.extractable; }
    get algorithm() { return (this.#algorithm ??= described(this.#slot.algorithm)); }
    get usages() { return (this.#usages ??= [...this.#slot.usages]); }
    static {
      native.isCryptoKey = (v) => isObject(v) && #slot in v;
      native.keySlot = (key) => key.#slot;
      native.makeKey = (type, extractable, algorithm, usages, data) => (
        new CryptoKey(SECRET, { __proto__: null, type, extractable, algorithm, usages, data })
      );
      native.cloneKey = (key) => new CryptoKey(SECRET, key.#slot);
      native.brand((v) => #slot in v);
    }
  }
  // An algorithm as scripts see it.
  const described = (algorithm) => {
    const copy = { ...algorithm };
    if (algorithm.hash !== undefined) copy.hash = { name: algorithm.hash };
    if (algorithm.publicExponent !== undefined) copy.publicExponent = native.copyOf(algorithm.publicExponent);
    return copy;
  };
  define(CryptoKey);
})
