// Many registered workers on one doer: what registering, asking at random and a restart cost, in time, memory and disk.
//
//   node benches/density/run.mjs [--workers 100000] [--requests 200000] [--kilobytes 20] [--doer target/release/doer]
//
// Each worker has code of its own: a table that its top level parses, and a handler that looks a row up. Requests choose
// workers as a Zipf distribution has it (exponent 1): few are asked often, most hardly ever. The same workers are then
// given to workerd's loader, as many as it survives, for its memory per worker (npm has its binary; `--only doer` leaves
// it out).

import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { freePort, start } from '../peers/server.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const { values: options } = parseArgs({
  options: {
    workers: { type: 'string', default: '100000' },
    requests: { type: 'string', default: '200000' },
    kilobytes: { type: 'string', default: '20' },
    only: { type: 'string' },
    doer: { type: 'string', default: join(here, '../../target/release/doer') },
  },
});
const workers = Number(options.workers);
const requests = Number(options.requests);
const CONNECTIONS = 16;
/** Fewer than workerd dies of. */
const WORKERD_IDS = 2000;

const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
const scratch = mkdtempSync(join(tmpdir(), 'doer-density-'));
const say = (name, value) => console.log(`${name.padEnd(56)} ${value}`);
const mebibytes = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

/** Code of about the size that was asked for; no two workers have the same. */
function code(number) {
  const rows = {};
  let bytes = 400;
  for (let row = 0; bytes < Number(options.kilobytes) * 1024; row++) {
    rows[`row${row}`] = `${number}/${row}: ${(number * 2654435761 + row * 40503).toString(36).repeat(4)}`;
    // Its quotes and colon, escaped in the code.
    bytes += `row${row}`.length + rows[`row${row}`].length + 10;
  }
  return `
const rows = JSON.parse(${JSON.stringify(JSON.stringify(rows))});
export default {
  fetch(request) {
    const row = new URL(request.url).searchParams.get('row');
    return Response.json({ worker: ${number}, text: rows[row] ?? null });
  },
};`;
}

function ask(url, method, body) {
  return new Promise((done, failed) => {
    const headers = body ? { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) } : {};
    const sent = request(url, { method, agent, headers }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (piece) => (text += piece)).on('end', () => done({ status: answer.statusCode, text }));
    });
    sent.on('error', failed);
    sent.end(body);
  });
}

/** Does `count` things, `CONNECTIONS` at a time; gives the seconds it took, and how long each was waited for. */
async function all(count, one) {
  const waits = new Float64Array(count);
  let next = 0;
  const begun = performance.now();
  await Promise.all(Array.from({ length: CONNECTIONS }, async () => {
    while (next < count) {
      const number = next++;
      const from = performance.now();
      await one(number);
      waits[number] = performance.now() - from;
    }
  }));
  const seconds = (performance.now() - begun) / 1000;
  waits.sort();
  const at = (part) => `${waits[Math.min(count - 1, Math.floor(count * part))].toFixed(2)} ms`;
  return { seconds, told: `${Math.round(count / seconds)} a second; p50 ${at(0.5)}, p99 ${at(0.99)}, p99.9 ${at(0.999)}` };
}

