//! Limits: the same as those of every other guest.

use std::time::Duration;

use doer_core::fault::Termination;
use doer_sandbox::{Invocation, Program};
use serde_json::{Value, json};

use crate::{
    common::{block_on, invocation, run, text},
    guest::{command, execute, failure, worker, worker_with},
};

fn limited(change: impl FnOnce(&mut Invocation)) -> Invocation {
    let mut invocation = invocation(Value::Null);
    change(&mut invocation);
    invocation
}

const LOOP: &str = "(loop $l (br $l))";

#[test]
fn fuel_cpu_and_wall_clock_end_a_loop() {
    block_on(async {
        let endless = worker("", LOOP);
        let ended = failure(endless.clone(), limited(|i| i.limits.fuel = 100_000)).await;
        assert_eq!(ended.code, Some(Termination::FuelExhausted));
        let ended = failure(endless.clone(), limited(|i| i.limits.cpu = Duration::from_millis(50))).await;
        assert_eq!(ended.code, Some(Termination::CpuLimit));
        let ended = failure(endless, limited(|i| i.limits.wall = Duration::from_millis(300))).await;
        assert_eq!(ended.code, Some(Termination::Timeout));
        assert_eq!(run(text("return 1"), invocation(Value::Null)).await.answer.unwrap().result.get(), "1");
    });
}

#[test]
fn a_start_function_is_metered_too() {
    block_on(async {
        let starts = worker_with(&format!("(func $s {LOOP}) (start $s)"), "", "");
        let ended = failure(starts, limited(|i| i.limits.cpu = Duration::from_millis(50))).await;
        assert_eq!(ended.code, Some(Termination::CpuLimit));
    });
}

#[test]
fn memory_is_one_budget_however_many_memories_there_are() {
    block_on(async {
        let small = || limited(|i| i.limits.memory_bytes = 1 << 20);
        let ended = failure(worker("", "(drop (memory.grow (i32.const 100)))"), small()).await;
        assert_eq!(ended.code, Some(Termination::MemoryLimit));
        // Two instances with 600 KiB each.
        let half = "(core module $m (memory 10))";
        let both = format!(
            "(component {half} (core instance (instantiate $m)) (core instance (instantiate $m))
                (core module $r (func (export \"run\") (result i32) i32.const 0)) (core instance $r (instantiate $r))
                (type $result (result)) (func $run (result $result) (canon lift (core func $r \"run\")))
                (instance $i (export \"run\" (func $run))) (export \"wasi:cli/run@0.2.0\" (instance $i)))"
        );
        let both = wat::parse_str(both).unwrap();
        assert!(execute(both.clone(), invocation(Value::Null)).await.answer.is_ok());
        let ended = execute(both, small()).await.answer.unwrap_err();
        assert_eq!(ended.code, Some(Termination::MemoryLimit));
    });
}

#[test]
fn output_is_limited_and_can_be_cut() {
    block_on(async {
        let small = |truncate| {
            limited(|i| {
                i.limits.output_bytes = 1000;
                i.truncate = truncate;
            })
        };
        let forever = "(call $open (local.get $out) (i32.const 200))
            (loop $l (call $say (i32.const 1024) (i32.const 200)) (br $l))";
        let forever = worker(&"x".repeat(200), forever);
        let ended = failure(forever.clone(), small(false)).await;
        assert_eq!(ended.code, Some(Termination::OutputLimit));
        let ended = execute(forever.clone(), small(false)).await.answer.unwrap_err();
        assert_eq!(ended.code, Some(Termination::OutputLimit));
        let outcome = execute(forever, small(true)).await;
        assert!(outcome.truncated);
        let cut: Value = serde_json::from_str(outcome.answer.unwrap().result.get()).unwrap();
        assert!(cut.as_str().unwrap().contains("xxx"));
        for stream in ["$stdout", "$stderr"] {
            let logs = format!("(loop $l (call $write (call {stream}) (i32.const 1024) (i32.const 200)) (br $l))");
            let ended = failure(worker(&("x".repeat(199) + "\\n"), &logs), small(false)).await;
            assert_eq!(ended.code, Some(Termination::OutputLimit), "{stream}");
        }
        let result = "(loop $l (call $write (call $stdout) (i32.const 1024) (i32.const 200)) (br $l)) (i32.const 0)";
        let ended = execute(command(&"x".repeat(200), result), small(false)).await.answer.unwrap_err();
        assert_eq!(ended.code, Some(Termination::OutputLimit));
    });
}

#[test]
fn what_the_host_keeps_is_bounded() {
    block_on(async {
        for (what, body) in [
            ("headers", "(loop $l (drop (call $fields)) (br $l))"),
            ("timers", "(loop $l (drop (call $after (i64.const 1))) (br $l))"),
            ("streams", "(loop $l (drop (call $stderr)) (br $l))"),
        ] {
            let ended = failure(worker("", body), invocation(Value::Null)).await;
            assert_eq!((ended.name.as_str(), ended.code), ("RuntimeError", None), "{what}: {ended:?}");
        }
        // What is given back is not counted.
        let again = "(local $n i32)
            (loop $l (call $drop_pollable (call $after (i64.const 1)))
                (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 20000))))
            (call $open (local.get $out) (i32.const 200)) (call $close)";
        let outcome = crate::guest::fetch(worker("", again), crate::guest::request("/", ""), invocation(Value::Null));
        assert!(outcome.await.answer.is_ok());
    });
}

#[test]
fn stacks_end_and_others_go_on() {
    block_on(async {
        let endless = worker_with("(func $f (call $f))", "", "(call $f)");
        let ended = failure(endless, invocation(Value::Null)).await;
        assert_eq!(ended.message, "Maximum call stack size exceeded");
    });
}

#[test]
fn nonsense_of_a_guest_is_its_own_fault() {
    block_on(async {
        for (what, body) in [
            ("a handle that is none", "(call $drop_output (i32.const 77))"),
            (
                "text out of bounds",
                "(drop (call $set_authority (call $request (call $fields)) (i32.const 1) (i32.const -8) (i32.const 64)))",
            ),
            ("too large a piece", "(call $stream_write (call $stderr) (i32.const 0) (i32.const 200000) (i32.const 0))"),
        ] {
            let ended = failure(worker("", body), invocation(Value::Null)).await;
            assert_eq!((ended.name.as_str(), ended.code), ("RuntimeError", None), "{what}: {ended:?}");
        }
        let answer = run(Program::Wasm(crate::workers::says("1")), invocation(json!(1))).await.answer;
        assert_eq!(answer.unwrap().result.get(), "1");
    });
}
