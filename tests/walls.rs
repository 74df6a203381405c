//! Walls between tenants: three tenants and a public user call whatever there is, in random order, with ids of their
//! own and of each other, through every way in. Whatever one of them has written carries its mark, and no answer to
//! anybody else, result or error, may show it.

use std::collections::{BTreeMap, BTreeSet};

use doer_core::service::Service;
use serde_json::{Value, json};

use crate::support::{Answer, Caller, Server, Setup};

const ROUNDS: usize = 1_500;

/// Somebody with a namespace of its own.
struct Actor {
    /// In everything it writes, and in nothing else.
    mark: &'static str,
    namespace: String,
    /// Its own credentials; absent where only an admin works there.
    caller: Option<Caller>,
    /// What it wrote and nobody may have touched: collection `kept`.
    kept: BTreeMap<String, Value>,
    /// Messages it has sent to the queue that nobody receives from.
    sent: BTreeSet<String>,
}

/// Random numbers that a seed makes anew: splitmix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % below as u64).unwrap()
    }

    fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.roll(list.len())]
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_crosses_from_one_namespace_to_another() {
    let seed = u64::from(std::process::id()) ^ 0xD0E5;
    println!("seed {seed}");
    let server = Server::start(Setup::production().config(
        "[auth]\nanonymous_execution = true\n[limits.public]\nexecutions_per_minute = 0\ncalls_per_minute = 0\n\
         [limits.tenant]\nexecutions_per_minute = 0\ncalls_per_minute = 0",
    ))
    .await;
    let mut dice = Dice(seed);
    let actor = |mark, namespace: &str, caller| Actor {
        mark,
        namespace: namespace.to_owned(),
        caller,
        kept: BTreeMap::new(),
        sent: BTreeSet::new(),
    };
    let user = server.client.get(Caller::RpcUser, "/auth").await.at("/namespace").as_str().unwrap().to_owned();
    let mut actors = [
        actor("markalpha", "tenant:test-tenant", Some(Caller::RpcTenant)),
        actor("markbravo", "tenant:other-tenant", Some(Caller::OtherRpcTenant)),
        actor("markcharlie", "tenant:third", None),
        actor("markdelta", &user, Some(Caller::RpcUser)),
    ];
    // Ids that anybody has ever seen, for everybody to try.
    let mut ids = vec!["none".to_owned()];

    for round in 0..ROUNDS {
        let who = dice.roll(actors.len());
        let (mark, namespace, caller) = (actors[who].mark, actors[who].namespace.clone(), actors[who].caller);
        let (service, method, params) = call(&mut dice, mark, &ids, round);
        let answer = ask(&server, &mut dice, &namespace, caller, service, method, &params).await;

        // What the caller wrote itself may come back to it, in an error.
        let said = |other: &Actor| params.to_string().contains(other.mark);
        for other in actors.iter().filter(|other| other.mark != mark && !said(other)) {
            assert!(
                !answer.text.contains(other.mark) && !answer.text.contains(&other.namespace),
                "seed {seed}: {service}.{method} {params} in {namespace} shows what is {}'s: {}",
                other.namespace,
                answer.text
            );
        }
        let result = result_of(&answer);
        collect_ids(result, &mut ids);
        note(&mut actors[who], service, method, &params, result);
    }

    for actor in &actors {
        let things = admin(
            &server,
            &actor.namespace,
            Service::Db,
            "list",
            json!({ "ns": "kept", "options": { "limit": 1000 } }),
        );
        let things = things.await;
        let found: BTreeMap<String, Value> = things
            .at("/result/data")
            .as_array()
            .unwrap()
            .iter()
            .map(|thing| (thing["id"].as_str().unwrap().to_owned(), thing["data"].clone()))
            .collect();
        assert_eq!(found, actor.kept, "seed {seed}: what {} kept", actor.namespace);
        for id in &actor.sent {
            let job = admin(&server, &actor.namespace, Service::Queue, "getJob", json!({ "id": id })).await;
            assert_eq!(job.at("/result/status"), "pending", "seed {seed}: {}", job.text);
        }
    }
}

