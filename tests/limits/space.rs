//! Limits on space: memory, the stack, output and the size of the code.

use serde_json::json;

use super::ends;
use crate::support::{Caller, Server, Setup};

#[tokio::test]
async fn memory() {
    let server = Server::dev().await;
    for code in [
        "globalThis.mark = []; for (;;) mark.push(new Uint8Array(1 << 20))",
        "globalThis.mark = []; for (;;) mark.push({})",
        "globalThis.mark = []; for (;;) mark.push('x'.repeat(1 << 20))",
        "globalThis.mark = 'x'.repeat(1 << 26); return mark.length",
        "globalThis.mark = new Map(); for (let i = 0;; i++) mark.set(i, [i])",
        "try { new ArrayBuffer(1 << 28) } catch { return 'survived' }",
        "const a = []; for (;;) { try { for (;;) a.push(new Array(1000).fill(1)) } catch {} }",
    ] {
        let code = format!("console.log('before'); {code}");
        let body = json!({ "code": code, "timeout": 20_000, "limits": { "memoryMb": 32 } });
        let peak = ends(&server, "memory_limit", body).await.at("/usage/peakMemoryBytes").as_u64().unwrap();
        assert!(peak <= 32 << 20, "{peak}");
    }
}

#[tokio::test]
async fn limits_are_lowered_and_never_raised() {
    let server = Server::dev().await;
    let code = "const a = []; for (let i = 0; i < 200; i++) a.push(new Uint8Array(1 << 20)); return a.length";
    let body = json!({ "code": code, "limits": { "memoryMb": 4096 } });
    server.client.post(Caller::Admin, "/execute", &body).await.assert_result(200);
    server.client.post(Caller::Tenant, "/execute", &body).await.assert_ended_by("memory_limit");
}

#[tokio::test]
async fn recursion_is_the_guests_own_error() {
    let server = Server::dev().await;
    for code in [
        "const f = () => f() + 1; return f()",
        "const a = {}; Object.defineProperty(a, 'x', { get() { return this.x } }); return a.x",
        "const p = new Proxy({}, { get: (t, k, r) => r[k] }); return p.x",
        "const f = () => [2, 1].sort(f); f()",
        "let a = []; for (let i = 0; i < 100000; i++) a = [a]; return JSON.stringify(a)",
        "const f = () => 'x'.replace(/x/, f); f()",
        "class A { constructor() { new A() } } new A()",
        "const f = () => eval('f()'); f()",
    ] {
        server.client.run(code).await.assert_threw("RangeError");
        server.client.run("return 1").await.assert_result(1);
    }
}

#[tokio::test]
async fn output() {
    let server = Server::dev().await;
    let logs =
        json!({ "code": "for (;;) console.log('0123456789')", "timeout": 20_000, "limits": { "outputBytes": 1000 } });
    let answer = server.client.execute(&logs).await;
    answer.assert_ended_by("output_limit");
    // Sixteen bytes count for each line itself.
    assert_eq!(answer.json["logs"].as_array().unwrap().len(), 1000 / (10 + 16), "{}", answer.text);
    let result = json!({ "code": "return 'x'.repeat(1000)", "limits": { "outputBytes": 1000 } });
    server.client.execute(&result).await.assert_ended_by("output_limit");
}

#[tokio::test]
async fn output_at_its_edges() {
    let server = Server::dev().await;
    let run = |bytes: u32| json!({ "code": "return 1", "limits": { "outputBytes": bytes } });
    server.client.execute(&run(0)).await.assert_ended_by("output_limit");
    server.client.execute(&run(1)).await.assert_result(1);
}

#[tokio::test]
async fn truncated_output_is_no_failure() {
    let server = Server::dev().await;
    let code = "for (let i = 0; i < 1000; i++) console.log('0123456789'); return 'done'";
    let body = json!({ "code": code, "truncate": true, "limits": { "outputBytes": 1000 } });
    let answer = server.client.execute(&body).await;
    assert_eq!((answer.status.as_u16(), &answer.json["success"]), (200, &json!(true)), "{}", answer.text);
    assert_eq!(answer.json["truncated"], true, "{}", answer.text);
    assert!(answer.json["logs"].as_array().unwrap().len() <= 100, "{}", answer.text);
}

#[tokio::test]
async fn code_size() {
    let server = Server::start(Setup::dev().config("[limits.internal]\ncode_kib = 1\n")).await;
    let fits = format!("return 1{}", " ".repeat(1024 - "return 1".len()));
    server.client.run(&fits).await.assert_result(1);
    let answer = server.client.run(&format!("{fits} ")).await;
    answer.assert_refused(413, "code_too_large");
    let message = answer.at("/error/message").as_str().unwrap();
    assert!(message.contains("1025") && message.contains("1024"), "{message}");
}
