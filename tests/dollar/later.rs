//! `$.on` and `$.every`: what they register is the services' own, runs by itself, and is there after a power cut.

use serde_json::{Value, json};

use super::{result, thrown};
use crate::support::{Caller, Server, Setup, eventually};

/// The result of code, once there is one.
async fn once(server: &Server, caller: Caller, code: &str) -> Value {
    eventually(code, async || Some(result(server, caller, code).await).filter(|value| !value.is_null())).await
}

#[tokio::test]
async fn an_event_reaches_its_handler_with_all_that_a_snippet_has() {
    let server = Server::dev().await;
    let code = "
        const outside = 5;
        await $.on.emit('order.paid', { total: 7 });
        const consumer = await $.on('order.paid', async (order, event) => {
            await $.db.create('handled', {
                id: 'one', order, event, outside: typeof outside, env: Object.keys(env).length > 1, roles: $.user.roles,
                namespace: ctx.namespace, logs: typeof console.log,
            });
        });
        await $.on('order.paid', consumer.target, { maxBatch: 1 });
        return [consumer.queue, consumer.maxBatch, (await env.queue.getConsumer('on:order.paid')).target.language]";
    assert_eq!(result(&server, Caller::Tenant, code).await, json!(["on:order.paid", 1, "javascript"]));
    let handled = once(&server, Caller::Tenant, "return $.db.findOne('handled', 'one')").await;
    assert_eq!(handled["order"], json!({ "total": 7 }));
    assert_eq!((&handled["event"]["event"], &handled["event"]["attempts"]), (&json!("order.paid"), &json!(1)));
    assert!(handled["event"]["id"].is_string() && handled["event"]["timestamp"].is_u64(), "{handled}");
    assert_eq!(
        (&handled["outside"], &handled["env"]),
        (&json!("undefined"), &json!(true)),
        "text, with nothing around it"
    );
    assert_eq!((&handled["namespace"], &handled["logs"]), (&json!("tenant:test-tenant"), &json!("function")));
}

#[tokio::test]
async fn the_last_handler_of_an_event_is_the_handler() {
    let server = Server::dev().await;
    let code = "
        await $.on('replaced', () => $.db.create('replaced', { by: 'first' }));
        for (let times = 0; times < 2; times++) await $.on('replaced', async function (payload) {
            await $.db.create('replaced', { by: 'second', payload });
        });
        await $.on.emit('replaced');
        await $.on.emit('replaced', [1], { key: 'same', delaySeconds: 3000 });
        await $.on.emit('replaced', [2], { key: 'same', delaySeconds: 3000 });
        return (await env.queue.getStats('on:replaced'))[0].delayed";
    assert_eq!(result(&server, Caller::Tenant, code).await, 1, "options are those of messages");
    let done = "const [stats] = await env.queue.getStats('on:replaced');
        return stats.completed === 1 ? $.db.find('replaced') : null";
    let found = once(&server, Caller::Tenant, done).await;
    let found: Vec<_> = found.as_array().unwrap().iter().map(|one| (&one["by"], &one["payload"])).collect();
    assert_eq!(found, [(&json!("second"), &Value::Null)]);
}

#[tokio::test]
async fn a_handler_that_throws_is_tried_again_and_says_why() {
    let server = Server::dev().await;
    let code = "
        await $.on('fails', (payload) => { throw new RangeError(`not ${payload}`) });
        return (await $.on.emit('fails', 'today')).id";
    let id = result(&server, Caller::Tenant, code).await;
    let job = format!(
        "const job = await env.queue.getJob({id}); return job.lastError && job.status !== 'active' ? job : null"
    );
    let job = once(&server, Caller::Tenant, &job).await;
    assert_eq!((&job["lastError"], &job["status"]), (&json!("RangeError: not today"), &json!("delayed")));
    assert_eq!(job["body"], json!({ "event": "fails", "payload": "today" }));
}

#[tokio::test]
async fn handlers_are_functions_whose_text_stands_for_itself() {
    let server = Server::dev().await;
    let calls = [
        "$.on('a', { handle() {} }.handle)",
        "$.on('a', class {})",
        "$.on('a', Math.max)",
        "$.on('a', (() => 1).bind(null))",
        "$.every.hour(function* () {})",
        "$.every.hour('return 1')",
    ];
    for (name, _, message) in thrown(&server, Caller::Admin, &calls).await {
        assert!(name == "TypeError" && message.starts_with("A handler must be "), "{name}: {message}");
    }
    let code = "
        const told = [];
        const handlers = [() => 1, async () => 1, async(a)=>a, x => x, async x => x, function () {},
            async function named() {},
            function(){}, ({ a }, [b] = []) => a, ($) => $];
        for (const handler of handlers) told.push((await $.every.at('@yearly', handler, { name: 'form' })).name);
        await env.schedule.unregisterTask('form');
        return told.length";
    assert_eq!(result(&server, Caller::Admin, code).await, 10);
}