/** Numbers of workers, the first most often. */
function zipf(count) {
  const sums = new Float64Array(count);
  let sum = 0;
  for (let rank = 0; rank < count; rank++) sums[rank] = sum += 1 / (rank + 1);
  let state = 0x2545f491;
  const random = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
  return () => {
    const wanted = random() * sum;
    let [low, high] = [0, count - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sums[middle] < wanted) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}

async function doer() {
  const url = `http://127.0.0.1:${await freePort()}`;
  const admin = `127.0.0.1:${await freePort()}`;
  const begun = performance.now();
  const server = await start({
    command: resolve(options.doer), args: ['serve', '--dev'], cwd: scratch,
    env: {
      DOER__SERVER__LISTEN: new URL(url).host, DOER__ADMIN__LISTEN: admin, DOER__DATA__DIR: join(scratch, 'data'),
      DOER__LOG__LEVEL: 'warn',
    },
    url, log: join(scratch, 'doer.log'), timeoutMs: 120_000,
    ready: async () => (await fetch(`${url}/readyz`)).ok,
  });
  /** A number of `/metrics`. */
  const metric = async (name) => {
    const text = await (await fetch(`http://${admin}/metrics`)).text();
    return Number(new RegExp(`^${name} (\\d+)`, 'm').exec(text)[1]);
  };
  return { ...server, metric, seconds: (performance.now() - begun) / 1000 };
}

const disk = () => Number(execFileSync('du', ['-sb', join(scratch, 'data')], { encoding: 'utf8' }).split('\t')[0]);

async function asked(server, number) {
  const { status, text } = await ask(`${server.url}/workers/w${number}/fetch/?row=row1`, 'GET');
  if (status !== 200 || JSON.parse(text).worker !== number) throw new Error(`worker ${number}: ${status} ${text}`);
}

async function measureDoer() {
  // The first start compiles the engine.
  await (await doer()).stop();
  let server = await doer();
  const [before, diskBefore] = [server.residentBytes(), disk()];
  say('started, no worker: seconds, resident', `${server.seconds.toFixed(2)}, ${mebibytes(before)}`);
  const registered = await all(workers, async (number) => {
    const body = JSON.stringify({ mainModule: 'main.js', modules: { 'main.js': code(number) } });
    const { status, text } = await ask(`${server.url}/workers/w${number}`, 'PUT', body);
    if (status !== 201) throw new Error(`registering ${number}: ${status} ${text}`);
  });
  say(`registered ${workers} workers of ${options.kilobytes} KiB`, registered.told);
  say('  disk per worker: its code', `${((disk() - diskBefore) / workers / 1024).toFixed(1)} KiB`);
  say('  resident memory per worker, none asked', `${((server.residentBytes() - before) / workers / 1024).toFixed(2)} KiB`);
  await server.stop();
  server = await doer();
  const restarted = server.residentBytes();
  say(`restarted with ${workers} workers: seconds, resident`, `${server.seconds.toFixed(2)}, ${mebibytes(restarted)}`);
  const hot = Math.min(1000, workers);
  await all(hot, (number) => asked(server, number));
  say(`${hot} hot workers: resident memory each`, `${((server.residentBytes() - restarted) / hot / 1024).toFixed(1)} KiB`);
  const next = zipf(workers);
  const hit = await all(requests, () => asked(server, next()));
  say(`${requests} requests, Zipf over all`, hit.told);
  say('  resident afterwards', mebibytes(server.residentBytes()));
  const [kept, keptBytes] = [await server.metric('doer_workers_kept'), await server.metric('doer_workers_kept_bytes')];
  say('  images on disk: workers, each', `${kept}, ${(keptBytes / kept / 1024).toFixed(1)} KiB`);
  const again = await all(requests, () => asked(server, next()));
  say(`${requests} more`, again.told);
  say('  resident afterwards', mebibytes(server.residentBytes()));
  await server.stop();
  server = await doer();
  const first = await all(hot, (number) => asked(server, number));
  say(`restarted, ${hot} workers asked for the first time`, first.told);
  await server.stop();
}

async function measureWorkerd() {
  const peers = join(here, '../peers');
  const scope = join(peers, 'node_modules/@cloudflare');
  if (!existsSync(scope)) execFileSync('npm', ['install', '--no-package-lock', '--no-audit', '--no-fund'], { cwd: peers, stdio: 'inherit' });
  const url = `http://127.0.0.1:${await freePort()}`;
  const server = await start({
    command: join(scope, 'workerd-linux-64/bin/workerd'),
    args: ['serve', '--experimental', '--socket-addr', `http=${new URL(url).host}`, join(peers, 'workerd/config.capnp')],
    url, log: join(scratch, 'workerd.log'), timeoutMs: 10_000,
    ready: async () => (await fetch(`${url}/echo`, { method: 'POST', body: '{"code":""}' })).ok,
  });
  try {
    const before = server.residentBytes();
    const ids = Math.min(WORKERD_IDS, workers);
    const loaded = await all(ids, async (number) => {
      // The same table and the same look at it, as that loader's snippet takes it.
      const table = /JSON\.parse\((.*)\);\n/.exec(code(number))[1];
      const body = JSON.stringify({ id: `w${number}`, code: `const rows = JSON.parse(${table}); return { worker: ${number}, text: rows.row1 }` });
      const { status, text } = await ask(`${server.url}/execute`, 'POST', body);
      if (status !== 200 || JSON.parse(text).result?.worker !== number) throw new Error(`workerd, ${number}: ${status} ${text.slice(0, 200)}`);
    });
    say(`workerd: ${ids} workers loaded`, loaded.told);
    say('  resident memory each', `${((server.residentBytes() - before) / ids / 1024).toFixed(1)} KiB`);
  } finally {
    await server.stop();
  }
}

try {
  if (options.only !== 'workerd') await measureDoer();
  if (options.only !== 'doer') await measureWorkerd();
} finally {
  agent.destroy();
  rmSync(scratch, { recursive: true, force: true });
}
