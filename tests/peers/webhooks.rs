//! `webhooks` against the published library of Standard Webhooks: it verifies what doer delivers, and doer what it has
//! signed.

use serde_json::{Value, json};

use crate::{
    peer::Peer,
    rpc::{self, error, result},
    support::{Server, Setup},
};

/// Thirty bytes, as the library's own documentation has its secrets.
const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDMTIzNDU2Nzg5";
const OTHER: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3";

struct World {
    server: Server,
    peer: Peer,
}

impl World {
    async fn start(test: &str) -> Option<Self> {
        let peer = Peer::start(test, "webhooks.mjs", json!({})).await?;
        let port = peer.port;
        let config = format!(
            "[services.webhooks]\nhttp_hosts = ['127.0.0.1']\n[egress.internal]\n\
             allow = [{{ host = '127.0.0.1', schemes = ['http'], ports = [{port}] }}]\n\
             allow_private = [{{ net = '127.0.0.1/32', ports = [{port}] }}]"
        );
        Some(Self { server: Server::start(Setup::production().config(&config)).await, peer })
    }

    async fn call(&self, method: &str, params: Value) -> Value {
        result(&rpc::call(&self.server, &format!("webhooks/{method}"), params).await).clone()
    }

    /// Registers the receiver under a name; gives the secret.
    async fn endpoint(&self, name: &str, events: &[&str]) -> String {
        let url = format!("{}/{name}", self.peer.address());
        let made = self.call("createEndpoint", json!({ "endpoint": { "url": url, "events": events } })).await;
        made["secret"].as_str().unwrap().to_owned()
    }

    async fn trust(&self, name: &str, secret: &str) {
        self.peer.ask("trust", json!({ "name": name, "secret": secret })).await;
    }

    /// A delivery, once it is in that state.
    async fn delivery(&self, id: &Value, status: &str) -> Value {
        let is = |page: &Value| self::delivery(page, id)["status"] == status;
        let page = rpc::until(&self.server, "webhooks/listDeliveries", json!({}), is).await;
        delivery(&page, id).clone()
    }

    async fn received(&self) -> Vec<Value> {
        self.peer.ask("received", json!({})).await.as_array().unwrap().clone()
    }

    /// Accepts what a provider sends; gives the URL that it is sent to.
    async fn source(&self, provider: &str) -> String {
        let target = json!({ "queue": { "queue": format!("from-{provider}") } });
        let source = json!({ "provider": provider, "secret": SECRET, "target": target });
        let made = self.call("createSource", json!({ "source": source })).await;
        format!("http://127.0.0.1:{}{}", self.server.port, made["path"].as_str().unwrap())
    }

    /// Has the library sign and send; gives status and answer.
    async fn send(&self, request: Value) -> (u64, Value) {
        let answer = self.peer.ask("send", request).await;
        let body = answer["body"].as_str().unwrap();
        (answer["status"].as_u64().unwrap(), serde_json::from_str(body).unwrap_or_else(|_| body.into()))
    }
}

fn delivery<'a>(page: &'a Value, id: &Value) -> &'a Value {
    page["data"].as_array().unwrap().iter().find(|delivery| delivery["id"] == *id).unwrap()
}

#[tokio::test]
async fn the_library_verifies_what_is_delivered() {
    let Some(world) = World::start("the_library_verifies_what_is_delivered").await else { return };
    let secret = world.endpoint("mine", &["invoice.*"]).await;
    world.trust("mine", &secret).await;
    let payloads = [
        json!({ "amount": 5, "name": "Zoë 🌍", "nested": { "list": [1, null, { "deep": true }] } }),
        json!("only text, \u{2028} and \"quotes\""),
        json!(0),
        json!("x".repeat(200 << 10)),
    ];
    for payload in payloads {
        let ids = world.call("send", json!({ "event": "invoice.paid", "payload": payload })).await;
        let delivered = world.delivery(&ids[0], "delivered").await;
        assert_eq!((&delivered["attempts"], &delivered["lastStatus"]), (&json!(1), &json!(204)));
        let hook = world.received().await.pop().unwrap();
        assert_eq!((&hook["verified"], &hook["error"]), (&json!(true), &Value::Null), "{hook}");
        assert_eq!((&hook["method"], &hook["headers"]["webhook-id"]), (&json!("POST"), &ids[0]));
        assert_eq!((&hook["payload"]["type"], &hook["payload"]["data"]), (&json!("invoice.paid"), &payload));
        // Each of the three that are signed is needed for that.
        assert_eq!(hook["altered"], "No matching signature found");
        assert_eq!(hook["renamed"], "No matching signature found");
        assert_eq!(hook["dated"], "Message timestamp too old");
    }
    let other = world.call("send", json!({ "event": "user.created", "payload": 1 })).await;
    assert_eq!(other, json!([]), "it did not ask for that");
}

#[tokio::test]
async fn a_receiver_with_another_secret_refuses_and_is_tried_again() {
    let Some(world) = World::start("a_receiver_with_another_secret_refuses_and_is_tried_again").await else { return };
    let secret = world.endpoint("mine", &["*"]).await;
    world.trust("mine", OTHER).await;
    let ids = world.call("send", json!({ "event": "a", "payload": {} })).await;
    let failed = world.delivery(&ids[0], "failed").await;
    assert_eq!((&failed["lastStatus"], &failed["lastError"]), (&json!(401), &json!("the endpoint answered 401")));
    assert!(failed["nextAttemptAt"].as_u64() > failed["createdAt"].as_u64());
    let hook = world.received().await.pop().unwrap();
    assert_eq!((&hook["verified"], &hook["error"]), (&json!(false), &json!("No matching signature found")));

    world.trust("mine", &secret).await;
    world.call("retryDelivery", json!({ "id": ids[0] })).await;
    let delivered = world.delivery(&ids[0], "delivered").await;
    assert_eq!(delivered["lastError"], Value::Null, "{delivered}");
    let hook = world.received().await.pop().unwrap();
    assert_eq!((&hook["verified"], &hook["headers"]["webhook-id"]), (&json!(true), &ids[0]));
}

