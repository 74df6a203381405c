// What is measured: one request body a scenario, the same for both servers.

// A handler of ordinary size: looks rates up in a table, parses JSON and answers JSON.
const handler = `
const rates = {
  'SKU-3': { price: 121, tax: 0.07 }, 'SKU-8': { price: 156, tax: 0.19 }, 'SKU-17': { price: 219, tax: 0.19 },
  'SKU-21': { price: 247, tax: 0.07 }, 'SKU-33': { price: 331, tax: 0.07 }, 'SKU-40': { price: 380, tax: 0.19 },
};
const order = JSON.parse(input.order);
const lines = order.items.map(({ sku, quantity }) => {
  const rate = rates[sku];
  if (!rate) throw new Error('unknown ' + sku);
  const net = rate.price * quantity;
  return { sku, net, gross: Math.round(net * (1 + rate.tax) * 100) / 100 };
});
const total = lines.reduce((sum, line) => sum + line.gross, 0);
return { customer: order.customer.toUpperCase(), lines: lines.length, total };
`;

const input = {
  order: JSON.stringify({
    customer: 'ada',
    items: [{ sku: 'SKU-3', quantity: 2 }, { sku: 'SKU-17', quantity: 1 }, { sku: 'SKU-40', quantity: 5 }],
  }),
};

const expected = { customer: 'ADA', lines: 3, total: 2780.55 };

// Work for the processor alone: here a just-in-time compiler is at home, and an interpreter is not.
const fib = `const fib = (n) => (n < 2 ? n : fib(n - 1) + fib(n - 2)); return fib(24);`;
const sort = `
let seed = 42;
const numbers = Array.from({ length: 20000 }, () => (seed = (seed * 1103515245 + 12345) % 2147483648));
numbers.sort((a, b) => a - b);
return numbers.every((n, i) => i === 0 || numbers[i - 1] <= n);`;
const json = `
const rows = Array.from({ length: 2000 }, (_, i) => ({ id: i, name: 'row ' + i, tags: ['a', 'b'], on: i % 2 === 0 }));
let text = '';
for (let i = 0; i < 5; i++) text = JSON.stringify(JSON.parse(JSON.stringify(rows)));
return text.length;`;

/** A worker that runs a snippet for each request; workerd's side of the bench wraps it the same way. */
const worker = (code) => ({
  mainModule: 'main.js',
  modules: {
    'main.js': `
export default {
  async fetch(request) {
    const input = await request.json();
    const result = await (async () => {
${code}
    })();
    return Response.json({ success: true, result: result ?? null });
  },
};`,
  },
});

const book = { pages: 100, title: 'A book' };

// `body`: @UNIQUE@ becomes a new number in every request. `result`: what the code must return, or `of` it must give.
// `connections`: requests in flight. `bounded`: loads one id a request on workerd, which does not survive many.
// `doer`: what is asked of doer instead, where its way is another.
// `before`: requests that prepare what is measured. `only`: of one server, where the other has no such thing.
export const scenarios = [
  // Everything but running it: the request is read and answered with the length of its code.
  { name: 'echo', path: '/echo', connections: 16, seconds: 4, result: handler.length, body: { code: handler, input } },
  { name: 'warm, handler', path: '/execute', connections: 16, seconds: 4, result: expected, body: { code: handler, input }, id: 'handler' },
  // The same as a worker that was registered: doer runs it on its image, workerd on the isolate that it holds.
  {
    name: 'warm worker, handler', path: '/execute', connections: 16, seconds: 4, result: expected, body: { code: handler, input }, id: 'worker',
    doer: { path: '/workers/warm/fetch/', body: input, before: { method: 'PUT', path: '/workers/warm', body: worker(handler) } },
  },
  { name: 'fib(24)', path: '/execute', connections: 2, seconds: 3, result: 46368, body: { code: fib }, id: 'fib' },
  { name: 'sort 20,000', path: '/execute', connections: 2, seconds: 3, result: true, body: { code: sort }, id: 'sort' },
  { name: 'JSON 2,000 rows', path: '/execute', connections: 2, seconds: 3, result: 112781, body: { code: json }, id: 'json' },
  // A call of a service by HTTP that reads one row of a SQLite database.
  {
    name: 'rpc, read', path: '/rpc/db/get', connections: 16, seconds: 4, only: 'doer', result: book,
    body: { params: ['books', 'a'] }, of: (row) => row.data,
    before: { path: '/rpc/db/upsert', body: { params: ['books', 'a', book] } },
  },
  // Last, because workerd keeps what it loaded and is slower for it afterwards.
  {
    name: 'cold, one line', path: '/execute', connections: 16, seconds: 5, bounded: true, result: true,
    body: { code: 'return @UNIQUE@ > 0' },
  },
  {
    name: 'cold, handler', path: '/execute', connections: 16, seconds: 5, bounded: true, result: expected,
    body: { code: `const unique = @UNIQUE@;${handler}`, input },
  },
];
