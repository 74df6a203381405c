//! Commands in WebAssembly text, run as users' are.

use std::{sync::Arc, time::Duration};

use doer_core::{fault::Termination, limits::Limits, tier::Tier};
use wasmtime::{Engine, Module};

use super::{Command, wasi};
use crate::{Event, Invocation, account::Account, engine::codegen_config, store::End};

pub(super) fn account_with(change: impl FnOnce(&mut Invocation)) -> Arc<Account> {
    let mut invocation = Invocation::new(Event::Execute(None), Limits::of(Tier::Public));
    change(&mut invocation);
    Arc::new(Account::open(&mut invocation))
}

/// Runs `text`, and returns the result or what ended it.
async fn run_in(account: &Arc<Account>, text: &str, input: Option<&str>) -> Result<String, End> {
    let engine = Engine::new(&codegen_config()).unwrap();
    let module = Module::new(&engine, wat::parse_str(text).unwrap()).unwrap();
    let linker = wasi::linker(&engine).unwrap();
    let answer = Command::link(&linker, &module, account)?.run(account, input).await?;
    assert_eq!(answer.response, None);
    Ok(answer.result.get().to_owned())
}

async fn run(text: &str) -> Result<String, End> {
    run_in(&account_with(|_| {}), text, None).await
}

fn failure(outcome: Result<String, End>) -> (String, String) {
    match outcome {
        Err(End::Guest(error)) => (error.name, error.message),
        other => panic!("{other:?}"),
    }
}

