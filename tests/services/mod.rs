//! The conformance suite of the services, through every door of a running server, and through a server that forwards
//! every call to it. The scenarios say what each answer is; beyond that the doors are compared with each other, answer
//! by answer.
//!
//! What there is to see is in the method table. Through each door every method succeeds, and fails in every way that its
//! contract documents. Of the codes that any method may give, `invalid_request` is provoked of every method through
//! every door, and so is `service_unavailable`. `internal` is our own failure, which no call can ask for.

mod alike;
mod doors;
mod elsewhere;
pub mod fixtures;
mod surroundings;

use std::collections::BTreeMap;

use doer_core::service::{Method, Service};
use futures_util::{StreamExt, stream};
use reqwest::Method as Verb;
use serde_json::{Map, Value, json};

use self::{
    alike::alike,
    doors::{Batch, Guest, Mcp, Rpc, Wasi, Way},
    elsewhere::Elsewhere,
    surroundings::Surroundings,
};
use crate::{
    scenarios::{self, Door, Told},
    support::{Caller, Client, Server, Setup},
};

/// One test a service, so that they run side by side and a failure names its service.
macro_rules! every_door_answers_alike {
    ($($test:ident: $service:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                every_door_answers_alike(Service::$service).await;
            }
        )*
    };
}

every_door_answers_alike! {
    db: Db, auth: Auth, gateway: Gateway, schedule: Schedule, webhooks: Webhooks, email: Email, mcp: Mcp, queue: Queue,
}

/// The fixtures by name, as scenarios know them.
pub type Fixtures = BTreeMap<String, String>;

/// A server's own doors, and the one of a server that forwards to it.
fn doors<'a>(client: &'a Client, ahead: &'a Client) -> [(&'static str, Box<dyn Door + 'a>); 8] {
    [
        ("rpc", Box::new(Rpc(client))),
        ("batch", Box::new(Batch(client))),
        ("guest", Box::new(Guest { client, way: Way::Service })),
        ("unified", Box::new(Guest { client, way: Way::Unified })),
        ("fetch", Box::new(Guest { client, way: Way::Fetch })),
        ("wasi", Box::new(Wasi(client))),
        ("mcp", Box::new(Mcp(client))),
        ("forwarding", Box::new(Rpc(ahead))),
    ]
}

async fn every_door_answers_alike(service: Service) {
    let surroundings = Surroundings::start(service).await;
    let runs = doors(&surroundings.server.client, &surroundings.ahead.client).into_iter().map(async |(name, door)| {
        let run = format!("{name}-run");
        let mut transcript = scenarios::run(service, &*door, &surroundings.fixtures, &run).await;
        scenarios::shows_the_contract(service, &transcript);
        for method in service.methods() {
            transcript.push(nonsense(&*door, method).await);
        }
        (name, alike(transcript, &run))
    });
    // Where most of the time is spent waiting for the clock, doors can wait together.
    let together = if matches!(service, Service::Schedule | Service::Queue) { runs.len() } else { 1 };
    let told: Vec<_> = stream::iter(runs).buffered(together).collect().await;
    let (_, expected) = &told[0];
    for (name, told) in &told {
        for (one, other) in told.iter().zip(expected) {
            assert_eq!(one, other, "{name} answers otherwise than rpc");
        }
    }
}

/// A call that makes no sense, of whatever method: it says too little, or else names a namespace that cannot be.
async fn nonsense(door: &dyn Door, method: &'static Method) -> Told {
    let answer = door.call("nowhere", method, &required(method, |name| name == "options")).await;
    let code = answer.as_ref().err().map(|(code, _)| code.as_str());
    assert_eq!(code, Some("invalid_request"), "{}: {answer:?}", method.path());
    Told { place: format!("{}: nonsense", method.path()), method, answer }
}

/// The parameters that a method must have, as far as `wanted`, with something in their places.
fn required(method: &Method, wanted: impl Fn(&str) -> bool) -> Map<String, Value> {
    let names = method.parameters.iter().filter(|parameter| parameter.required && wanted(&parameter.name));
    names.map(|parameter| (parameter.name.clone(), json!({}))).collect()
}

#[test]
#[should_panic(expected = "never seen: db.query success, db.query forbidden, ")]
fn what_no_transcript_tells_is_named() {
    scenarios::shows_the_contract(Service::Db, &[]);
}

#[tokio::test]
async fn services_that_are_switched_off_say_so_through_every_door() {
    let off = Service::ALL.map(|service| format!("[services.{service}]\nkind = \"off\"\n")).concat();
    let server = Server::start(Setup::production().config(&off)).await;
    let (ahead, _) = Elsewhere::ahead_of(&server).await;
    for (name, door) in doors(&server.client, &ahead.client) {
        for method in Service::ALL.into_iter().flat_map(Service::methods) {
            let refused = door.call("tenant:acme", method, &required(method, |_| true)).await;
            let (code, message) = refused.unwrap_err();
            assert_eq!(code, "service_unavailable", "{name}: {}: {message}", method.path());
            // The fifth such answer opens the forwarder's circuit breaker.
            let left_alone = name == "forwarding" && message.ends_with("is not tried: it failed too often just now");
            let expected = format!("Service {} not available", method.service);
            assert!(message == expected || left_alone, "{name}: {}: {message}", method.path());
        }
    }
}

#[tokio::test]
async fn a_trace_goes_on_to_where_a_service_is() {
    let server = Server::start(Setup::production()).await;
    let (ahead, elsewhere) = Elsewhere::ahead_of(&server).await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let request = ahead.client.request(Caller::Admin, Verb::POST, "/rpc/db/count").header("traceparent", trace);
    let answer = request.json(&json!({ "params": ["notes"] })).send().await.unwrap();
    let asked = answer.headers()["x-request-id"].clone();
    assert_eq!(answer.json::<Value>().await.unwrap(), json!({ "success": true, "result": 0 }));
    let heard = elsewhere.heard();
    assert_eq!((&heard["traceparent"], &heard["x-request-id"]), (&trace.parse().unwrap(), &asked));
}
