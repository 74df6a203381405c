//! `crypto.subtle`, by vectors that others have published, and round trips.

use super::run;

/// `hex` and `bytes` for the scripts.
const HELPERS: &str = r#"
    const { subtle } = crypto;
    const hex = (b) => new Uint8Array(b).toHex();
    const bytes = (t) => Uint8Array.fromHex(t);
    const text = (t) => new TextEncoder().encode(t);
"#;

fn check(body: &str) {
    run(&format!("{HELPERS}{body}"));
}

#[test]
fn digests_and_what_is_made_of_them() {
    check(
        r#"
        equal(hex(await subtle.digest('sha-256', text('abc'))), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
        await rejects('NotSupportedError', subtle.digest('MD5', text('')));
        // RFC 4231, case 2.
        const key = await subtle.importKey('raw', text('Jefe'), { name: 'HMAC', hash: 'SHA-256' }, true, ['sign', 'verify']);
        const code = await subtle.sign('HMAC', key, text('what do ya want for nothing?'));
        equal(hex(code), '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843');
        same([await subtle.verify('HMAC', key, code, text('what do ya want for nothing?')), await subtle.verify('HMAC', key, code, text('?'))], [true, false]);
        same(await subtle.exportKey('jwk', key), { kty: 'oct', k: 'SmVmZQ', alg: 'HS256', key_ops: ['sign', 'verify'], ext: true });
        // RFC 5869, case 1, and RFC 6070, case 2.
        const secret = await subtle.importKey('raw', new Uint8Array(22).fill(11), 'HKDF', false, ['deriveBits']);
        equal(hex(await subtle.deriveBits({ name: 'HKDF', hash: 'SHA-256', salt: bytes('000102030405060708090a0b0c'), info: bytes('f0f1f2f3f4f5f6f7f8f9') }, secret, 336)),
            '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865');
        const password = await subtle.importKey('raw', text('password'), 'PBKDF2', false, ['deriveBits', 'deriveKey']);
        const pbkdf2 = { name: 'PBKDF2', hash: 'SHA-1', salt: text('salt'), iterations: 2 };
        equal(hex(await subtle.deriveBits(pbkdf2, password, 160)), 'ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957');
        equal((await subtle.deriveKey(pbkdf2, password, { name: 'AES-GCM', length: 256 }, true, ['encrypt'])).algorithm.length, 256);
        "#,
    );
}

#[test]
fn aes_in_its_modes() {
    check(
        r#"
        const raw = bytes('00112233445566778899aabbccddeeff');
        const iv = bytes('0f0e0d0c0b0a09080706050403020100');
        for (const algorithm of [{ name: 'AES-CBC', iv }, { name: 'AES-CTR', counter: iv, length: 64 }, { name: 'AES-GCM', iv, additionalData: text('seen') }, { name: 'AES-GCM', iv: iv.slice(4), tagLength: 96 }]) {
            const key = await subtle.importKey('raw', raw, algorithm.name, false, ['encrypt', 'decrypt']);
            const sealed = await subtle.encrypt(algorithm, key, text('attack at dawn'));
            equal(new TextDecoder().decode(await subtle.decrypt(algorithm, key, sealed)), 'attack at dawn');
            await rejects('InvalidAccessError', subtle.exportKey('raw', key));
        }
        // NIST SP 800-38D, test case 4 of the submission of GCM.
        const gcm = await subtle.importKey('raw', bytes('feffe9928665731c6d6a8f9467308308'), 'AES-GCM', false, ['encrypt', 'decrypt']);
        const algorithm = { name: 'AES-GCM', iv: bytes('cafebabefacedbaddecaf888'), additionalData: bytes('feedfacedeadbeeffeedfacedeadbeefabaddad2') };
        const plain = bytes('d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39');
        const sealed = new Uint8Array(await subtle.encrypt(algorithm, gcm, plain));
        equal(hex(sealed.slice(-16)), '5bc94fbc3221a5db94fae95ae7121a47');
        sealed[0] ^= 1;
        await rejects('OperationError', subtle.decrypt(algorithm, gcm, sealed));
        // RFC 3394, 4.1.
        const kek = await subtle.importKey('raw', bytes('000102030405060708090A0B0C0D0E0F'), 'AES-KW', false, ['wrapKey', 'unwrapKey']);
        const inner = await subtle.importKey('raw', raw, 'AES-CBC', true, ['encrypt']);
        const wrapped = await subtle.wrapKey('raw', inner, kek, 'AES-KW');
        equal(hex(wrapped), '1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5');
        const back = await subtle.unwrapKey('raw', wrapped, kek, 'AES-KW', 'AES-CBC', true, ['encrypt']);
        equal(hex(await subtle.exportKey('raw', back)), hex(raw));
        "#,
    );
}

#[test]
fn key_pairs_sign_agree_and_travel() {
    check(
        r#"
        for (const namedCurve of ['P-256', 'P-384', 'P-521']) {
            const pair = await subtle.generateKey({ name: 'ECDSA', namedCurve }, true, ['sign', 'verify']);
            const how = { name: 'ECDSA', hash: 'SHA-1' };
            const signature = await subtle.sign(how, pair.privateKey, text('signed'));
            for (const format of ['jwk', 'spki', 'raw']) {
                const key = await subtle.importKey(format, await subtle.exportKey(format, pair.publicKey), { name: 'ECDSA', namedCurve }, true, ['verify']);
                same([await subtle.verify(how, key, signature, text('signed')), await subtle.verify(how, key, signature, text('other'))], [true, false]);
            }
            const pkcs8 = await subtle.exportKey('pkcs8', pair.privateKey);
            const again = await subtle.importKey('pkcs8', pkcs8, { name: 'ECDSA', namedCurve }, true, ['sign']);
            equal(hex(await subtle.exportKey('pkcs8', again)), hex(pkcs8));
        }
        for (const algorithm of [{ name: 'ECDH', namedCurve: 'P-256' }, { name: 'X25519' }]) {
            const [a, b] = [await subtle.generateKey(algorithm, true, ['deriveBits']), await subtle.generateKey(algorithm, true, ['deriveBits'])];
            equal(hex(await subtle.deriveBits({ name: algorithm.name, public: b.publicKey }, a.privateKey, 256)),
                hex(await subtle.deriveBits({ name: algorithm.name, public: a.publicKey }, b.privateKey, 256)));
        }
        // RFC 8032, 7.1, test 2.
        const prefix = '302e020100300506032b657004220420';
        const key = await subtle.importKey('pkcs8', bytes(prefix + '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb'), 'Ed25519', true, ['sign']);
        equal(hex(await subtle.sign('Ed25519', key, bytes('72'))), '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00');
        equal((await subtle.exportKey('jwk', key)).x, 'PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw');
        "#,
    );
}

#[test]
fn keys_are_not_what_scripts_make_of_them() {
    check(
        r#"
        throws(TypeError, () => new CryptoKey());
        const key = await subtle.generateKey({ name: 'AES-GCM', length: 128 }, false, ['encrypt']);
        same([key.type, key.extractable, key.algorithm, key.usages], ['secret', false, { name: 'AES-GCM', length: 128 }, ['encrypt']]);
        key.usages.push('decrypt');
        const iv = new Uint8Array(12);
        const sealed = await subtle.encrypt({ name: 'AES-GCM', iv }, key, iv);
        await rejects('InvalidAccessError', subtle.decrypt({ name: 'AES-GCM', iv }, key, sealed));
        await rejects(TypeError, subtle.encrypt({ name: 'AES-GCM', iv }, { __proto__: CryptoKey.prototype }, iv));
        assert(structuredClone(key) instanceof CryptoKey);
        await rejects('SyntaxError', subtle.generateKey({ name: 'AES-GCM', length: 128 }, false, []));
        await rejects('SyntaxError', subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['encrypt']));
        await rejects('OperationError', subtle.generateKey({ name: 'AES-GCM', length: 100 }, false, ['encrypt']));
        await rejects('DataError', subtle.importKey('jwk', { kty: 'oct', k: '*' }, 'AES-GCM', false, ['encrypt']));
        await rejects('DataError', subtle.importKey('raw', new Uint8Array(65), { name: 'ECDH', namedCurve: 'P-256' }, true, []));
        "#,
    );
}
