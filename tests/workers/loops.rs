//! Workers that lead to themselves: by `fetch`, the loader, a queue, the schedule. Each way has an end.

use serde_json::json;

use super::{
    code,
    events::{noted, rpc},
    fetched, register,
};
use crate::support::{Caller, Server, Setup};

const TOO_DEEP: &str = "workers call each other more than 16 deep";
const TOO_FAR: &str = "Work has led to other work 16 times in a row, and goes no further";

#[tokio::test]
async fn a_worker_that_fetches_itself_is_stopped_by_depth() {
    let server = Server::start(Setup::dev()).await;
    let source = "export default { async fetch(request, env) {
        const n = Number(new URL(request.url).pathname.slice(1));
        try { return await env.SELF.fetch(`http://self/${n + 1}`) } catch (error) { return new Response(`${n} ${error.message}`) }
    } }";
    let mut worker = code(source);
    worker["env"] = json!({ "SELF": { "$worker": "circle" } });
    register(&server, Caller::Tenant, "circle", &worker).await;
    assert_eq!(fetched(&server, Caller::Tenant, "circle", "/0").await.text, format!("16 {TOO_DEEP}"));
}

#[tokio::test]
async fn a_worker_that_loads_code_which_calls_it_is_stopped_by_depth_and_by_its_budget() {
    let server = Server::start(Setup::dev()).await;
    let source = "
        const child = (PARENT, n) => ({ mainModule: 'm.js', env: { PARENT, n }, modules: { 'm.js':
            'export default { step: (env) => 0, fetch: (request, env) => env.PARENT.fetch(`http://x/${env.n}`) }' } });
        export default { async fetch(request, env, ctx) {
            const n = Number(new URL(request.url).pathname.slice(1));
            try {
                return await env.LOADER.load(child(ctx.exports.default, n + 1)).getEntrypoint().fetch(request.url);
            } catch (error) { return new Response(`${n} ${error.message}`) }
        } }";
    register(&server, Caller::Admin, "loads", &code(source)).await;
    assert_eq!(fetched(&server, Caller::Admin, "loads", "/0").await.text, format!("8 {TOO_DEEP}"));
    let mut few = code(source);
    few["limits"] = json!({ "subRequests": 7 });
    register(&server, Caller::Admin, "loads", &few).await;
    assert_eq!(fetched(&server, Caller::Admin, "loads", "/0").await.text, "1 Limit of 7 calls exceeded");
}

#[tokio::test]
async fn a_consumer_that_sends_to_its_own_queue_is_stopped_by_hops() {
    let server = Server::start(Setup::production()).await;
    let source = "export default { async queue(batch, env) {
        for (const { body } of batch.messages) {
            try {
                await env.queue.send('circle', body + 1);
            } catch (error) {
                await env.db.upsert('noted', 'end', { body, code: error.code, message: error.message });
            }
        }
    } }";
    register(&server, Caller::Admin, "circle", &code(source)).await;
    rpc(&server, "queue/setConsumer", json!(["circle", { "worker": { "id": "circle" } }])).await;
    rpc(&server, "queue/send", json!(["circle", 1])).await;
    let end = noted(&server, "end").await;
    assert_eq!(end, json!({ "body": 16, "code": "forbidden", "message": TOO_FAR }));
    // Whoever sends by themselves begins anew.
    rpc(&server, "queue/send", json!(["circle", 101])).await;
    let stats = crate::support::eventually("the second round is over", async || {
        let stats = rpc(&server, "queue/getStats", json!(["circle"])).await;
        (stats[0]["completed"] == 32).then(|| stats[0].clone())
    })
    .await;
    assert_eq!((&stats["pending"], &stats["dead"]), (&json!(0), &json!(0)), "{stats}");
}

#[tokio::test]
async fn a_task_that_executes_itself_is_stopped_by_hops() {
    let server = Server::start(Setup::production()).await;
    let source = "export default { async scheduled(event, env) {
        await env.db.upsert('steps', crypto.randomUUID(), {});
        const next = { alone: 'alone', there: 'back', back: 'there' }[event.task];
        try {
            await env.schedule.execute(next);
        } catch (error) {
            await env.db.upsert('noted', event.task, { code: error.code, message: error.message });
        }
    } }";
    register(&server, Caller::Admin, "circle", &code(source)).await;
    for (name, overlap) in [("alone", false), ("there", true), ("back", true)] {
        let target = json!({ "worker": { "id": "circle" } });
        let task = json!({ "name": name, "schedule": "0 3 * * *", "overlap": overlap, "target": target });
        rpc(&server, "schedule/registerTask", json!([task])).await;
    }
    let run = rpc(&server, "schedule/execute", json!(["alone"])).await;
    assert_eq!(run["status"], "success", "{run}");
    assert_eq!(noted(&server, "alone").await, json!({ "code": "conflict", "message": "Task alone is running" }));
    // Two that execute each other, and may overlap.
    let run = rpc(&server, "schedule/execute", json!(["there"])).await;
    assert_eq!(run["status"], "success", "{run}");
    assert_eq!(noted(&server, "back").await, json!({ "code": "forbidden", "message": TOO_FAR }));
    assert_eq!(rpc(&server, "db/list", json!(["steps"])).await["pagination"]["total"], 17);
}
