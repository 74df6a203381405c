// The official client of MCP, with a server's address and a key: does what the tests want to know, and prints it.

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { LoggingMessageNotificationSchema } from '@modelcontextprotocol/sdk/types.js';

const [url, key] = process.argv.slice(2);
const client = new Client({ name: 'test', version: '1.0.0' });
const transport = new StreamableHTTPClientTransport(new URL(url), {
  requestInit: { headers: { authorization: `Bearer ${key}` } },
});

const logs = [];
client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => {
  logs.push([params.level, params.data]);
});

// A tool's answer, or what the client made of it.
const call = async (name, args) => {
  try {
    return await client.callTool({ name, arguments: args });
  } catch (error) {
    return { thrown: error.message };
  }
};

const abandoned = async () => {
  const abort = new AbortController();
  const code = 'await new Promise((resolve) => setTimeout(resolve, 20000))';
  const answer = client.callTool(
    { name: 'execute', arguments: { code: `console.log('waiting');\n${code}`, executionId: 'abandoned' } },
    undefined,
    { signal: abort.signal },
  );
  while (!logs.some(([, line]) => line === 'waiting')) await new Promise((resolve) => setTimeout(resolve, 10));
  abort.abort();
  return await answer.then(() => 'answered', (error) => error.name);
};

try {
  await client.connect(transport);
} catch (error) {
  console.log(JSON.stringify({ refused: error.code ?? error.message }));
  process.exit(0);
}
const { tools } = await client.listTools();
const may = tools.some((tool) => tool.name === 'execute');
const told = {
  server: client.getServerVersion().name,
  tools: tools.map((tool) => tool.name),
  execute: await call('execute', {
    code: 'console.log("one"); console.warn("two"); return await env.db.count(input.ns)',
    input: { ns: 'notes' },
  }),
  eval: await call('eval', { code: 'return [input * 2, typeof env] as const', input: 21, language: 'typescript' }),
  thrown: await call('execute', { code: 'console.log("before");\nthrow new TypeError("no")' }),
  wrong: await call('execute', { code: 'return 1', tiemout: 5 }),
  method: await call('db_upsert', { ns: 'notes', id: 'a', data: { title: 'Hello' } }),
  missing: await call('db_get', { ns: 'notes' }),
  denied: await call('auth_listApiKeys', {}),
  unknown: await call('nope', {}),
  resources: (await client.listResources()).resources.map((resource) => resource.uri),
  types: (await client.readResource({ uri: 'doer://types.d.ts' })).contents[0].text,
  logs: [...logs],
};
if (may) told.abandoned = await abandoned();
await client.close();
console.log(JSON.stringify(told));
