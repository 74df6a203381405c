//! Forwarding, to services that are not doer: what they hear, and what becomes of what they say.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
    serve::ListenerExt,
};
use doer_core::{
    auth::AuthContext,
    id::RequestId,
    scope::Scope,
    service::{Arguments, Backend, Code, Health, Service, ServiceError},
    time::{Clock, ManualClock},
};
use doer_services::forward::{BreakerSettings, Forward, Settings, signature};
use serde_json::{Value, json, value::to_raw_value};

use crate::{scopes::scope, serve::serve};

const KEY: &[u8] = b"shared";
const NOW: Duration = Duration::from_secs(1_700_000_000);

/// One call as it arrived.
#[derive(Debug, Clone)]
struct Heard {
    method: String,
    headers: HeaderMap,
    body: String,
}

/// A service that says what a test wants, one answer after another.
#[derive(Clone, Default)]
struct Other {
    heard: Arc<Mutex<Vec<Heard>>>,
    answers: Arc<Mutex<VecDeque<(u16, String)>>>,
}

impl Other {
    fn says(&self, answers: &[(u16, &str)]) {
        let answers = answers.iter().map(|(status, body)| (*status, (*body).to_owned()));
        *self.answers.lock().unwrap() = answers.collect();
    }

    fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }
}

async fn answer(State(other): State<Other>, Path(method): Path<String>, headers: HeaderMap, body: Bytes) -> Response {
    let body = String::from_utf8(body.to_vec()).unwrap();
    other.heard.lock().unwrap().push(Heard { method, headers, body });
    let answer = other.answers.lock().unwrap().pop_front();
    match answer {
        Some((0, _)) | None => std::future::pending().await,
        Some((429, body)) => (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "7")], body).into_response(),
        Some((status, body)) => (StatusCode::from_u16(status).unwrap(), body).into_response(),
    }
}

struct World {
    other: Other,
    forward: Forward,
    clock: Arc<ManualClock>,
}

async fn world(change: impl FnOnce(Settings) -> Settings) -> World {
    let other = Other::default();
    let router = Router::new().route("/base/rpc/{method}", post(answer)).with_state(other.clone());
    let url = format!("{}/base/", serve(router).await).parse().unwrap();
    let clock = Arc::new(ManualClock::at(NOW));
    let settings = change(Settings { key: Some(KEY.to_vec()), ..Settings::new(url) });
    World { other, forward: Forward::new(Service::Db, settings, clock.clone()).unwrap(), clock }
}

impl World {
    async fn call_as(&self, scope: &Scope, method: &str, params: Value) -> Result<Value, ServiceError> {
        let method = Service::Db.method(method).unwrap();
        let arguments = Arguments::decode(method, Some(&to_raw_value(&params).unwrap())).unwrap();
        let result = self.forward.call(scope, method, arguments).await?;
        Ok(serde_json::from_str(result.get()).unwrap())
    }

    /// A method that only reads.
    async fn read(&self) -> Result<Value, ServiceError> {
        self.call_as(&scope("tenant", "acme"), "get", json!(["things", "1"])).await
    }

    /// A method that does not.
    async fn write(&self) -> Result<Value, ServiceError> {
        self.call_as(&scope("tenant", "acme"), "delete", json!({"ns": "things", "id": "1"})).await
    }
}

fn failure(outcome: Result<Value, ServiceError>) -> (Code, String) {
    let error = outcome.unwrap_err();
    (error.code, error.message.into_owned())
}

