// What people parse with zod, and what it says where they cannot.
import { z } from 'zod';

const Address = z.object({ street: z.string().min(1), zip: z.string().regex(/^\d{5}$/, 'five digits') });
const User = z
  .object({
    name: z.string().trim().min(2),
    email: z.email(),
    age: z.coerce.number().int().positive().optional(),
    role: z.enum(['admin', 'user']).default('user'),
    addresses: z.array(Address).max(2),
    site: z.url().nullish(),
  })
  .strict();
const Shape = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('circle'), r: z.number() }),
  z.object({ kind: z.literal('square'), side: z.number() }),
]);
type Tree = { name: string; children: Tree[] };
const Tree: z.ZodType<Tree> = z.object({
  name: z.string(),
  get children() {
    return z.array(Tree);
  },
});
const Password = z
  .object({ one: z.string(), two: z.string() })
  .refine((v) => v.one === v.two, { error: 'not the same', path: ['two'] });
const Free = z.string().refine(async (name) => {
  await null;
  return name !== 'taken';
}, 'is taken');

const told = (result: z.ZodSafeParseResult<unknown>) =>
  result.success
    ? { data: result.data }
    : {
        issues: result.error.issues,
        tree: z.treeifyError(result.error),
        flat: z.flattenError(result.error),
        pretty: z.prettifyError(result.error),
      };

const fine = { name: ' Ada ', email: 'ada@example.com', age: '36', addresses: [{ street: 'St', zip: '12345' }] };
const cases: Record<string, () => unknown> = {
  fine: () => told(User.safeParse(fine)),
  nested: () =>
    told(
      User.safeParse({
        ...fine,
        email: 'no',
        addresses: [
          { street: 'St', zip: '12345' },
          { street: '', zip: 'x' },
        ],
      }),
    ),
  unknown: () => told(User.safeParse({ ...fine, extra: 1 })),
  nothing: () => told(User.safeParse(null)),
  types: () =>
    told(
      z
        .tuple([z.bigint(), z.date(), z.instanceof(URL), z.symbol()])
        .safeParse([1n, new Date(NaN), new URL('http://a/'), 2]),
    ),
  circle: () => told(Shape.safeParse({ kind: 'circle', r: 1 })),
  triangle: () => told(Shape.safeParse({ kind: 'triangle' })),
  tree: () => told(Tree.safeParse({ name: 'a', children: [{ name: 'b', children: [{ name: 3, children: [] }] }] })),
  password: () => told(Password.safeParse({ one: 'a', two: 'b' })),
  taken: async () => told(await Free.safeParseAsync('taken')),
  formats: () =>
    told(
      z
        .object({
          uuid: z.uuid(),
          ip: z.ipv4(),
          iso: z.iso.datetime(),
          date: z.iso.date(),
          base64: z.base64(),
          jwt: z.jwt(),
          emoji: z.emoji(),
          cidr: z.cidrv6(),
        })
        .safeParse({
          uuid: '1',
          ip: '256.0.0.1',
          iso: '2026-13-01',
          date: '2026-02-30',
          base64: '?',
          jwt: 'a.b',
          emoji: 'x',
          cidr: '::1',
        }),
    ),
  transform: () =>
    z
      .string()
      .transform((s) => s.length)
      .pipe(z.number().max(3))
      .safeParse('abcd').error?.issues,
  template: () => z.templateLiteral(['v', z.number(), '.', z.number()]).safeParse('v1.2').success,
  codec: () =>
    z
      .codec(z.iso.datetime(), z.date(), { decode: (s) => new Date(s), encode: (d) => d.toISOString() })
      .encode(new Date(0)),
  schema: () => z.toJSONSchema(User, { io: 'input' }),
  german: () => {
    z.config(z.locales.de());
    try {
      return told(z.string().safeParse(1));
    } finally {
      z.config(z.locales.en());
    }
  },
  thrown: () => {
    try {
      return User.parse({});
    } catch (error) {
      return [(error as Error).name, error instanceof z.ZodError, (error as Error).message];
    }
  },
};

export default {
  async fetch(request: Request) {
    const one = cases[new URL(request.url).pathname.slice(1)];
    return one === undefined ? Response.json(Object.keys(cases)) : Response.json((await one()) ?? null);
  },
};
