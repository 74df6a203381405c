// Every method of every service, once by its service and once through `env.DO`, as a user would write it.

export async function db(): Promise<string[]> {
  const { rows, changes }: Db.Rows = await env.db.query("SELECT name FROM users WHERE id = ?", [1]);
  const thing: Db.Thing | null = await env.db.get("notes", "a");
  const page = await env.db.list("notes", { limit: 10, order: "asc", orderBy: "updatedAt", visibility: "private" });
  const written = await env.db.upsert("notes", "a", { title: "Hello" }, { type: "note" });
  const made: Db.Thing = await env.db.insert("notes", "b", { title: "New" }, { visibility: "public" });
  const changed: Db.Thing = await env.db.patch("notes", "b", { title: null });
  const gone = await env.db.delete("notes", "b");
  const found = await env.db.search("notes", "hello*", { offset: 1 });
  const total: number = await env.db.count("notes", { type: "note" });
  const done: (Db.Thing | null)[] = await env.db.batch([
    { op: "upsert", ns: "notes", id: "c", data: [1, 2], visibility: "public" },
    { op: "delete", ns: "notes", id: "a" },
  ]);
  const unified = [
    await env.DO.db_query("SELECT 1"),
    await env.DO.db_get("notes", "a"),
    await env.DO.db_list("notes"),
    await env.DO.db_upsert("notes", "a", null),
    await env.DO.db_insert("notes", "d", 1),
    await env.DO.db_patch("notes", "d", 2),
    await env.DO.db_delete("notes", "a"),
    await env.DO.db_search("notes", "hello"),
    await env.DO.db_count("notes"),
    await env.DO.db_batch([]),
  ];
  const ranks = found.data.map((match) => `${match.id} ${match.rank.toFixed(2)}`);
  const titles = [thing, written, made, changed, gone, ...page.data, ...done].map((one) => one?.data.title as string);
  return [...ranks, ...titles, rows[0]?.name, `${changes} ${total} ${unified.length} ${page.pagination.total}`];
}

export async function auth(): Promise<unknown> {
  const { valid, user, apiKey, error } = await env.auth.validateToken("token");
  const { token, refreshToken, session } = await env.auth.createSession("u1");
  const created = await env.auth.createApiKey("deploy", ["execute", "rpc:*"], { expiresAt: Date.now() + 60_000 });
  const allowed: boolean = await env.auth.checkPermission("execute");
  const keys: Auth.ApiKeyInfo[] = (await env.auth.listApiKeys({ limit: 5 })).data;
  const revoked: boolean = await env.auth.revokeApiKey(created.id);
  const refreshed: Auth.SessionTokens = await env.auth.refreshSession(refreshToken);
  const ended: boolean = await env.auth.revokeSession(session.id);
  const ada = await env.auth.createUser("ada@example.com", { name: "Ada", metadata: { tenantId: "acme" } });
  const found: Auth.User | null = await env.auth.getUser(ada.id);
  const granted = await env.auth.grantPermission(ada.id, "queue:read");
  const taken = await env.auth.revokePermission(ada.id, "queue:read");
  await env.DO.auth_validateToken(token);
  await env.DO.auth_createSession(ada.id);
  await env.DO.auth_createApiKey("deploy", []);
  await env.DO.auth_checkPermission("execute");
  await env.DO.auth_listApiKeys();
  await env.DO.auth_revokeApiKey(created.id);
  await env.DO.auth_refreshSession(refreshed.refreshToken);
  await env.DO.auth_revokeSession(session.id);
  await env.DO.auth_createUser("grace@example.com");
  await env.DO.auth_getUser("grace@example.com");
  await env.DO.auth_grantPermission(ada.id, "*");
  await env.DO.auth_revokePermission(ada.id, "*");
  return [valid, user?.email, apiKey?.name, error, allowed, keys.map((key) => key.revokedAt ?? "holds"), revoked,
    ended, found?.permissions?.includes("*"), granted.role, taken.metadata?.tenantId];
}

export async function gateway(): Promise<number> {
  const answer = await env.gateway.route("/billing/invoices?open=1", { method: "POST", body: { amount: 5 }, timeout: 500 });
  const routes: Gateway.RouteInfo[] = await env.gateway.listRoutes();
  await env.DO.gateway_route("/billing/invoices");
  await env.DO.gateway_listRoutes();
  return answer.status + answer.body.total + routes.filter((route) => route.methods.includes("GET")).length;
}