#[tokio::test]
async fn tasks_are_registered_once_by_schedule_and_name() {
    let server = Server::start(Setup::production()).await;
    let code = "
        const zone = 'Europe/Berlin';
        const register = async () => [
            await $.every.minute(() => 1), await $.every.hour(() => 1), await $.every.hour(() => 2),
            await $.every.day(() => 1), await $.every.weekday(() => 1, { time: '09:30', timezone: zone }),
            await $.every.week(() => 1, { time: '23:05' }),
            await $.every.month(() => 1, { name: 'monthly', enabled: false }),
            await $.every.at('every 5 minutes', { queue: { queue: 'ticks' } }, { overlap: true, timeout: 500 }),
        ];
        await register();
        const tasks = await register();
        await $.every.month(() => 2, { name: 'monthly' });
        const all = await env.schedule.listTasks();
        return { count: all.length, tasks: tasks.map(({ schedule, timezone, enabled, overlap }) =>
            [schedule, timezone, enabled, overlap]),
            names: tasks.map((task) => task.name.replace(/[0-9a-f]{14}$/, '#')) }";
    let told = result(&server, Caller::Admin, code).await;
    assert_eq!(told["count"], 8);
    let task = |schedule: &str| json!([schedule, "UTC", true, false]);
    let expected = json!([
        task("* * * * *"),
        task("0 * * * *"),
        task("0 * * * *"),
        task("0 0 * * *"),
        ["30 9 * * 1-5", "Europe/Berlin", true, false],
        task("5 23 * * 1"),
        ["0 0 1 * *", "UTC", false, false],
        ["every 5 minutes", "UTC", true, true],
    ]);
    assert_eq!(told["tasks"], expected);
    let names = json!(["minute:#", "hour:#", "hour:#", "day:#", "weekday:#", "week:#", "monthly", "at:#"]);
    assert_eq!(told["names"], names);
    let time = thrown(
        &server,
        Caller::Admin,
        &["$.every.day(() => 1, { time: '9:30' })", "$.every.hour(() => 1, { time: '09:30' })"],
    )
    .await;
    assert_eq!(time[0].2, "options.time: must be a time of day, like 09:30");
    assert!(time[1].1 == "invalid_request" && time[1].2.contains("time"), "{time:?}");
}

#[tokio::test]
async fn what_is_registered_runs_by_itself_also_after_a_power_cut() {
    let mut server = Server::start(Setup::production()).await;
    let code = "
        await $.every.at('* * * * * *', async ({ task, attempt }, env, ctx) => {
            await $.on.emit('tick', { task, attempt, namespace: ctx.namespace, same: env.db !== undefined });
        }, { name: 'ticks' });
        await $.on('tick', async (payload) => { await $.db.create('ticks', payload) });
        return 1";
    assert_eq!(result(&server, Caller::Admin, code).await, 1);
    let first = "return (await $.db.find('ticks'))[0] ?? null";
    let tick = once(&server, Caller::Admin, first).await;
    assert_eq!((&tick["task"], &tick["attempt"]), (&json!("ticks"), &json!(1)), "{tick}");
    assert_eq!((&tick["namespace"], &tick["same"]), (&json!("*"), &json!(true)));
    let before = result(&server, Caller::Admin, "return $.db.count('ticks')").await;
    server.kill();
    server.restart().await;
    let more = format!("return await $.db.count('ticks') > {before} + 1 || null");
    assert_eq!(once(&server, Caller::Admin, &more).await, true);
    let run = "return (await env.schedule.getHistory('ticks', 1))[0].taskName";
    assert_eq!(result(&server, Caller::Admin, run).await, "ticks");
}

#[tokio::test]
async fn a_worker_may_be_the_handler() {
    let server = Server::dev().await;
    let source = "export default {
        async queue(batch, env) {
            for (const { body } of batch.messages) await env.db.upsert('told', body.event, body);
        },
    }";
    let code = json!({ "mainModule": "main.js", "modules": { "main.js": source } });
    let put = server.client.put(Caller::Tenant, "/workers/listener?replace=true", &code).await;
    assert!(put.status.is_success(), "{}", put.text);
    let code = "await $.on('worker.event', { worker: { id: 'listener' } }, { maxBatch: 5 });
        await $.on.emit('worker.event', 3)";
    result(&server, Caller::Tenant, code).await;
    let told = once(&server, Caller::Tenant, "return $.db.findOne('told', 'worker.event')").await;
    assert_eq!((&told["event"], &told["payload"]), (&json!("worker.event"), &json!(3)));
}
