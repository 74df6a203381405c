//! `doer:platform`: calls with types.

use std::{
    process::Command,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use doer_core::{
    auth::AuthContext,
    fault::Termination,
    id::RequestId,
    ledger::Ledger,
    outbound::NoEgress,
    scope::{Owner, Scope, Standing},
    scoped::{Grants, ScopedServices, Services},
    service::{Arguments, Backend, Code, Health, Method, Service, ServiceError},
    tier::Namespace,
    time::SystemClock,
};
use doer_sandbox::Invocation;
use serde_json::{Value, json, value::RawValue};

use crate::{
    common::{block_on, invocation},
    guest::{COMMAND_AROUND, execute, from_module, worker},
};

/// A database that says what it was asked, in the form that the contract has.
struct Shelf(Arc<Mutex<Vec<String>>>);

#[async_trait]
impl Backend for Shelf {
    async fn call(&self, _: &Scope, method: &'static Method, given: Arguments) -> Result<Box<RawValue>, ServiceError> {
        let params = given.to_json(method);
        self.0.lock().unwrap().push(format!("{}{params}", method.name));
        let params: Value = serde_json::from_str(&params).unwrap();
        let thing = json!({"ns": params["ns"], "id": params["id"], "type": null, "data": {"a": [1]}, "visibility": "unlisted",
            "createdAt": 5, "updatedAt": 18446744073709551615u64});
        let answer = match (method.name, params["ns"].as_str()) {
            (_, Some("wrong")) => json!("nonsense"),
            (_, Some("fail")) => {
                let wait = std::time::Duration::from_millis(1500);
                return Err(ServiceError::new(Code::RateLimit, "too often").after(wait));
            }
            ("get", Some("none")) => Value::Null,
            ("get" | "upsert", _) => thing,
            ("query", _) => json!({"rows": [{"n": 1}], "columns": ["n"], "changes": 0}),
            _ => json!(42),
        };
        Ok(RawValue::from_string(answer.to_string()).unwrap())
    }

    fn health(&self) -> Health {
        Health::Ok
    }
}

#[async_trait]
impl Standing for Shelf {
    async fn scope(&self, _: &Owner) -> Result<Option<Scope>, ServiceError> {
        Ok(None)
    }

    async fn admit(&self, _: &Namespace) -> Result<(), ServiceError> {
        Ok(())
    }
}

/// A run with these grants and so many calls, and what is asked of the database.
fn with(grants: &[Service], calls: u32) -> (Invocation, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let backend = |_| -> Box<dyn Backend> { Box::new(Shelf(Arc::clone(&asked))) };
    let services = Arc::new(Services {
        backends: Service::ALL.map(backend),
        egress: Arc::new(NoEgress),
        standing: Arc::new(Shelf(Arc::default())),
        clock: Arc::new(SystemClock),
    });
    let scope = Arc::new(Scope::of(AuthContext::anonymous(RequestId::from_text("req_1"), 0)));
    let ledger = Arc::new(Ledger::new(calls, 1 << 20, false));
    let scoped = ScopedServices::new(services, scope, Grants::of(grants.iter().copied()), ledger);
    (Invocation { services: Some(scoped), ..invocation(Value::Null) }, asked)
}

/// Counts the things of a collection, without options: the answer, or what the error says.
fn counts(ns: &str) -> Vec<u8> {
    let body = format!(
        r#"
        (call $db_count (i32.const 1024) (i32.const {}) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
            (i32.const 0) (i32.const 0) (i32.const 64))
        (if (i32.load8_u (i32.const 64)) (then
            (call $open (local.get $out) (i32.const 500))
            (call $say (i32.load (i32.const 72)) (i32.load (i32.const 76)))
            (call $say (i32.const 1100) (i32.const 1))
            (call $say (i32.load (i32.const 80)) (i32.load (i32.const 84)))
            (call $say (i32.const 1100) (i32.const 1))
            (call $say (i32.load (i32.const 88)) (i32.load (i32.const 92)))
            (call $close) (return)))
        (call $open (local.get $out) (i32.const 200))
        (i32.store8 (i32.const 1024) (i32.add (i32.const 48) (i32.div_u (i32.load (i32.const 72)) (i32.const 10))))
        (i32.store8 (i32.const 1025) (i32.add (i32.const 48) (i32.rem_u (i32.load (i32.const 72)) (i32.const 10))))
        (call $say (i32.const 1024) (i32.const 2)) (call $close)"#,
        ns.len()
    );
    worker(&format!("{ns:\0<76}|").replace('\0', "\\00"), &body)
}

#[test]
fn a_call_reaches_its_method_and_gives_its_result() {
    block_on(async {
        let (run, asked) = with(&[Service::Db], 10);
        let outcome = execute(counts("notes"), run).await;
        assert_eq!(outcome.usage.calls["db"], 1);
        assert_eq!(outcome.answer.unwrap().result.get(), "42");
        assert_eq!(*asked.lock().unwrap(), [r#"count{"ns":"notes"}"#]);
    });
}

#[test]
fn errors_are_values_with_name_message_and_code() {
    block_on(async {
        let text = |outcome: doer_sandbox::Outcome| -> String {
            serde_json::from_str(outcome.answer.unwrap().result.get()).unwrap()
        };
        let (run, _) = with(&[Service::Db], 10);
        assert_eq!(text(execute(counts("fail"), run).await), "ServiceError|too often|rate_limit");
        let (run, asked) = with(&[Service::Email], 10);
        let denied = "ServiceError|Access denied to bindings: db. Available: |forbidden";
        assert_eq!(text(execute(counts("notes"), run).await), denied);
        assert!(asked.lock().unwrap().is_empty());
        let alone = execute(counts("notes"), invocation(Value::Null)).await;
        assert_eq!(text(alone), "ServiceError|Access denied: no services are granted|forbidden");
    });
}

#[test]
fn calls_have_a_budget_that_ends_the_run() {
    block_on(async {
        let (run, _) = with(&[Service::Db], 0);
        let ended = execute(counts("notes"), run).await.answer.unwrap_err();
        assert_eq!((ended.code, ended.message.as_str()), (Some(Termination::CallLimit), "Limit of 0 calls exceeded"));
        let (run, _) = with(&[Service::Db], 10);
        let broken = execute(counts("wrong"), run).await.answer.unwrap_err();
        assert_eq!(broken.message, "db.count: the answer is not what its contract says");
    });
}

/// `guest.c` is what a program in C does without anything made for it.
#[test]
fn a_program_in_c_calls_services() {
    let directory = tempfile::tempdir().unwrap();
    let binary = directory.path().join("guest.wasm");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/components/guest.c");
    let flags = ["--target=wasm32", "-O2", "-nostdlib", "-fno-builtin", "-Wl,--no-entry", "-Wl,--export-memory", "-o"];
    match Command::new("clang-22").args(flags).arg(&binary).arg(source).output() {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => {
            eprintln!("skipped: a_program_in_c_calls_services: clang-22: {error}");
            return;
        }
    }
    block_on(async {
        let component = from_module(COMMAND_AROUND, &std::fs::read(binary).unwrap());
        let (run, asked) = with(&[Service::Db], 10);
        let outcome = execute(component, run).await;
        let result: Value = serde_json::from_str(outcome.answer.unwrap().result.get()).unwrap();
        assert_eq!(
            result,
            json!({"data": {"a": [1]}, "visibility": 2, "none": true, "rows": {"n": 1}, "error": "rate_limit"})
        );
        let asked = asked.lock().unwrap();
        let upsert = r#"upsert{"ns":"notes","id":"n1","data":{"a": [1]},"options":{"visibility":"unlisted"}}"#;
        assert_eq!(asked[..2], [upsert.to_owned(), r#"get{"ns":"none","id":"n1"}"#.to_owned()]);
        assert_eq!(asked[2], r#"query{"sql":"SELECT ? AS n","params":[1]}"#);
    });
}