export async function schedule(): Promise<unknown> {
  const task = await env.schedule.registerTask({
    name: "report",
    schedule: "0 9 * * 1-5",
    timezone: "Europe/Berlin",
    target: { snippet: { code: "return env.db.count('notes')", language: "javascript", bindings: ["db"] } },
    metadata: { owner: "ada" },
  });
  const run: Schedule.Run = await env.schedule.execute(task.name);
  const tasks = await env.schedule.listTasks();
  const history = await env.schedule.getHistory("report", 5);
  const disabled = await env.schedule.disableTask("report");
  const enabled = await env.schedule.enableTask("report");
  const same: Schedule.Task | null = await env.schedule.getTask("report");
  const removed: boolean = await env.schedule.unregisterTask("report");
  await env.DO.schedule_registerTask({ name: "tick", schedule: "@hourly", target: { queue: { queue: "ticks" } } });
  await env.DO.schedule_execute("tick");
  await env.DO.schedule_listTasks();
  await env.DO.schedule_getHistory("tick");
  await env.DO.schedule_disableTask("tick");
  await env.DO.schedule_enableTask("tick");
  await env.DO.schedule_getTask("tick");
  await env.DO.schedule_unregisterTask("tick");
  const failed = history.filter((one) => one.status === "failed").map((one) => one.error);
  return [run.durationMs, tasks.length, failed, disabled.enabled, enabled.nextRun, same?.metadata.owner, removed];
}

export async function webhooks(): Promise<unknown> {
  const endpoint = await env.webhooks.createEndpoint({ url: "https://example.com/hook", events: ["invoice.*"] });
  const endpoints: Webhooks.Endpoint[] = await env.webhooks.listEndpoints();
  const deleted: boolean = await env.webhooks.deleteEndpoint(endpoint.id);
  const [delivery]: string[] = await env.webhooks.send("invoice.paid", { id: 7 });
  const deliveries = await env.webhooks.listDeliveries({ status: "dead" });
  const retried = await env.webhooks.retryDelivery(delivery ?? "none");
  const source = await env.webhooks.createSource({
    provider: "github",
    secret: "It is a secret",
    target: { url: { url: "https://example.com/events" } },
  });
  const sources = await env.webhooks.listSources();
  const removed: boolean = await env.webhooks.deleteSource(source.id);
  const events = await env.webhooks.listEvents({ sourceId: source.id });
  const event: Webhooks.Event = await env.webhooks.retryEvent("e1");
  const sync = await env.webhooks.syncToGitHub({
    repository: "acme/site",
    path: "index.md",
    content: "# Hello",
    message: "Say hello",
    createPR: true,
  });
  const settled = await env.webhooks.resolveConflict(sync.conflictId ?? "none", "merge");
  await env.DO.webhooks_createEndpoint({ url: "https://example.com/hook", events: ["*"] });
  await env.DO.webhooks_listEndpoints();
  await env.DO.webhooks_deleteEndpoint("x");
  await env.DO.webhooks_send("invoice.paid", null);
  await env.DO.webhooks_listDeliveries();
  await env.DO.webhooks_retryDelivery("x");
  await env.DO.webhooks_createSource({ provider: "stripe", secret: "It is a secret" });
  await env.DO.webhooks_listSources();
  await env.DO.webhooks_deleteSource("x");
  await env.DO.webhooks_listEvents();
  await env.DO.webhooks_retryEvent("x");
  await env.DO.webhooks_syncToGitHub({ repository: "acme/site", path: "a", content: "", message: "Empty" });
  await env.DO.webhooks_resolveConflict("x", "manual");
  return [endpoint.secret, endpoints.length, deleted, deliveries.data.map((one) => one.lastStatus), retried.attempts,
    source.path, sources.length, removed, events.data[0]?.payload.action, event.status, settled.pullRequest?.url];
}

export async function email(): Promise<unknown> {
  const sent: Email.Accepted = await env.email.send("ada@example.com", "Hello", "Hi Ada", {
    cc: ["grace@example.com"],
    attachments: [{ filename: "a.txt", content: "aGk=" }],
  });
  const welcome = await env.email.sendTemplate(["ada@example.com"], "welcome", { name: "Ada" });
  const mail: Email.Mail | null = await env.email.getEmailStatus(sent.id);
  const queued = await env.email.listEmails({ status: "queued", tag: "news" });
  const templates = await env.email.getTemplates();
  await env.DO.email_send(["ada@example.com", "Grace <grace@example.com>"], "Hello", "Hi");
  await env.DO.email_sendTemplate("ada@example.com", "welcome", {});
  await env.DO.email_getEmailStatus(welcome.id);
  await env.DO.email_listEmails();
  await env.DO.email_getTemplates();
  return [mail?.status === "sent", queued.pagination.total, templates.flatMap((template) => template.required)];
}

