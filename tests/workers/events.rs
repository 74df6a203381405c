//! Workers that are told what happened: tasks, messages of queues, events of providers.

use hmac::{Hmac, KeyInit, Mac};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::Sha256;

use super::{code, register};
use crate::support::{Answer, Caller, Server, Setup, eventually};

pub async fn rpc(server: &Server, method: &str, params: Value) -> Value {
    let answer = server.client.post(Caller::Admin, &format!("/rpc/{method}"), &json!({ "params": params })).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json["result"].clone()
}

/// What the worker has noted under an id, once it has.
pub async fn noted(server: &Server, id: &str) -> Value {
    eventually(id, async || {
        let thing = rpc(server, "db/get", json!(["noted", id])).await;
        (!thing.is_null()).then(|| thing["data"].clone())
    })
    .await
}

const SCHEDULED: &str = "
    import { WorkerEntrypoint } from 'cloudflare:workers';
    export default { async scheduled(event, env, ctx) {
        await env.db.upsert('noted', event.task, { ...event, by: ctx.namespace, keys: Object.keys(env) });
        if (event.task === 'fails') throw new TypeError('not today');
    } };
    export class Nightly extends WorkerEntrypoint { async scheduled(event) {
        await this.env.db.upsert('noted', event.task, { class: true, cron: event.cron });
    } }";

#[tokio::test]
async fn a_task_calls_scheduled() {
    let server = Server::start(Setup::production()).await;
    register(&server, Caller::Admin, "clock", &code(SCHEDULED)).await;
    let task = |name: &str, target: Value| json!([{ "name": name, "schedule": "0 3 * * *", "target": target }]);
    for (name, target) in [
        ("plain", json!({ "worker": { "id": "clock" } })),
        ("class", json!({ "worker": { "id": "clock", "entrypoint": "Nightly" } })),
        ("fails", json!({ "worker": { "id": "clock" } })),
        ("nobody", json!({ "worker": { "id": "nobody" } })),
        ("no handler", json!({ "worker": { "id": "clock", "entrypoint": "Nothing" } })),
    ] {
        let name = name.replace(' ', "-");
        rpc(&server, "schedule/registerTask", task(&name, target)).await;
        rpc(&server, "schedule/execute", json!([name])).await;
    }
    let plain = noted(&server, "plain").await;
    assert_eq!((&plain["type"], &plain["cron"], &plain["by"]), (&json!("scheduled"), &json!("0 3 * * *"), &json!("*")));
    assert!(plain["scheduledTime"].is_u64() && plain["keys"].as_array().unwrap().contains(&json!("queue")), "{plain}");
    assert_eq!(noted(&server, "class").await, json!({ "class": true, "cron": "0 3 * * *" }));
    for (name, error) in [
        ("plain", None),
        ("fails", Some("TypeError: not today")),
        ("nobody", Some("Worker nobody not found")),
        ("no-handler", Some("TypeError: Worker has no such entrypoint: Nothing")),
    ] {
        let run = eventually("the run is over", async || {
            let history = rpc(&server, "schedule/getHistory", json!([name])).await;
            let last = history[0].clone();
            (last["status"] != "running").then_some(last)
        })
        .await;
        assert_eq!(run["error"].as_str(), error, "{name}: {run}");
    }
    let body = json!({ "params": task("wrong", json!({ "worker": { "id": "a/b" } })) });
    let wrong = server.client.post(Caller::Admin, "/rpc/schedule/registerTask", &body).await;
    wrong.assert_refused(400, "invalid_request");
}

#[tokio::test]
async fn a_queue_calls_queue_and_messages_can_be_wanted_again() {
    let server = Server::start(Setup::production()).await;
    let source = "
        export default { async queue(batch, env) {
            for (const message of batch.messages) {
                const { body, attempts, timestamp } = message;
                if (body === 'later' && attempts === 1) { message.retry(); continue }
                if (body === 'kept') { message.retry(); message.ack() }
                const seen = { queue: batch.queue, attempts, isDate: timestamp instanceof Date };
                await env.db.upsert('noted', body, seen);
            }
        } }";
    register(&server, Caller::Admin, "consumer", &code(source)).await;
    let set = rpc(&server, "queue/setConsumer", json!(["jobs", { "worker": { "id": "consumer" } }])).await;
    assert_eq!(set["target"], json!({ "worker": { "id": "consumer" } }));
    rpc(&server, "queue/batch", json!(["jobs", ["now", "kept"]])).await;
    for body in ["now", "kept"] {
        assert_eq!(noted(&server, body).await, json!({ "queue": "jobs", "attempts": 1, "isDate": true }), "{body}");
    }
    let sent = rpc(&server, "queue/send", json!(["jobs", "later"])).await;
    eventually("it waits for its second attempt", async || {
        let job = rpc(&server, "queue/getJob", json!([sent["id"]])).await;
        (job["attempts"] == 1 && job["status"] == "delayed").then_some(())
    })
    .await;
    let stats = eventually("the others are done", async || {
        let stats = rpc(&server, "queue/getStats", json!(["jobs"])).await;
        (stats[0]["completed"] == 2).then(|| stats[0].clone())
    })
    .await;
    assert_eq!(stats["delayed"], 1, "{stats}");

    for target in [json!({}), json!({ "worker": { "id": "a/b" } }), json!({ "worker": { "id": "a" }, "code": "1" })] {
        let body = json!({ "params": ["jobs", target] });
        let refused = server.client.post(Caller::Admin, "/rpc/queue/setConsumer", &body).await;
        refused.assert_refused(400, "invalid_request");
        assert!(refused.at("/error/message").as_str().unwrap().starts_with("target"), "{}", refused.text);
    }
}

#[tokio::test]
async fn an_event_of_a_provider_is_a_request_to_the_worker() {
    let server = Server::start(Setup::production()).await;
    let source = "
        export default { async fetch(request, env) {
            const event = await request.json();
            await env.db.upsert('noted', event.payload.id, { url: request.url, event: event.event });
            return new Response(null, { status: event.payload.id === 'refused' ? 422 : 204 });
        } }";
    register(&server, Caller::Admin, "hook", &code(source)).await;
    let secret = "the secret of a provider";
    let new = json!({ "provider": "github", "secret": secret, "target": { "worker": { "id": "hook" } } });
    let made = rpc(&server, "webhooks/createSource", json!({ "source": new })).await;
    let path = made["path"].as_str().unwrap();
    for id in ["taken", "refused"] {
        let body = json!({ "id": id }).to_string();
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(body.as_bytes());
        let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
        let request = server.client.request(Caller::Anonymous, Method::POST, path);
        let request = request.header("x-hub-signature-256", signature).header("x-github-event", "push");
        let answer = Answer::read(request.header("x-github-delivery", id).body(body).send().await.unwrap()).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let noted = noted(&server, id).await;
        assert_eq!(
            noted,
            json!({ "url": format!("http://webhooks{}", path.strip_prefix("/webhooks").unwrap()), "event": "push" })
        );
    }
    let error = eventually("the refusal is told", async || {
        let events = rpc(&server, "webhooks/listEvents", json!({})).await;
        let events = events["data"].as_array().unwrap().clone();
        events.iter().find_map(|event| event["lastError"].as_str().map(ToOwned::to_owned))
    })
    .await;
    assert_eq!(error, "The worker answered with status 422");
}
