//! What the engine costs without HTTP: warm image, code never seen before, image making, images from disk, calls of
//! services.
//!
//! `cargo bench --bench engine`. Every cold iteration evaluates different source. Medians count: the machine
//! this runs on is rarely quiet. A host call is what a run with so many takes longer than the same run without any,
//! divided by their number; the service answers from memory.

#![allow(clippy::expect_used, reason = "a bench that cannot run has nothing to say")]

use std::{
    collections::BTreeMap,
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use criterion::{Criterion, criterion_group, criterion_main};
use doer_core::{
    auth::{AuthContext, Identity, User},
    id::RequestId,
    ledger::Ledger,
    limits::Limits,
    outbound::NoEgress,
    scope::{Owner, Scope, Standing},
    scoped::{Grants, ScopedServices, Services},
    service::{Arguments, Backend, Health, Method, Service, ServiceError},
    tier::{Namespace, Tier},
    time::SystemClock,
};
use doer_sandbox::{
    Body, CompilerConfig, Entrypoint, Event, Image, Invocation, ModuleSource, Program, Request, Sandbox, SandboxConfig,
    loader::{Bounds, Code, Key, Outbound, Registry, Stub},
};
use serde_json::value::RawValue;
use tokio::runtime::{Builder, Runtime};

/// A service that has the answer at hand.
struct Memory {
    row: Box<RawValue>,
}

impl Memory {
    fn new() -> Self {
        Self { row: raw(r#"{"ns":"books","id":"a","type":"thing","data":{"title":"A book","pages":100}}"#) }
    }
}

#[async_trait]
impl Backend for Memory {
    async fn call(&self, _: &Scope, _: &'static Method, _: Arguments) -> Result<Box<RawValue>, ServiceError> {
        Ok(self.row.clone())
    }

    fn health(&self) -> Health {
        Health::Ok
    }
}

#[async_trait]
impl Standing for Memory {
    async fn scope(&self, _: &Owner) -> Result<Option<Scope>, ServiceError> {
        Ok(None)
    }

    async fn admit(&self, _: &Namespace) -> Result<(), ServiceError> {
        Ok(())
    }
}

fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).expect("JSON")
}

/// All services, and an administrator.
struct Installation {
    services: Arc<Services>,
    scope: Arc<Scope>,
}

impl Installation {
    fn new() -> Self {
        let services = Services {
            backends: Service::ALL.map(|_| Box::new(Memory::new()) as Box<dyn Backend>),
            egress: Arc::new(NoEgress),
            standing: Arc::new(Memory::new()),
            clock: Arc::new(SystemClock),
        };
        let user = User {
            id: "bench".into(),
            email: "bench@doer.test".into(),
            name: None,
            role: Some("admin".into()),
            permissions: Vec::new(),
            metadata: BTreeMap::new(),
        };
        let mut context = AuthContext::anonymous(RequestId::from_text("req_bench"), 0);
        context.auth = Identity { authenticated: true, user: Some(user), ..Identity::default() };
        Self { services: Arc::new(services), scope: Arc::new(Scope::of(context)) }
    }

    fn invocation(&self) -> Invocation {
        let limits = Limits::of(Tier::Internal);
        let ledger = Arc::new(Ledger::new(limits.calls, limits.transfer_bytes, false));
        let (services, scope) = (Arc::clone(&self.services), Arc::clone(&self.scope));
        let services = ScopedServices::new(services, scope, Grants::of(Service::ALL), ledger);
        Invocation { services: Some(services), limits, ..invocation() }
    }
}

/// A handler that parses JSON, looks something up in a table built at top level, and answers JSON.
fn handler(salt: u64) -> String {
    format!(
        "const table = new Map(Array.from({{ length: 10 }}, (_, i) => ['key' + i, i * {salt}]));
         export default (input) => {{
            const wanted = JSON.parse(input.text).key;
            return JSON.stringify({{ wanted, found: table.get(wanted) }});
         }}"
    )
}

fn program(code: String) -> Program {
    Program::Text { code, language: None }
}

fn invocation() -> Invocation {
    let event = Event::Execute(Some(raw(r#"{"text":"{\"key\":\"key7\"}"}"#)));
    Invocation { context: raw(r#"{"namespace":"bench"}"#), ..Invocation::new(event, Limits::of(Tier::Tenant)) }
}

/// What a client sends, as HTTP brings it.
fn request() -> Request {
    let header = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let headers = [
        ("host", "127.0.0.1:8787"),
        ("content-type", "application/json"),
        ("content-length", "14"),
        ("user-agent", "bench/1.0"),
        ("accept", "*/*"),
    ];
    Request {
        method: "POST".to_owned(),
        url: "http://127.0.0.1:8787/orders/17?full=1".to_owned(),
        headers: headers.map(header).into(),
        body: Body::from(r#"{"key":"key7"}"#),
    }
}

fn engine(criterion: &mut Criterion) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("runtime");
    let dir = tempfile::tempdir().expect("directory");
    let config = SandboxConfig {
        concurrency: 16,
        queue: 16,
        max_memory_bytes: 256 << 20,
        keep_resident_bytes: 1600 << 10,
        cache_dir: dir.path().join("artifacts"),
        disk_bytes: 1 << 30,
        installation_key: [7; 32],
        background_threads: 1,
        compiler: CompilerConfig {
            program: "/nonexistent".into(),
            args: Vec::new(),
            processes: 1,
            queue: 1,
            timeout: Duration::from_secs(1),
            memory_bytes: 1 << 30,
        },
    };
    let sandbox = runtime.block_on(Sandbox::start(config)).expect("sandbox");
    let answer = |outcome: doer_sandbox::Outcome| black_box(outcome.answer.expect("an answer").result);

    let image = runtime.block_on(sandbox.image(program(handler(1)), invocation()));
    let image = image.expect("no failure of ours").expect("a program that evaluates");
    criterion.bench_function("warm image: instantiate, run, reset", |bencher| {
        bencher
            .to_async(&runtime)
            .iter(|| async { answer(sandbox.execute_image(image.clone(), invocation()).await.expect("an outcome")) });
    });

    for (name, source) in [
        ("warm worker: fetch answered with a text", "export default { fetch() { return new Response('hello') } }"),
        (
            "warm worker: fetch that reads JSON and answers JSON",
            "export default { async fetch(request) { const { key } = await request.json(); return Response.json({ key }) } }",
        ),
    ] {
        let bounds = Bounds { workers: 10, bytes: 1 << 30, idle: Duration::from_secs(3600) };
        let stub = stub(&Registry::new(sandbox.clone(), bounds), "bench", source.to_owned());
        criterion.bench_function(name, |bencher| {
            bencher.to_async(&runtime).iter(|| async {
                let answered = stub.fetch(Entrypoint::default(), request(), invocation()).await.expect("an answer");
                black_box(answered.whole_reply(1 << 20).await.expect("an outcome").answer).expect("a reply");
            });
        });
    }

    let mut salt = 1;
    criterion.bench_function("cold code: instantiate, evaluate, run, reset", |bencher| {
        bencher.to_async(&runtime).iter(|| {
            salt += 1;
            let code = handler(salt);
            async { answer(sandbox.execute(program(code), invocation()).await.expect("an outcome")) }
        });
    });

    criterion.bench_function("cold snippet: return 2 + n", |bencher| {
        bencher.to_async(&runtime).iter(|| {
            salt += 1;
            let code = format!("return 2 + {salt}");
            async { answer(sandbox.execute(program(code), invocation()).await.expect("an outcome")) }
        });
    });

    criterion.bench_function("make an image of a worker", |bencher| {
        bencher.to_async(&runtime).iter(|| {
            salt += 1;
            let code = program(handler(salt));
            async { sandbox.image(code, invocation()).await.expect("no failure of ours").expect("an image") }
        });
    });

    images_from_disk(criterion, &runtime, &sandbox);
    host_calls(criterion, &runtime, &sandbox);
}

/// A worker with the same table.
fn worker(registry: &Registry, salt: u64) -> Stub {
    let source = format!(
        "const table = new Map(Array.from({{ length: 10 }}, (_, i) => ['key' + i, i * {salt}]));
         export default {{ answer: (wanted) => ({{ wanted, found: table.get(wanted) }}) }}"
    );
    stub(registry, &salt.to_string(), source)
}

fn stub(registry: &Registry, id: &str, source: String) -> Stub {
    let modules = [("main.js".to_owned(), ModuleSource::Js(source.clone()))].into();
    let code = Code {
        program: Program::Modules { main: "main.js".to_owned(), modules },
        env: None,
        outbound: Outbound::Policy,
        tails: Vec::new(),
        own_limits: Default::default(),
        disallow_eval: false,
        hash: source,
        limits: Limits::of(Tier::Tenant),
    };
    let key = Key { namespace: Namespace::parse("tenant:bench").expect("a namespace"), id: id.to_owned() };
    registry.get(key, move || std::future::ready(Ok(code.clone())))
}

/// Loads that find an image on disk: two workers where there is room for one push each other out.
fn images_from_disk(criterion: &mut Criterion, runtime: &Runtime, sandbox: &Sandbox) {
    let bounds = Bounds { workers: 1, bytes: 1 << 30, idle: Duration::from_secs(3600) };
    let registry = Registry::new(sandbox.clone(), bounds);
    let stubs = [worker(&registry, 1), worker(&registry, 2)];
    runtime.block_on(async {
        for stub in &stubs {
            let called = stub.call(Entrypoint::default(), "answer".to_owned(), raw(r#"["key7"]"#), invocation()).await;
            black_box(called.expect("a worker").answer.expect("an answer"));
        }
        while registry.stats().kept < stubs.len() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    let mut turn = 0;
    criterion.bench_function("load a worker whose image is on disk", |bencher| {
        bencher.to_async(runtime).iter(|| {
            turn += 1;
            let stub = &stubs[turn % stubs.len()];
            async { stub.loaded().await.expect("a worker") }
        });
    });
    let stats = registry.stats();
    assert!(stats.from_disk + stubs.len() as u64 >= stats.loads, "all but the first of each were on disk: {stats:?}");
}

fn host_calls(criterion: &mut Criterion, runtime: &Runtime, sandbox: &Sandbox) {
    let image = |code: &str| {
        let made = runtime.block_on(sandbox.image(program(code.to_owned()), invocation()));
        made.expect("no failure of ours").expect("a program that evaluates")
    };
    let installation = Installation::new();
    let granted = image("export default (input, env) => 1");
    criterion.bench_function("warm image with all services granted and none called", |bencher| {
        bencher.to_async(runtime).iter(|| async {
            let outcome = sandbox.execute_image(granted.clone(), installation.invocation()).await.expect("an outcome");
            black_box(outcome.answer.expect("an answer").result)
        });
    });
    let one_by_one = |calls: u32| {
        format!(
            "export default async (input, env) => {{ for (let i = 0; i < {calls}; i++) await env.db.get('books', 'a') }}"
        )
    };
    let at_once = |calls: u32| {
        format!(
            "export default (input, env) => Promise.all(Array.from({{ length: {calls} }}, () => env.db.get('books', 'a'))).then(() => 1)"
        )
    };
    for (name, calls, with, without) in [
        ("host call, one of 100 after each other", 100, one_by_one(100), one_by_one(0)),
        ("host call, one of 50 at once", 50, at_once(50), at_once(0)),
    ] {
        let (with, without) = (image(&with), image(&without));
        criterion.bench_function(name, |bencher| {
            bencher.to_async(runtime).iter_custom(|iterations| {
                let time = |image: Image| {
                    let invocation = installation.invocation();
                    async {
                        let begun = Instant::now();
                        let outcome = sandbox.execute_image(image, invocation).await.expect("an outcome");
                        black_box(outcome.answer.expect("an answer"));
                        begun.elapsed()
                    }
                };
                let (with, without) = (with.clone(), without.clone());
                async move {
                    let (mut all, mut none) = (Duration::ZERO, Duration::ZERO);
                    for _ in 0..iterations {
                        all += time(with.clone()).await;
                        none += time(without.clone()).await;
                    }
                    all.saturating_sub(none) / calls
                }
            });
        });
    }
}

criterion_group!(benches, engine);
criterion_main!(benches);
