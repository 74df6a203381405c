//! Bindings against a stand-in for the host, which keeps what is submitted.

use std::mem::ManuallyDrop;

use doer_guest_protocol::{
    Bytes, Completion, End, Failure, Method, Redirect, Request, Response, Resume, Service, decode, encode,
};
use rquickjs::CatchResultExt;

use super::*;
use crate::{host::imp::SUBMITTED, runtime, scope::set_global};

fn table() -> Boot {
    let method = |service: &str, name: &str| Method { name: name.into(), flat_name: format!("{service}_{name}") };
    let service = |name: &str, methods: &[&str]| Service {
        name: name.into(),
        methods: methods.iter().map(|of| method(name, of)).collect(),
    };
    Boot { services: vec![service("db", &["get", "put"]), service("queue", &["send"])] }
}

/// Runs `test` where `env` is a global with everything that `granted` grants.
fn with_env(granted: Option<u32>, test: impl for<'js> FnOnce(&Ctx<'js>)) {
    SUBMITTED.take();
    // Never freed, as in WebAssembly: what the runtime keeps for later still refers to it.
    let context = ManuallyDrop::new(runtime::boot(&table()).expect("boots"));
    context.with(|ctx| {
        set_global(false);
        web::begin_invocation(granted.is_some());
        ctx.globals().set("env", env(&ctx, granted, false).expect("an env")).expect("a global");
        test(&ctx);
        set_global(true);
    });
}

fn eval<'js, T: rquickjs::FromJs<'js>>(ctx: &Ctx<'js>, code: &str) -> T {
    let value = ctx.eval(code).catch(ctx).map_err(|error| error.to_string());
    while ctx.execute_pending_job() {}
    value.expect("the test runs")
}

/// Tells how an operation ended, and runs what waited for it.
fn end(ctx: &Ctx<'_>, operation: u32, end: End<'_>) {
    let message = encode(&Resume { completions: vec![Completion { operation, end }] });
    operations::settle(ctx, &decode(&message).expect("well formed"));
    while ctx.execute_pending_job() {}
}

fn submitted(number: usize) -> Vec<u8> {
    SUBMITTED.with_borrow(|submitted| submitted[number].clone())
}

#[test]
fn env_is_what_the_bits_say() {
    let shape = "JSON.stringify([Object.keys(env), env.DO && Object.keys(env.DO)])";
    for (granted, wanted) in [
        (None, r#"[[],null]"#),
        (Some(0), r#"[["DO"],["db_get","db_put","queue_send","fetch"]]"#),
        (Some(2), r#"[["DO","queue"],["db_get","db_put","queue_send","fetch"]]"#),
        (Some(3), r#"[["DO","db","queue"],["db_get","db_put","queue_send","fetch"]]"#),
    ] {
        with_env(granted, |ctx| assert_eq!(eval::<String>(ctx, shape), wanted));
    }
}

#[test]
fn a_call_is_submitted_at_once_and_settled_once() {
    with_env(Some(3), |ctx| {
        eval::<()>(ctx, "env.queue.send('q', { a: [undefined] }, undefined).then((v) => { globalThis.got = v.id })");
        let call = Operation::Call { method: 2, arguments: r#"["q",{"a":[null]}]"# };
        assert_eq!(decode::<Operation<'_>>(&submitted(0)).expect("an operation"), call);
        assert!(operations::any_pending());
        end(ctx, 0, End::Result(r#"{"id":"m1"}"#));
        assert_eq!(eval::<String>(ctx, "got"), "m1");
        assert!(!operations::any_pending());
        end(ctx, 0, End::Result(r#"{"id":"m2"}"#));
        end(ctx, 77, End::Result("1"));
        assert_eq!(eval::<String>(ctx, "got"), "m1");
    });
}

#[test]
fn failures_are_errors_of_their_door() {
    with_env(Some(3), |ctx| {
        eval::<()>(
            ctx,
            "globalThis.tell = (e) => { globalThis.said = [e instanceof Error, e.name, e.message, e.code, e.retryAfterMs].join() };
             env.db.get().catch(tell); fetch('http://a').catch(tell); fetch('http://a').catch(tell); env.db.get().catch(tell)",
        );
        let failure = |code, retry_after_ms| End::Failed(Failure { code, message: "no", name: None, retry_after_ms });
        let said = |ctx| eval::<String>(ctx, "said");
        end(ctx, 0, failure("quota", Some(5)));
        assert_eq!(said(ctx), "true,ServiceError,no,quota,5");
        end(ctx, 1, failure("forbidden", None));
        assert_eq!(said(ctx), "true,TypeError,no,,");
        end(ctx, 2, failure("timeout", None));
        assert_eq!(said(ctx), "true,TypeError,fetch failed: no,,");
        end(ctx, 3, End::Result("{"));
        assert!(said(ctx).starts_with("true,SyntaxError"));
    });
}

#[test]
fn a_request_crosses_and_comes_back() {
    with_env(Some(0), |ctx| {
        eval::<()>(
            ctx,
            "env.DO.fetch('http://A/b', { method: 'post', body: '\\ud800x', redirect: 'manual', headers: { 'X-Y': 'z' } })
                .then(async (r) => { globalThis.got = [r.status, r.url, r.redirected, r.type, [...r.headers].join(), await r.text()].join(' ') })",
        );
        let message = submitted(0);
        let request = Request {
            method: "POST",
            url: "http://a/b",
            headers: vec![("x-y", "z"), ("content-type", "text/plain;charset=UTF-8")],
            body: Some(Bytes("\u{FFFD}x".as_bytes())),
            redirect: Redirect::Manual,
        };
        assert_eq!(decode::<Operation<'_>>(&message).expect("an operation"), Operation::Fetch(request));
        let response = Response {
            status: 200,
            headers: vec![("a", "1"), ("set-cookie", "x"), ("set-cookie", "y")],
            body: Bytes(b"hi"),
            stream: None,
            url: "http://a/c#d",
            redirected: true,
        };
        end(ctx, 0, End::Response(response));
        assert_eq!(eval::<String>(ctx, "got"), "200 http://a/c true basic a,1,set-cookie,x,set-cookie,y hi");
    });
}

#[test]
fn giving_up_reaches_the_host() {
    with_env(Some(0), |ctx| {
        eval::<()>(
            ctx,
            "const c = new AbortController(); fetch('http://a', { signal: c.signal }).catch((e) => { globalThis.got = e.name })",
        );
        assert!(!submitted(0).is_empty());
        eval::<()>(ctx, "c.abort()");
        assert_eq!(eval::<String>(ctx, "got"), "AbortError");
        assert!(submitted(0).is_empty() && !operations::any_pending());
    });
}

#[test]
fn nothing_is_called_in_global_scope() {
    with_env(Some(3), |ctx| {
        set_global(true);
        let said: String = eval(ctx, "let said; try { env.db.get() } catch (e) { said = e.message } said");
        assert_eq!(said, "Calling a service is not allowed in global scope; call it inside a handler");
        assert!(SUBMITTED.with_borrow(Vec::is_empty));
    });
}
