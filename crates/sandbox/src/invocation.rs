//! What one run is given beside its code.

use std::time::Instant;

use doer_core::{limits::Limits, outbound::HttpRequest, scoped::ScopedServices};
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::Body;

pub use doer_guest_protocol::Surface;

/// One run of a program.
#[derive(Debug)]
pub struct Invocation {
    /// What is asked of the code.
    pub event: Event,
    /// What the code sees as its read-only `ctx`: a JSON object.
    pub context: Box<RawValue>,
    /// `Full`, or `Pure` for evaluation without bindings, context and network.
    pub surface: Surface,
    /// What it may use.
    pub limits: Limits,
    /// When its time on the clock began: whoever let it wait before that has used some of it up.
    pub started: Instant,
    /// The services it is granted, and the way to the network; without them there is neither. Their ledger is the
    /// budget for calls. Code that runs `Pure` gets none.
    pub services: Option<ScopedServices>,
    /// May it load other code, by `env.LOADER`? It must be bound to that too, and a registry must run it.
    pub loader: bool,
    /// Cut result and logs at the output limit, rather than end the run.
    pub truncate: bool,
    /// What becomes of console output.
    pub console: Console,
    /// Ends the run from outside; its answer then has the code `cancelled`.
    pub cancel: CancellationToken,
}

impl Invocation {
    /// Of code that is granted nothing, from now on: no services, an empty `ctx`, and its lines in the outcome. Members say
    /// so where it is otherwise.
    #[expect(clippy::expect_used, reason = "it is JSON")]
    pub fn new(event: Event, limits: Limits) -> Self {
        Self {
            event,
            context: RawValue::from_string("{}".to_owned()).expect("JSON"),
            surface: Surface::Full,
            limits,
            started: Instant::now(),
            services: None,
            loader: false,
            truncate: false,
            console: Console::Capture,
            cancel: CancellationToken::new(),
        }
    }
}

/// What is asked of a program.
#[derive(Debug)]
pub enum Event {
    /// Run it, whatever its form, with this `input`; `undefined` where absent.
    Execute(Option<Box<RawValue>>),
    /// Have a worker answer a request.
    Fetch(Entrypoint, Request),
    /// Call a method of a worker's entrypoint, with a JSON array of arguments.
    Call(Entrypoint, String, Box<RawValue>),
    /// The same, with arguments as guests write them for each other; so is what comes back.
    CallCloned(Entrypoint, String, String),
    /// Have a handler of a worker (`scheduled`, `queue`, `tail`) take an event.
    Handle(Entrypoint, String, Box<RawValue>),
}

/// A request to a worker.
#[derive(Debug, Default)]
pub struct Request {
    /// In upper case.
    pub method: String,
    /// Absolute.
    pub url: String,
    /// Values are Latin-1 text.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Body,
}

impl From<HttpRequest> for Request {
    fn from(request: HttpRequest) -> Self {
        let HttpRequest { method, url, headers, body, redirect: _ } = request;
        Self { method, url, headers, body: body.into() }
    }
}

/// An export of a worker, by its name; the default export where there is none.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Entrypoint(pub Option<String>);

/// What becomes of console output.
#[derive(Debug, Default)]
pub enum Console {
    /// Collected in the outcome.
    #[default]
    Capture,
    /// Collected, and each line sent as it is written. Bounded by the output limit.
    Stream(mpsc::UnboundedSender<String>),
    /// Thrown away; counts towards no limit.
    Discard,
}
