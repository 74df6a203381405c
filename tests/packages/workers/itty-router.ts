// Routes, what comes before and after them, and errors, as itty-router has them.
import {
  AutoRouter,
  cors,
  error,
  type IRequest,
  json,
  Router,
  StatusError,
  text,
  withContent,
  withCookies,
  withParams,
} from 'itty-router';

const { preflight, corsify } = cors({ origin: 'https://a.example', allowMethods: ['GET', 'POST'] });
const seen: (request: IRequest) => void = (request) => {
  request.trail = ['before'];
};

const router = AutoRouter({ before: [preflight, seen], finally: [corsify] });
router
  .get('/users/:id', ({ id, query, trail }) => ({ id, query, trail }))
  .get('/files/:path+', ({ params }) => params)
  .get('/maybe/:name?', ({ name }) => ({ name: name ?? null }))
  .get('/cookies', withCookies, ({ cookies }) => cookies)
  .post('/content', withContent, ({ content }) => ({ content }))
  .all('/any', ({ method }) => method)
  .get('/text', () => text('as it is', { status: 203, headers: { 'x-own': 'yes' } }))
  .get('/async', async () => {
    await null;
    return [1, 2];
  })
  .get('/fails', () => {
    throw new Error('by its own doing');
  })
  .get('/refuses', () => {
    throw new StatusError(409, { error: 'taken', by: 'ada' });
  })
  .get('/forbidden', () => error(403, 'not for you'));

const inner = Router({ base: '/inner', before: [withParams], catch: error, finally: [json] });
inner.get('/:a/:b', ({ a, b }) => [a, b]).all('*', () => error(404, 'nothing inside'));
router.all('/inner/*', inner.fetch);

export default router;
