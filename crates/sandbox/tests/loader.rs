//! Workers by id: what is loaded when, how often, and what a worker's code can answer.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "loader/answers.rs"]
mod answers;
#[path = "loader/bodies.rs"]
mod bodies;
mod common;
#[path = "loader/disk.rs"]
mod disk;
#[path = "loader/neighbours.rs"]
mod neighbours;
#[path = "services/support.rs"]
#[allow(dead_code, reason = "tests of services need more of it")]
mod support;
#[path = "loader/tails.rs"]
mod tails;
#[path = "loader/town.rs"]
mod town;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use common::{block_on, invocation, sandbox};
use doer_core::{
    limits::Limits,
    outbound::{HttpRequest, Redirect},
    tier::{Namespace, Tier},
};
use doer_sandbox::{
    Answer, Entrypoint, ModuleSource, Outcome, Program, WholeReply,
    loader::{Bounds, Code, EnvBinding, Key, LoadError, Outbound, Registry, Stub},
};
use serde_json::{Value, json, value::to_raw_value};

const ROOM: Bounds = Bounds { workers: 100, bytes: 1 << 30, idle: Duration::from_secs(3600) };

async fn registry(bounds: Bounds) -> Registry {
    Registry::new(sandbox().await, bounds)
}

fn key(id: &str) -> Key {
    Key { namespace: Namespace::parse("tenant:test").unwrap(), id: id.to_owned() }
}

fn code(main: &str) -> Code {
    let modules = [("main.js".to_owned(), ModuleSource::Js(main.to_owned()))];
    Code {
        program: Program::Modules { main: "main.js".to_owned(), modules: modules.into() },
        env: None,
        outbound: Outbound::Policy,
        tails: Vec::new(),
        hash: main.to_owned(),
        limits: Limits::of(Tier::Tenant),
    }
}

/// A factory that counts how often it is asked.
fn counted(code: Code) -> (Arc<AtomicU32>, impl doer_sandbox::loader::Factory) {
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    let factory = move || {
        count.fetch_add(1, SeqCst);
        let code = code.clone();
        async move { Ok(code) }
    };
    (asked, factory)
}

fn get(path: &str) -> HttpRequest {
    HttpRequest {
        method: "GET".to_owned(),
        url: format!("http://worker.test{path}"),
        headers: Vec::new(),
        body: None,
        redirect: Redirect::Manual,
    }
}

async fn fetched(stub: &Stub, request: HttpRequest) -> Outcome<WholeReply> {
    stub.fetch_whole(Entrypoint::default(), request, invocation(Value::Null)).await.expect("a worker")
}

async fn text(stub: &Stub, path: &str) -> String {
    let reply = fetched(stub, get(path)).await.answer.expect("an answer");
    String::from_utf8(reply.body.to_vec()).unwrap()
}

async fn called(stub: &Stub, entrypoint: Option<&str>, method: &str, arguments: Value) -> Outcome<Answer> {
    let entrypoint = Entrypoint(entrypoint.map(str::to_owned));
    let arguments = to_raw_value(&arguments).unwrap();
    stub.call(entrypoint, method.to_owned(), arguments, invocation(Value::Null)).await.expect("a worker")
}

async fn result(stub: &Stub, entrypoint: Option<&str>, method: &str, arguments: Value) -> Value {
    let answer = called(stub, entrypoint, method, arguments).await.answer.expect("an answer");
    serde_json::from_str(answer.result.get()).unwrap()
}

async fn refusal(stub: &Stub, entrypoint: Option<&str>, method: &str) -> String {
    called(stub, entrypoint, method, json!([])).await.answer.expect_err("a refusal").message
}

/// Asks until there is an image: it is made behind the first run.
async fn imaged(stub: &Stub, path: &str) -> Outcome<WholeReply> {
    loop {
        let outcome = fetched(stub, get(path)).await;
        if !outcome.usage.cold_start {
            return outcome;
        }
        tokio::task::yield_now().await;
    }
}