/// A call that anybody might make.
fn call(dice: &mut Dice, mark: &str, ids: &[String], round: usize) -> (Service, &'static str, Value) {
    let id = dice.pick(ids).clone();
    let name = format!("{mark}-{}", dice.roll(5));
    let statements = [
        format!("CREATE TABLE IF NOT EXISTS notes (text); INSERT INTO notes VALUES ('{mark}')"),
        "CREATE TABLE IF NOT EXISTS notes (text)".to_owned(),
        format!("INSERT INTO notes VALUES ('{mark}')"),
        "SELECT * FROM notes".to_owned(),
        "SELECT * FROM sqlite_master".to_owned(),
        "SELECT * FROM things".to_owned(),
        "SELECT * FROM pragma_database_list".to_owned(),
        "ATTACH '../auth.db' AS stolen".to_owned(),
        format!("SELECT '{mark}' /* -- */ UNION ALL SELECT name FROM main.sqlite_schema"),
    ];
    let sql = dice.pick(&statements).clone();
    match dice.roll(34) {
        0..=4 => (Service::Db, "query", json!({ "sql": sql })),
        5 => {
            (Service::Db, "upsert", json!({ "ns": "kept", "id": format!("{mark}-{round}"), "data": { "text": mark } }))
        }
        6 => (Service::Db, "upsert", json!({ "ns": "common", "id": "one", "data": { "text": mark } })),
        7 => (Service::Db, "get", json!({ "ns": dice.pick(&["common", "kept"]), "id": dice.pick(&["one", &id]) })),
        8 => (Service::Db, "list", json!({ "ns": dice.pick(&["common", "kept"]) })),
        9 => (Service::Db, "search", json!({ "ns": "kept", "query": "mark*" })),
        10 => (Service::Db, "delete", json!({ "ns": "common", "id": "one" })),
        11 => (Service::Db, "count", json!({ "ns": "kept" })),
        12 => (Service::Queue, "send", json!({ "queue": "quiet", "message": { "text": mark } })),
        13 => (Service::Queue, "send", json!({ "queue": "busy", "message": mark, "options": { "key": "same" } })),
        14 => (Service::Queue, "receive", json!({ "queue": "busy", "options": { "max": 10, "visibilitySeconds": 1 } })),
        15 => (Service::Queue, "ack", json!({ "ids": [id, dice.pick(ids)] })),
        16 => (Service::Queue, "retry", json!({ "ids": [id] })),
        17 => (Service::Queue, "getJob", json!({ "id": id })),
        18 => (Service::Queue, "listJobs", json!({})),
        19 => (Service::Queue, "cancelJob", json!({ "id": id })),
        20 => (Service::Queue, "getStats", json!({})),
        21 => (Service::Email, "send", json!({ "to": format!("{name}@example.com"), "subject": mark, "body": mark })),
        22 => (Service::Email, "getEmailStatus", json!({ "id": id })),
        23 => (Service::Email, "listEmails", json!({})),
        24 => (
            Service::Auth,
            "createUser",
            json!({ "email": format!("{mark}-{round}@example.com"), "options": { "name": mark } }),
        ),
        25 => (Service::Auth, "getUser", json!({ "id": id })),
        26 => (Service::Auth, "createApiKey", json!({ "name": name, "permissions": ["execute"] })),
        27 => (Service::Auth, "listApiKeys", json!({})),
        28 => (Service::Auth, "revokeApiKey", json!({ "id": id })),
        29 => (
            Service::Schedule,
            "registerTask",
            json!({ "task": {
            "name": name, "schedule": "@yearly", "target": { "queue": { "queue": "quiet-tasks", "message": mark } },
        } }),
        ),
        30 => (Service::Schedule, "listTasks", json!({})),
        31 => (Service::Schedule, *dice.pick(&["getTask", "getHistory", "unregisterTask"]), json!({ "taskName": id })),
        32 => (
            Service::Webhooks,
            "createEndpoint",
            json!({ "endpoint": { "url": format!("https://{mark}.example.com/"), "events": [mark] } }),
        ),
        _ => match dice.roll(4) {
            0 => (Service::Webhooks, "listEndpoints", json!({})),
            1 => (Service::Webhooks, "deleteEndpoint", json!({ "id": id })),
            2 => (Service::Webhooks, "listDeliveries", json!({})),
            _ => (Service::Webhooks, "retryDelivery", json!({ "id": id })),
        },
    }
}