#[tokio::test]
async fn a_call_carries_parameters_context_and_signature() {
    let world = world(|settings| settings).await;
    world.other.says(&[(200, r#"{"id":"1"}"#)]);
    let mut caller = scope("tenant", "acme");
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    caller.context.metadata.insert("traceparent".to_owned(), trace.into());
    assert_eq!(world.call_as(&caller, "get", json!(["things", "1"])).await, Ok(json!({"id": "1"})));

    let heard = world.other.heard().remove(0);
    assert_eq!(heard.method, "get");
    let body: Value = serde_json::from_str(&heard.body).unwrap();
    let mut context = serde_json::to_value(&caller.context).unwrap();
    context["namespace"] = "tenant:acme".into();
    context["tier"] = "tenant".into();
    assert_eq!(body, json!({"ns": "things", "id": "1", "context": context}));
    for (name, value) in [
        ("content-type", "application/json"),
        ("x-request-id", caller.request_id()),
        ("x-user-id", "u1"),
        ("x-authenticated", "true"),
        ("x-user-email", "someone@example.com"),
        ("x-user-role", "tenant"),
        ("x-user-permissions", "db:read,db:write"),
        ("traceparent", trace),
        ("x-doer-timestamp", "1700000000"),
    ] {
        assert_eq!(heard.headers[name], value, "{name}");
    }
    let signed = heard.headers["x-doer-signature"].to_str().unwrap();
    assert!(signature::verify(KEY, "1700000000", signed, heard.body.as_bytes(), world.clock.now().as_secs()));
}

#[tokio::test]
async fn an_anonymous_call_says_so_and_one_without_key_is_not_signed() {
    let world = world(|settings| Settings { key: None, ..settings }).await;
    world.other.says(&[(204, "")]);
    let caller = Scope::of(AuthContext::anonymous(RequestId::generate(), 0));
    assert_eq!(world.call_as(&caller, "get", json!(["things", "1"])).await, Ok(Value::Null));
    let heard = world.other.heard().remove(0);
    assert_eq!(
        (&heard.headers["x-authenticated"], &heard.headers["x-user-id"]),
        (&"false".parse().unwrap(), &"anonymous".parse().unwrap())
    );
    for absent in ["x-user-email", "x-user-role", "x-user-permissions", "x-doer-signature", "x-doer-timestamp"] {
        assert!(!heard.headers.contains_key(absent), "{absent}");
    }
    assert_eq!(heard.headers["traceparent"].len(), 55);
}

#[tokio::test]
async fn what_is_no_result_is_the_upstreams_failure() {
    let world = world(|settings| Settings { max_result_bytes: 10, ..settings }).await;
    let failed = |why: &str| (Code::UpstreamError, format!("Service db.delete failed: {why}"));
    let long = "x".repeat(1000);
    for (status, body, expected) in [
        (200, "nonsense", failed("its answer is not JSON")),
        (200, "\"12345678\"", (Code::Internal, "fits".to_owned())),
        (200, "\"123456789\"", failed("its answer is larger than 10 bytes")),
        (418, "I am\na teapot", failed("I am a teapot")),
        (500, "", failed("it answered 500")),
        (500, &long, failed(&format!("{}...", "x".repeat(300)))),
        (302, "elsewhere", failed("elsewhere")),
        (404, r#"{"error":{"code":"not_found","message":"No thing"}}"#, (Code::NotFound, "No thing".to_owned())),
        (
            500,
            r#"{"error":{"code":"not_found","message":"No thing"}}"#,
            failed(r#"{"error":{"code":"not_found","message":"No thing"}}"#),
        ),
        (404, r#"{"error":{"code":"unknown","message":"x"}}"#, failed(r#"{"error":{"code":"unknown","message":"x"}}"#)),
    ] {
        world.other.says(&[(status, body)]);
        match world.write().await {
            Ok(result) => assert_eq!((result, expected.1.as_str()), (json!("12345678"), "fits")),
            outcome => assert_eq!(failure(outcome), expected, "{status} {body}"),
        }
    }
    world.other.says(&[(429, r#"{"success":false,"error":{"code":"rate_limit","message":"Slower","requestId":"r"}}"#)]);
    let error = world.write().await.unwrap_err();
    assert_eq!(error, ServiceError::new(Code::RateLimit, "Slower").after(Duration::from_secs(7)));
}

#[tokio::test]
async fn only_what_reads_is_tried_again() {
    let world = world(|settings| settings).await;
    world.other.says(&[(503, "starting"), (502, "starting"), (200, "1")]);
    assert_eq!(world.read().await, Ok(json!(1)));
    assert_eq!(world.other.heard().len(), 3);

    world.other.says(&[(503, "a"), (503, "b"), (503, "c"), (200, "1")]);
    assert_eq!(failure(world.read().await).1, "Service db.get failed: c");

    let before = world.other.heard().len();
    world.other.says(&[(503, "starting"), (200, "1")]);
    assert_eq!(failure(world.write().await).1, "Service db.delete failed: starting");
    world.other.says(&[(500, "broken"), (200, "1")]);
    assert_eq!(failure(world.read().await).1, "Service db.get failed: broken");
    let own = r#"{"error":{"code":"service_unavailable","message":"Service db not available"}}"#;
    world.other.says(&[(503, own), (200, "1")]);
    assert_eq!(failure(world.read().await), (Code::ServiceUnavailable, "Service db not available".to_owned()));
    assert_eq!(world.other.heard().len() - before, 3, "one attempt each");
}

#[tokio::test]
async fn a_service_that_keeps_failing_is_left_alone_for_a_while() {
    let breaker = BreakerSettings { failures: 2, open: Duration::from_secs(30) };
    let world = world(|settings| Settings { breaker, ..settings }).await;
    let refusal = r#"{"error":{"code":"upstream_error","message":"GitHub is down"}}"#;
    world.other.says(&[(404, "a"), (400, "b"), (502, refusal), (500, "c"), (200, "1"), (500, "d"), (500, "e")]);
    for _ in 0..6 {
        let _ = world.write().await;
        assert_eq!(world.forward.health(), Health::Ok, "refusals are no failures, and successes end a row of them");
    }
    assert_eq!(failure(world.write().await).1, "Service db.delete failed: e");
    assert_eq!(world.forward.health(), Health::Degraded);

    let error = world.write().await.unwrap_err();
    assert_eq!((error.code, error.retry_after), (Code::ServiceUnavailable, Some(Duration::from_secs(30))));
    assert_eq!(world.other.heard().len(), 7, "it was not asked");

    world.clock.advance(Duration::from_secs(30));
    world.other.says(&[(200, "1")]);
    assert_eq!(world.write().await, Ok(json!(1)));
    assert_eq!(world.forward.health(), Health::Ok);
}

#[tokio::test]
async fn a_call_has_a_time_limit_and_a_service_that_is_not_there_a_name() {
    let breaker = BreakerSettings { failures: 1, open: Duration::from_secs(30) };
    let world = world(|settings| Settings { timeout: Duration::from_millis(100), breaker, ..settings }).await;
    world.other.says(&[(0, "")]);
    assert_eq!(failure(world.read().await), (Code::Timeout, "Service db.get did not answer within 100 ms".to_owned()));
    assert_eq!(world.forward.health(), Health::Degraded, "which counts as a failure");

    let nowhere = Settings { retries: 1, ..Settings::new("http://127.0.0.1:1".parse().unwrap()) };
    let forward = Forward::new(Service::Db, nowhere, world.clock.clone()).unwrap();
    let world = World { forward, ..world };
    let expected = (Code::UpstreamError, "Service db.get failed: it cannot be reached".to_owned());
    assert_eq!(failure(world.read().await), expected);
}

#[tokio::test]
async fn calls_share_connections() {
    const CALLS: usize = 20;
    let (other, connections) = (Other::default(), Arc::new(AtomicUsize::new(0)));
    other.says(&[(200, "1"); CALLS]);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let counted = connections.clone();
    let listener = listener.tap_io(move |_| {
        counted.fetch_add(1, SeqCst);
    });
    let router = Router::new().route("/rpc/{method}", post(answer)).with_state(other.clone());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let clock = Arc::new(ManualClock::at(NOW));
    let forward = Forward::new(Service::Db, Settings::new(url), clock.clone()).unwrap();
    let world = World { other, forward, clock };
    for _ in 0..CALLS {
        assert_eq!(world.write().await, Ok(json!(1)));
    }
    // Not one: a call that comes before the last one's connection is idle again opens another.
    assert!(connections.load(SeqCst) < CALLS / 2, "{connections:?}");
}
