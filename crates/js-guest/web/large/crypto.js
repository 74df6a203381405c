// crypto: randomness; what else there is is crypto.subtle.
(function (native, globalThis) {
  'use strict';
  const {
    DOMException, QuotaExceededError, SECRET, arity, bytesOf, classId, define, defineGlobal, illegal, isObject, lengthOf,
    randomFill,
  } = native;

  const INTEGERS = { __proto__: null };
  for (const name of [
    'Int8Array', 'Uint8Array', 'Uint8ClampedArray', 'Int16Array', 'Uint16Array', 'Int32Array', 'Uint32Array', 'BigInt64Array',
    'BigUint64Array',
  ]) INTEGERS[classId(new globalThis[name](0))] = true;

  class Crypto {
    #subtle = undefined;
    static { native.brand((v) => #subtle in v); }
    constructor(secret = undefined) {
      if (secret !== SECRET) throw illegal();
    }
    get subtle() { return (this.#subtle ??= new native.SubtleCrypto(SECRET)); }
    getRandomValues(array) {
      this.#subtle;
      arity(arguments.length, 1, 'Crypto.getRandomValues');
      const bytes = isObject(array) ? bytesOf(array) : undefined;
      if (bytes === undefined || !ArrayBuffer.isView(array)) throw new TypeError('Crypto.getRandomValues: not an ArrayBufferView');
      if (INTEGERS[classId(array)] === undefined) throw new DOMException('The array is not of integers', 'TypeMismatchError');
      if (lengthOf(bytes) > 65536) throw new QuotaExceededError('More than 65536 bytes of randomness were asked for');
      randomFill(bytes);
      return array;
    }
    randomUUID() {
      this.#subtle;
      return native.randomUUID();
    }
  }
  define(Crypto);
  defineGlobal('crypto', new Crypto(SECRET));
})
