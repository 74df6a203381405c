//! The loader in a program of your own: `PUT /{id}` takes a worker's code, and anything else below `/{id}` is answered by it.
//!
//! ```sh
//! cargo run --release -p doer-sandbox --example embed
//! curl -T - 127.0.0.1:8000/hello <<< 'export default { fetch: (request) => new Response(`${request.url} says hello\n`) }'
//! curl 127.0.0.1:8000/hello/world
//! ```
#![allow(clippy::expect_used, reason = "what fails here is the example's own fault")]

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, HttpBody as _},
    extract::{Path, State},
    http::{Method, StatusCode, Uri},
    routing::put,
};
use doer_core::{
    limits::Limits,
    tier::{Namespace, Tier},
};
use doer_sandbox::{
    CompilerConfig, Console, Entrypoint, Event, Invocation, ModuleSource, Program, Request, Sandbox, SandboxConfig,
    loader::{Bounds, Code, Key, LoadError, Outbound, Registry},
    worker::WorkerLimits,
};
use tokio::sync::RwLock;

#[derive(Clone)]
struct Workers {
    registry: Registry,
    sources: Arc<RwLock<HashMap<String, String>>>,
}

fn key(id: &str) -> Key {
    Key { namespace: Namespace::parse("tenant:embed").expect("a namespace"), id: id.to_owned() }
}

async fn store(State(workers): State<Workers>, Path(id): Path<String>, source: String) {
    workers.registry.remove(&key(&id));
    workers.sources.write().await.insert(id, source);
}

async fn fetch(State(workers): State<Workers>, method: Method, uri: Uri, body: Body) -> (StatusCode, Body) {
    let id = uri.path().split('/').nth(1).unwrap_or_default().to_owned();
    let (sources, wanted) = (workers.sources, id.clone());
    // Asked only where the worker is not loaded.
    let stub = workers.registry.get(key(&id), move || {
        let (sources, wanted) = (sources.clone(), wanted.clone());
        async move {
            let source = sources.read().await.get(&wanted).cloned().ok_or(LoadError::NotFound)?;
            let modules = [("main.js".to_owned(), ModuleSource::Js(source.clone()))].into();
            let program = Program::Modules { main: "main.js".to_owned(), modules };
            Ok(Code {
                program,
                env: None,
                outbound: Outbound::Nothing,
                tails: Vec::new(),
                own_limits: WorkerLimits::default(),
                disallow_eval: false,
                hash: source,
                limits: Limits::of(Tier::Tenant),
            })
        }
    });
    // Bodies go through piece by piece, both ways.
    let body = match body.is_end_stream() {
        true => doer_sandbox::Body::empty(),
        false => doer_sandbox::Body::from_stream(body.into_data_stream()),
    };
    let url = format!("http://{id}.test{uri}");
    let request = Request { method: method.to_string(), url, headers: Vec::new(), body };
    match stub.fetch(Entrypoint::default(), request, invocation()).await.map(|answered| answered.answer) {
        Ok(Ok(reply)) => (StatusCode::from_u16(reply.head.status).unwrap_or_default(), Body::from_stream(reply.body)),
        Ok(Err(thrown)) => (StatusCode::BAD_GATEWAY, format!("{}: {}\n", thrown.name, thrown.message).into()),
        Err(error) => (StatusCode::NOT_FOUND, format!("{error}\n").into()),
    }
}

fn invocation() -> Invocation {
    // No services, and no way to the network.
    Invocation { console: Console::Discard, ..Invocation::new(Event::Execute(None), Limits::of(Tier::Tenant)) }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // TypeScript is compiled by this program too, in a process of its own.
    if std::env::args().any(|argument| argument == "compile") {
        return Ok(tokio::task::block_in_place(doer_sandbox::compiler::serve)?);
    }
    let compiler = CompilerConfig::new(std::env::current_exe()?, vec!["compile".into()]);
    let cache = std::env::temp_dir().join("doer-embed");
    // Authenticates what is compiled and kept on disk: a program that is more than an example has a key of its own.
    let sandbox = Sandbox::start(SandboxConfig::new(cache, [0; 32], compiler)).await?;
    let bounds = Bounds { workers: 1000, bytes: 1 << 30, idle: Duration::from_secs(3600) };
    let workers = Workers { registry: Registry::new(sandbox, bounds), sources: Arc::default() };
    let app = Router::new().route("/{id}", put(store)).fallback(fetch).with_state(workers);
    axum::serve(tokio::net::TcpListener::bind("127.0.0.1:8000").await?, app).await?;
    Ok(())
}