/// Asks in one of the ways there are.
async fn ask(
    server: &Server,
    dice: &mut Dice,
    namespace: &str,
    caller: Option<Caller>,
    service: Service,
    method: &str,
    params: &Value,
) -> Answer {
    let own = caller.filter(|_| dice.roll(3) > 0);
    let Some(caller) = own else {
        return admin(server, namespace, service, method, params.clone()).await;
    };
    match dice.roll(4) {
        0 => {
            let calls = json!([{ "service": service, "method": method, "params": params }]);
            server.client.post(caller, "/rpc", &calls).await
        }
        1 => {
            let code = "const response = await fetch(`http://${input.service}/rpc/${input.method}`, {
                method: 'POST', body: JSON.stringify(input.params) });
                const body = await response.json(); return response.ok ? body : { error: body }";
            let input = json!({ "service": service, "method": method, "params": params });
            // The same key for everyone: a kept result must not be found by another.
            let body = json!({ "code": code, "input": input, "cacheKey": "same" });
            server.client.post(caller, "/execute", &body).await
        }
        2 => {
            // Somebody else's namespace, named outright.
            let other = *dice.pick(&["tenant:test-tenant", "tenant:other-tenant", "tenant:third", "*"]);
            if other == namespace {
                return server.client.post(caller, "/auth", &json!({})).await;
            }
            let mut params = params.clone();
            params["namespace"] = other.into();
            let answer =
                server.client.post(caller, &format!("/rpc/{service}/{method}"), &json!({ "params": params })).await;
            assert!(answer.status.is_client_error(), "{}", answer.text);
            answer
        }
        _ => server.client.post(caller, &format!("/rpc/{service}/{method}"), &json!({ "params": params })).await,
    }
}

/// As an admin who works in a namespace.
async fn admin(server: &Server, namespace: &str, service: Service, method: &str, mut params: Value) -> Answer {
    params["namespace"] = namespace.into();
    server.client.post(Caller::Admin, &format!("/rpc/{service}/{method}"), &json!({ "params": params })).await
}

fn result_of(answer: &Answer) -> &Value {
    match answer.at("/0/result") {
        Value::Null => answer.at("/result"),
        found => found,
    }
}

/// Remembers whatever looks like an id or a receipt.
fn collect_ids(value: &Value, ids: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect_ids(item, ids)),
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(id) if matches!(name.as_str(), "id" | "receipt" | "name") => ids.push(id.clone()),
                    other => collect_ids(other, ids),
                }
            }
        }
        _ => {}
    }
}

/// What must still be there at the end.
fn note(actor: &mut Actor, service: Service, method: &str, params: &Value, result: &Value) {
    let id = || result["id"].as_str().map(str::to_owned);
    match (service, method) {
        (Service::Db, "upsert") if params["ns"] == "kept" && id().is_some() => {
            actor.kept.insert(id().unwrap(), params["data"].clone());
        }
        (Service::Queue, "send") if params["queue"] == "quiet" => actor.sent.extend(id()),
        (Service::Queue, "cancelJob") if *result == true => {
            actor.sent.remove(params["id"].as_str().unwrap());
        }
        _ => {}
    }
}
