//! Workers: requests in, responses out.

use doer_core::{fault::Termination, outbound::HttpRequest, service::Service};
use doer_sandbox::{
    Entrypoint, Event, Language, ModuleSource, Program,
    loader::{Code, EnvBinding, LoadError},
};
use serde_json::{Value, json, value::RawValue};

use crate::{
    common::{block_on, invocation, run},
    guest::{code, execute, failure, fetch, registry, request, text, worker, worker_with},
};

/// Answers with the path and the request's body.
pub const ECHO: &str = r#"
    (local $body i32) (local $stream i32)
    (call $open (local.get $out) (i32.const 201))
    (call $path (local.get $in) (i32.const 0))
    (call $say (i32.load (i32.const 4)) (i32.load (i32.const 8)))
    (call $consume (local.get $in) (i32.const 0))
    (local.set $body (i32.load (i32.const 4)))
    (call $incoming_stream (local.get $body) (i32.const 0))
    (local.set $stream (i32.load (i32.const 4)))
    (block $end (loop $more
        (call $stream_read (local.get $stream) (i64.const 4096) (i32.const 0))
        (br_if $end (i32.load8_u (i32.const 0)))
        (if (i32.load (i32.const 8)) (then (call $say (i32.load (i32.const 4)) (i32.load (i32.const 8)))))
        (br $more)))
    (call $close)"#;

/// Answers with what lies at 1024.
pub fn says(text: &str) -> Vec<u8> {
    let len = text.len();
    let body = format!(
        "(call $open (local.get $out) (i32.const 200)) (call $say (i32.const 1024) (i32.const {len})) (call $close)"
    );
    worker(&text.replace('"', "\\22"), &body)
}

#[test]
fn a_worker_answers_requests() {
    block_on(async {
        let reply = fetch(worker("", ECHO), request("/a?b=c", "hello"), invocation(Value::Null)).await;
        let usage = reply.usage.clone();
        let reply = reply.answer.unwrap();
        assert_eq!((reply.head.status, &reply.body[..]), (201, &b"/a?b=chello"[..]));
        assert_eq!(reply.head.headers, [("x-a".to_owned(), "\u{c3}\u{a9}".to_owned())]);
        assert!(usage.fuel > 0 && usage.peak_memory_bytes >= 4 << 16 && usage.output_bytes > 11, "{usage:?}");
        let long = "x".repeat(1_000_000);
        let reply = fetch(worker("", ECHO), request("/", &long), invocation(Value::Null)).await.answer.unwrap();
        assert_eq!(reply.body.len(), 1 + long.len());
    });
}

