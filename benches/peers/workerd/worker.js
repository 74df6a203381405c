// The peer's POST /execute and POST /echo: reads JSON, runs `code` through the Worker Loader, answers JSON.

let fresh = 0;

// The snippet becomes the body of an async function that sees `input`, as in doer.
const wrap = (code) => `
export default {
  async fetch(request) {
    const input = await request.json();
    const result = await (async () => {
${code}
    })();
    return Response.json({ success: true, result: result ?? null });
  },
};`;

export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    const body = await request.json();
    if (pathname === '/echo') return Response.json({ success: true, result: body.code.length });

    // With an id the loader answers from what it holds; without one every request is code it never saw.
    const id = body.id ?? `cold-${fresh++}`;
    const stub = env.LOADER.get(id, async () => ({
      compatibilityDate: '2025-11-01',
      mainModule: 'main.js',
      modules: { 'main.js': wrap(body.code) },
      globalOutbound: null,
    }));
    return stub.getEntrypoint().fetch('http://execute/', {
      method: 'POST',
      body: JSON.stringify(body.input ?? null),
    });
  },
};
