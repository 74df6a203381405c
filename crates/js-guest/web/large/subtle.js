// crypto.subtle.
(function (native, globalThis) {
  'use strict';
  const {
    SECRET, arity, bufferOf, bytesOf, checkUsages, choice, copyOf, curveSizes, decodeUtf8, define, encode, exportKey, fail,
    hashBlockBits, illegal, importKey, isAes, isCryptoKey, isEc, isObject, isOkp, isRsa, keySlot, lengthOf, makeKey, normalize,
    onlyUsages, sequence, str, USAGES,
  } = native;
  const stringify = JSON.stringify;
  const parseJson = JSON.parse;
  const NONE = new Uint8Array(0);
  const FORMATS = ['raw', 'spki', 'pkcs8', 'jwk'];
  const KEY_USAGES = ['encrypt', 'decrypt', 'sign', 'verify', 'deriveKey', 'deriveBits', 'wrapKey', 'unwrapKey'];

  const dataOf = (v, what) => {
    const bytes = isObject(v) ? bytesOf(v) : undefined;
    if (bytes === undefined) throw new TypeError(`${what}: the data is not a buffer`);
    return copyOf(bytes);
  };
  const keyOf = (v, what) => {
    if (!isCryptoKey(v)) throw new TypeError(`${what}: not a CryptoKey`);
    return v;
  };
  const usagesOf = (v, what) => sequence(v, (usage) => choice(usage, KEY_USAGES, `${what}: a usage`), `${what}: the usages`);
  const formatOf = (v, what) => choice(v, FORMATS, `${what}: the format`);
  const failed = (message) => fail('OperationError', message);

  // The slot of a key that may be used like this.
  const usable = (key, algorithm, usage) => {
    const slot = keySlot(key);
    if (slot.algorithm.name !== algorithm.name) {
      throw fail('InvalidAccessError', `The key is one for ${slot.algorithm.name}, not for ${algorithm.name}`);
    }
    let found = false;
    for (let i = 0; i < slot.usages.length; i++) found ||= slot.usages[i] === usage;
    if (!found) throw fail('InvalidAccessError', `The key cannot be used for '${usage}'`);
    return slot;
  };
  const needs = (slot, type) => {
    if (slot.type !== type) throw fail('InvalidAccessError', `This needs a ${type} key`);
  };

  const crypt = (encrypting, algorithm, slot, bytes) => {
    const { name } = algorithm;
    const { data } = slot;
    let out;
    if (name === 'RSA-OAEP') {
      needs(slot, encrypting ? 'public' : 'private');
      const label = algorithm.label ?? NONE;
      out = encrypting ? native.rsaEncrypt(slot.algorithm.hash, data, label, bytes) : native.rsaDecrypt(slot.algorithm.hash, data, label, bytes);
    } else if (name === 'AES-CBC') {
      if (lengthOf(algorithm.iv) !== 16) throw failed('iv has not 16 bytes');
      out = native.aesCbc(encrypting, data, algorithm.iv, bytes);
    } else if (name === 'AES-CTR') {
      if (lengthOf(algorithm.counter) !== 16) throw failed('counter has not 16 bytes');
      if (algorithm.length < 1 || algorithm.length > 128) throw failed('length is not between 1 and 128');
      out = native.aesCtr(data, algorithm.counter, algorithm.length, bytes);
    } else {
      const { tagLength } = algorithm;
      if (tagLength !== 32 && tagLength !== 64 && (tagLength < 96 || tagLength > 128 || tagLength % 8 !== 0)) {
        throw failed(`tagLength cannot be ${tagLength}`);
      }
      out = native.aesGcm(encrypting, data, algorithm.iv, algorithm.additionalData ?? NONE, tagLength / 8, bytes);
    }
    if (out === undefined) throw failed(encrypting ? 'The data cannot be encrypted' : 'The data cannot be decrypted');
    return out;
  };

  const sign = (algorithm, slot, bytes) => {
    const { name } = algorithm;
    let signature;
    if (name === 'HMAC') return native.hmac(slot.algorithm.hash, slot.data, bytes);
    needs(slot, 'private');
    if (name === 'ECDSA') signature = native.ecSign(slot.algorithm.namedCurve, algorithm.hash, slot.data, bytes);
    else if (name === 'Ed25519') signature = native.ed25519Sign(slot.data, bytes);
    else signature = native.rsaSign(name, slot.algorithm.hash, slot.data, algorithm.saltLength ?? 0, bytes);
    if (signature === undefined) throw failed('The data cannot be signed with this key');
    return signature;
  };
  const verify = (algorithm, slot, signature, bytes) => {
    const { name } = algorithm;
    if (name === 'HMAC') return native.sameBytes(native.hmac(slot.algorithm.hash, slot.data, bytes), signature);
    needs(slot, 'public');
    if (name === 'ECDSA') return native.ecVerify(slot.algorithm.namedCurve, algorithm.hash, slot.data, signature, bytes);
    if (name === 'Ed25519') return native.ed25519Verify(slot.data, signature, bytes);
    return native.rsaVerify(name, slot.algorithm.hash, slot.data, algorithm.saltLength ?? 0, signature, bytes);
  };

  const deriveBits = (algorithm, slot, length) => {
    const { name } = algorithm;
    if (isEc(name) || isOkp(name)) {
      needs(slot, 'private');
      const other = keySlot(algorithm.public);
      if (other.type !== 'public') throw fail('InvalidAccessError', 'public is not a public key');
      if (other.algorithm.name !== name) throw fail('InvalidAccessError', `public is no key for ${name}`);
      const curve = slot.algorithm.namedCurve;
      if (other.algorithm.namedCurve !== curve) throw fail('InvalidAccessError', 'The two keys are of different curves');
      const secret = isEc(name) ? native.ecDerive(curve, slot.data, other.data) : native.x25519(slot.data, other.data);
      if (secret === undefined) throw failed('The two keys have no secret in common');
      if (length === null) return secret;
      if (length > lengthOf(secret) * 8) throw failed(`No more than ${lengthOf(secret) * 8} bits can be derived`);
      const bytes = copyOf(new Uint8Array(bufferOf(secret), 0, Math.ceil(length / 8)));
      if (length % 8 !== 0) bytes[lengthOf(bytes) - 1] &= 0xff << (8 - (length % 8));
      return bytes;
    }
    if (length === null || length % 8 !== 0) throw failed('The length is not a multiple of 8');
    if (name === 'PBKDF2') {
      if (algorithm.iterations === 0) throw failed('iterations is zero');
      return native.pbkdf2(algorithm.hash, slot.data, algorithm.salt, algorithm.iterations, length / 8);
    }
    const bytes = native.hkdf(algorithm.hash, slot.data, algorithm.salt, algorithm.info, length / 8);
    if (bytes === undefined) throw failed('So many bits cannot be derived');
    return bytes;
  };
  const keyLength = (algorithm) => {
    const { name } = algorithm;
    if (isAes(name)) {
      if (algorithm.length !== 128 && algorithm.length !== 192 && algorithm.length !== 256) throw failed('An AES key cannot have this length');
      return algorithm.length;
    }
    if (name !== 'HMAC') return null;
    if (algorithm.length === 0) throw new TypeError('length is zero');
    return algorithm.length ?? hashBlockBits[algorithm.hash];
  };

  const generate = (algorithm, extractable, usages) => {
    const { name } = algorithm;
    if (isAes(name) || name === 'HMAC') {
      checkUsages(usages, USAGES[name][0]);
      let described;
      let bits;
      if (name === 'HMAC') {
        bits = algorithm.length ?? hashBlockBits[algorithm.hash];
        if (bits === 0) throw failed('length is zero');
        described = { name, length: bits, hash: algorithm.hash };
      } else {
        bits = algorithm.length;
        if (bits !== 128 && bits !== 192 && bits !== 256) throw failed(`An AES key cannot have ${bits} bits`);
        described = { name, length: bits };
      }
      const bytes = new Uint8Array(Math.ceil(bits / 8));
      native.randomFill(bytes);
      if (bits % 8 !== 0) bytes[lengthOf(bytes) - 1] &= 0xff << (8 - (bits % 8));
      if (usages.length === 0) throw fail('SyntaxError', 'A key without usages is of no use');
      return makeKey('secret', extractable, described, onlyUsages(usages, USAGES[name][0]), bytes);
    }
    const [forPublic, forPrivate] = USAGES[name];
    checkUsages(usages, [...forPublic, ...forPrivate]);
    let pair;
    let described;
    if (isRsa(name)) {
      const { modulusLength, publicExponent, hash } = algorithm;
      described = { name, modulusLength, publicExponent, hash };
      if (onlyUsages(usages, forPrivate).length > 0) pair = native.rsaGenerate(modulusLength, publicExponent);
      else pair = native.rsaExponent(publicExponent) ? [NONE, NONE] : undefined;
    } else if (isEc(name)) {
      const { namedCurve } = algorithm;
      if (curveSizes[namedCurve] === undefined) throw fail('NotSupportedError', `The curve '${namedCurve}' is not known`);
      described = { name, namedCurve };
      pair = native.ecGenerate(namedCurve);
    } else {
      described = { name };
      pair = native.okpGenerate(name);
    }
    if (pair === undefined) throw failed('No key can be made of these parameters');
    const ofPrivate = onlyUsages(usages, forPrivate);
    if (ofPrivate.length === 0) throw fail('SyntaxError', 'A private key without usages is of no use');
    return {
      publicKey: makeKey('public', true, described, onlyUsages(usages, forPublic), pair[1]),
      privateKey: makeKey('private', extractable, described, ofPrivate, pair[0]),
    };
  };

  // The members of a JSON Web Key, converted as the dictionary has them.
  const TEXTS = ['alg', 'crv', 'd', 'dp', 'dq', 'e', 'k', 'kty', 'n', 'p', 'q', 'qi', 'use', 'x', 'y'];
  const jwkOf = (v) => {
    const jwk = { __proto__: null };
    for (let i = 0; i < TEXTS.length; i++) if (v[TEXTS[i]] !== undefined) jwk[TEXTS[i]] = str(v[TEXTS[i]]);
    if (v.ext !== undefined) jwk.ext = !!v.ext;
    if (v.key_ops !== undefined) jwk.key_ops = sequence(v.key_ops, str, 'key_ops');
    if (v.oth !== undefined) jwk.oth = v.oth;
    return jwk;
  };
  const keyDataOf = (format, v, what) => {
    const bytes = isObject(v) ? bytesOf(v) : undefined;
    if (format !== 'jwk') {
      if (bytes === undefined) throw new TypeError(`${what}: the key is not a buffer`);
      return copyOf(bytes);
    }
    if (!isObject(v) || bytes !== undefined) throw new TypeError(`${what}: the key is not a JSON Web Key`);
    return jwkOf(v);
  };
  const normalizeWrap = (algorithm) => {
    try {
      return normalize('wrapKey', algorithm);
    } catch {
      return normalize('encrypt', algorithm);
    }
  };

  class SubtleCrypto {
    #brand = undefined;
    static { native.brand((v) => #brand in v); }
    constructor(secret = undefined) {
      if (secret !== SECRET) throw illegal();
    }
    async encrypt(algorithm, key, data) {
      this.#brand;
      arity(arguments.length, 3, 'SubtleCrypto.encrypt');
      keyOf(key, 'SubtleCrypto.encrypt');
      data = dataOf(data, 'SubtleCrypto.encrypt');
      algorithm = normalize('encrypt', algorithm);
      return bufferOf(crypt(true, algorithm, usable(key, algorithm, 'encrypt'), data));
    }
    async decrypt(algorithm, key, data) {
      this.#brand;
      arity(arguments.length, 3, 'SubtleCrypto.decrypt');
      keyOf(key, 'SubtleCrypto.decrypt');
      data = dataOf(data, 'SubtleCrypto.decrypt');
      algorithm = normalize('encrypt', algorithm);
      return bufferOf(crypt(false, algorithm, usable(key, algorithm, 'decrypt'), data));
    }
    async sign(algorithm, key, data) {
      this.#brand;
      arity(arguments.length, 3, 'SubtleCrypto.sign');
      keyOf(key, 'SubtleCrypto.sign');
      data = dataOf(data, 'SubtleCrypto.sign');
      algorithm = normalize('sign', algorithm);
      return bufferOf(sign(algorithm, usable(key, algorithm, 'sign'), data));
    }
    async verify(algorithm, key, signature, data) {
      this.#brand;
      arity(arguments.length, 4, 'SubtleCrypto.verify');
      keyOf(key, 'SubtleCrypto.verify');
      signature = dataOf(signature, 'SubtleCrypto.verify');
      data = dataOf(data, 'SubtleCrypto.verify');
      algorithm = normalize('sign', algorithm);
      return verify(algorithm, usable(key, algorithm, 'verify'), signature, data);
    }
    async digest(algorithm, data) {
      this.#brand;
      arity(arguments.length, 2, 'SubtleCrypto.digest');
      data = dataOf(data, 'SubtleCrypto.digest');
      return bufferOf(native.digest(normalize('digest', algorithm).name, data));
    }
    async generateKey(algorithm, extractable, keyUsages) {
      this.#brand;
      arity(arguments.length, 3, 'SubtleCrypto.generateKey');
      const usages = usagesOf(keyUsages, 'SubtleCrypto.generateKey');
      return generate(normalize('generateKey', algorithm), !!extractable, usages);
    }
    async deriveKey(algorithm, baseKey, derivedKeyType, extractable, keyUsages) {
      this.#brand;
      arity(arguments.length, 5, 'SubtleCrypto.deriveKey');
      keyOf(baseKey, 'SubtleCrypto.deriveKey');
      const usages = usagesOf(keyUsages, 'SubtleCrypto.deriveKey');
      algorithm = normalize('deriveBits', algorithm);
      const wanted = normalize('importKey', derivedKeyType);
      const length = normalize('keyLength', derivedKeyType);
      const slot = usable(baseKey, algorithm, 'deriveKey');
      const secret = deriveBits(algorithm, slot, keyLength(length));
      return importKey('raw', secret, wanted, !!extractable, usages);
    }
    async deriveBits(algorithm, baseKey, length = null) {
      this.#brand;
      arity(arguments.length, 2, 'SubtleCrypto.deriveBits');
      keyOf(baseKey, 'SubtleCrypto.deriveBits');
      // unsigned long, or null
      const bits = length === null || length === undefined ? null : +length >>> 0;
      algorithm = normalize('deriveBits', algorithm);
      return bufferOf(deriveBits(algorithm, usable(baseKey, algorithm, 'deriveBits'), bits));
    }
    async importKey(format, keyData, algorithm, extractable, keyUsages) {
      this.#brand;
      arity(arguments.length, 5, 'SubtleCrypto.importKey');
      format = formatOf(format, 'SubtleCrypto.importKey');
      const usages = usagesOf(keyUsages, 'SubtleCrypto.importKey');
      const key = keyDataOf(format, keyData, 'SubtleCrypto.importKey');
      return importKey(format, key, normalize('importKey', algorithm), !!extractable, usages);
    }
    async exportKey(format, key) {
      this.#brand;
      arity(arguments.length, 2, 'SubtleCrypto.exportKey');
      format = formatOf(format, 'SubtleCrypto.exportKey');
      const exported = exportKey(format, keyOf(key, 'SubtleCrypto.exportKey'));
      return format === 'jwk' ? exported : bufferOf(exported);
    }
    async wrapKey(format, key, wrappingKey, wrapAlgorithm) {
      this.#brand;
      arity(arguments.length, 4, 'SubtleCrypto.wrapKey');
      format = formatOf(format, 'SubtleCrypto.wrapKey');
      keyOf(key, 'SubtleCrypto.wrapKey');
      keyOf(wrappingKey, 'SubtleCrypto.wrapKey');
      const algorithm = normalizeWrap(wrapAlgorithm);
      const slot = usable(wrappingKey, algorithm, 'wrapKey');
      const exported = exportKey(format, key);
      const bytes = format === 'jwk' ? encode(stringify(exported)) : exported;
      if (algorithm.name !== 'AES-KW') return bufferOf(crypt(true, algorithm, slot, bytes));
      const wrapped = native.aesKw(true, slot.data, bytes);
      if (wrapped === undefined) throw failed('AES-KW wraps multiples of 8 bytes only');
      return bufferOf(wrapped);
    }
    async unwrapKey(format, wrappedKey, unwrappingKey, unwrapAlgorithm, unwrappedKeyAlgorithm, extractable, keyUsages) {
      this.#brand;
      arity(arguments.length, 7, 'SubtleCrypto.unwrapKey');
      format = formatOf(format, 'SubtleCrypto.unwrapKey');
      const bytes = dataOf(wrappedKey, 'SubtleCrypto.unwrapKey');
      keyOf(unwrappingKey, 'SubtleCrypto.unwrapKey');
      const usages = usagesOf(keyUsages, 'SubtleCrypto.unwrapKey');
      const algorithm = normalizeWrap(unwrapAlgorithm);
      const wanted = normalize('importKey', unwrappedKeyAlgorithm);
      const slot = usable(unwrappingKey, algorithm, 'unwrapKey');
      const key = algorithm.name === 'AES-KW' ? native.aesKw(false, slot.data, bytes) : crypt(false, algorithm, slot, bytes);
      if (key === undefined) throw failed('The key cannot be unwrapped');
      if (format !== 'jwk') return importKey(format, key, wanted, !!extractable, usages);
      let jwk;
      try {
        jwk = parseJson(decodeUtf8(key));
      } catch {
        throw fail('DataError', 'What was wrapped is not a JSON Web Key');
      }
      if (!isObject(jwk)) throw fail('DataError', 'What was wrapped is not a JSON Web Key');
      return importKey(format, jwkOf(jwk), wanted, !!extractable, usages);
    }
  }
  define(SubtleCrypto);
  native.SubtleCrypto = SubtleCrypto;
})
