// One measured run: wrk against one scenario of one server, and what the server's process used meanwhile.

import { spawn } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('load.lua', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'doer-peers-'));
// Numbers that go into cold code start with this; seven digits keep them below 2^53.
let salt = 1000;

/** Runs wrk for `seconds` or `limit` requests, whichever comes first. */
async function wrk(server, scenario, body, { seconds, check, limit }) {
  const file = join(scratch, 'body.json');
  writeFileSync(file, JSON.stringify(body));
  const args = [
    '--threads', '1', '--connections', String(scenario.connections), '--duration', `${seconds}s`, '--timeout', '30s',
    '--script', script, server.url + scenario.path, '--', file, String(salt++), check, String(limit),
  ];
  const child = spawn('wrk', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  for await (const chunk of child.stdout) out += chunk;
  const line = /^JSON (.*)$/m.exec(out);
  if (!line) throw new Error(`wrk gave no numbers:\n${out}`);
  return JSON.parse(line[1]);
}

/** One request; gives its result, or throws where there is none. */
async function single(server, name, path, body, method = 'POST') {
  const answer = await fetch(server.url + path, { method, headers: { 'content-type': 'application/json' }, body });
  const text = await answer.text();
  const got = JSON.parse(text);
  if (!answer.ok || got.success === false) throw new Error(`${name}: wrong answer ${answer.status} ${text.slice(0, 500)}`);
  return got.result;
}

/** One request whose whole answer is looked at, a checked warm-up, then the measured run. */
export async function measure(server, scenario, boundedLimit) {
  const { body } = scenario;
  if (scenario.before) await single(server, scenario.name, scenario.before.path, JSON.stringify(scenario.before.body), scenario.before.method);
  const got = await single(server, scenario.name, scenario.path, JSON.stringify(body).replaceAll('@UNIQUE@', String(salt++)));
  const result = scenario.of ? scenario.of(got) : got;
  if (JSON.stringify(result) !== JSON.stringify(scenario.result)) {
    throw new Error(`${scenario.name}: wrong result ${JSON.stringify(got).slice(0, 500)}`);
  }

  const limit = scenario.bounded ? boundedLimit : 0;
  const warmUp = await wrk(server, scenario, body, { seconds: 1, check: 'check', limit: Math.floor(limit / 4) });
  const before = server.cpuSeconds();
  const run = await wrk(server, scenario, body, { seconds: scenario.seconds, check: 'blind', limit });
  const cpu = server.cpuSeconds() - before;
  const failed = warmUp.failed + run.failed;
  if (failed > 0 || !server.alive()) throw new Error(`${scenario.name}: ${failed} requests failed`);
  return {
    requestsPerSecond: run.requests / run.seconds,
    p50: run.p50,
    p99: run.p99,
    cpuMicros: (cpu / run.requests) * 1e6,
    residentBytes: server.residentBytes(),
  };
}
