//! Commands: `wasi:cli/run`, as preview 1 has it.

use serde_json::{Value, json};

use crate::{
    common::{block_on, invocation},
    guest::{command, execute},
};

async fn result(binary: Vec<u8>, input: Value) -> String {
    execute(binary, invocation(input)).await.answer.unwrap().result.get().to_owned()
}

const ECHO: &str = "
    (call $stream_read (call $stdin) (i64.const 4096) (i32.const 0))
    (if (i32.eqz (i32.load8_u (i32.const 0)))
        (then (call $write (call $stdout) (i32.load (i32.const 4)) (i32.load (i32.const 8)))))
    (i32.const 0)";

#[test]
fn input_and_result_are_standard_streams() {
    block_on(async {
        assert_eq!(result(command("", ECHO), json!({"n": 1})).await, "{\"n\":1}");
        assert_eq!(result(command("", ECHO), Value::Null).await, "null");
        let text = "(call $write (call $stdout) (i32.const 1024) (i32.const 5)) (i32.const 0)";
        assert_eq!(result(command("hello", text), Value::Null).await, "\"hello\"");
    });
}

#[test]
fn standard_error_is_the_log_and_exit_codes_are_errors() {
    block_on(async {
        let fails = "(call $write (call $stderr) (i32.const 1024) (i32.const 4)) (i32.const 1)";
        let outcome = execute(command("oops", fails), invocation(Value::Null)).await;
        assert_eq!(outcome.logs, ["oops"]);
        let error = outcome.answer.unwrap_err();
        assert_eq!((error.name.as_str(), error.message.as_str()), ("ExitError", "exited with code 1"));
        let exits = "(call $exit (i32.const 1)) (i32.const 0)";
        let error = execute(command("", exits), invocation(Value::Null)).await.answer.unwrap_err();
        assert_eq!(error.name, "ExitError");
        let early =
            "(call $write (call $stdout) (i32.const 1024) (i32.const 1)) (call $exit (i32.const 0)) (i32.const 1)";
        assert_eq!(result(command("7", early), Value::Null).await, "7");
    });
}

#[test]
fn there_is_no_environment_and_randomness_is_bounded() {
    block_on(async {
        let environment = "(call $environment (i32.const 0)) (i32.load (i32.const 4))";
        assert_eq!(result(command("", environment), Value::Null).await, "null");
        let random = "(call $random (i64.const 100000000) (i32.const 0)) (i32.const 0)";
        let error = execute(command("", random), invocation(Value::Null)).await.answer.unwrap_err();
        assert_eq!((error.name.as_str(), error.code), ("RuntimeError", None));
    });
}