#[test]
fn get_does_nothing_and_many_fetches_load_once() {
    block_on(async {
        let registry = registry(ROOM).await;
        let (asked, factory) = counted(code("export default { fetch: () => new Response('hello') }"));
        let stub = registry.get(key("a"), factory);
        assert_eq!((asked.load(SeqCst), registry.stats().loaded), (0, 0));
        let texts = futures_util::future::join_all((0..20).map(|_| text(&stub, "/"))).await;
        assert!(texts.iter().all(|text| text == "hello"));
        assert_eq!((asked.load(SeqCst), registry.stats().loaded, registry.stats().loads), (1, 1, 1));
        // The same name again: whatever the factory is, the code is there.
        let (other, factory) = counted(code("export default { fetch: () => new Response('other') }"));
        assert_eq!(text(&registry.get(key("a"), factory), "/").await, "hello");
        assert_eq!(other.load(SeqCst), 0);
    });
}

#[test]
fn the_first_run_and_those_from_the_image_answer_alike_and_share_nothing() {
    block_on(async {
        let registry = registry(ROOM).await;
        let source = "
            const born = Date.now(); let runs = 0; globalThis.seen ??= 0;
            export default { fetch(request) {
                runs++; globalThis.seen++;
                return Response.json({ runs, seen: globalThis.seen, path: new URL(request.url).pathname, frozen: born <= Date.now() });
            } }";
        let stub = registry.get(key("image"), counted(code(source)).1);
        let wanted = json!({"runs": 1, "seen": 1, "path": "/p", "frozen": true});
        let first = fetched(&stub, get("/p")).await;
        assert!(first.usage.cold_start);
        let warm = imaged(&stub, "/p").await;
        for outcome in [first, warm, fetched(&stub, get("/p")).await] {
            let reply = outcome.answer.unwrap();
            assert_eq!(serde_json::from_slice::<Value>(&reply.body).unwrap(), wanted);
        }
    });
}

#[test]
fn a_request_arrives_whole_and_so_does_the_response() {
    block_on(async {
        let source = "
            export default { async fetch(request) {
                const body = await request.text();
                const headers = new Headers([['x-from', request.headers.get('x-to')], ['set-cookie', 'a=1'], ['set-cookie', 'b=2']]);
                return new Response(`${request.method} ${request.url} ${body}`, { status: 201, headers });
            } }";
        let stub = registry(ROOM).await.load(code(source));
        let request = HttpRequest {
            method: "POST".to_owned(),
            headers: vec![("X-To".to_owned(), "here".to_owned())],
            body: Some("body".into()),
            ..get("/a?b=c")
        };
        let reply = fetched(&stub, request).await.answer.unwrap();
        assert_eq!(reply.head.status, 201);
        assert_eq!(&*reply.body, b"POST http://worker.test/a?b=c body");
        let header = |wanted: &str| -> Vec<&str> {
            let headers = reply.head.headers.iter().filter(|(name, _)| name == wanted);
            headers.map(|(_, value)| value.as_str()).collect()
        };
        assert_eq!((header("x-from"), header("set-cookie")), (vec!["here"], vec!["a=1", "b=2"]));
    });
}