#[tokio::test]
async fn endpoints_have_secrets_of_their_own() {
    let Some(world) = World::start("endpoints_have_secrets_of_their_own").await else { return };
    let (one, two) = (world.endpoint("one", &["*"]).await, world.endpoint("two", &["*"]).await);
    assert_ne!(one, two);
    // Each is given the other's.
    world.trust("one", &two).await;
    world.trust("two", &one).await;
    let ids = world.call("send", json!({ "event": "a", "payload": 1 })).await;
    for id in ids.as_array().unwrap() {
        world.delivery(id, "failed").await;
    }
    assert!(world.received().await.iter().all(|hook| hook["verified"] == false));
}

#[tokio::test]
async fn what_the_library_has_signed_comes_in_once() {
    let Some(world) = World::start("what_the_library_has_signed_comes_in_once").await else { return };
    for (provider, prefix) in [("standard", "webhook"), ("svix", "svix")] {
        let url = world.source(provider).await;
        let payload = r#"{"type":"user.created","data":{"name":"Zoë"}}"#;
        let request = json!({ "url": url, "secret": SECRET, "id": "msg_1", "payload": payload, "prefix": prefix });
        let (status, first) = world.send(request.clone()).await;
        assert_eq!((status, &first["duplicate"]), (200, &json!(false)), "{first}");
        let (status, again) = world.send(request).await;
        assert_eq!((status, &again["duplicate"], &again["id"]), (200, &json!(true), &first["id"]), "{again}");

        // A sender that is changing its secret signs with both.
        let extra = "v1,bm90IHRoZSByaWdodCBvbmUsIGJ1dCB0aGUgb3RoZXI= v1a,c29tZXRoaW5nIGVsc2U=";
        let (status, answer) = world
            .send(json!({
                "url": url, "secret": SECRET, "id": "msg_2", "payload": payload, "prefix": prefix, "extra": extra,
            }))
            .await;
        assert_eq!(status, 200, "{answer}");
        let (status, answer) = world
            .send(json!({
                "url": url, "secret": SECRET, "id": "msg_3", "payload": payload, "prefix": prefix, "secondsAgo": 290,
            }))
            .await;
        assert_eq!(status, 200, "{answer}");

        let events = world.call("listEvents", json!({ "options": { "limit": 100 } })).await;
        let events: Vec<&Value> =
            events["data"].as_array().unwrap().iter().filter(|event| event["provider"] == provider).collect();
        let ids: Vec<&Value> = events.iter().map(|event| &event["eventId"]).collect();
        assert_eq!(ids, ["msg_3", "msg_2", "msg_1"], "{provider}: the same one counts once");
        let expected: Value = serde_json::from_str(payload).unwrap();
        assert!(events.iter().all(|event| event["payload"] == expected && event["event"] == "user.created"));

        let queue = format!("from-{provider}");
        rpc::until(&world.server, "queue/getStats", json!({ "queue": queue }), |stats| stats[0]["pending"] == 3).await;
        let options = json!({ "queue": queue, "options": { "max": 10 } });
        let messages = result(&rpc::call(&world.server, "queue/receive", options).await).clone();
        let messages = messages.as_array().unwrap();
        assert_eq!(messages.len(), 3);
        assert!(messages.iter().all(|message| message["body"]["payload"] == expected), "{messages:?}");
    }
}

#[tokio::test]
async fn what_was_altered_or_is_old_or_signed_by_another_does_not_come_in() {
    let Some(world) = World::start("what_was_altered_or_is_old_or_signed_by_another_does_not_come_in").await else {
        return;
    };
    for (provider, prefix, foreign) in [("standard", "webhook", "svix"), ("svix", "svix", "webhook")] {
        let url = world.source(provider).await;
        let payload = r#"{"type":"user.created","data":1}"#;
        let right = json!({ "url": url, "secret": SECRET, "id": "msg_1", "payload": payload, "prefix": prefix });
        for (name, value) in [
            ("sent", json!(r#"{"type":"user.created","data":2}"#)),
            ("sent", json!(format!("{payload} "))),
            ("sent", json!("")),
            ("secret", json!(OTHER)),
            ("secondsAgo", json!(310)),
            ("secondsAgo", json!(-310)),
            ("prefix", json!(foreign)),
            ("url", json!(format!("{url}x"))),
        ] {
            let mut wrong = right.clone();
            wrong[name] = value;
            let (status, answer) = world.send(wrong).await;
            assert_eq!(status, 401, "{provider} {name}: {answer}");
            assert_eq!(answer["error"]["message"], "The webhook cannot be verified");
        }
        let events = world.call("listEvents", json!({})).await;
        assert_eq!(events["data"], json!([]), "{provider}");
    }
    let answer = rpc::call(
        &world.server,
        "webhooks/createSource",
        json!({
            "source": { "provider": "standard", "secret": "whsec_not base64!" },
        }),
    )
    .await;
    assert_eq!(error(&answer).0, "invalid_request");
}
