// Drizzle's query builder, and its relations, over the database of the worker.
import {
  and,
  asc,
  avg,
  count,
  desc,
  eq,
  exists,
  gt,
  inArray,
  isNull,
  like,
  not,
  or,
  relations,
  sql,
} from 'drizzle-orm';
import {
  alias,
  index,
  integer,
  primaryKey,
  QueryBuilder,
  real,
  sqliteTable,
  text,
  unionAll,
} from 'drizzle-orm/sqlite-core';
import { drizzle } from 'drizzle-orm/sqlite-proxy';

const users = sqliteTable('users', {
  id: integer().primaryKey({ autoIncrement: true }),
  name: text().notNull().unique(),
  settings: text({ mode: 'json' }).$type<{ theme: string }>(),
  createdAt: integer('created_at', { mode: 'timestamp' }).notNull(),
  active: integer({ mode: 'boolean' }).notNull().default(true),
});
const posts = sqliteTable(
  'posts',
  {
    id: integer().primaryKey(),
    author: integer('author_id')
      .notNull()
      .references(() => users.id),
    title: text().notNull(),
    rating: real(),
  },
  (table) => [index('by_author').on(table.author)],
);
const likes = sqliteTable('likes', { user: integer(), post: integer() }, (table) => [
  primaryKey({ columns: [table.user, table.post] }),
]);
const userRelations = relations(users, ({ many }) => ({ posts: many(posts) }));
const postRelations = relations(posts, ({ one }) => ({
  author: one(users, { fields: [posts.author], references: [users.id] }),
}));
const schema = { users, posts, likes, userRelations, postRelations };

type Rows = { rows: Record<string, unknown>[]; columns: string[] };
type Database = { query(sql: string, params?: unknown[]): Promise<Rows> };

// Rows are objects by column. Of a join two columns may have one name: those are given names of their own.
async function values(db: Database, statement: string, params: unknown[]) {
  let { rows, columns } = await db.query(statement, params);
  if (new Set(columns).size < columns.length) {
    const names = columns.map((_, at) => `c${at}`).join();
    ({ rows, columns } = await db.query(`with r (${names}) as (${statement}) select * from r`, params));
  }
  return rows.map((row) => columns.map((column) => row[column]));
}
const over = (db: Database) =>
  drizzle(
    async (statement, params, method) => {
      const rows = await values(db, statement, params);
      return { rows: method === 'get' ? rows[0] : rows } as { rows: unknown[] };
    },
    { schema },
  );

const q = new QueryBuilder();
const other = alias(users, 'other');
const built = () => ({
  select: q
    .select({ name: users.name, year: sql<number>`strftime('%Y', ${users.createdAt})` })
    .from(users)
    .where(and(or(like(users.name, 'A%'), isNull(users.settings)), not(eq(users.active, false))))
    .orderBy(desc(users.id))
    .limit(5)
    .offset(10),
  join: q.select().from(posts).innerJoin(users, eq(posts.author, users.id)).leftJoin(other, gt(other.id, users.id)),
  grouped: q
    .select({ author: posts.author, n: count(), mean: avg(posts.rating) })
    .from(posts)
    .groupBy(posts.author)
    .having(({ n }) => gt(n, 1)),
  within: q
    .select()
    .from(users)
    .where(and(inArray(users.id, [1, 2, 3]), exists(q.select().from(posts).where(eq(posts.author, users.id))))),
  union: unionAll(q.select({ name: users.name }).from(users), q.select({ name: posts.title }).from(posts)).orderBy(
    asc(sql`1`),
  ),
  dated: q
    .select()
    .from(users)
    .where(gt(users.createdAt, new Date(1760000000000))),
  cte: (() => {
    const top = q.$with('top').as(q.select().from(posts).where(gt(posts.rating, 4)));
    return q.with(top).select().from(top);
  })(),
  insert: over(nowhere)
    .insert(users)
    .values({ name: "O'Hara", settings: { theme: 'dark' }, createdAt: new Date(0) })
    .onConflictDoUpdate({ target: users.name, set: { active: sql`excluded.active` } })
    .returning({ id: users.id }),
  update: over(nowhere)
    .update(posts)
    .set({ rating: sql`${posts.rating} + 1` })
    .where(eq(posts.id, 7)),
  delete: over(nowhere)
    .delete(likes)
    .where(and(eq(likes.user, 1), eq(likes.post, 2))),
});
const nowhere: Database = { query: () => Promise.reject(new Error('there is no database')) };

async function live(database: Database) {
  const db = over(database);
  await db.run(
    sql`create table if not exists users (id integer primary key autoincrement,
      name text not null unique, settings text, created_at integer not null, active integer not null default true)`,
  );
  await db.run(
    sql`create table if not exists posts (id integer primary key,
      author_id integer not null references users (id), title text not null, rating real)`,
  );
  await db.delete(posts);
  await db.delete(users);
  const createdAt = new Date(1760000000000);
  const [ada] = await db
    .insert(users)
    .values({ name: 'Ada', settings: { theme: 'dark' }, createdAt })
    .returning();
  const [alan] = await db.insert(users).values({ name: 'Alan', createdAt, active: false }).returning({ id: users.id });
  await db.insert(posts).values([
    { id: 1, author: ada.id, title: 'Notes', rating: 4.5 },
    { id: 2, author: ada.id, title: 'Loops' },
  ]);
  await db
    .insert(posts)
    .values({ id: 1, author: ada.id, title: 'Again' })
    .onConflictDoUpdate({ target: posts.id, set: { title: 'Notes, again' } });
  await db.update(users).set({ active: true }).where(eq(users.id, alan.id));
  const joined = await db
    .select()
    .from(users)
    .leftJoin(posts, eq(posts.author, users.id))
    .orderBy(users.name, desc(posts.id));
  const names = joined.map((row) => [
    row.users.name,
    row.users.id === ada.id,
    row.posts?.id ?? null,
    row.posts?.title ?? null,
  ]);
  const refused = await db
    .insert(users)
    .values({ name: 'Ada', createdAt })
    .catch((error) => `${error.cause?.name}: ${error.cause?.message}`);
  return {
    typed: { ...ada, id: typeof ada.id, isDate: ada.createdAt instanceof Date },
    names,
    one: await db.select({ name: users.name, active: users.active }).from(users).where(eq(users.id, alan.id)).get(),
    none: (await db.query.users.findFirst({ where: eq(users.name, 'Grace') })) ?? null,
    nested: await db.query.users.findMany({
      columns: { name: true },
      with: { posts: { columns: { title: true, rating: true }, orderBy: asc(posts.id) } },
      orderBy: asc(users.name),
    }),
    counted: await db.$count(posts),
    prepared: await db
      .select({ title: posts.title })
      .from(posts)
      .where(eq(posts.id, sql.placeholder('id')))
      .prepare()
      .all({ id: 2 }),
    refused,
    transaction: await db
      .transaction(() => Promise.resolve('done'))
      .catch((error) => error.cause?.code ?? String(error)),
  };
}

export default {
  async fetch(request: Request, env: { db: Database }) {
    if (new URL(request.url).pathname === '/live') return Response.json(await live(env.db));
    return Response.json(Object.fromEntries(Object.entries(built()).map(([name, query]) => [name, query.toSQL()])));
  },
};
