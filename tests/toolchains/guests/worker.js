// A worker in JavaScript: the web's own `fetch` event, requests that it sends, a service with types, and a log.
import { count, upsert } from 'doer:platform/db@0.1.0';

addEventListener('fetch', (event) => event.respondWith(answer(event.request)));

async function answer(request) {
  if (new URL(request.url).pathname === '/echo') return new Response(request.body, { headers: { 'x-made-by': 'js' } });
  const input = await request.json();
  if (input.loop) for (;;);
  console.log('asked for', input.name);
  const thing = upsert('made', input.name, JSON.stringify({ by: 'js' }), { visibility: 'public' });
  const rpc = await fetch('http://db/rpc/count', { method: 'POST', body: JSON.stringify({ ns: 'made' }) });
  let refused;
  try {
    await fetch('http://169.254.169.254/latest/meta-data');
  } catch (error) {
    refused = error.name;
  }
  let wrong;
  try {
    upsert('made', input.name, 'not JSON', undefined);
  } catch (error) {
    wrong = error.payload;
  }
  const stream = new ReadableStream({
    start(controller) {
      const encode = (text) => controller.enqueue(new TextEncoder().encode(text));
      encode('{"thing":');
      encode(JSON.stringify({ ...thing, createdAt: typeof thing.createdAt, updatedAt: 0 }));
      encode(`,"count":${count('made', undefined)},"refused":"${refused}"`);
      encode(`,"rpc":[${rpc.status},${'RPC'}],"wrong":["${wrong.name}","${wrong.code}","${wrong.message}"]}`);
      controller.close();
    },
  });
  const text = (await new Response(stream).text()).replace('RPC', await rpc.text());
  return new Response(text, { status: 201, headers: { 'content-type': 'application/json', 'x-made-by': 'js' } });
}