export async function mcp(): Promise<unknown> {
  const tools: Mcp.Tool[] = await env.mcp.listTools();
  const sum = await env.mcp.callTool("math.add", { a: 1, b: 2 });
  const resources = await env.mcp.listResources();
  const [content] = await env.mcp.readResource("files", "file:///a.txt");
  await env.DO.mcp_listTools();
  await env.DO.mcp_callTool("math.pi");
  await env.DO.mcp_listResources();
  await env.DO.mcp_readResource("files", "file:///a.txt");
  return [tools[0]?.inputSchema.properties, sum.total, resources[0]?.mimeType, content?.text];
}

export async function queue(): Promise<unknown> {
  const { id } = await env.queue.send("jobs", { n: 1 }, { delaySeconds: 5, key: "once", priority: 1 });
  const { ids } = await env.queue.batch("jobs", [1, "two", { three: 3 }]);
  const deliveries: Queue.Delivery[] = await env.queue.receive("jobs", { max: 10, visibilitySeconds: 60 });
  const acked = await env.queue.ack(deliveries.map((delivery) => delivery.receipt));
  const retried = await env.queue.retry(ids, { delaySeconds: 1 });
  const job: Queue.Job | null = await env.queue.getJob(id);
  const dead = await env.queue.listJobs({ status: "dead" });
  const cancelled: boolean = await env.queue.cancelJob(id);
  const stats: Queue.Stats[] = await env.queue.getStats("jobs");
  const consumer = await env.queue.setConsumer("jobs", { code: "return input.messages.length" }, { maxBatch: 5 });
  const worker = await env.queue.setConsumer("jobs", { worker: { id: "shop", entrypoint: "Jobs" } });
  const same: Queue.Consumer | null = await env.queue.getConsumer("jobs");
  const code = same && "code" in same.target ? same.target.code : null;
  const removed: boolean = await env.queue.removeConsumer("jobs");
  await env.DO.queue_send("jobs", null);
  await env.DO.queue_batch("jobs", []);
  await env.DO.queue_receive("jobs");
  await env.DO.queue_ack([]);
  await env.DO.queue_retry([]);
  await env.DO.queue_getJob("x");
  await env.DO.queue_listJobs();
  await env.DO.queue_cancelJob("x");
  await env.DO.queue_getStats();
  await env.DO.queue_setConsumer("jobs", { code: "return" });
  await env.DO.queue_getConsumer("jobs");
  await env.DO.queue_removeConsumer("jobs");
  return [acked.count + retried.count, job?.body.n, dead.data.length, cancelled, stats[0]?.pending, consumer.maxBatch,
    worker.maxBatch, code, removed];
}

/** Work in another namespace: beside what a method takes, or among its own options. */
export async function elsewhere(): Promise<void> {
  const acme: CallOptions = { namespace: "tenant:acme" };
  await env.db.query("SELECT 1", null, acme);
  await env.db.list("notes", { limit: 1, ...acme });
  await env.mcp.listTools(acme);
}

export async function refused(): Promise<string> {
  try {
    await env.db.query("ATTACH 'other' AS other");
    return "never";
  } catch (caught) {
    const error = caught as ServiceError;
    switch (error.code) {
      case "quota":
      case "rate_limit":
        return `again in ${error.retryAfterMs ?? 1000} ms`;
      default:
        return `${error.name} ${error.code}: ${error.message}`;
    }
  }
}

/** Data of a type of one's own goes in as it is. */
interface Invoice {
  number: string;
  total: number;
}

export async function ownTypes(invoice: Invoice): Promise<void> {
  await env.db.upsert("invoices", invoice.number, invoice);
  await env.queue.send("invoices", invoice);
  await env.email.sendTemplate("ada@example.com", "notification", invoice);
}

export default {
  async fetch(request, env, ctx) {
    ctx.waitUntil(env.queue.send("visits", { url: request.url, by: ctx.user?.email ?? null, ...ctx.props }));
    const upstream = await env.DO.fetch("https://example.com/", { method: "HEAD" });
    return Response.json({ status: upstream.status, namespace: ctx.namespace, id: ctx.requestId });
  },
} satisfies ExportedHandler;
