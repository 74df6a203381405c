//! Nothing that was accepted is lost: the server is killed at random moments under load and started again, and
//! every message, mail, delivery and scheduled run is accounted for.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::{Router, body::Bytes, extract::State, routing::post};
use serde_json::{Value, json};

use crate::{
    services::fixtures::{serve::serve, smtp::Smtp},
    support::{Caller, Client, Server, Setup, eventually},
};

const KILLS: usize = 4;
const WRITERS: usize = 3;

/// What the server has said yes to.
#[derive(Default)]
struct Accepted {
    messages: Mutex<BTreeSet<u64>>,
    mails: Mutex<BTreeSet<u64>>,
    events: Mutex<BTreeSet<u64>>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_accepted_is_lost_when_the_server_is_killed() {
    let smtp = Smtp::start().await;
    let arrived = Arc::new(Mutex::new(BTreeSet::new()));
    let receiver = serve(Router::new().route("/", post(take)).with_state(arrived.clone())).await;
    let mut server = Server::start(Setup::production().config(&config(&smtp, &receiver))).await;
    prepare(&server.client, &receiver).await;

    let (accepted, numbers) = (Arc::new(Accepted::default()), Arc::new(AtomicU64::new(0)));
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| tokio::spawn(write(server.client.clone(), accepted.clone(), numbers.clone(), stop.clone())))
        .collect();
    for kill in 0..KILLS {
        // Not a time to wait for: any moment is as good as another.
        let moment = 150 + 97 * (kill as u64 + u64::from(std::process::id()) % 7);
        tokio::time::sleep(Duration::from_millis(moment)).await;
        server.kill();
        server.restart().await;
    }
    stop.store(true, SeqCst);
    for writer in writers {
        writer.await.unwrap();
    }

    let messages = accepted.messages.lock().unwrap().clone();
    let mails = accepted.mails.lock().unwrap().clone();
    let events = accepted.events.lock().unwrap().clone();
    assert!(!messages.is_empty() && !mails.is_empty() && !events.is_empty());
    eventually("every message was worked on", async || {
        let done = numbers_in(&server.client, "done").await;
        messages.is_subset(&done).then_some(())
    })
    .await;
    eventually("every mail was sent", async || {
        let sent: String = smtp.received().into_iter().map(|mail| mail.message).collect();
        mails.iter().all(|number| sent.contains(&format!("Subject: mail {number}\r\n"))).then_some(())
    })
    .await;
    eventually("every event was delivered", async || events.is_subset(&arrived.lock().unwrap()).then_some(())).await;
    eventually("no run of the task hangs, and it goes on", async || {
        let params = json!({ "params": { "taskName": "tick", "limit": 1000 } });
        let history = server.client.post(Caller::Admin, "/rpc/schedule/getHistory", &params).await;
        let runs = history.at("/result").as_array()?.clone();
        let last = runs.first()?;
        let hanging = runs.iter().skip(1).any(|run| run["status"] == "running");
        (!hanging && last["status"] == "success" && runs.len() > KILLS).then_some(())
    })
    .await;
}

fn config(smtp: &Smtp, receiver: &str) -> String {
    let port: u16 = receiver.rsplit(':').next().unwrap().parse().unwrap();
    format!(
        "[services.webhooks]\nhttp_hosts = [\"127.0.0.1\"]\n\
         [services.email.smtp]\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\n\
         [egress.internal]\nallow = [{{ host = \"*\", schemes = [\"http\"], ports = [{port}] }}]\n\
         allow_private = [{{ net = \"127.0.0.1/32\", ports = [{port}] }}]",
        smtp.address.port()
    )
}

async fn prepare(client: &Client, receiver: &str) {
    let consumer = "for (const { body } of input.messages) await env.db.upsert('done', String(body.number), {})";
    for (path, params) in [
        ("queue/setConsumer", json!({ "queue": "work", "target": { "code": consumer } })),
        ("webhooks/createEndpoint", json!({ "endpoint": { "url": format!("{receiver}/"), "events": ["*"] } })),
        (
            "schedule/registerTask",
            json!({ "task": { "name": "tick", "schedule": "* * * * * *", "target": { "snippet": { "code": "return 1" } } } }),
        ),
    ] {
        let answer = client.post(Caller::Admin, &format!("/rpc/{path}"), &json!({ "params": params })).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    }
}

/// Writes whatever there is to write, and notes what was accepted. A call that breaks off was not.
async fn write(client: Client, accepted: Arc<Accepted>, numbers: Arc<AtomicU64>, stop: Arc<AtomicBool>) {
    while !stop.load(SeqCst) {
        let number = numbers.fetch_add(1, SeqCst);
        let (path, params, noted) = match number % 3 {
            0 => ("queue/send", json!({ "queue": "work", "message": { "number": number } }), &accepted.messages),
            1 => (
                "email/send",
                json!({ "to": "ada@example.com", "subject": format!("mail {number}"), "body": "hello" }),
                &accepted.mails,
            ),
            _ => ("webhooks/send", json!({ "event": "tick", "payload": { "number": number } }), &accepted.events),
        };
        let request = client.request(Caller::Admin, reqwest::Method::POST, &format!("/rpc/{path}"));
        let Ok(answer) = request.json(&json!({ "params": params })).send().await else { continue };
        if answer.status() == 200 && answer.bytes().await.is_ok() {
            noted.lock().unwrap().insert(number);
        }
    }
}

async fn take(State(arrived): State<Arc<Mutex<BTreeSet<u64>>>>, body: Bytes) {
    let event: Value = serde_json::from_slice(&body).unwrap();
    arrived.lock().unwrap().extend(event["data"]["number"].as_u64());
}

async fn numbers_in(client: &Client, collection: &str) -> BTreeSet<u64> {
    let (mut numbers, mut offset) = (BTreeSet::new(), 0);
    loop {
        // The oldest first: what is written meanwhile comes at the end, and moves nothing.
        let options = json!({ "limit": 1000, "offset": offset, "order": "asc" });
        let params = json!({ "params": { "ns": collection, "options": options } });
        let page = client.post(Caller::Admin, "/rpc/db/list", &params).await;
        let things = page.at("/result/data").as_array().cloned().unwrap_or_default();
        if things.is_empty() {
            return numbers;
        }
        offset += things.len();
        numbers.extend(things.iter().filter_map(|thing| thing["id"].as_str()?.parse::<u64>().ok()));
    }
}
