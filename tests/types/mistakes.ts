// What a compiler must not let pass.

export async function mistakes(): Promise<void> {
  // @ts-expect-error: there is no such method
  await env.db.drop("notes");
  // @ts-expect-error: nor by the flat name
  await env.DO.db_drop("notes");
  // @ts-expect-error: nor such a service
  await env.kv.get("a");
  // @ts-expect-error: a parameter is missing
  await env.db.get("notes");
  // @ts-expect-error: there is one too many
  await env.queue.getJob("a", {}, {});
  // @ts-expect-error: it is not a string
  await env.db.query(1);
  // @ts-expect-error: no such option
  await env.db.list("notes", { limits: 1 });
  // @ts-expect-error: no such word
  await env.db.list("notes", { order: "down" });
  // @ts-expect-error: options of another service
  await env.email.send("ada@example.com", "Hello", "Hi", { delaySeconds: 1 });
  // @ts-expect-error: neither an upsert nor a delete
  await env.db.batch([{ op: "get", ns: "notes", id: "a" }]);
  // @ts-expect-error: an upsert has data
  await env.db.batch([{ op: "upsert", ns: "notes", id: "a" }]);
  // @ts-expect-error: one target, not none
  await env.schedule.registerTask({ name: "a", schedule: "@hourly", target: {} });
  // @ts-expect-error: a consumer is code or a worker
  await env.queue.setConsumer("jobs", { language: "javascript" });
  // @ts-expect-error: no such provider
  await env.webhooks.createSource({ provider: "gitlab", secret: "It is a secret" });
  // @ts-expect-error: a namespace is a string
  await env.mcp.listTools({ namespace: 1 });
  // @ts-expect-error: it may be null
  (await env.db.get("notes", "a")).data;
  // @ts-expect-error: bindings stay as they are
  env.db = env.DO;
  // @ts-expect-error: so does the context
  ctx.namespace = "*";
  // @ts-expect-error: no such operator
  await $.db.find("orders", { total: { $above: 5 } });
  // @ts-expect-error: a template has its text already
  await $.send.email({ to: "ada@example.com", template: "welcome", subject: "Hello" });
  // @ts-expect-error: an hour has no time of day
  await $.every.hour(() => 1, { time: "09:30" });
  // @ts-expect-error: what is embedded is text
  await $.ai.embed(5);
  // @ts-expect-error: it is no one's to set
  $.user = null;
  // @ts-expect-error: no such code
  ({} as ServiceError).code === "oops";
}

// @ts-expect-error: a module's handler gives a response
export default { fetch: () => "text" } satisfies ExportedHandler;
