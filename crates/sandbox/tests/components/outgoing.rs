//! Requests that components send: through the same door as everybody's.

use std::sync::Arc;

use async_trait::async_trait;
use doer_core::{fault::Termination, outbound::Redirect, tier::Namespace};
use doer_sandbox::{
    Entrypoint, Outcome, Program,
    loader::{Code, Factory, Host, Key, LoadError, Outbound, Registry, WorkerBinding},
};
use serde_json::Value;

use crate::{
    common::{block_on, invocation, sandbox, text},
    guest::{ROOM, code, execute, request, worker},
    support::World,
};

/// Sends a request with a body of `len` bytes from 1200 on, and answers with status and body of what came.
fn sends(method: u32, scheme: u32, authority: &str, path: &str, len: usize) -> Vec<u8> {
    let (authority_len, path_len) = (authority.len(), path.len());
    let body = format!(
        r#"
        (local $request i32) (local $body i32) (local $stream i32) (local $future i32)
        (local.set $request (call $request (call $fields)))
        (if (call $set_method (local.get $request) (i32.const {method}) (i32.const 0) (i32.const 0)) (then unreachable))
        (if (call $set_scheme (local.get $request) (i32.const 1) (i32.const {scheme}) (i32.const 0) (i32.const 0))
            (then unreachable))
        (if (call $set_authority (local.get $request) (i32.const 1) (i32.const 1024) (i32.const {authority_len}))
            (then unreachable))
        (if (call $set_path (local.get $request) (i32.const 1) (i32.const 1100) (i32.const {path_len})) (then unreachable))
        (call $request_body (local.get $request) (i32.const 0))
        (local.set $body (i32.load (i32.const 4)))
        (call $body_stream (local.get $body) (i32.const 0))
        (local.set $stream (i32.load (i32.const 4)))
        (call $send (local.get $request) (i32.const 0) (i32.const 0) (i32.const 0))
        (if (i32.load8_u (i32.const 0)) (then unreachable))
        (local.set $future (i32.load (i32.const 8)))
        (if (i32.const {len}) (then (call $write (local.get $stream) (i32.const 1200) (i32.const {len}))))
        (call $drop_output (local.get $stream))
        (call $finish (local.get $body) (i32.const 0) (i32.const 0) (i32.const 0))
        (call $block (call $awaited (local.get $future)))
        (call $received (local.get $future) (i32.const 256))
        ;; some(ok(ok(response))), or which error it is
        (if (i32.load8_u (i32.const 272)) (then
            (call $open (local.get $out) (i32.const 500))
            (i32.store8 (i32.const 1024) (i32.add (i32.const 48) (i32.load8_u (i32.const 280))))
            (call $say (i32.const 1024) (i32.const 1)) (call $close) (return)))
        (local.set $request (i32.load (i32.const 280)))
        (call $open (local.get $out) (call $received_status (local.get $request)))
        (call $received_body (local.get $request) (i32.const 0))
        (local.set $body (i32.load (i32.const 4)))
        (call $incoming_stream (local.get $body) (i32.const 0))
        (local.set $stream (i32.load (i32.const 4)))
        (block $end (loop $more
            (call $stream_read (local.get $stream) (i64.const 4096) (i32.const 0))
            (br_if $end (i32.load8_u (i32.const 0)))
            (if (i32.load (i32.const 8)) (then (call $say (i32.load (i32.const 4)) (i32.load (i32.const 8)))))
            (br $more)))
        (call $close)"#
    );
    let data = format!("{authority:\0<76}{path:\0<100}{}", "{}").replace('\0', "\\00").replace('"', "\\22");
    worker(&data, &body)
}

async fn outcome(world: &World, binary: Vec<u8>) -> Outcome {
    execute(binary, world.invocation(Value::Null)).await
}

const GET: u32 = 0;
const POST: u32 = 2;
const HTTP: u32 = 0;
const HTTPS: u32 = 1;

#[test]
fn a_request_goes_out_through_the_door_and_its_answer_comes_back() {
    block_on(async {
        let world = World::new();
        let outcome = outcome(&world, sends(POST, HTTPS, "OUT.test:443", "/echo?q=1", 2)).await;
        assert_eq!(outcome.usage.calls["fetch"], 1);
        assert_eq!(outcome.requests[0].url, "https://out.test/echo?q=1");
        let answer = outcome.answer.unwrap();
        assert_eq!((answer.result.get(), answer.response.unwrap().status), ("{}", 200));
        let sent = world.seen.sent.lock().unwrap();
        assert_eq!((sent[0].method.as_str(), sent[0].redirect), ("POST", Redirect::Manual));
        assert_eq!(sent[0].body.as_deref(), Some(&b"{}"[..]));
        assert!(sent[0].headers.is_empty(), "{:?}", sent[0].headers);
    });
}

#[test]
fn hosts_that_are_services_are_services() {
    block_on(async {
        let world = World::new();
        let outcome = outcome(&world, sends(POST, HTTP, "DB:80", "/rpc/count", 2)).await;
        assert_eq!(outcome.usage.calls["db"], 1);
        let answer = outcome.answer.unwrap();
        // The body holds the parameters, and there are none.
        assert!(answer.result.get().contains("ns: is required"), "{}", answer.result);
        assert!(world.seen.sent.lock().unwrap().is_empty());
    });
}