/// A command with WASI's most used functions; `$write` takes a descriptor and a text in memory.
fn command(data: &str, body: &str) -> String {
    format!(
        r#"(module
        (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "args_sizes_get" (func $args (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_prestat_get" (func $prestat (param i32 i32) (result i32)))
        (memory (export "memory") 4)
        (data (i32.const 64) "{data}")
        (func $write (param $fd i32) (param $at i32) (param $len i32)
            (i32.store (i32.const 0) (local.get $at))
            (i32.store (i32.const 4) (local.get $len))
            (drop (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8))))
        (func (export "_start") {body}))"#
    )
}

fn prints(data: &str, len: usize) -> String {
    command(data, &format!("(call $write (i32.const 1) (i32.const 64) (i32.const {len}))"))
}

#[tokio::test]
async fn standard_output_is_the_result() {
    assert_eq!(run(&prints("42\\n", 3)).await.unwrap(), "42");
    assert_eq!(run(&prints("{\\\"a\\\": [1]}", 10)).await.unwrap(), "{\"a\": [1]}");
    assert_eq!(run(&prints("hi \\\"you\\\"\\n", 9)).await.unwrap(), r#""hi \"you\"\n""#);
    assert_eq!(run(&prints("\\ff\\00", 2)).await.unwrap(), r#"{"$base64":"/wA="}"#);
    assert_eq!(run(&command("", "")).await.unwrap(), "null");
    let exits = command("7", "(call $write (i32.const 1) (i32.const 64) (i32.const 1)) (call $exit (i32.const 0))");
    assert_eq!(run(&exits).await.unwrap(), "7");
}

#[tokio::test]
async fn input_is_standard_input() {
    let echo = "(i32.store (i32.const 0) (i32.const 1024)) (i32.store (i32.const 4) (i32.const 4096))
        (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
        (call $write (i32.const 1) (i32.const 1024) (i32.load (i32.const 8)))";
    let account = account_with(|_| {});
    assert_eq!(run_in(&account, &command("", echo), Some("{\"n\":1}")).await.unwrap(), "{\"n\":1}");
    assert_eq!(run_in(&account, &command("", echo), None).await.unwrap(), "null");
}

#[tokio::test]
async fn standard_error_is_logged_by_line() {
    let account = account_with(|_| {});
    let body = "(call $write (i32.const 2) (i32.const 64) (i32.const 9)) (call $write (i32.const 2) (i32.const 73) (i32.const 4))";
    run_in(&account, &command("one\\n\\ntwo three", body), None).await.unwrap();
    assert_eq!(account.close().0, ["one", "", "two thre"]);
}

#[tokio::test]
async fn exit_codes_and_traps_are_errors_and_keep_the_logs() {
    let account = account_with(|_| {});
    let body = "(call $write (i32.const 2) (i32.const 64) (i32.const 4)) (call $exit (i32.const 3))";
    let ended = failure(run_in(&account, &command("last words", body), None).await);
    assert_eq!(ended, ("ExitError".to_owned(), "exited with code 3".to_owned()));
    assert_eq!(account.close().0, ["last"]);
    let (name, message) = failure(run(&command("", "unreachable")).await);
    assert_eq!(
        (name.as_str(), message.as_str()),
        ("RuntimeError", "wasm trap: wasm `unreachable` instruction executed")
    );
    let (name, _) = failure(run(&command("", "(call $write (i32.const 1) (i32.const -8) (i32.const 64))")).await);
    assert_eq!(name, "RuntimeError");
    let start = "(module (func $s unreachable) (start $s) (func (export \"_start\")))";
    assert_eq!(failure(run(start).await).0, "RuntimeError");
}

#[tokio::test]
async fn there_is_nothing_else_in_the_world() {
    // Counts variables, arguments and the error for the first preopened directory (EBADF is 8), as digits.
    let body = "(drop (call $environ (i32.const 0) (i32.const 4))) (drop (call $args (i32.const 8) (i32.const 12)))
        (i32.store8 (i32.const 64) (i32.add (i32.const 48) (i32.load (i32.const 0))))
        (i32.store8 (i32.const 65) (i32.add (i32.const 48) (i32.load (i32.const 8))))
        (i32.store8 (i32.const 66) (i32.add (i32.const 48) (call $prestat (i32.const 3) (i32.const 16))))
        (call $write (i32.const 1) (i32.const 64) (i32.const 3))";
    assert_eq!(run(&command("\\\"\\\"", body)).await.unwrap(), "\"018\"");
}

#[tokio::test]
async fn what_is_no_command_says_why() {
    let (name, message) =
        failure(run("(module (import \"env\" \"a\" (func)) (import \"doer\" \"dial\" (func)))").await);
    assert_eq!((name.as_str(), message.as_str()), ("LinkError", "unknown imports: env.a, doer.dial"));
    let (name, message) = failure(run("(module (func (export \"main\")))").await);
    assert_eq!(name, "LinkError");
    assert!(message.contains("exports no function _start"), "{message}");
    let (_, message) = failure(run("(module (func (export \"_start\") (param i32)))").await);
    assert!(message.contains("exports no function _start"), "{message}");
    let import = "(import \"wasi_snapshot_preview1\" \"sched_yield\" (func (result i32)))";
    let (_, message) = failure(run(&format!("(module {import} (func (export \"_start\")))")).await);
    assert_eq!(message, "the module imports functions and exports no memory for them");
    let (name, message) = failure(run("(module (import \"wasi_snapshot_preview1\" \"sched_yield\" (func)) (memory (export \"memory\") 1) (func (export \"_start\")))").await);
    assert_eq!(name, "LinkError");
    assert!(message.contains("incompatible import type"), "{message}");
}

#[tokio::test]
async fn output_is_limited() {
    let forever = "(loop $l (call $write (i32.const 1) (i32.const 64) (i32.const 200)) (br $l))";
    let small = |invocation: &mut Invocation| invocation.limits.output_bytes = 1000;
    let ended = run_in(&account_with(small), &command("", forever), None).await;
    assert!(matches!(ended, Err(End::Terminated(Termination::OutputLimit))), "{ended:?}");
    let cut = account_with(|invocation| {
        small(invocation);
        invocation.truncate = true;
    });
    let result = run_in(&cut, &command("", forever), None).await.unwrap();
    assert!(result.starts_with('"') && cut.close().1, "{result}");
    let logs = "(loop $l (call $write (i32.const 2) (i32.const 64) (i32.const 200)) (br $l))";
    let account = account_with(small);
    let ended = run_in(&account, &command(&"x".repeat(200), logs), None).await;
    assert!(matches!(ended, Err(End::Terminated(Termination::OutputLimit))), "{ended:?}");
    // Sixteen bytes count for the line itself.
    assert_eq!(account.close().0, ["x".repeat(1000 - 16)]);
}

#[tokio::test]
async fn the_limit_may_cut_a_character_in_half() {
    for (character, escaped) in [("é", "\\c3\\a9"), ("€", "\\e2\\82\\ac")] {
        for limit in 998..=1003 {
            let set = |truncate| {
                account_with(move |invocation| {
                    invocation.limits.output_bytes = limit;
                    invocation.truncate = truncate;
                })
            };
            let text = prints(&escaped.repeat(1000), 1000 * character.len());
            let ended = run_in(&set(false), &text, None).await;
            assert!(matches!(ended, Err(End::Terminated(Termination::OutputLimit))), "{ended:?}");
            let account = set(true);
            let result: String = serde_json::from_str(&run_in(&account, &text, None).await.unwrap()).unwrap();
            assert!(account.close().1);
            assert!(result.matches(character).count() > 300, "{result}");
            assert!(!result.contains("base64") && !result.contains('\u{FFFD}'), "{result}");
        }
    }
    // Bytes that are no text stay bytes, and so does half a character that the guest itself left.
    assert_eq!(run(&prints("a\\c3", 2)).await.unwrap(), r#"{"$base64":"YcM="}"#);
}

#[tokio::test]
async fn json_that_strict_readers_refuse_is_text() {
    assert_eq!(run(&prints("[\\22\\5cud83d\\5cude00\\22] \\0a", 18)).await.unwrap(), r#"["\ud83d\ude00"]"#);
    assert_eq!(run(&prints("[\\22\\5cud800\\22]", 10)).await.unwrap(), r#""[\"\\ud800\"]""#);
    let deep = "[".repeat(1000) + &"]".repeat(1000);
    assert_eq!(run(&prints(&deep, deep.len())).await.unwrap(), format!("\"{deep}\""));
}

#[tokio::test]
async fn a_poll_of_too_many_things_is_an_error() {
    // Memory is zero: each subscription is to a clock, relative, and ready at once.
    let poll = |count: u32| {
        let call = format!("(call $poll (i32.const 65536) (i32.const 65536) (i32.const {count}) (i32.const 8))");
        command("", &format!("(drop (memory.grow (i32.const 400))) (call $exit {call})"))
    };
    for count in [257, 500_000] {
        let started = std::time::Instant::now();
        let (name, message) = failure(run(&poll(count)).await);
        assert_eq!(name, "RuntimeError", "{message}");
        assert!(message.contains("table"), "{message}");
        assert!(started.elapsed() < Duration::from_secs(5));
    }
    // As many as there could be memory for in no guest.
    assert_eq!(failure(run(&poll(2_000_000)).await).0, "ExitError");
    assert_eq!(run(&poll(100)).await.unwrap(), "null");
    // What is waited for is given back after each call.
    let call = "(drop (call $poll (i32.const 65536) (i32.const 65536) (i32.const 100) (i32.const 8)))";
    let again = format!(
        "(local $n i32) (loop $l {call} (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 20))))"
    );
    assert_eq!(run(&command("", &again)).await.unwrap(), "null");
}

#[tokio::test]
async fn messages_are_not_as_long_as_the_code() {
    let name = "ö".repeat(20_000);
    let import = format!("(module (import \"{name}\" \"{name}\" (func)))");
    let (name, message) = failure(run(&import).await);
    assert_eq!(name, "LinkError");
    assert!(message.len() <= 64 << 10 && message.ends_with("öö…"), "{}", message.len());
}

#[tokio::test]
async fn fuel_and_memory_are_limited() {
    let account = account_with(|invocation| invocation.limits.fuel = 100_000);
    let ended = run_in(&account, &command("", "(loop $l (br $l))"), None).await;
    assert!(matches!(ended, Err(End::Terminated(Termination::FuelExhausted))), "{ended:?}");
    assert_eq!(account.close().2.fuel, 100_000);
    let small = |invocation: &mut Invocation| invocation.limits.memory_bytes = 1 << 20;
    let grow = "(drop (memory.grow (i32.const 100)))";
    let ended = run_in(&account_with(small), &command("", grow), None).await;
    assert!(matches!(ended, Err(End::Terminated(Termination::MemoryLimit))), "{ended:?}");
    let large = "(module (memory 17) (func (export \"_start\")))";
    let ended = run_in(&account_with(small), large, None).await;
    assert!(matches!(ended, Err(End::Terminated(Termination::MemoryLimit))), "{ended:?}");
}

#[tokio::test]
async fn a_command_that_sleeps_is_suspended_and_can_be_dropped() {
    // One subscription to the monotonic clock, 300 ms from now.
    let body = "(i32.store8 (i32.const 1032) (i32.const 0)) (i32.store (i32.const 1040) (i32.const 1))
        (i64.store (i32.const 1048) (i64.const 300000000))
        (call $write (i32.const 2) (i32.const 64) (i32.const 5))
        (drop (call $poll (i32.const 1024) (i32.const 2048) (i32.const 1) (i32.const 8)))
        (call $write (i32.const 1) (i32.const 64) (i32.const 5))";
    let text = command("12345", body);
    let account = account_with(|_| {});
    let run = run_in(&account, &text, None);
    assert!(tokio::time::timeout(Duration::from_millis(30), run).await.is_err());
    assert_eq!(account.close().0, ["12345"]);
    let account = account_with(|_| {});
    assert_eq!(run_in(&account, &text, None).await.unwrap(), "12345");
}
