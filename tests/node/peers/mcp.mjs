// A server made with the official SDK of MCP, over standard streams or streamable HTTP: `sessions` (with them),
// `stateless`, or `json` (with sessions, and plain JSON in place of event streams).

import { randomUUID } from 'node:crypto';
import { McpServer, ResourceTemplate } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { isInitializeRequest } from '@modelcontextprotocol/sdk/types.js';
import { z } from 'zod';
import { listen, read, ready, settings } from './peer.mjs';

const seen = { initialized: 0, calls: 0, slow: 0, abandoned: 0 };
const text = (text) => ({ content: [{ type: 'text', text }] });

const make = () => {
  const server = new McpServer({ name: 'peer', version: '1.0.0' }, { capabilities: { logging: {} } });
  server.server.oninitialized = () => (seen.initialized += 1);
  const tool = (name, config, handler) =>
    server.registerTool(name, config, (...parameters) => {
      seen.calls += 1;
      return handler(...parameters);
    });

  tool(
    'greet',
    { description: 'Says hello', inputSchema: { name: z.string().min(1), times: z.number().int().max(3).default(1) } },
    ({ name, times }) => text(Array(times).fill(`Hello, ${name}!`).join(' ')),
  );
  tool(
    'sum',
    {
      title: 'Adds numbers up',
      inputSchema: { numbers: z.array(z.number()) },
      outputSchema: { sum: z.number(), of: z.array(z.number()) },
    },
    ({ numbers }) => {
      const structuredContent = { sum: numbers.reduce((sum, number) => sum + number, 0), of: numbers };
      return { ...text(JSON.stringify(structuredContent)), structuredContent };
    },
  );
  tool('fail', {}, () => {
    throw new Error('the disk is full: größer geht nicht');
  });
  // What it promises is not what it gives: the SDK refuses it on this side.
  tool('broken', { outputSchema: { sum: z.number() } }, () => ({ content: [], structuredContent: { sum: 'many' } }));
  tool('slow', {}, ({ signal }) => {
    seen.slow += 1;
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(text('late')), 60_000);
      signal.addEventListener('abort', () => {
        seen.abandoned += 1;
        clearTimeout(timer);
        resolve(text('abandoned'));
      });
    });
  });
  tool('huge', { inputSchema: { bytes: z.number().int() } }, ({ bytes }) => text('x'.repeat(bytes)));
  tool('mixed', {}, () => ({
    content: [
      { type: 'image', data: 'iVBORw0=', mimeType: 'image/png' },
      { type: 'resource_link', uri: 'test://greeting', name: 'greeting' },
      { type: 'resource', resource: { uri: 'test://inline', mimeType: 'text/plain', text: 'inline' } },
    ],
  }));
  tool('empty', {}, () => ({ content: [] }));
  // News before the answer: progress and log lines, which doer has not asked for, and a question that it answers.
  tool('chatty', {}, async ({ sendNotification, _meta }) => {
    for (let progress = 1; progress <= 3; progress += 1) {
      const progressToken = _meta?.progressToken ?? 'nobody';
      await sendNotification({ method: 'notifications/progress', params: { progressToken, progress, total: 3 } });
      await server.server.sendLoggingMessage({ level: 'info', data: `step ${progress}` });
    }
    return text('done');
  });
  tool('ping', {}, async ({ sendRequest }) => {
    await sendRequest({ method: 'ping' }, z.object({}).passthrough());
    return text('pong');
  });
  tool('grow', {}, () => {
    tool('grown', {}, () => text('here'));
    return text('one tool more');
  });
  tool('surroundings', {}, ({ requestInfo }) => ({
    content: [],
    structuredContent: { headers: requestInfo?.headers ?? null, environment: { ...process.env }, process: process.pid },
  }));
  tool('die', {}, () => process.kill(process.pid, 'SIGKILL'));

  const plain = { description: 'A greeting', mimeType: 'text/plain' };
  server.registerResource('greeting', 'test://greeting', plain, ({ href }) => ({
    contents: [{ uri: href, mimeType: 'text/plain', text: 'Grüß Gott' }],
  }));
  server.registerResource('bytes', 'test://bytes', { mimeType: 'application/octet-stream' }, ({ href }) => ({
    contents: [{ uri: href, mimeType: 'application/octet-stream', blob: 'AAH/' }],
  }));
  const squares = new ResourceTemplate('test://squares/{number}', { list: undefined });
  server.registerResource('squares', squares, {}, ({ href }, { number }) => ({
    contents: [{ uri: href, text: String(number ** 2) }],
  }));
  return server;
};

const sessions = new Map();

const refuse = (response, status, code, message) => {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ jsonrpc: '2.0', error: { code, message }, id: null }));
};

const transport = async (options) => {
  const transport = new StreamableHTTPServerTransport({ enableJsonResponse: settings.mode === 'json', ...options });
  await make().connect(transport);
  return transport;
};

const handle = async (request, response) => {
  if (!request.url.startsWith('/mcp')) return refuse(response, 404, -32600, 'No such path');
  const body = request.method === 'POST' ? JSON.parse(await read(request)) : undefined;
  if (settings.mode === 'stateless') {
    if (request.method !== 'POST') return refuse(response, 405, -32000, 'Method not allowed');
    const once = await transport({ sessionIdGenerator: undefined });
    response.on('close', () => once.close());
    return once.handleRequest(request, response, body);
  }
  const id = request.headers['mcp-session-id'];
  if (id === undefined && body && isInitializeRequest(body)) {
    const begun = await transport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => sessions.set(id, begun),
      onsessionclosed: (id) => sessions.delete(id),
    });
    return begun.handleRequest(request, response, body);
  }
  const known = sessions.get(id);
  // As the specification has it of a session that is no more.
  return known ? known.handleRequest(request, response, body) : refuse(response, 404, -32001, 'Session not found');
};

if (settings.mode === 'stdio') {
  await make().connect(new StdioServerTransport());
} else {
  ready(await listen(handle), {
    seen: () => ({ ...seen, sessions: sessions.size }),
    /** Forgets all sessions, as a server that was restarted does. */
    forget: () => sessions.clear(),
  });
}