#[test]
fn a_refusal_is_an_error_for_the_component_and_a_line_in_the_log() {
    block_on(async {
        let denied = "request denied";
        let world = World::new();
        let refused = outcome(&world, sends(GET, HTTPS, "elsewhere.test", "/", 0)).await;
        assert_eq!(
            refused.logs,
            ["[warn] fetch is not permitted: out.test is not on the list `egress.tenant`"],
            "{denied}"
        );
        let answer = refused.answer.unwrap();
        assert_eq!(answer.response.unwrap().status, 500);
        // Without services there is no network either.
        let alone = execute(sends(GET, HTTPS, "out.test", "/echo", 0), invocation(Value::Null)).await;
        assert_eq!(alone.logs, ["[warn] fetch is not permitted: the run has no services"]);
        assert_eq!(alone.answer.unwrap().response.unwrap().status, 500);
        // Credentials have no place in an address.
        let odd = outcome(&world, sends(GET, HTTPS, "a:b@out.test", "/echo", 0)).await;
        assert!(odd.answer.is_err() || odd.answer.unwrap().response.unwrap().status == 500);
        assert_eq!(world.seen.sent.lock().unwrap().len(), 1);
    });
}

#[test]
fn calls_and_bytes_have_a_budget_that_ends_the_run() {
    block_on(async {
        let mut none = World::new();
        none.calls = 0;
        let ended = outcome(&none, sends(GET, HTTPS, "out.test", "/echo", 0)).await.answer.unwrap_err();
        assert_eq!((ended.code, ended.message.as_str()), (Some(Termination::CallLimit), "Limit of 0 calls exceeded"));
        let mut few = World::new();
        few.bytes = 1000;
        for (path, len) in [("/echo", 1001), ("/size", 0)] {
            let ended = outcome(&few, sends(POST, HTTPS, "out.test", path, len)).await.answer.unwrap_err();
            assert_eq!(ended.code, Some(Termination::CallLimit), "{path}");
            assert_eq!(ended.message, "Limit of 1000 bytes through calls exceeded");
        }
    });
}

#[test]
fn a_request_ends_with_its_run() {
    block_on(async {
        let world = World::new();
        let mut limited = world.invocation(Value::Null);
        limited.limits.wall = std::time::Duration::from_millis(500);
        let ended = execute(sends(GET, HTTPS, "out.test", "/never", 0), limited).await.answer.unwrap_err();
        assert_eq!(ended.code, Some(Termination::Timeout));
        while world.seen.waiting.load(std::sync::atomic::Ordering::SeqCst) > 0 {
            tokio::task::yield_now().await;
        }
    });
}

/// Knows one worker, in JavaScript, which answers with what it was asked.
struct Gate;

#[async_trait]
impl Host for Gate {
    fn factory(&self, key: &Key) -> Arc<dyn Factory> {
        assert_eq!(key.id, "gate");
        let source = "export default { async fetch(request) {
            if (request.url.endsWith('/throws')) throw new RangeError('not here');
            return new Response(`${request.method} ${request.url} ${await request.text()}`, { status: 202 });
        } }";
        let code = Code { program: text(source), ..code(Vec::new()) };
        Arc::new(move || {
            let code = code.clone();
            async move { Ok(code) }
        })
    }

    async fn secret(&self, _: &Namespace, _: &str) -> Result<Option<String>, LoadError> {
        Ok(None)
    }
}

#[test]
fn a_worker_may_stand_in_the_place_of_the_network_or_nothing() {
    block_on(async {
        let world = World::new();
        let registry = Registry::with_host(sandbox().await, ROOM, Arc::new(Gate));
        let namespace = || Namespace::parse("tenant:test").unwrap();
        let fetch = async |outbound: Outbound, path: &str| {
            let program = Program::Wasm(sends(POST, HTTP, "db", path, 2));
            let stub = registry.load_in(namespace(), Code { program, outbound, ..code(Vec::new()) });
            let run = world.invocation(Value::Null);
            stub.fetch_whole(Entrypoint(None), request("/", ""), run).await.unwrap()
        };
        let gate = || Outbound::Worker(WorkerBinding::to("gate"));
        let through = fetch(gate(), "/rpc/count").await;
        let reply = through.answer.unwrap();
        assert_eq!((reply.head.status, &reply.body[..]), (202, &b"POST http://db/rpc/count {}"[..]));
        assert_eq!(through.usage.calls["worker"], 1);
        assert_eq!(fetch(gate(), "/throws").await.answer.unwrap().head.status, 500);
        let blocked = fetch(Outbound::Nothing, "/rpc/count").await;
        assert_eq!(blocked.answer.unwrap().head.status, 500);
        assert_eq!(blocked.logs, ["[warn] fetch is not permitted: globalOutbound is null"]);
        assert_eq!(world.seen.calls.load(std::sync::atomic::Ordering::SeqCst), 0);
    });
}
