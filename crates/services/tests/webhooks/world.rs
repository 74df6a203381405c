//! What stands around the embedded webhooks in tests: an egress without a policy, owners in good standing, targets that
//! note what they get.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use async_trait::async_trait;
use axum::Router;
use bytes::Bytes;
use doer_core::{
    outbound::{Egress, HttpRequest, HttpResponse},
    quota::{Quota, Quotas},
    run::{RunError, Target},
    scope::{Owner, Scope, Standing},
    service::{
        Code, ServiceError,
        webhooks::{
            CreateEndpoint, CreatedEndpoint, Delivery, Event, ListDeliveries, ListEvents, NewEndpoint, Send, Webhooks,
        },
    },
    tier::{Namespace, Tier},
    time::Clock,
};
use doer_services::{
    Sealer,
    tasks::Tasks,
    tls,
    webhooks::{Dependencies, Dispatch, EmbeddedWebhooks, Settings},
};
use serde_json::Value;

/// Serves a router on a port of its own; gives `http://127.0.0.1:<port>`.
pub async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

/// Sends whatever it is given.
pub struct Outside(pub reqwest::Client);

#[async_trait]
impl Egress for Outside {
    async fn send(&self, _: &Scope, request: HttpRequest, _: u64) -> Result<HttpResponse, ServiceError> {
        let failed = |_| ServiceError::new(Code::UpstreamError, "cannot be reached");
        let method = request.method.parse().unwrap();
        let mut builder = self.0.request(method, &request.url).body(request.body.unwrap_or_default());
        for (name, value) in request.headers {
            builder = builder.header(name, value);
        }
        let response = builder.send().await.map_err(failed)?;
        let headers = response.headers().iter();
        Ok(HttpResponse {
            status: response.status().as_u16(),
            headers: headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect(),
            url: request.url,
            redirected: false,
            body: response.bytes().await.map_err(failed)?,
        })
    }
}

/// Owners act as long as they are not suspended.
#[derive(Default)]
pub struct Steady {
    pub suspended: AtomicBool,
}

#[async_trait]
impl Standing for Steady {
    async fn scope(&self, owner: &Owner) -> Result<Option<Scope>, ServiceError> {
        if self.suspended.load(SeqCst) {
            return Ok(None);
        }
        let mut context = doer_core::auth::AuthContext::anonymous(doer_core::id::RequestId::generate(), 0);
        context.auth = owner.identity.clone();
        Ok(Some(Scope::of(context).within(owner.namespace.clone())))
    }

    async fn admit(&self, _: &Namespace) -> Result<(), ServiceError> {
        Ok(())
    }
}

/// What a target was given, and for whom.
#[derive(Debug, Clone, PartialEq)]
pub struct Handed {
    pub namespace: String,
    pub target: Target,
    pub event: Value,
}

/// Targets: URLs are sent to, everything else is only noted; answers can be put in its way.
pub struct Targets {
    pub egress: Arc<dyn Egress>,
    pub handed: Mutex<Vec<Handed>>,
    /// What the next runs come to, the last first.
    pub failures: Mutex<Vec<RunError>>,
}

impl Targets {
    pub fn new(egress: Arc<dyn Egress>) -> Self {
        Self { egress, handed: Mutex::default(), failures: Mutex::default() }
    }

    pub fn handed(&self) -> Vec<Handed> {
        self.handed.lock().unwrap().clone()
    }
}

#[async_trait]
impl Dispatch for Targets {
    async fn check(&self, _: &Scope, target: &Target) -> Result<(), ServiceError> {
        match target {
            Target::Queue(target) if target.queue.is_empty() => {
                Err(ServiceError::invalid("queue: must have 1 to 128 letters, digits, _, - or ."))
            }
            _ => Ok(()),
        }
    }