#[test]
fn entrypoints_are_exports_and_their_methods_can_be_called() {
    block_on(async {
        let source = "
            import { WorkerEntrypoint, env as imported } from 'cloudflare:workers';
            class Base extends WorkerEntrypoint { inherited() { return 'inherited' } }
            export class Shop extends Base {
                static count = 0;
                price(item, { times }) { return { item, price: this.env.PRICE * times, namespace: this.ctx.namespace } }
                async fetch(request) { return new Response('shop ' + this.env.PRICE) }
                same() { return imported.PRICE === this.env.PRICE }
                get field() { return () => 'a getter gives this' }
                none() {}
            }
            export const tools = { double(n) { return n * 2 }, value: 1 };
            export default { fetch: () => new Response('default'), hello: (name) => 'hello ' + name };
            export function plain() {}";
        let code = Code { env: Some(vec![("PRICE".to_owned(), EnvBinding::Value("3".to_owned()))]), ..code(source) };
        let stub = registry(ROOM).await.get(key("entrypoints"), counted(code).1);
        assert_eq!(
            result(&stub, Some("Shop"), "price", json!(["tea", {"times": 2}])).await,
            json!({"item": "tea", "price": 6, "namespace": "tenant:test"})
        );
        assert_eq!(result(&stub, Some("Shop"), "inherited", json!([])).await, json!("inherited"));
        assert_eq!(result(&stub, Some("Shop"), "same", json!([])).await, json!(true));
        assert_eq!(result(&stub, Some("Shop"), "none", json!([])).await, Value::Null);
        assert_eq!(result(&stub, Some("tools"), "double", json!([21])).await, json!(42));
        assert_eq!(result(&stub, None, "hello", json!(["you"])).await, json!("hello you"));
        let shop = Entrypoint(Some("Shop".to_owned()));
        let reply = stub.fetch_whole(shop, get("/"), invocation(Value::Null)).await.unwrap().answer.unwrap();
        assert_eq!(&*reply.body, b"shop 3");

        assert_eq!(refusal(&stub, Some("None"), "x").await, "Worker has no such entrypoint: None");
        let not_there = |name: &str| format!("The RPC receiver does not implement the method {name:?}");
        for name in ["constructor", "toString", "hasOwnProperty", "__proto__", "ctx", "missing", ""] {
            assert_eq!(refusal(&stub, Some("Shop"), name).await, not_there(name));
        }
        assert_eq!(refusal(&stub, Some("tools"), "value").await, not_there("value"));
        let neither = "The entrypoint is neither an object nor a class that extends WorkerEntrypoint";
        assert_eq!(refusal(&stub, Some("plain"), "x").await, neither);
    });
}

#[test]
fn a_worker_that_cannot_answer_says_why() {
    block_on(async {
        let registry = registry(ROOM).await;
        for (source, wanted) in [
            ("export const a = 1", "Worker has no default export"),
            ("export default {}", "Handler does not export a fetch() function"),
            (
                "export default { fetch: () => 'text' }",
                "The handler's fetch() must return a Response, and returned string",
            ),
            ("export default { async fetch() { throw new RangeError('mine') } }", "mine"),
            ("const x = ;", "unexpected token"),
            ("throw new Error('at the top')", "at the top"),
            ("await new Promise(() => {})", "The top level of the module never finishes"),
            ("import './other.js'", "No such module: \"./other.js\", imported from \"main.js\""),
        ] {
            let error = fetched(&registry.load(code(source)), get("/")).await.answer.expect_err(source);
            assert!(error.message.contains(wanted), "{source}: {}", error.message);
        }
    });
}

#[test]
fn a_failed_load_reaches_all_who_wait_and_is_forgotten() {
    block_on(async {
        let registry = registry(ROOM).await;
        let asked = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&asked);
        let stub = registry.get(key("flaky"), move || {
            let first = count.fetch_add(1, SeqCst) == 0;
            async move {
                // Long enough for all to wait for the same.
                tokio::time::sleep(Duration::from_millis(20)).await;
                if first {
                    Err(LoadError::Factory("out of order".into()))
                } else {
                    Ok(code("export default { fetch: () => new Response('at last') }"))
                }
            }
        });
        let waiting = (0..5).map(|_| stub.fetch_whole(Entrypoint::default(), get("/"), invocation(Value::Null)));
        for failed in futures_util::future::join_all(waiting).await {
            assert_eq!(failed.unwrap_err().to_string(), "the worker's code cannot be had: out of order");
        }
        assert_eq!((asked.load(SeqCst), registry.stats().failures), (1, 1));
        assert_eq!(text(&stub, "/").await, "at last");
        assert_eq!(asked.load(SeqCst), 2);
    });
}

#[test]
fn a_caller_that_goes_away_spoils_nothing() {
    block_on(async {
        let registry = registry(ROOM).await;
        let (begun, begins) = tokio::sync::oneshot::channel();
        let (go, gone) = tokio::sync::oneshot::channel::<()>();
        let waits = std::sync::Mutex::new(Some((begun, gone)));
        let stub = registry.get(key("left"), move || {
            let (begun, gone) = waits.lock().unwrap().take().expect("asked once");
            async move {
                begun.send(()).unwrap();
                gone.await.unwrap();
                Ok(code("export default { fetch: () => new Response('still') }"))
            }
        });
        let first = tokio::spawn({
            let stub = stub.clone();
            async move { text(&stub, "/").await }
        });
        begins.await.unwrap();
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        go.send(()).unwrap();
        assert_eq!(text(&stub, "/").await, "still");
    });
}

