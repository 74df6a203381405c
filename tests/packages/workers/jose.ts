// Tokens and keys: what is made here is read elsewhere, and the other way round.
import * as jose from 'jose';

type Body = {
  alg: string;
  enc: string;
  key: jose.JWK;
  token: string;
  options: jose.JWTVerifyOptions;
  keys: jose.JSONWebKeySet;
};

// Of a symmetric key only its bytes.
const keyOf = (key: jose.JWK, alg: string) => jose.importJWK(key, alg);
const claims = { 'urn:example:claim': true, name: 'Ada Löwe' };

const routes: Record<string, (body: Body) => unknown> = {
  async keys({ alg }) {
    const pair = await jose.generateKeyPair(alg, { extractable: true });
    return { public: await jose.exportJWK(pair.publicKey), private: await jose.exportJWK(pair.privateKey) };
  },
  async sign({ alg, key }) {
    const token = new jose.SignJWT(claims).setProtectedHeader({ alg, kid: 'k1' }).setIssuedAt(1760000000);
    return token
      .setIssuer('urn:a')
      .setAudience('urn:b')
      .setExpirationTime(4102444800)
      .sign(await keyOf(key, alg));
  },
  async verify({ alg, token, key, options }) {
    const { payload, protectedHeader } = await jose.jwtVerify(token, await keyOf(key, alg), {
      algorithms: [alg],
      ...options,
    });
    return { payload, protectedHeader };
  },
  async set({ token, keys }) {
    const { payload, protectedHeader } = await jose.jwtVerify(token, jose.createLocalJWKSet(keys));
    return { sub: payload.iss, kid: protectedHeader.kid };
  },
  async encrypt({ alg, enc, key }) {
    return new jose.EncryptJWT(claims)
      .setProtectedHeader({ alg, enc })
      .setIssuedAt(1760000000)
      .encrypt(await keyOf(key, alg));
  },
  async decrypt({ alg, token, key }) {
    const { payload, protectedHeader } = await jose.jwtDecrypt(token, await keyOf(key, alg));
    return { payload, alg: protectedHeader.alg, enc: protectedHeader.enc };
  },
  async pem({ alg, key }) {
    const secret = (await jose.importJWK(key, alg, { extractable: true })) as CryptoKey;
    const pem = await jose.exportPKCS8(secret);
    const again = await jose.importPKCS8(pem, alg, { extractable: true });
    return { pem, thumbprint: await jose.calculateJwkThumbprint(await jose.exportJWK(again)) };
  },
  decode: ({ token }) => [jose.decodeProtectedHeader(token), jose.decodeJwt(token)],
};

export default {
  async fetch(request: Request) {
    try {
      const route = routes[new URL(request.url).pathname.slice(1)];
      return Response.json(await route(await request.json()));
    } catch (error) {
      const { name, code, claim, message } = error as jose.errors.JWTClaimValidationFailed;
      return Response.json({ name, code, claim, message }, { status: 400 });
    }
  },
};