    async fn run(&self, scope: &Scope, target: &Target, event: Value) -> Result<(), RunError> {
        let handed = Handed { namespace: scope.namespace.to_string(), target: target.clone(), event: event.clone() };
        self.handed.lock().unwrap().push(handed);
        if let Some(failure) = self.failures.lock().unwrap().pop() {
            return Err(failure);
        }
        let Target::Url(target) = target else { return Ok(()) };
        let request = HttpRequest {
            method: "POST".to_owned(),
            url: target.url.clone(),
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: Some(Bytes::from(event.to_string())),
            redirect: Default::default(),
        };
        let failed = |message: String| RunError { message, counts: true };
        let answer = self.egress.send(scope, request, 1 << 20).await.map_err(|error| failed(error.message.into()))?;
        match answer.status {
            200..=299 => Ok(()),
            status => Err(failed(format!("{} answered {status}", target.url))),
        }
    }
}

/// The same for everyone.
pub struct Fixed(pub Quota);

impl Quotas for Fixed {
    fn of(&self, _: Tier, _: &Namespace) -> Quota {
        self.0
    }
}

/// A clock that goes with the runtime's: where that is paused, both jump together.
pub struct RuntimeClock {
    start: tokio::time::Instant,
    epoch: Duration,
}

impl RuntimeClock {
    pub fn at(epoch: Duration) -> Self {
        Self { start: tokio::time::Instant::now(), epoch }
    }
}

impl Clock for RuntimeClock {
    fn now(&self) -> Duration {
        self.epoch + self.start.elapsed()
    }
}

/// Embedded webhooks in a directory of their own, and what stands around them.
pub struct World {
    pub dir: tempfile::TempDir,
    pub webhooks: EmbeddedWebhooks,
    pub tasks: Tasks,
    pub wire: Arc<Wire>,
    pub targets: Arc<Targets>,
    pub standing: Arc<Steady>,
    pub clock: Arc<RuntimeClock>,
    dependencies: Dependencies,
    settings: Settings,
}

/// When the tests' time begins: long after the epoch, at a full second.
pub const START: Duration = Duration::from_secs(1_700_000_000);

impl World {
    /// Nothing moves before [`World::start`].
    pub fn new(quota: Quota, settings: Settings) -> Self {
        let wire = Arc::new(Wire::default());
        Self::made(wire.clone(), wire, quota, settings)
    }

    /// One whose deliveries go through `egress`.
    pub fn over(egress: Arc<dyn Egress>, settings: Settings) -> Self {
        Self::made(egress, Arc::default(), Quota::of(Tier::Tenant), settings)
    }

    fn made(egress: Arc<dyn Egress>, wire: Arc<Wire>, quota: Quota, settings: Settings) -> Self {
        let targets = Arc::new(Targets::new(egress.clone()));
        let (standing, clock) = (Arc::new(Steady::default()), Arc::new(RuntimeClock::at(START)));
        let dependencies = Dependencies {
            clock: clock.clone(),
            quotas: Arc::new(Fixed(quota)),
            sealer: Sealer::new(b"installation"),
            standing: standing.clone(),
            egress,
            dispatch: targets.clone(),
            client: tls::http_client().unwrap().build().unwrap(),
        };
        let dir = tempfile::tempdir().unwrap();
        let webhooks = EmbeddedWebhooks::open(dir.path(), dependencies.clone(), settings.clone()).unwrap();
        Self { dir, webhooks, tasks: Tasks::default(), wire, targets, standing, clock, dependencies, settings }
    }

    pub fn start(&self) {
        self.webhooks.start(&self.tasks);
    }

    /// The same files, opened anew, as after a restart.
    pub fn reopened(&self) -> EmbeddedWebhooks {
        self.opened_with(self.settings.clone()).unwrap()
    }

    /// The same files, with other settings.
    pub fn opened_with(&self, settings: Settings) -> Result<EmbeddedWebhooks, doer_services::Error> {
        EmbeddedWebhooks::open(self.dir.path(), self.dependencies.clone(), settings)
    }

    pub async fn endpoint(&self, scope: &Scope, url: &str) -> CreatedEndpoint {
        let endpoint = NewEndpoint { url: url.to_owned(), events: vec!["*".to_owned()] };
        self.webhooks.create_endpoint(scope, CreateEndpoint { endpoint }).await.unwrap()
    }

    pub async fn send(&self, scope: &Scope, event: &str) -> Result<Vec<String>, ServiceError> {
        self.webhooks.send(scope, Send { event: event.to_owned(), payload: Value::Null }).await
    }

