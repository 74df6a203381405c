//! An installation in memory: eight services that do as they are told, a network that is one function, and callers.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use doer_core::{
    auth::{AuthContext, Identity, User},
    id::RequestId,
    ledger::Ledger,
    limits::Limits,
    outbound::{Egress, HttpRequest, HttpResponse},
    scope::{Owner, Scope, Standing},
    scoped::{Grants, ScopedServices, Services},
    service::{Arguments, Backend, Code, Health, Method, Service, ServiceError},
    tier::{Namespace, Tier},
    time::ManualClock,
};
use doer_sandbox::{GuestError, Invocation, Outcome, Program};
use serde_json::{Value, json, value::RawValue};
use tokio::sync::Barrier;

use crate::common::{invocation, run, sandbox, text};

/// How many calls `meet` waits for.
pub const PARTY: usize = 50;

/// What was asked of the installation.
#[derive(Default)]
pub struct Seen {
    /// Requests that reached the network.
    pub sent: Mutex<Vec<HttpRequest>>,
    /// Calls that reached a service.
    pub calls: AtomicUsize,
    /// Calls and requests that wait for what never comes.
    pub waiting: AtomicUsize,
}

/// Counts one that waits, as long as it lives.
struct Waiting(Arc<Seen>);

impl Waiting {
    async fn for_ever(seen: &Arc<Seen>) -> ServiceError {
        seen.waiting.fetch_add(1, SeqCst);
        let _waiting = Self(Arc::clone(seen));
        std::future::pending().await
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, SeqCst);
    }
}

/// A service that tells what it was asked; `db.query` does what its statement says.
struct Fake {
    seen: Arc<Seen>,
    party: Arc<Barrier>,
}

#[async_trait]
impl Backend for Fake {
    async fn call(
        &self,
        scope: &Scope,
        method: &'static Method,
        arguments: Arguments,
    ) -> Result<Box<RawValue>, ServiceError> {
        self.seen.calls.fetch_add(1, SeqCst);
        let params: Value = serde_json::from_str(&arguments.to_json(method)).unwrap();
        let raw = |value: &Value| Ok(RawValue::from_string(value.to_string()).unwrap());
        if method.path() != "db.query" {
            return raw(&json!({"method": method.path(), "params": params, "namespace": scope.namespace}));
        }
        let order = params["sql"].as_str().unwrap();
        match order.split_once(' ').unwrap_or((order, "")) {
            ("size", bytes) => raw(&json!("x".repeat(bytes.parse::<usize>().unwrap() - 2))),
            ("fail", code) => Err(ServiceError::new(Code::from_name(code).unwrap(), format!("{code}, as told"))),
            ("later", _) => Err(ServiceError::new(Code::RateLimit, "too often").after(Duration::from_millis(1500))),
            ("break", _) => Err(ServiceError::internal(std::io::Error::other("/secret/path is full"))),
            ("never", _) => Err(Waiting::for_ever(&self.seen).await),
            ("meet", _) => {
                self.party.wait().await;
                raw(&json!("met"))
            }
            ("sleep", ms) => {
                tokio::time::sleep(Duration::from_millis(ms.parse().unwrap())).await;
                raw(&json!(ms))
            }
            ("socket", _) => {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.map_err(ServiceError::internal)?;
                let connected = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await;
                raw(&json!(connected.is_ok()))
            }
            _ => raw(&params),
        }
    }

    fn health(&self) -> Health {
        Health::Ok
    }
}

/// The network: what becomes of a request is in its path.
struct FakeNetwork(Arc<Seen>);

#[async_trait]
impl Egress for FakeNetwork {
    async fn send(&self, _: &Scope, request: HttpRequest, _: u64) -> Result<HttpResponse, ServiceError> {
        self.0.sent.lock().unwrap().push(request.clone());
        let path = request.url.strip_prefix("https://out.test").unwrap_or("/elsewhere").to_owned();
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let answer = |status, body: Bytes| HttpResponse {
            status,
            headers: vec![header("x-kind", "caf\u{e9}"), header("set-cookie", "a=1"), header("set-cookie", "b=2")],
            body,
            url: request.url.clone(),
            redirected: false,
        };
        match path.split(['?', '#']).next().unwrap_or_default() {
            "/echo" => Ok(answer(200, request.body.clone().unwrap_or_default())),
            "/bytes" => Ok(answer(200, Bytes::from_static(&[0, 255, 10]))),
            "/none" => Ok(answer(204, Bytes::new())),
            "/moved" => {
                let url = "https://out.test/there#part".to_owned();
                Ok(HttpResponse { url, redirected: true, ..answer(200, Bytes::from_static(b"there")) })
            }
            "/size" => Ok(answer(200, Bytes::from(vec![b'x'; 10_000]))),
            "/never" => Err(Waiting::for_ever(&self.0).await),
            "/down" => Err(ServiceError::new(Code::UpstreamError, "out.test: connection refused")),
            _ => Err(ServiceError::forbidden("fetch is not permitted: out.test is not on the list `egress.tenant`")),
        }
    }
}

