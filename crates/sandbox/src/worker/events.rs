//! The module that stands before a worker's own: it exports what they export, and beside it an entrypoint through which the
//! host calls handlers that take an object with methods, `env` and `ctx`, where a call brings JSON alone.

use std::collections::BTreeMap;

use crate::ModuleSource;

/// The entrypoint's name. Its methods are `scheduled` and `queue`, each with the worker's own entrypoint (or null) and what
/// happened as arguments.
pub const EVENTS: &str = "__doer_events";

/// The modules with that one before them, and its name.
pub(super) fn before(main: &str, modules: &BTreeMap<String, ModuleSource>) -> (String, BTreeMap<String, ModuleSource>) {
    // WebAssembly exports nothing that could be called this way.
    if let Some(ModuleSource::Wasm(_) | ModuleSource::Wat(_)) = modules.get(main) {
        return (main.to_owned(), modules.clone());
    }
    let mut name = "doer.js".to_owned();
    while modules.contains_key(&name) {
        name.insert(0, '_');
    }
    let mut modules = modules.clone();
    // JSON strings are JavaScript's too.
    let main = serde_json::Value::from(format!("./{main}")).to_string();
    modules.insert(name.clone(), ModuleSource::Js(SOURCE.replace("\"WORKER\"", &main)));
    (name, modules)
}

const SOURCE: &str = r#"import { WorkerEntrypoint } from "doer:workers";
import * as worker from "WORKER";
export * from "WORKER";
export default worker.default;

async function handle({ env, ctx }, entrypoint, name, event) {
  const found = entrypoint === null ? worker.default : worker[entrypoint];
  if (found === undefined || found === null) {
    throw new TypeError(`Worker has no such entrypoint: ${entrypoint ?? "default"}`);
  }
  const isClass = typeof found === "function" && found.prototype instanceof WorkerEntrypoint;
  const receiver = isClass ? new found(ctx, env) : found;
  const handler = receiver[name];
  if (typeof handler !== "function") throw new TypeError(`Handler does not export a ${name}() function`);
  await Reflect.apply(handler, receiver, isClass ? [event] : [event, env, ctx]);
}

export class __doer_events extends WorkerEntrypoint {
  async scheduled(entrypoint, { task, cron, scheduledAt, attempt }) {
    const event = { type: "scheduled", cron, scheduledTime: scheduledAt, task, attempt };
    await handle(this, entrypoint, "scheduled", event);
  }

  async queue(entrypoint, { queue, messages }) {
    const retried = new Set();
    const batch = {
      queue,
      messages: messages.map(({ id, body, attempts, timestamp }) => ({
        id, body, attempts,
        timestamp: new Date(timestamp),
        ack() { retried.delete(id) },
        retry() { retried.add(id) },
      })),
      ackAll() { retried.clear() },
      retryAll() { for (const { id } of messages) retried.add(id) },
    };
    await handle(this, entrypoint, "queue", batch);
    return { retry: [...retried] };
  }
}
"#;
