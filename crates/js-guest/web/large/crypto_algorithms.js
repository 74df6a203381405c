// The algorithms of crypto.subtle: which operations each has, and what it takes for each.
(function (native, globalThis) {
  'use strict';
  const { DOMException, bytesOf, copyOf, isCryptoKey, isObject, str, uncurry } = native;
  const upper = uncurry(String.prototype.toUpperCase);
  const U8 = native.classId(new Uint8Array(0));

  const fail = (name, message) => new DOMException(message, name);
  // [EnforceRange] of an integer type.
  const integer = (v, max, what) => {
    v = +v;
    if (v - v !== 0) throw new TypeError(`${what} is not a finite number`);
    v = v < 0 ? -((-v) - ((-v) % 1)) : v - (v % 1);
    if (v < 0 || v > max) throw new TypeError(`${what} is out of range`);
    return v;
  };
  const required = (v, what) => {
    if (v === undefined) throw new TypeError(`The algorithm has no ${what}`);
    return v;
  };
  const buffer = (v, what) => {
    const bytes = isObject(v) ? bytesOf(v) : undefined;
    if (bytes === undefined) throw new TypeError(`${what} is not a buffer`);
    return copyOf(bytes);
  };
  const optionalBuffer = (v, what) => (v === undefined ? undefined : buffer(v, what));
  const hash = (v) => normalize('digest', required(v, 'hash')).name;
  const publicKey = (v) => {
    if (!isCryptoKey(required(v, 'public'))) throw new TypeError('public is not a CryptoKey');
    return v;
  };

  const NOTHING = () => ({ __proto__: null });
  const hashed = (a) => ({ __proto__: null, hash: hash(a.hash) });
  const curve = (a) => ({ __proto__: null, namedCurve: str(required(a.namedCurve, 'namedCurve')) });
  const octet = (a) => ({ __proto__: null, length: integer(required(a.length, 'length'), 65535, 'length') });
  const hmac = (a) => ({
    __proto__: null, hash: hash(a.hash), length: a.length === undefined ? undefined : integer(a.length, 0xffffffff, 'length'),
  });
  const rsaKey = (a) => {
    const modulusLength = integer(required(a.modulusLength, 'modulusLength'), 0xffffffff, 'modulusLength');
    const exponent = required(a.publicExponent, 'publicExponent');
    if (native.classId(exponent) !== U8) throw new TypeError('publicExponent is not a Uint8Array');
    return { __proto__: null, modulusLength, publicExponent: copyOf(bytesOf(exponent)), hash: hash(a.hash) };
  };
  const other = (a) => ({ __proto__: null, public: publicKey(a.public) });

  const AES = ['AES-CBC', 'AES-CTR', 'AES-GCM', 'AES-KW'];
  const RSA = ['RSASSA-PKCS1-v1_5', 'RSA-PSS', 'RSA-OAEP'];
  const tables = { __proto__: null };
  for (const operation of ['digest', 'encrypt', 'sign', 'deriveBits', 'generateKey', 'importKey', 'wrapKey', 'keyLength']) {
    tables[operation] = { __proto__: null };
  }
  const add = (operation, names, convert) => {
    for (const name of names) tables[operation][upper(name)] = { __proto__: null, name, convert };
  };
  add('digest', ['SHA-1', 'SHA-256', 'SHA-384', 'SHA-512'], NOTHING);
  add('encrypt', ['RSA-OAEP'], (a) => ({ __proto__: null, label: optionalBuffer(a.label, 'label') }));
  add('encrypt', ['AES-CTR'], (a) => ({
    __proto__: null, counter: buffer(required(a.counter, 'counter'), 'counter'), length: integer(required(a.length, 'length'), 255, 'length'),
  }));
  add('encrypt', ['AES-CBC'], (a) => ({ __proto__: null, iv: buffer(required(a.iv, 'iv'), 'iv') }));
  add('encrypt', ['AES-GCM'], (a) => ({
    __proto__: null,
    additionalData: optionalBuffer(a.additionalData, 'additionalData'),
    iv: buffer(required(a.iv, 'iv'), 'iv'),
    tagLength: a.tagLength === undefined ? 128 : integer(a.tagLength, 255, 'tagLength'),
  }));
  add('sign', ['RSASSA-PKCS1-v1_5', 'HMAC', 'Ed25519'], NOTHING);
  add('sign', ['RSA-PSS'], (a) => ({ __proto__: null, saltLength: integer(required(a.saltLength, 'saltLength'), 0xffffffff, 'saltLength') }));
  add('sign', ['ECDSA'], hashed);
  add('deriveBits', ['ECDH', 'X25519'], other);
  add('deriveBits', ['HKDF'], (a) => ({
    __proto__: null, hash: hash(a.hash), info: buffer(required(a.info, 'info'), 'info'), salt: buffer(required(a.salt, 'salt'), 'salt'),
  }));
  add('deriveBits', ['PBKDF2'], (a) => ({
    __proto__: null,
    hash: hash(a.hash),
    iterations: integer(required(a.iterations, 'iterations'), 0xffffffff, 'iterations'),
    salt: buffer(required(a.salt, 'salt'), 'salt'),
  }));
  add('generateKey', RSA, rsaKey);
  add('generateKey', ['ECDSA', 'ECDH'], curve);
  add('generateKey', ['Ed25519', 'X25519'], NOTHING);
  add('generateKey', AES, octet);
  add('generateKey', ['HMAC'], hmac);
  add('importKey', RSA, hashed);
  add('importKey', ['ECDSA', 'ECDH'], curve);
  add('importKey', ['Ed25519', 'X25519', 'HKDF', 'PBKDF2', ...AES], NOTHING);
  add('importKey', ['HMAC'], hmac);
  add('wrapKey', ['AES-KW'], NOTHING);
  add('keyLength', AES, octet);
  add('keyLength', ['HMAC'], hmac);
  add('keyLength', ['HKDF', 'PBKDF2'], NOTHING);

  // What the standard calls normalising: the algorithm's own name, and its members converted.
  const normalize = (operation, algorithm) => {
    const given = isObject(algorithm) ? algorithm : { __proto__: null, name: algorithm };
    if (given.name === undefined) throw new TypeError('The algorithm has no name');
    const name = str(given.name);
    const entry = tables[operation][upper(name)];
    if (entry === undefined) throw fail('NotSupportedError', `The algorithm '${name}' is not known for this operation`);
    const normalized = entry.convert(given);
    normalized.name = entry.name;
    return normalized;
  };
  native.fail = fail;
  native.normalize = normalize;
  native.isAes = (name) => AES[0] === name || AES[1] === name || AES[2] === name || AES[3] === name;
  native.isRsa = (name) => RSA[0] === name || RSA[1] === name || RSA[2] === name;
  native.isEc = (name) => name === 'ECDSA' || name === 'ECDH';
  native.isOkp = (name) => name === 'Ed25519' || name === 'X25519';
})
