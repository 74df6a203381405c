//! Calls of services from WASI commands: `doer.call`.

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use doer_core::{fault::Termination, scoped::Grants, service::Service};
use doer_sandbox::{GuestError, Invocation, Language, Program};
use serde_json::{Value, json};

use crate::{
    common::{block_on, invocation, run},
    support::{World, value},
};

const ALLOCATE: &str = "(func (export \"doer_alloc\") (param $len i32) (result i32) (local $at i32)
    (local.set $at (global.get $top)) (global.set $top (i32.add (global.get $top) (local.get $len))) (local.get $at))";

/// A command that makes the call that `start` and `length` name, `times` times, and prints the last answer.
fn command(request: &str, start: i32, length: i32, times: u32, allocate: &str) -> Program {
    let data: String = request.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    let code = format!(
        r#"(module
        (import "doer" "call" (func $call (param i32 i32) (result i64)))
        (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 4)
        (global $top (mut i32) (i32.const 65536))
        (data (i32.const 1024) "{data}")
        {allocate}
        (func (export "_start") (local $answer i64) (local $n i32)
            (local.set $n (i32.const {times}))
            (loop $again
                (local.set $answer (call $call (i32.const {start}) (i32.const {length})))
                (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (i32.store (i32.const 0) (i32.wrap_i64 (i64.shr_u (local.get $answer) (i64.const 32))))
            (i32.store (i32.const 4) (i32.wrap_i64 (local.get $answer)))
            (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#
    );
    Program::Text { code, language: Some(Language::Wat) }
}

fn asks(request: &str) -> Program {
    command(request, 1024, request.len() as i32, 1, ALLOCATE)
}

async fn error(world: &World, program: Program) -> GuestError {
    world.program(program).await.answer.unwrap_err()
}

#[test]
fn a_command_calls_services() {
    block_on(async {
        let mut world = World::new();
        for (request, answer) in [
            (
                r#"{"service": "db", "method": "get", "params": ["a", "b"]}"#,
                json!({"success": true, "result": {"method": "db.get", "params": {"ns": "a", "id": "b"}, "namespace": "*"}}),
            ),
            (
                r#"{"service": "db", "method": "get", "params": {"ns": "a", "id": "b"}}"#,
                json!({"success": true, "result": {"method": "db.get", "params": {"ns": "a", "id": "b"}, "namespace": "*"}}),
            ),
            (
                r#"{"service": "mcp", "method": "listTools"}"#,
                json!({"success": true, "result": {"method": "mcp.listTools", "params": {}, "namespace": "*"}}),
            ),
            (r#"{"service": "db", "method": "query", "params": ["sleep 5"]}"#, json!({"success": true, "result": "5"})),
            (
                r#"{"service": "db", "method": "query", "params": ["later"]}"#,
                json!({"success": false, "error": {"code": "rate_limit", "message": "too often", "retryAfterMs": 1500}}),
            ),
            (
                r#"{"service": "db", "method": "nope"}"#,
                json!({"success": false, "error": {"code": "not_found", "message": "Method db.nope not found"}}),
            ),
        ] {
            let outcome = world.program(asks(request)).await;
            assert_eq!(outcome.usage.calls.values().sum::<u32>(), 1, "{request}");
            assert_eq!(value(outcome, request), answer, "{request}");
        }
        for request in
            ["", "[]", "{", r#"{"service": "db"}"#, r#"{"service": "db", "method": "get", "extra": 1}"#, "\u{1}"]
        {
            let answer = value(world.program(asks(request)).await, request);
            assert_eq!(
                (&answer["success"], &answer["error"]["code"]),
                (&json!(false), &json!("invalid_request")),
                "{request}"
            );
        }
        world.grants = Grants::of([Service::Queue]);
        let answer =
            value(world.program(asks(r#"{"service": "db", "method": "query", "params": ["x"]}"#)).await, "denied");
        let message = "Access denied to bindings: db. Available: queue";
        assert_eq!(answer, json!({"success": false, "error": {"code": "forbidden", "message": message}}));
        let nothing = run(asks(r#"{"service": "db", "method": "query"}"#), invocation(Value::Null)).await;
        let message = "Access denied: no services are granted";
        assert_eq!(
            value(nothing, "none"),
            json!({"success": false, "error": {"code": "forbidden", "message": message}})
        );
    });
}

#[test]
fn budgets_and_deadlines_hold_for_commands() {
    block_on(async {
        let mut world = World::new();
        let request = r#"{"service": "db", "method": "query", "params": ["size 100"]}"#;
        let times = |n| command(request, 1024, request.len() as i32, n, ALLOCATE);
        world.calls = 3;
        assert_eq!(world.program(times(3)).await.usage.calls["db"], 3);
        assert_eq!(error(&world, times(4)).await.message, "Limit of 3 calls exceeded");
        world.bytes = 3 * (r#"["size 100"]"#.len() as u64 + 100);
        assert!(world.program(times(3)).await.answer.is_ok());
        world.bytes -= 1;
        assert_eq!(error(&world, times(3)).await.code, Some(Termination::CallLimit));
        let world = World::new();
        let mut timed: Invocation = world.invocation(Value::Null);
        timed.limits.wall = Duration::from_millis(300);
        let never = run(asks(r#"{"service": "db", "method": "query", "params": ["never"]}"#), timed).await;
        assert_eq!(never.answer.unwrap_err().code, Some(Termination::Timeout));
        assert_eq!(world.seen.waiting.load(SeqCst), 0);
    });
}

#[test]
fn hostile_pointers_and_allocators_end_the_run_and_nothing_else() {
    block_on(async {
        let world = World::new();
        let request = r#"{"service": "db", "method": "get", "params": ["a", "b"]}"#;
        let length = request.len() as i32;
        for (start, length) in
            [(-1, 10), (1024, -1), (4 << 16, 1), (1024, 4 << 16), (i32::MAX, i32::MAX), (i32::MIN, i32::MIN)]
        {
            let ended = error(&world, command(request, start, length, 1, ALLOCATE)).await;
            assert_eq!((ended.name.as_str(), ended.code), ("RuntimeError", None), "{start} {length}: {ended:?}");
        }
        let outside = "doer_alloc gave a place outside of memory";
        for (body, name, message) in [
            ("(i32.const -1)", "RuntimeError", outside),
            ("(i32.const 262143)", "RuntimeError", outside),
            ("unreachable", "RuntimeError", "wasm trap: wasm `unreachable` instruction executed"),
            (
                "(drop (call $call (i32.const 1024) (i32.const 10))) (i32.const 0)",
                "RuntimeError",
                "doer_alloc called a service",
            ),
            ("(drop (memory.grow (i32.const 1))) (i32.const 262144)", "", ""),
        ] {
            let allocate = format!("(func (export \"doer_alloc\") (param i32) (result i32) {body})");
            let outcome = world.program(command(request, 1024, length, 1, &allocate)).await;
            match outcome.answer {
                Ok(answer) => assert!(name.is_empty() && answer.result.get().contains("db.get"), "{body}"),
                Err(ended) => assert_eq!((ended.name.as_str(), ended.message.as_str()), (name, message), "{body}"),
            }
        }
        let endless = "(func (export \"doer_alloc\") (param i32) (result i32) (loop $l (br $l)) (i32.const 0))";
        let mut limited = world.invocation(Value::Null);
        limited.limits.cpu = Duration::from_millis(50);
        let ended = run(command(request, 1024, length, 1, endless), limited).await.answer.unwrap_err();
        assert_eq!(ended.code, Some(Termination::CpuLimit));
        assert_eq!(value(world.program(asks(request)).await, "after all that")["success"], json!(true));
    });
}

#[test]
fn who_calls_must_give_memory() {
    block_on(async {
        let world = World::new();
        let message = "the module imports doer.call and exports no function doer_alloc(i32) -> i32 to give memory for its answers";
        for allocate in [
            "",
            "(func (export \"doer_alloc\") (result i32) (i32.const 0))",
            "(global (export \"doer_alloc\") i32 (i32.const 0))",
        ] {
            let ended = error(&world, command("{}", 1024, 2, 1, allocate)).await;
            assert_eq!((ended.name.as_str(), ended.message.as_str()), ("LinkError", message), "{allocate}");
        }
    });
}

#[test]
fn many_commands_wait_and_allocate_at_once() {
    block_on(async {
        let world = World::new();
        let request = r#"{"service": "db", "method": "query", "params": ["sleep 2"]}"#;
        let program = command(request, 1024, request.len() as i32, 20, ALLOCATE);
        let runs = (0..24).map(|_| tokio::spawn(run(program.clone(), world.invocation(Value::Null))));
        for running in runs.collect::<Vec<_>>() {
            assert_eq!(value(running.await.unwrap(), "one of many"), json!({"success": true, "result": "2"}));
        }
    });
}
