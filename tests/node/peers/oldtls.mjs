// A server that speaks no TLS younger than 1.1.

import { listen, ready, settings } from './peer.mjs';

Object.assign(settings, { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' });
let hits = 0;
const port = await listen((request, response) => {
  hits += 1;
  response.end('old');
});
ready(port, { hits: () => hits });