#[test]
fn a_worker_can_be_executed_with_its_input_as_the_request() {
    block_on(async {
        let outcome = execute(worker("", ECHO), invocation(json!({"a": 1}))).await;
        let answer = outcome.answer.unwrap();
        assert_eq!((answer.result.get(), answer.response.unwrap().status), (r#""/{\"a\":1}""#, 201));
        let answer = execute(says(r#"{"n": [1]}"#), invocation(Value::Null)).await.answer.unwrap();
        assert_eq!(answer.result.get(), r#"{"n": [1]}"#);
    });
}

#[test]
fn a_component_is_known_by_its_binary_and_by_its_text() {
    block_on(async {
        let modules = [("main.wasm".to_owned(), ModuleSource::Wasm(says("7")))].into();
        let main = "main.wasm".to_owned();
        let answer = run(Program::Modules { main, modules }, invocation(Value::Null)).await.answer.unwrap();
        assert_eq!(answer.result.get(), "7");
        let code = "(component)".to_owned();
        let text = Program::Text { code, language: Some(Language::Wat) };
        let error = run(text, invocation(Value::Null)).await.answer.unwrap_err();
        assert_eq!(error.name, "LinkError");
        assert!(error.message.contains("neither wasi:http/incoming-handler nor wasi:cli/run"), "{error:?}");
    });
}

#[test]
fn what_a_component_imports_and_nobody_has_is_named() {
    block_on(async {
        let code = "(component (import \"a:b/c@1.0.0\" (instance (export \"d\" (func)))))".to_owned();
        let text = Program::Text { code, language: Some(Language::Wat) };
        let error = run(text, invocation(Value::Null)).await.answer.unwrap_err();
        assert_eq!(error.name, "LinkError");
        assert!(error.message.contains("a:b/c@1.0.0"), "{error:?}");
    });
}

#[test]
fn heaps_are_not_shared_between_requests() {
    block_on(async {
        let count = r#"
            (i32.store8 (i32.const 1024) (i32.add (i32.load8_u (i32.const 1024)) (i32.const 1)))
            (call $open (local.get $out) (i32.const 200)) (call $say (i32.const 1024) (i32.const 1)) (call $close)"#;
        let stub = registry().await.load(code(worker("0", count)));
        let requests = (0..20).map(|_| {
            let stub = stub.clone();
            tokio::spawn(
                async move { stub.fetch_whole(Entrypoint(None), request("/", ""), invocation(Value::Null)).await },
            )
        });
        for answer in requests.collect::<Vec<_>>() {
            assert_eq!(&answer.await.unwrap().unwrap().answer.unwrap().body[..], b"1");
        }
    });
}

#[test]
fn both_streams_are_logs_by_line() {
    block_on(async {
        let body = r#"
            (call $write (call $stdout) (i32.const 1024) (i32.const 6))
            (call $write (call $stderr) (i32.const 1030) (i32.const 5))
            (call $open (local.get $out) (i32.const 204)) (call $close)"#;
        let outcome = fetch(worker("one\\ntwERR\\n!", body), request("/", ""), invocation(Value::Null)).await;
        assert_eq!(outcome.logs, ["one", "ERR", "tw", "!"]);
        assert_eq!(outcome.answer.unwrap().head.status, 204);
    });
}

#[test]
fn what_is_no_answer_says_why() {
    block_on(async {
        let error = failure(worker("", ""), invocation(Value::Null)).await;
        assert!(error.message.contains("without a response"), "{error:?}");
        // The tenth case of error-code has no payload.
        let refuses = "(call $set (local.get $out) (i32.const 1) (i32.const 10) (i32.const 0) (i64.const 0)
            (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))";
        let error = failure(worker("", refuses), invocation(Value::Null)).await;
        assert!(error.message.contains("answered with an error"), "{error:?}");
        let odd = "(call $open (local.get $out) (i32.const 101)) (call $close)";
        let error = failure(worker("", odd), invocation(Value::Null)).await;
        assert_eq!(error.message, "The component answered with the status 101");
        let error = failure(worker("", "unreachable"), invocation(Value::Null)).await;
        assert_eq!((error.name.as_str(), error.code), ("RuntimeError", None));
        assert!(error.message.contains("unreachable"), "{error:?}");
        // Also where the response was complete, and not on its way yet.
        let late = worker("", "(call $open (local.get $out) (i32.const 200)) (call $close) unreachable");
        assert_eq!(failure(late.clone(), invocation(Value::Null)).await.name, "RuntimeError");
        assert_eq!(execute(late, invocation(Value::Null)).await.answer.unwrap_err().name, "RuntimeError");
        // Who has answered has answered; where all of the run is the answer, it has failed.
        let later = "(call $open (local.get $out) (i32.const 200)) (call $close)
            (call $block (call $after (i64.const 50000000))) unreachable";
        let later = worker("", later);
        assert_eq!(text(later.clone()).await, "");
        assert_eq!(execute(later, invocation(Value::Null)).await.answer.unwrap_err().name, "RuntimeError");
        // A body that is left open is as long as it is.
        let open = "(call $open (local.get $out) (i32.const 200)) (call $say (i32.const 1024) (i32.const 2))";
        assert_eq!(text(worker("ok", open)).await, "ok");
    });
}

#[test]
fn a_worker_has_one_entrypoint_and_no_env_but_services() {
    block_on(async {
        let stub = registry().await.load(code(says("1")));
        let named = Entrypoint(Some("Admin".to_owned()));
        let outcome = stub.fetch_whole(named, request("/", ""), invocation(Value::Null)).await.unwrap();
        assert_eq!(outcome.answer.unwrap_err().message, "Worker has no such entrypoint: Admin");
        let arguments = RawValue::from_string("[]".to_owned()).unwrap();
        let outcome = stub.call(Entrypoint(None), "m".to_owned(), arguments, invocation(Value::Null)).await.unwrap();
        assert_eq!(
            outcome.answer.unwrap_err().message,
            "A component has no methods to call, and no handlers but of requests"
        );
        let with = async |member| {
            let env = Some(vec![("A".to_owned(), member)]);
            registry().await.load(Code { env, ..code(says("1")) }).loaded().await
        };
        for member in [EnvBinding::Unified, EnvBinding::Service(Service::Db)] {
            assert!(with(member).await.is_ok());
        }
        for member in [EnvBinding::Value("1".to_owned()), EnvBinding::Secret("S".to_owned())] {
            let error = with(member).await.unwrap_err();
            let message = "env: WebAssembly can be given services, and nothing else";
            assert!(matches!(error, LoadError::Code(error) if error.message == message));
        }
    });
}

#[test]
fn a_request_that_cannot_be_told_is_refused() {
    block_on(async {
        let odd = HttpRequest { url: "https://worker.test/\u{7f}".to_owned(), ..request("/", "") };
        let outcome = fetch(says("1"), odd, invocation(Value::Null)).await;
        assert_eq!(outcome.answer.unwrap_err().message, "The request's URL cannot be told to a component");
    });
}

#[test]
fn a_worker_that_waits_is_suspended_and_can_be_cancelled() {
    block_on(async {
        let wait = worker_with(
            "",
            "ok",
            "(call $write (call $stderr) (i32.const 1024) (i32.const 2))
            (call $block (call $after (i64.const 3600000000000)))",
        );
        let mut limited = invocation(Value::Null);
        limited.limits.wall = std::time::Duration::from_millis(300);
        let outcome = fetch(wait.clone(), request("/", ""), limited).await;
        assert_eq!(outcome.answer.unwrap_err().code, Some(Termination::Timeout));
        assert_eq!(outcome.logs, ["ok"]);
        let invocation = invocation(Value::Null);
        let cancel = invocation.cancel.clone();
        let running = tokio::spawn(execute(wait, invocation));
        cancel.cancel();
        assert_eq!(running.await.unwrap().answer.unwrap_err().code, Some(Termination::Cancelled));
    });
}

#[test]
fn a_command_of_preview_1_can_be_no_worker() {
    block_on(async {
        let module = wat::parse_str("(module (func (export \"_start\")))").unwrap();
        let mut invocation = invocation(Value::Null);
        invocation.event = Event::Fetch(Entrypoint(None), request("/", "").into());
        let outcome = fetch(module, request("/", ""), invocation).await;
        assert!(outcome.answer.unwrap_err().message.contains("answers no requests"));
    });
}
