// What every peer is: a process that says on its first line of output where it listens, does what it is told on its
// standard input, line by line, and ends when that is closed: with the test that started it, however that ends.

import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { createInterface } from 'node:readline';

/** What the test has said when it started this process. */
export const settings = JSON.parse(process.argv[2] ?? '{}');

/** Says where it listens, and does what it is told: `{command, args}`, answered with `{result}` or `{error}`. */
export const ready = (port, commands) => {
  const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
  const lines = createInterface({ input: process.stdin });
  lines.on('line', async (line) => {
    const { command, args } = JSON.parse(line);
    try {
      say({ result: (await commands[command](args)) ?? null });
    } catch (error) {
      say({ error: String(error?.stack ?? error) });
    }
  });
  lines.on('close', () => process.exit(0));
  say({ port });
};

/** A server on loopback, at the port of the settings or a free one; over TLS where they have a certificate. */
export const listen = (handler) =>
  new Promise((resolve) => {
    const server = settings.cert ? createSecureServer(settings, handler) : createServer(handler);
    server.listen(settings.port ?? 0, '127.0.0.1', () => resolve(server.address().port));
  });

/** A whole body. */
export const read = async (request) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
};
