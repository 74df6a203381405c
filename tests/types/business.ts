// Every method of `$`, as a user would write it.

import { $ as business, env as bindings, WorkerEntrypoint } from "doer:workers";

export class Orders extends WorkerEntrypoint {
  async count(): Promise<number> {
    return (await business.db.count("orders")) + (await bindings.db.count("orders")) + (await this.env.db.count("orders"));
  }
}

interface Order {
  customer: { name: string; city?: string };
  total: number;
  status: "open" | "paid";
}

export async function documents(): Promise<unknown> {
  const made: Business.Document<Order> = await $.db.create<Order>("orders", {
    id: "o1",
    customer: { name: "Ada" },
    total: 5,
    status: "open",
  });
  const found = await $.db.find<Order>(
    "orders",
    { status: "open", total: { $gte: 5, $lt: 100 }, "customer.city": null, $or: [{ id: { $in: ["o1"] } }, { total: 1 }] },
    { limit: 10, offset: 0, sort: ["-total", "createdAt"] },
  );
  const one = await $.db.findOne<Order>("orders", "o1");
  const first = await $.db.findOne("orders", { status: { $ne: "paid" } }, { sort: "total" });
  const changed = await $.db.update<Order>("orders", made.id, { status: "paid", customer: { city: null } });
  const gone = await $.db.delete("orders", "o1");
  const count: number = await $.db.count("orders", { status: "open" });
  const totals = found.map((order) => order.total + order.createdAt);
  return [totals, one?.customer.name, first?.total, changed.updatedAt, gone?.id, count];
}

export async function outside(): Promise<unknown> {
  const invoices = await $.api.get<{ id: string }[]>("/billing/invoices", { query: { open: "1" }, timeout: 500 });
  const invoice = await $.api.post("/billing/invoices", { amount: 5 }, { headers: { "idempotency-key": "a" } });
  await $.api.put(`/billing/invoices/${invoice.id}`, { amount: 6 });
  await $.api.patch(`/billing/invoices/${invoice.id}`, { amount: 7 });
  try {
    await $.api.delete(`/billing/invoices/${invoice.id}`);
  } catch (error) {
    const { code, status, body } = error as Business.UpstreamError;
    return [code === "upstream_error", status, body];
  }
  return invoices.length;
}

export async function later(): Promise<unknown> {
  const consumer: Queue.Consumer = await $.on<Order>(
    "order.paid",
    async (order, { id, attempts }) => {
      await $.send.email({ to: "ada@example.com", subject: `Order ${id}`, body: `${order.total} ${attempts}` });
    },
    { maxConcurrency: 4 },
  );
  await $.on("order.sent", { worker: { id: "shop" } });
  const sent: Queue.Sent = await $.on.emit("order.paid", { total: 5 }, { key: "o1", delaySeconds: 60 });
  const tasks: Schedule.Task[] = [
    await $.every.minute(() => $.db.count("orders")),
    await $.every.hour(async ({ task }) => console.log(task), { name: "tell" }),
    await $.every.day(() => $.on.emit("day"), { time: "18:00", timezone: "Europe/Berlin" }),
    await $.every.weekday(async (_, env) => env.db.count("orders"), { time: "09:30" }),
    await $.every.week({ worker: { id: "reports" } }, { name: "weekly" }),
    await $.every.month(() => 1, { overlap: true, timeout: 60_000 }),
    await $.every.at("every 5 minutes", () => 1),
  ];
  return [consumer.queue, sent.id, tasks.map((task) => task.nextRun)];
}

export async function send(): Promise<unknown> {
  const mail: Email.Accepted = await $.send.email({ to: ["ada@example.com"], subject: "Hello", html: "<p>Hi", tags: ["a"] });
  await $.send.email({ to: "ada@example.com", template: "welcome", data: { name: "Ada" } });
  const deliveries: string[] = await $.send.webhook("order.paid", { id: "o1" });
  return [mail.status, deliveries.length];
}

export function decide(order: Order): unknown {
  const shipping: number = $.decide.if(order.total > 100, 0, () => 5);
  const word: string | undefined = $.decide.switch(order.status, { open: "waiting", paid: (status) => `${status}!` });
  const discount: number | undefined = $.decide.rules<number, Order>(
    [
      { when: { total: { $gt: 1000 }, status: "paid" }, then: 0.1 },
      { when: ({ customer }) => customer.city === "London", then: ({ total }) => total / 10_000 },
      { then: 0 },
    ],
    order,
  );
  return [shipping, word, discount];
}

export function user(): string | null {
  const { id, email, name, roles, permissions } = $.user;
  const isAllowed: boolean = $.user.hasRole("admin") || $.user.hasPermission("orders:write");
  return isAllowed ? id : `${email} ${name} ${roles.length} ${permissions.length}`;
}

export async function ai(): Promise<unknown> {
  const text: string = await $.ai.generateText("Say hello", { model: "small", system: "Be brief", temperature: 0 });
  const again = await $.ai.generateText([{ role: "user", content: "Again" }], { route: "/other", timeout: 5000 });
  const schema = { type: "object", properties: { total: { type: "number" } }, required: ["total"] };
  const made = await $.ai.generate<{ total: number }>("Make up an order", { schema, name: "order", strict: true });
  const found = await $.ai.extract<{ total: number }>("It was 5 euros", schema);
  const mood: "good" | "bad" = await $.ai.classify("What a day", ["good", "bad"] as const);
  const one: number[] = await $.ai.embed("a");
  const many: number[][] = await $.ai.embed(["a", "b"], { model: "embedder" });
  return [text, again, made.total + found.total, mood, one.length, many.length];
}