#[test]
fn removed_or_replaced_code_is_not_served_again_and_runs_that_began_end_on_it() {
    block_on(async {
        let registry = registry(ROOM).await;
        let slow = "export default { async fetch() { await new Promise((r) => setTimeout(r, 200)); return new Response('old') } }";
        let old = registry.get(key("r"), counted(code(slow)).1);
        let running = tokio::spawn({
            let old = old.clone();
            async move { text(&old, "/").await }
        });
        while registry.stats().loaded == 0 {
            tokio::task::yield_now().await;
        }
        let new = code("export default { fetch: () => new Response('new') }");
        registry.replaced(&key("r"), &new.hash);
        assert_eq!(text(&registry.get(key("r"), counted(new).1), "/").await, "new");
        assert_eq!(running.await.unwrap(), "old");
        registry.remove(&key("r"));
        assert_eq!(registry.stats().loaded, 0);
        let third = code("export default { fetch: () => new Response('third') }");
        assert_eq!(text(&registry.get(key("r"), counted(third).1), "/").await, "third");
    });
}

#[test]
fn the_least_recently_used_goes_first_and_comes_back_when_asked_for() {
    block_on(async {
        let registry = registry(Bounds { workers: 2, ..ROOM }).await;
        let source = |id: &str| code(&format!("export default {{ fetch: () => new Response('{id}') }}"));
        let (asked, factory) = counted(source("a"));
        let factory = Arc::new(factory);
        let a = || {
            let factory = Arc::clone(&factory);
            registry.get(key("a"), move || {
                let factory = Arc::clone(&factory);
                async move { factory.code().await }
            })
        };
        use doer_sandbox::loader::Factory as _;
        let held = a();
        assert_eq!(text(&held, "/").await, "a");
        for id in ["b", "c"] {
            // Time is kept in milliseconds.
            tokio::time::sleep(Duration::from_millis(3)).await;
            assert_eq!(text(&registry.get(key(id), counted(source(id)).1), "/").await, id);
        }
        assert_eq!((registry.stats().loaded, registry.stats().evictions), (2, 1));
        // By the stub from before too: what it loads again counts, and pushes another out.
        assert_eq!(text(&held, "/").await, "a");
        assert_eq!(asked.load(SeqCst), 2);
        assert_eq!((registry.stats().loaded, registry.stats().evictions), (2, 2));
        assert_eq!(text(&a(), "/").await, "a");
        assert_eq!(asked.load(SeqCst), 2);
    });
}

#[test]
fn names_that_nothing_came_of_are_not_kept() {
    block_on(async {
        let registry = registry(ROOM).await;
        for id in 0..100 {
            let stub = registry.get(key(&id.to_string()), || async { Err(LoadError::NotFound) });
            stub.fetch_whole(Entrypoint::default(), get("/"), invocation(Value::Null)).await.unwrap_err();
        }
        let (held, there) = (registry.get(key("held"), || async { Err(LoadError::NotFound) }), "there");
        let there = registry.get(key(there), counted(code("export default { fetch: () => new Response('there') }")).1);
        assert_eq!(text(&there, "/").await, "there");
        drop(there);
        registry.let_go_of_idle();
        assert_eq!((registry.stats().names, registry.stats().loaded), (2, 1));
        drop(held);
        registry.let_go_of_idle();
        assert_eq!((registry.stats().names, registry.stats().loaded), (1, 1));
    });
}

#[test]
fn one_id_in_two_namespaces_is_two_workers() {
    block_on(async {
        let registry = registry(ROOM).await;
        let of = |tenant: &str| {
            let key = Key { namespace: Namespace::parse(&format!("tenant:{tenant}")).unwrap(), id: "shop".to_owned() };
            registry.get(key, counted(code(&format!("export default {{ fetch: () => new Response('{tenant}') }}"))).1)
        };
        assert_eq!((text(&of("one"), "/").await, text(&of("two"), "/").await), ("one".to_owned(), "two".to_owned()));
        registry.remove_namespace(&Namespace::parse("tenant:one").unwrap());
        assert_eq!(registry.stats().loaded, 1);
    });
}
