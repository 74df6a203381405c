// Both sides of Standard Webhooks, with the published library: what comes is verified with it, what is sent is signed
// with it.

import { Webhook } from 'standardwebhooks';
import { listen, read, ready } from './peer.mjs';

const secrets = new Map();
const received = [];

/** `/{name}`: verified with the secret of that name, and answered with 401 where that fails. */
const handle = async (request, response) => {
  const [, name] = request.url.split('/');
  const hook = { name, method: request.method, headers: request.headers, verified: true };
  const body = await read(request);
  try {
    hook.payload = new Webhook(secrets.get(name)).verify(body, request.headers);
  } catch (error) {
    Object.assign(hook, { verified: false, error: error.message });
  }
  // A note of our own: the same, a byte changed, and said to be of another hour.
  hook.altered = refusal(name, Buffer.concat([body, Buffer.from(' ')]), request.headers);
  hook.dated = refusal(name, body, { ...request.headers, 'webhook-timestamp': '1600000000' });
  hook.renamed = refusal(name, body, { ...request.headers, 'webhook-id': 'msg_other' });
  received.push(hook);
  response.writeHead(hook.verified ? 204 : 401).end();
};

const refusal = (name, body, headers) => {
  try {
    new Webhook(secrets.get(name)).verify(body, headers);
    return null;
  } catch (error) {
    return error.message;
  }
};

ready(await listen(handle), {
  trust: ({ name, secret }) => void secrets.set(name, secret),
  received: () => received,
  /**
   * Signs `payload` and posts it to `url`. `sent` goes in its place, `extra` signatures beside the right one, and
   * headers may be called `prefix`-id and so on.
   */
  send: async ({ url, secret, id, payload, secondsAgo = 0, sent = payload, extra = '', prefix = 'webhook' }) => {
    const at = new Date(Date.now() - secondsAgo * 1000);
    const headers = {
      'content-type': 'application/json',
      [`${prefix}-id`]: id,
      [`${prefix}-timestamp`]: String(Math.floor(at.getTime() / 1000)),
      [`${prefix}-signature`]: `${extra} ${new Webhook(secret).sign(id, at, payload)}`.trim(),
    };
    const answer = await fetch(url, { method: 'POST', headers, body: sent });
    return { status: answer.status, body: await answer.text() };
  },
});
