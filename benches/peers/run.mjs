// Measures doer and workerd (with its Worker Loader) on the same code with the same load, and prints one table.
//
//   node benches/peers/run.mjs [--rounds 5] [--only doer|workerd] [--doer target/release/doer]
//
// doer must be built with `cargo build --release --features bench-echo`. Needs wrk, and npm for workerd.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { measure } from './load.mjs';
import { scenarios } from './scenarios.mjs';
import { freePort, start } from './server.mjs';
import { print } from './table.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
// workerd keeps every id it ever loaded, and dies near 4,000. Each round has its own process, and two scenarios of
// this many ids and a quarter more for the warm-up stay below that.
const workerdIdsPerScenario = 1200;

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    only: { type: 'string' },
    doer: { type: 'string', default: join(here, '../../target/release/doer') },
  },
});

const scratch = mkdtempSync(join(tmpdir(), 'doer-peers-data-'));

function workerdBinary() {
  const scope = join(here, 'node_modules/@cloudflare');
  if (!existsSync(scope)) execFileSync('npm', ['install', '--no-package-lock', '--no-audit', '--no-fund'], { cwd: here, stdio: 'inherit' });
  const name = readdirSync(scope).find((entry) => entry.startsWith('workerd-'));
  return join(scope, name, 'bin/workerd');
}

const peers = {
  async workerd() {
    const url = `http://127.0.0.1:${await freePort()}`;
    return start({
      command: workerdBinary(),
      args: ['serve', '--experimental', '--socket-addr', `http=${new URL(url).host}`, join(here, 'workerd/config.capnp')],
      url, log: join(scratch, 'workerd.log'), timeoutMs: 10_000,
      ready: async () => (await fetch(`${url}/echo`, { method: 'POST', body: '{"code":""}' })).ok,
    });
  },
  async doer() {
    const url = `http://127.0.0.1:${await freePort()}`;
    return start({
      command: resolve(options.doer), args: ['serve', '--dev'], cwd: scratch,
      env: {
        DOER__SERVER__LISTEN: new URL(url).host,
        DOER__ADMIN__LISTEN: `127.0.0.1:${await freePort()}`,
        DOER__DATA__DIR: join(scratch, 'data'),
      },
      // The first start compiles the engine.
      url, log: join(scratch, 'doer.log'), timeoutMs: 60_000,
      ready: async () => (await fetch(`${url}/readyz`)).ok,
    });
  },
};

/** workerd's loader is asked by id where the code repeats; doer gets the code again, or has been given a worker. */
function asked(peer, scenario) {
  if (peer === 'workerd') return scenario.id ? { ...scenario, body: { ...scenario.body, id: scenario.id } } : scenario;
  return { ...scenario, ...scenario.doer };
}

const rounds = Number(options.rounds);
const names = options.only ? [options.only] : Object.keys(peers);
const samples = Object.fromEntries(names.map((name) => [name, Object.fromEntries(scenarios.map((s) => [s.name, []]))]));

try {
  for (let round = 0; round < rounds; round++) {
    // Interleaved and in turns, so that a slow minute of the machine hits both.
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      const server = await peers[name]();
      try {
        for (const scenario of scenarios.filter(({ only }) => !only || only === name)) {
          samples[name][scenario.name].push(await measure(server, asked(name, scenario), name === 'workerd' ? workerdIdsPerScenario : 0));
          process.stderr.write(`round ${round + 1}/${rounds} ${name} ${scenario.name}\n`);
        }
      } finally {
        await server.stop();
      }
    }
  }
  print(samples, scenarios);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