    /// Deliveries, the newest first.
    pub async fn deliveries(&self, scope: &Scope) -> Vec<Delivery> {
        self.webhooks.list_deliveries(scope, ListDeliveries { options: None }).await.unwrap().data
    }

    /// Events, the newest first.
    pub async fn events(&self, scope: &Scope) -> Vec<Event> {
        self.webhooks.list_events(scope, ListEvents { options: None }).await.unwrap().data
    }

    /// The newest delivery, once it is as expected.
    pub async fn delivery(&self, scope: &Scope, expected: impl Fn(&Delivery) -> bool) -> Delivery {
        let mut pause = Duration::from_millis(100);
        loop {
            if let Some(delivery) = self.deliveries(scope).await.into_iter().next().filter(&expected) {
                return delivery;
            }
            tokio::time::sleep(pause).await;
            // What happens after a day is not looked for ten times a second.
            pause = pause * 11 / 10;
        }
    }

    /// The newest event, once it is as expected.
    pub async fn event(&self, scope: &Scope, expected: impl Fn(&Event) -> bool) -> Event {
        let mut pause = Duration::from_millis(100);
        loop {
            if let Some(event) = self.events(scope).await.into_iter().next().filter(&expected) {
                return event;
            }
            tokio::time::sleep(pause).await;
            pause = pause * 11 / 10;
        }
    }
}

/// Polls until it holds. Under a paused clock the waits take no time.
pub async fn until(mut holds: impl FnMut() -> bool) {
    let mut pause = Duration::from_millis(100);
    while !holds() {
        tokio::time::sleep(pause).await;
        pause = pause * 11 / 10;
    }
}

/// A request on the wire, and when it came, in milliseconds since the first.
#[derive(Debug, Clone)]
pub struct Sent {
    pub at_ms: u64,
    pub namespace: String,
    pub request: HttpRequest,
}

impl Sent {
    pub fn header(&self, name: &str) -> &str {
        &self.request.headers.iter().find(|(known, _)| known == name).unwrap().1
    }
}

/// An egress in memory. The last part of the URL's path says what comes of a request: a status, `retry-<seconds>` for a
/// 503 that asks to wait, `hang` for no answer ever, `panic`, or `refused` for the policy's no.
#[derive(Default)]
pub struct Wire {
    start: std::sync::OnceLock<tokio::time::Instant>,
    sent: Mutex<Vec<Sent>>,
    /// Requests that have no answer yet, and the most there ever were.
    pub open: Mutex<(usize, usize)>,
}

impl Wire {
    pub fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap().clone()
    }
}

#[async_trait]
impl Egress for Wire {
    async fn send(&self, scope: &Scope, request: HttpRequest, _: u64) -> Result<HttpResponse, ServiceError> {
        let start = *self.start.get_or_init(tokio::time::Instant::now);
        let at_ms = start.elapsed().as_millis() as u64;
        let (url, namespace) = (request.url.clone(), scope.namespace.to_string());
        self.sent.lock().unwrap().push(Sent { at_ms, namespace, request });
        let _open = Open::new(self);
        let mut headers = Vec::new();
        let status = match url.rsplit('/').next().unwrap() {
            "hang" => std::future::pending().await,
            "panic" => panic!("as the path says"),
            "refused" => return Err(ServiceError::forbidden("the egress policy does not allow it")),
            retry if retry.starts_with("retry-") => {
                headers.push(("retry-after".to_owned(), retry["retry-".len()..].to_owned()));
                503
            }
            status => status.parse().unwrap(),
        };
        Ok(HttpResponse { status, headers, body: Bytes::new(), url, redirected: false })
    }
}

/// Counts a request while it has no answer.
struct Open<'a>(&'a Wire);

impl<'a> Open<'a> {
    fn new(wire: &'a Wire) -> Self {
        let mut open = wire.open.lock().unwrap();
        open.0 += 1;
        open.1 = open.1.max(open.0);
        drop(open);
        Self(wire)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.lock().unwrap().0 -= 1;
    }
}