/// Everybody may.
struct Anybody;

#[async_trait]
impl Standing for Anybody {
    async fn scope(&self, _: &Owner) -> Result<Option<Scope>, ServiceError> {
        Ok(None)
    }

    async fn admit(&self, _: &Namespace) -> Result<(), ServiceError> {
        Ok(())
    }
}

/// An installation, and how it is used.
pub struct World {
    pub services: Arc<Services>,
    pub seen: Arc<Seen>,
    pub tier: Tier,
    pub grants: Grants,
    pub calls: u32,
    pub bytes: u64,
}

impl World {
    /// Everything is granted to an internal caller.
    pub fn new() -> Self {
        let seen = Arc::new(Seen::default());
        let party = Arc::new(Barrier::new(PARTY));
        let backend = |_| -> Box<dyn Backend> { Box::new(Fake { seen: Arc::clone(&seen), party: Arc::clone(&party) }) };
        let services = Services {
            backends: Service::ALL.map(backend),
            egress: Arc::new(FakeNetwork(Arc::clone(&seen))),
            standing: Arc::new(Anybody),
            clock: Arc::new(ManualClock::at(Duration::from_millis(1_700_000_000_000))),
        };
        let Limits { calls, transfer_bytes, .. } = Limits::of(Tier::Internal);
        let grants = Grants::of(Service::ALL);
        Self { services: Arc::new(services), seen, tier: Tier::Internal, grants, calls, bytes: transfer_bytes }
    }

    pub fn scoped(&self) -> ScopedServices {
        let role = if self.tier == Tier::Internal { "admin" } else { "tenant" };
        let user = User {
            id: "u1".into(),
            email: "u1@doer.test".into(),
            name: None,
            role: Some(role.into()),
            permissions: Vec::new(),
            metadata: Default::default(),
        };
        let mut context = AuthContext::anonymous(RequestId::from_text("req_1"), 0);
        context.auth = Identity { authenticated: true, user: Some(user), ..Identity::default() };
        let ledger = Arc::new(Ledger::new(self.calls, self.bytes, true));
        ScopedServices::new(Arc::clone(&self.services), Arc::new(Scope::of(context)), self.grants, ledger)
    }

    pub fn invocation(&self, input: Value) -> Invocation {
        Invocation { services: Some(self.scoped()), ..invocation(input) }
    }

    pub async fn outcome(&self, code: &str) -> Outcome {
        run(text(code), self.invocation(Value::Null)).await
    }

    /// What `code` returns.
    pub async fn value(&self, code: &str) -> Value {
        value(self.outcome(code).await, code)
    }

    /// How `code` fails.
    pub async fn error(&self, code: &str) -> GuestError {
        match self.outcome(code).await.answer {
            Err(error) => error,
            Ok(answer) => panic!("{code}: {}", answer.result),
        }
    }

    /// What `code` returns in its first run, and again from its image.
    pub async fn both(&self, code: &str) -> Value {
        let first = self.value(code).await;
        let image = sandbox().await.image(text(code), self.invocation(Value::Null)).await.unwrap().unwrap();
        let again = sandbox().await.execute_image(image, self.invocation(Value::Null)).await.unwrap();
        assert_eq!(first, value(again, code), "{code}");
        first
    }

    pub async fn program(&self, program: Program) -> Outcome {
        run(program, self.invocation(Value::Null)).await
    }
}

pub fn value(outcome: Outcome, what: &str) -> Value {
    let answer = outcome.answer.unwrap_or_else(|error| panic!("{what}: {error:?}"));
    serde_json::from_str(answer.result.get()).unwrap()
}
