// An OpenID issuer whose keys, key sets and tokens are made by the library `jose`.

import * as jose from 'jose';
import { listen, ready, settings } from './peer.mjs';

const keys = new Map();
let published = [];
let down = false;
const asked = { configuration: 0, keys: 0 };

/** Makes a key; it is published only when that is said. */
const make = async ({ kid, alg }) => {
  const { publicKey, privateKey } = await jose.generateKeyPair(alg, { extractable: true });
  keys.set(kid, { alg, publicKey, privateKey, jwk: { ...(await jose.exportJWK(publicKey)), kid, alg, use: 'sig' } });
};

const handle = (request, response) => {
  const answer = (status, body) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  if (down) return answer(503, { error: 'down' });
  if (request.url === '/.well-known/openid-configuration') {
    asked.configuration += 1;
    return answer(200, { issuer, jwks_uri: `${issuer}/jwks`, id_token_signing_alg_values_supported: ['RS256'] });
  }
  if (request.url === '/jwks') {
    asked.keys += 1;
    return answer(200, { keys: published.map((kid) => keys.get(kid).jwk) });
  }
  return answer(404, { error: 'nothing here' });
};

const port = await listen(handle);
const issuer = `${settings.cert ? 'https' : 'http'}://127.0.0.1:${port}`;

ready(port, {
  make,
  publish: ({ kids }) => void (published = kids),
  down: ({ is }) => void (down = is),
  asked: () => asked,
  /** A token of the issuer; `header` is laid over its own. */
  sign: ({ kid, claims, header = {} }) =>
    new jose.SignJWT({ iss: issuer, ...claims })
      .setProtectedHeader({ alg: keys.get(kid).alg, kid, typ: 'JWT', ...header })
      .sign(keys.get(kid).privateKey),
  /** Signed with HMAC, where the secret is the public key in each form in which it is at hand. */
  confuse: async ({ kid, claims }) => {
    const { publicKey, jwk } = keys.get(kid);
    const encoder = new TextEncoder();
    const forms = [await jose.exportSPKI(publicKey), (await jose.exportSPKI(publicKey)).trim(), JSON.stringify(jwk)];
    const sign = (form) =>
      new jose.SignJWT({ iss: issuer, ...claims }).setProtectedHeader({ alg: 'HS256', kid }).sign(encoder.encode(form));
    return Promise.all(forms.map(sign));
  },
  /** Signed by nobody. */
  unsigned: ({ claims }) => new jose.UnsecuredJWT({ iss: issuer, ...claims }).encode(),
});
