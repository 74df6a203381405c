// An application as Hono's documentation has it: routes, middleware around them, cookies, tokens, streams.
import { type Context, Hono, type Next } from 'hono';
import { basicAuth } from 'hono/basic-auth';
import { bearerAuth } from 'hono/bearer-auth';
import { bodyLimit } from 'hono/body-limit';
import { compress } from 'hono/compress';
import { deleteCookie, getCookie, getSignedCookie, setCookie, setSignedCookie } from 'hono/cookie';
import { cors } from 'hono/cors';
import { etag } from 'hono/etag';
import { html } from 'hono/html';
import { HTTPException } from 'hono/http-exception';
import { jwt, sign } from 'hono/jwt';
import { secureHeaders } from 'hono/secure-headers';
import { stream, streamSSE, streamText } from 'hono/streaming';
import { validator } from 'hono/validator';

const SECRET = 'not much of a secret';
type Env = { Variables: { trail: string[] } };

const app = new Hono<Env>();

app.get('/', (c) => c.text('home'));
app.get('/users/:id', (c) =>
  c.json({ id: c.req.param('id'), page: c.req.query('page') ?? null, tags: c.req.queries('tag') ?? [] }),
);
app.get('/posts/:slug{[a-z-]+}', (c) => c.json(c.req.param()));
app.get('/archive/:year/:month?', (c) => c.json(c.req.param()));
app.get('/files/*', (c) => c.text(c.req.path));
app.on(['PUT', 'PATCH'], '/things/:id', async (c) => c.json({ method: c.req.method, body: await c.req.json() }, 202));
app.get('/old', (c) => c.redirect('/users/7', 301));
app.get('/page', (c) => c.html(html`<h1>${'<Ada>'}</h1>`));
app.post('/form', async (c) => {
  const { name, file, tags } = await c.req.parseBody({ all: true });
  const { name: filename, type } = file as File;
  return c.json({ name, tags, file: [filename, type, await (file as File).text()] });
});
app.post(
  '/checked',
  validator('json', (value, c) => (typeof value.n === 'number' ? { n: value.n } : c.text('n is no number', 400))),
  (c) => c.json(c.req.valid('json')),
);
app.post('/small', bodyLimit({ maxSize: 8, onError: (c) => c.text('too large', 413) }), async (c) =>
  c.text(await c.req.text()),
);

const around = (name: string) => async (c: Context<Env>, next: Next) => {
  const trail = c.get('trail') ?? [];
  c.set('trail', trail);
  trail.push(name);
  await next();
  trail.push(`/${name}`);
  c.header('x-trail', trail.join(' '));
};
app.use('/order/*', around('first'), around('second'));
app.get('/order/handler', around('own'), (c) => {
  c.get('trail').push('handler');
  return c.text('ordered');
});

app.get('/cookies/set', async (c) => {
  setCookie(c, 'plain', 'a b;c', { path: '/', httpOnly: true, maxAge: 60, sameSite: 'Lax' });
  setCookie(c, 'other', 'x', { prefix: 'secure' });
  await setSignedCookie(c, 'signed', 'ada', SECRET);
  deleteCookie(c, 'gone');
  return c.text('set');
});
app.get('/cookies', async (c) =>
  c.json({
    all: getCookie(c),
    plain: getCookie(c, 'plain') ?? null,
    signed: await getSignedCookie(c, SECRET, 'signed'),
  }),
);

app.get('/login/:name', async (c) =>
  c.text(await sign({ sub: c.req.param('name'), exp: 4102444800 }, SECRET, 'HS256')),
);
app.use('/private/*', jwt({ secret: SECRET, alg: 'HS256' }));
app.get('/private/me', (c) => c.json(c.get('jwtPayload')));
app.get('/basic', basicAuth({ username: 'ada', password: 'engine' }), (c) => c.text('in'));
app.get('/bearer', bearerAuth({ token: 'token-of-ada' }), (c) => c.text('in'));

app.get('/etag', etag(), (c) => c.text('the same again'));
app.use('/cors', cors({ origin: 'https://a.example', allowMethods: ['GET'], maxAge: 600 }));
app.get('/cors', (c) => c.text('shared'));
app.get('/secure', secureHeaders(), (c) => c.text('secure'));
app.get('/compressed', compress({ threshold: 10 }), (c) => c.text('again and '.repeat(100)));
app.get('/inflated', async (c) => {
  const response = await app.request('/compressed', { headers: { 'accept-encoding': 'gzip' } });
  const plain = response.body!.pipeThrough(new DecompressionStream(response.headers.get('content-encoding') as 'gzip'));
  return new Response(plain);
});

app.get('/endless', (c) =>
  streamText(c, async (out) => {
    for (let n = 0; !out.aborted; n++) {
      await out.writeln(`${n}`);
      await out.sleep(1);
    }
  }),
);
app.get('/events', (c) =>
  streamSSE(c, async (out) => {
    for (const id of ['1', '2']) await out.writeSSE({ event: 'tick', id, data: `${id}\nof two` });
  }),
);
app.get('/piped', (c) => stream(c, (out) => out.pipe(new Blob(['through', ' a pipe']).stream())));

app.get('/fails', () => {
  throw new TypeError('by its own doing');
});
app.get('/refuses', () => {
  throw new HTTPException(418, { message: 'a teapot' });
});
app.notFound((c) => c.json({ missing: c.req.path }, 404));
app.onError((error, c) =>
  error instanceof HTTPException ? error.getResponse() : c.text(`${error.name}: ${error.message}`, 500),
);

const api = new Hono().get('/ping', (c) => c.text('pong'));
app.route('/api/v1', api);
app.mount('/mounted', (request: Request) => new Response(new URL(request.url).pathname));

export default app;
