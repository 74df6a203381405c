// crypto: randomness, and digests of crypto.subtle.
(function (native, globalThis) {
  'use strict';
  const {
    DOMException, QuotaExceededError, SECRET, arity, bufferOf, bytesOf, classId, define, defineGlobal, digest, illegal, isObject,
    lengthOf, randomFill, str,
  } = native;
  const upper = native.uncurry(String.prototype.toUpperCase);

  const INTEGERS = { __proto__: null };
  for (const name of [
    'Int8Array', 'Uint8Array', 'Uint8ClampedArray', 'Int16Array', 'Uint16Array', 'Int32Array', 'Uint32Array', 'BigInt64Array',
    'BigUint64Array',
  ]) INTEGERS[classId(new globalThis[name](0))] = true;

  class SubtleCrypto {
    #brand = undefined;
    static { native.brand((v) => #brand in v); }
    constructor(secret = undefined) {
      if (secret !== SECRET) throw illegal();
    }
    async digest(algorithm, data) {
      this.#brand;
      arity(arguments.length, 2, 'SubtleCrypto.digest');
      const given = isObject(algorithm) ? algorithm.name : algorithm;
      if (given === undefined) throw new TypeError('SubtleCrypto.digest: the algorithm has no name');
      const name = upper(str(given));
      const bytes = bytesOf(data);
      if (bytes === undefined) throw new TypeError('SubtleCrypto.digest: the data is not a buffer');
      const hash = digest(name, bytes);
      if (hash === undefined) throw new DOMException(`The algorithm '${name}' is not known`, 'NotSupportedError');
      return bufferOf(hash);
    }
  }
  define(SubtleCrypto);

  class Crypto {
    #subtle = new SubtleCrypto(SECRET);
    static { native.brand((v) => #subtle in v); }
    constructor(secret = undefined) {
      if (secret !== SECRET) throw illegal();
    }
    get subtle() { return this.#subtle; }
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
