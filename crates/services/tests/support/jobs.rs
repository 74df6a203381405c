//! What queues and the schedule need around them: somebody who runs code, somebody who knows where owners stand, and
//! quotas.

#![allow(dead_code, reason = "each test binary uses its part of it")]

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use async_trait::async_trait;
use doer_core::{
    auth::{AuthContext, Identity, User},
    id::RequestId,
    outbound::{Egress, HttpRequest, HttpResponse},
    quota::{Quota, Quotas},
    run::{CodeRunner, Happening, RunError, Snippet, WorkerTarget},
    scope::{Owner, Scope, Standing},
    service::ServiceError,
    tier::{Namespace, Tier},
};
use serde_json::{Value, json, value::RawValue};
use tokio::sync::Semaphore;

/// Runs a few programs that it knows by heart, as the sandbox would run them.
pub struct KnownPrograms {
    /// Namespace and input of every run, in order.
    pub runs: Mutex<Vec<(String, Value)>>,
    /// Runs that have begun.
    pub begun: Semaphore,
    /// What `HOLD` waits for.
    pub release: Semaphore,
    /// The server is full, or stopping.
    pub full: AtomicBool,
}

pub const RETURNS_INPUT: &str = "return input;";
pub const THROWS: &str = "throw new Error('boom');";
pub const RETRIES_FIRST: &str = "return { retry: [input.messages[0].id] };";
pub const TAKES_3_S: &str = "await new Promise((resolve) => setTimeout(resolve, 3000)); return 'late';";
/// Only for tests without a sandbox: ends when the test says so.
pub const HOLD: &str = "hold";

impl KnownPrograms {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            runs: Mutex::default(),
            begun: Semaphore::new(0),
            release: Semaphore::new(0),
            full: AtomicBool::new(false),
        })
    }

    pub fn inputs(&self) -> Vec<Value> {
        self.runs.lock().unwrap().iter().map(|(_, input)| input.clone()).collect()
    }

    pub fn namespaces(&self) -> Vec<String> {
        self.runs.lock().unwrap().iter().map(|(namespace, _)| namespace.clone()).collect()
    }

    /// Returns once another run has begun.
    pub async fn until_begun(&self) {
        self.begun.acquire().await.unwrap().forget();
    }
}

#[async_trait]
impl CodeRunner for KnownPrograms {
    fn check(&self, _: &Scope, snippet: &Snippet) -> Result<(), ServiceError> {
        match snippet.language.as_deref() {
            None | Some("javascript" | "typescript") => Ok(()),
            Some(_) => Err(ServiceError::invalid("language: must be javascript or typescript")),
        }
    }

    async fn run(
        &self,
        scope: &Scope,
        snippet: &Snippet,
        input: Value,
        _: Option<Duration>,
    ) -> Result<Box<RawValue>, RunError> {
        self.runs.lock().unwrap().push((scope.namespace.as_str().to_owned(), input.clone()));
        self.begun.add_permits(1);
        if self.full.load(SeqCst) {
            return Err(RunError { message: "the server is full".to_owned(), counts: false });
        }
        let result = match snippet.code.as_str() {
            RETURNS_INPUT => input,
            THROWS => return Err(RunError { message: "Error: boom".to_owned(), counts: true }),
            RETRIES_FIRST => json!({ "retry": [input["messages"][0]["id"]] }),
            TAKES_3_S => {
                tokio::time::sleep(Duration::from_secs(3)).await;
                json!("late")
            }
            HOLD => {
                self.release.acquire().await.unwrap().forget();
                json!("released")
            }
            other => panic!("unknown program: {other}"),
        };
        Ok(serde_json::value::to_raw_value(&result).unwrap())
    }

    /// A worker is known by the program that its id names.
    async fn tell(
        &self,
        scope: &Scope,
        target: &WorkerTarget,
        what: Happening,
        event: Value,
        timeout: Option<Duration>,
    ) -> Result<Box<RawValue>, RunError> {
        let code = match target.id.as_str() {
            "returns" => RETURNS_INPUT,
            "retries" => RETRIES_FIRST,
            _ => THROWS,
        };
        let snippet = Snippet { code: code.to_owned(), language: None, bindings: None };
        let mut input = event;
        input["told"] = what.name().into();
        self.run(scope, &snippet, input, timeout).await
    }
}

/// Everybody stands as they did, but for those of suspended namespaces.
#[derive(Default)]
pub struct Ranks {
    pub suspended: Mutex<HashSet<String>>,
}

#[async_trait]
impl Standing for Ranks {
    async fn scope(&self, owner: &Owner) -> Result<Option<Scope>, ServiceError> {
        if self.suspended.lock().unwrap().contains(owner.namespace.as_str()) {
            return Ok(None);
        }
        let mut context = AuthContext::anonymous(RequestId::generate(), 0);
        context.auth = owner.identity.clone();
        Ok(Some(Scope::of(context).within(owner.namespace.clone())))
    }

    async fn admit(&self, _: &Namespace) -> Result<(), ServiceError> {
        Ok(())
    }
}

/// The same for everyone.
pub struct Fixed(pub Quota);

impl Quotas for Fixed {
    fn of(&self, _: Tier, _: &Namespace) -> Quota {
        self.0
    }
}

/// Answers every request with the status that stands at the end of its path, or never where there is none.
#[derive(Default)]
pub struct StatusOfPath {
    pub requests: Mutex<Vec<HttpRequest>>,
}

#[async_trait]
impl Egress for StatusOfPath {
    async fn send(&self, _: &Scope, request: HttpRequest, _: u64) -> Result<HttpResponse, ServiceError> {
        self.requests.lock().unwrap().push(request.clone());
        let Some(status) = request.url.rsplit('/').next().and_then(|status| status.parse().ok()) else {
            return std::future::pending().await;
        };
        Ok(HttpResponse { status, headers: vec![], body: Default::default(), url: request.url, redirected: false })
    }
}

/// An administrator who works in a namespace.
pub fn admin(namespace: &str) -> Scope {
    let mut context = AuthContext::anonymous(RequestId::generate(), 0);
    context.auth = Identity {
        authenticated: true,
        user: Some(User {
            id: "admin".to_owned(),
            email: "admin@example.com".to_owned(),
            name: None,
            role: Some("admin".to_owned()),
            permissions: vec!["*".to_owned()],
            metadata: Default::default(),
        }),
        session: None,
        api_key: None,
    };
    Scope::of(context).within(Namespace::parse(namespace).unwrap())
}

/// Somebody without credentials.
pub fn nobody() -> Scope {
    Scope::of(AuthContext::anonymous(RequestId::generate(), 0))
}

pub fn snippet(code: &str) -> Snippet {
    Snippet { code: code.to_owned(), language: None, bindings: None }
}

/// Returns once `condition` gives something; ten seconds at most.
pub async fn until<T, F: Future<Output = Option<T>>>(condition: impl Fn() -> F) -> T {
    let wait = async {
        loop {
            if let Some(value) = condition().await {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.expect("it never came true")
}
