/** @jsxRuntime automatic */
/** @jsxImportSource hono/jsx */
// A site of components, with texts beside it.
import { Hono } from 'hono';
import { raw } from 'hono/html';
import { Suspense, renderToReadableStream } from 'hono/jsx/streaming';
import type { FC, PropsWithChildren } from 'hono/jsx';
import icon from './icon.svg';
import page from './page.html';
import style from './style.css';

const Layout: FC<PropsWithChildren<{ title: string }>> = ({ title, children }) => (
  <html>
    <head>
      <style>{raw(style)}</style>
    </head>
    <body>
      <h1>{title}</h1>
      {children}
    </body>
  </html>
);
const List = async ({ items }: { items: number[] }) => (
  <ul>
    {items.map((item) => (
      <li>{item}</li>
    ))}
  </ul>
);

const app = new Hono();
app.get('/', (c) =>
  c.html(
    <Layout title={'For <Ada>'}>
      <List items={[1, 2]} />
      {raw(page)}
    </Layout>,
  ),
);
app.get('/icon.svg', (c) => c.body(icon, 200, { 'content-type': 'image/svg+xml' }));
app.get('/later', (c) =>
  c.body(
    renderToReadableStream(
      <Suspense fallback={<i>wait</i>}>
        <List items={[3]} />
      </Suspense>,
    ),
  ),
);

export default app;
