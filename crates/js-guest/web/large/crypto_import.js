// Importing and exporting keys: raw, spki, pkcs8 and jwk.
(function (native, globalThis) {
  'use strict';
  const {
    base64UrlDecode, base64UrlEncode, copyOf, fail, isAes, isEc, isOkp, isRsa, keySlot, lengthOf, makeKey,
  } = native;
  const { apply } = Reflect;

  const data = (message) => fail('DataError', message);
  const BITS = { __proto__: null, 'SHA-1': 512, 'SHA-256': 512, 'SHA-384': 1024, 'SHA-512': 1024 };
  const JWK_AES = { __proto__: null, 'AES-CBC': 'CBC', 'AES-CTR': 'CTR', 'AES-GCM': 'GCM', 'AES-KW': 'KW' };
  const JWK_HASH = { __proto__: null, 'SHA-1': '1', 'SHA-256': '256', 'SHA-384': '384', 'SHA-512': '512' };
  const jwkAlgorithm = (name, hash) => {
    const bits = JWK_HASH[hash];
    if (name === 'RSASSA-PKCS1-v1_5') return `RS${bits}`;
    if (name === 'RSA-PSS') return `PS${bits}`;
    if (name === 'RSA-OAEP') return hash === 'SHA-1' ? 'RSA-OAEP' : `RSA-OAEP-${bits}`;
    return `HS${bits}`;
  };
  const SIZES = { __proto__: null, 'P-256': 32, 'P-384': 48, 'P-521': 66 };

  // Usages are strings of a fixed set, kept in the order of the standard's enumeration.
  const ORDER = ['encrypt', 'decrypt', 'sign', 'verify', 'deriveKey', 'deriveBits', 'wrapKey', 'unwrapKey'];
  const has = (list, v) => {
    for (let i = 0; i < list.length; i++) if (list[i] === v) return true;
    return false;
  };
  const only = (usages, allowed) => {
    const kept = [];
    for (let i = 0; i < ORDER.length; i++) if (has(usages, ORDER[i]) && has(allowed, ORDER[i])) kept[kept.length] = ORDER[i];
    return kept;
  };
  const checkUsages = (usages, allowed) => {
    for (let i = 0; i < usages.length; i++) {
      if (!has(allowed, usages[i])) throw fail('SyntaxError', `The key cannot be used for '${usages[i]}'`);
    }
  };
  const USAGES = {
    __proto__: null,
    'RSASSA-PKCS1-v1_5': [['verify'], ['sign']],
    'RSA-PSS': [['verify'], ['sign']],
    'RSA-OAEP': [['encrypt', 'wrapKey'], ['decrypt', 'unwrapKey']],
    ECDSA: [['verify'], ['sign']],
    ECDH: [[], ['deriveKey', 'deriveBits']],
    Ed25519: [['verify'], ['sign']],
    X25519: [[], ['deriveKey', 'deriveBits']],
    HMAC: [['sign', 'verify']],
    'AES-CBC': [['encrypt', 'decrypt', 'wrapKey', 'unwrapKey']],
    'AES-CTR': [['encrypt', 'decrypt', 'wrapKey', 'unwrapKey']],
    'AES-GCM': [['encrypt', 'decrypt', 'wrapKey', 'unwrapKey']],
    'AES-KW': [['wrapKey', 'unwrapKey']],
    HKDF: [['deriveKey', 'deriveBits']],
    PBKDF2: [['deriveKey', 'deriveBits']],
  };

  const decoded = (jwk, member) => {
    const text = jwk[member];
    if (text === undefined) throw data(`The JSON Web Key has no '${member}'`);
    const bytes = base64UrlDecode(text);
    if (bytes === undefined) throw data(`'${member}' of the JSON Web Key is not base64url`);
    return bytes;
  };
  // What a JSON Web Key says of itself must not contradict what is asked of it.
  const checkJwk = (jwk, kty, use, algorithm, extractable, usages) => {
    if (jwk.kty !== kty) throw data(`The JSON Web Key is of the type '${jwk.kty}', not '${kty}'`);
    if (usages.length > 0 && jwk.use !== undefined && jwk.use !== use) throw data("'use' of the JSON Web Key does not allow this");
    const operations = jwk.key_ops;
    if (operations !== undefined) {
      for (let i = 0; i < operations.length; i++) {
        for (let j = 0; j < i; j++) if (operations[i] === operations[j]) throw data("'key_ops' of the JSON Web Key has one twice");
      }
      for (let i = 0; i < usages.length; i++) {
        if (!has(operations, usages[i])) throw data("'key_ops' of the JSON Web Key does not allow this");
      }
    }
    if (jwk.ext === false && extractable) throw data("'ext' of the JSON Web Key does not allow it to be extractable");
    if (algorithm !== undefined && jwk.alg !== undefined && jwk.alg !== algorithm) {
      throw data(`'alg' of the JSON Web Key is '${jwk.alg}', not '${algorithm}'`);
    }
  };

  const importSecret = (format, key, algorithm, extractable, usages) => {
    const { name } = algorithm;
    const derive = name === 'HKDF' || name === 'PBKDF2';
    if (derive && format !== 'raw') throw fail('NotSupportedError', `${name} keys can only be imported as 'raw'`);
    checkUsages(usages, USAGES[name][0]);
    if (derive && extractable) throw fail('SyntaxError', `${name} keys cannot be extractable`);
    if (format !== 'raw' && format !== 'jwk') throw fail('NotSupportedError', `${name} keys cannot be imported as '${format}'`);
    let bytes = key;
    if (format === 'jwk') {
      const hmac = name === 'HMAC';
      checkJwk(key, 'oct', hmac ? 'sig' : 'enc', undefined, extractable, usages);
      bytes = decoded(key, 'k');
      const alg = hmac ? jwkAlgorithm(name, algorithm.hash) : `A${lengthOf(bytes) * 8}${JWK_AES[name]}`;
      if (key.alg !== undefined && key.alg !== alg) throw data(`'alg' of the JSON Web Key is '${key.alg}', not '${alg}'`);
    }
    const bits = lengthOf(bytes) * 8;
    if (derive) return makeKey('secret', false, { name }, only(usages, USAGES[name][0]), bytes);
    if (isAes(name)) {
      if (bits !== 128 && bits !== 192 && bits !== 256) throw data(`An AES key cannot have ${bits} bits`);
      return makeKey('secret', extractable, { name, length: bits }, only(usages, USAGES[name][0]), bytes);
    }
    if (bits === 0) throw data('An HMAC key cannot be empty');
    let length = bits;
    if (algorithm.length !== undefined) {
      if (algorithm.length > bits || algorithm.length <= bits - 8) throw data('The length does not fit the key');
      length = algorithm.length;
      if (length % 8 !== 0) bytes[lengthOf(bytes) - 1] &= 0xff << (8 - (length % 8));
    }
    return makeKey('secret', extractable, { name, length, hash: algorithm.hash }, only(usages, USAGES[name][0]), bytes);
  };

  const importEc = (format, key, algorithm, extractable, usages) => {
    const { name, namedCurve } = algorithm;
    const size = SIZES[namedCurve];
    const isPrivate = format === 'pkcs8' || (format === 'jwk' && key.d !== undefined);
    checkUsages(usages, USAGES[name][isPrivate ? 1 : 0]);
    if (format !== 'jwk' && size === undefined) {
      throw format === 'raw' ? data(`The curve '${namedCurve}' is not known`) : fail('NotSupportedError', `The curve '${namedCurve}' is not known`);
    }
    let bytes;
    if (format === 'raw') bytes = native.ecPoint(namedCurve, key);
    else if (format === 'spki') bytes = native.ecFromSpki(namedCurve, key);
    else if (format === 'pkcs8') bytes = native.ecFromPkcs8(namedCurve, key);
    else {
      checkJwk(key, 'EC', name === 'ECDSA' ? 'sig' : 'enc', undefined, extractable, usages);
      if (key.crv !== namedCurve) throw data(`'crv' of the JSON Web Key is '${key.crv}', not '${namedCurve}'`);
      if (size === undefined) throw data(`The curve '${namedCurve}' is not known`);
      if (name === 'ECDSA' && key.alg !== undefined) {
        const alg = namedCurve === 'P-256' ? 'ES256' : namedCurve === 'P-384' ? 'ES384' : 'ES512';
        if (key.alg !== alg) throw data(`'alg' of the JSON Web Key is '${key.alg}', not '${alg}'`);
      }
      const x = decoded(key, 'x');
      const y = decoded(key, 'y');
      const point = new Uint8Array(1 + 2 * size);
      if (lengthOf(x) !== size || lengthOf(y) !== size) throw data('A coordinate of the JSON Web Key is of the wrong length');
      point[0] = 4;
      native.setBytes(point, x, 1);
      native.setBytes(point, y, 1 + size);
      bytes = native.ecPoint(namedCurve, point);
      if (isPrivate && bytes !== undefined) {
        const d = decoded(key, 'd');
        const derived = lengthOf(d) === size ? native.ecPublic(namedCurve, d) : undefined;
        bytes = derived !== undefined && native.sameBytes(derived, bytes) ? d : undefined;
      }
    }
    if (bytes === undefined) throw data('The key is not one of the curve');
    const allowed = USAGES[name][isPrivate ? 1 : 0];
    return makeKey(isPrivate ? 'private' : 'public', extractable, { name, namedCurve }, only(usages, allowed), bytes);
  };

  const importOkp = (format, key, algorithm, extractable, usages) => {
    const { name } = algorithm;
    const isPrivate = format === 'pkcs8' || (format === 'jwk' && key.d !== undefined);
    checkUsages(usages, USAGES[name][isPrivate ? 1 : 0]);
    let bytes;
    if (format === 'raw') bytes = lengthOf(key) === 32 ? key : undefined;
    else if (format === 'spki') bytes = native.okpFromSpki(name, key);
    else if (format === 'pkcs8') bytes = native.okpFromPkcs8(name, key);
    else {
      checkJwk(key, 'OKP', name === 'Ed25519' ? 'sig' : 'enc', undefined, extractable, usages);
      if (key.crv !== name) throw data(`'crv' of the JSON Web Key is '${key.crv}', not '${name}'`);
      if (name === 'Ed25519' && key.alg !== undefined && key.alg !== 'EdDSA' && key.alg !== 'Ed25519') {
        throw data(`'alg' of the JSON Web Key is '${key.alg}'`);
      }
      const x = decoded(key, 'x');
      bytes = lengthOf(x) === 32 ? x : undefined;
      if (isPrivate && bytes !== undefined) {
        const d = decoded(key, 'd');
        const derived = lengthOf(d) === 32 ? native.okpPublic(name, d) : undefined;
        bytes = derived !== undefined && native.sameBytes(derived, x) ? d : undefined;
      }
    }
    if (bytes === undefined) throw data('The key is not valid');
    return makeKey(isPrivate ? 'private' : 'public', extractable, { name }, only(usages, USAGES[name][isPrivate ? 1 : 0]), bytes);
  };

  const importRsa = (format, key, algorithm, extractable, usages) => {
    const { name, hash } = algorithm;
    if (format === 'raw') throw fail('NotSupportedError', `${name} keys cannot be imported as 'raw'`);
    const isPrivate = format === 'pkcs8' || (format === 'jwk' && key.d !== undefined);
    checkUsages(usages, USAGES[name][isPrivate ? 1 : 0]);
    let bytes;
    if (format === 'spki') bytes = native.rsaFromSpki(key);
    else if (format === 'pkcs8') bytes = native.rsaFromPkcs8(key);
    else {
      checkJwk(key, 'RSA', name === 'RSA-OAEP' ? 'enc' : 'sig', jwkAlgorithm(name, hash), extractable, usages);
      const parts = [decoded(key, 'n'), decoded(key, 'e')];
      if (isPrivate) {
        for (const member of ['d', 'p', 'q']) parts[parts.length] = decoded(key, member);
        if (key.oth !== undefined) throw fail('NotSupportedError', 'RSA keys of more than two primes are not known');
      }
      bytes = apply(native.rsaFromParts, undefined, parts);
    }
    if (bytes === undefined) throw data('The RSA key is not valid');
    const parts = native.rsaParts(bytes, isPrivate);
    const full = { name, modulusLength: native.bitLength(parts[0]), publicExponent: parts[1], hash };
    return makeKey(isPrivate ? 'private' : 'public', extractable, full, only(usages, USAGES[name][isPrivate ? 1 : 0]), bytes);
  };

  native.importKey = (format, key, algorithm, extractable, usages) => {
    const { name } = algorithm;
    const take = isRsa(name) ? importRsa : isEc(name) ? importEc : isOkp(name) ? importOkp : importSecret;
    const made = take(format, key, algorithm, extractable, usages);
    if (made.type !== 'public' && usages.length === 0) throw fail('SyntaxError', 'A key without usages is of no use');
    return made;
  };

  const jwkOf = (slot) => {
    const { type, algorithm, data: bytes } = slot;
    const { name } = algorithm;
    const encoded = base64UrlEncode;
    let jwk;
    if (isRsa(name)) {
      const parts = native.rsaParts(bytes, type === 'private');
      jwk = { kty: 'RSA', alg: jwkAlgorithm(name, algorithm.hash), n: encoded(parts[0]), e: encoded(parts[1]) };
      if (type === 'private') {
        const members = ['d', 'p', 'q', 'dp', 'dq', 'qi'];
        for (let i = 0; i < members.length; i++) jwk[members[i]] = encoded(parts[2 + i]);
      }
    } else if (isEc(name)) {
      const point = type === 'private' ? native.ecPublic(algorithm.namedCurve, bytes) : bytes;
      const size = SIZES[algorithm.namedCurve];
      const part = (at) => encoded(copyOf(new Uint8Array(point.buffer, at, size)));
      jwk = { kty: 'EC', crv: algorithm.namedCurve, x: part(1), y: part(1 + size) };
      if (type === 'private') jwk.d = encoded(bytes);
    } else if (isOkp(name)) {
      jwk = { kty: 'OKP', crv: name, x: encoded(type === 'private' ? native.okpPublic(name, bytes) : bytes) };
      if (type === 'private') jwk.d = encoded(bytes);
    } else {
      const alg = name === 'HMAC' ? jwkAlgorithm(name, algorithm.hash) : `A${algorithm.length}${JWK_AES[name]}`;
      jwk = { kty: 'oct', k: encoded(bytes), alg };
    }
    jwk.key_ops = [...slot.usages];
    jwk.ext = slot.extractable;
    return jwk;
  };

  // A Uint8Array, or an object for `jwk`.
  native.exportKey = (format, key) => {
    const slot = keySlot(key);
    const { type, algorithm, data: bytes } = slot;
    const { name } = algorithm;
    if (name === 'HKDF' || name === 'PBKDF2') throw fail('NotSupportedError', `${name} keys cannot be exported`);
    if (!slot.extractable) throw fail('InvalidAccessError', 'The key is not extractable');
    if (format === 'jwk') return jwkOf(slot);
    const secret = type === 'secret';
    const wrong = fail('InvalidAccessError', `A ${type} key cannot be exported as '${format}'`);
    if (format === 'raw') {
      if (isRsa(name)) throw fail('NotSupportedError', `${name} keys cannot be exported as 'raw'`);
      if (type === 'private') throw wrong;
      return copyOf(bytes);
    }
    if (secret) throw fail('NotSupportedError', `A secret key cannot be exported as '${format}'`);
    if ((format === 'spki') !== (type === 'public')) throw wrong;
    if (isRsa(name)) return format === 'spki' ? native.rsaToSpki(bytes) : native.rsaToPkcs8(bytes);
    if (isEc(name)) return format === 'spki' ? native.ecToSpki(algorithm.namedCurve, bytes) : native.ecToPkcs8(algorithm.namedCurve, bytes);
    return format === 'spki' ? native.okpToSpki(name, bytes) : native.okpToPkcs8(name, bytes);
  };
  native.USAGES = USAGES;
  native.onlyUsages = only;
  native.checkUsages = checkUsages;
  native.hashBlockBits = BITS;
  native.curveSizes = SIZES;
})
