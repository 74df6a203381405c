//! What a worker is asked, and what of its answer arrives: requests, methods, bindings, the caller's context.

use reqwest::Method;
use serde_json::{Value, json};

use super::{called, code, fetched, register};
use crate::support::{Answer, Caller, Server};

const MIRROR: &str = "
    export default { async fetch(request, env, ctx) {
        const headers = Object.fromEntries(request.headers);
        const body = await request.text();
        const { method, url } = request;
        return Response.json({ method, url, headers, body, env: Object.keys(env).sort(), ctx }, {
            status: 201,
            headers: [['x-own', '1'], ['set-cookie', 'a=1'], ['set-cookie', 'b=2'], ['set-cookie', 'session=stolen'],
                      ['x-execution-id', 'mine'], ['x-request-id', 'mine'], ['clear-site-data', '*']],
        });
    } }";

#[tokio::test]
async fn a_request_arrives_without_our_credentials_and_the_answer_without_our_cookies() {
    let server = Server::dev().await;
    register(&server, Caller::Tenant, "mirror", &code(MIRROR)).await;
    let request = server
        .client
        .request(Caller::Tenant, Method::PATCH, "/workers/mirror/fetch/a%2Fb/c?d=%20e&f")
        .header("cookie", "a=1; session_refresh=x")
        .header("x-user-id", "root")
        .header("x-own", "2")
        .header("content-type", "text/plain")
        .body("hello");
    let answer = Answer::read(request.send().await.unwrap()).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let seen = &answer.json;
    let url = format!("http://127.0.0.1:{}/a%2Fb/c?d=%20e&f", server.port);
    assert_eq!((&seen["method"], &seen["url"], &seen["body"]), (&json!("PATCH"), &json!(url), &json!("hello")));
    let headers = &seen["headers"];
    assert_eq!((&headers["cookie"], &headers["x-own"]), (&json!("a=1"), &json!("2")));
    for absent in ["authorization", "x-user-id", "x-api-key"] {
        assert_eq!(headers[absent], Value::Null, "{absent}");
    }
    assert_eq!(seen["ctx"]["namespace"], "tenant:test-tenant");
    assert_eq!(seen["env"], json!(["DO", "db", "email", "queue"]), "without env: what the tier has");

    let cookies: Vec<&str> = answer.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap()).collect();
    assert_eq!(cookies, ["a=1", "b=2"]);
    assert_eq!(answer.header("x-own"), "1");
    assert_eq!(answer.header("clear-site-data"), "");
    assert!(answer.header("content-security-policy").starts_with("sandbox"));
    assert_eq!(headers["x-request-id"], answer.header("x-request-id"));
    let execution = answer.header("x-execution-id");
    let receipt = server.client.get(Caller::Tenant, &format!("/executions/{execution}")).await;
    assert_eq!(receipt.json["outcome"], "ok", "{}", receipt.text);
}

#[tokio::test]
async fn every_method_and_path_reaches_it() {
    let server = Server::dev().await;
    let source = "export default { fetch: (r) => new Response(`${r.method} ${new URL(r.url).pathname}`) }";
    register(&server, Caller::Tenant, "any", &code(source)).await;
    for (path, seen) in [("", "/"), ("/", "/"), ("/a", "/a"), ("//a", "//a"), ("/a/", "/a/"), ("/%C3%A4", "/%C3%A4")] {
        assert_eq!(fetched(&server, Caller::Tenant, "any", path).await.text, format!("GET {seen}"), "{path}");
    }
    for method in ["PUT", "DELETE", "OPTIONS", "PROPFIND"] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = server.client.request(Caller::Tenant, method.clone(), "/workers/any/fetch/x");
        assert_eq!(Answer::read(request.send().await.unwrap()).await.text, format!("{method} /x"));
    }
    let head = server.client.request(Caller::Tenant, Method::HEAD, "/workers/any/fetch/x").send().await.unwrap();
    assert_eq!((head.status().as_u16(), head.headers()["content-length"].to_str().unwrap()), (200, "7"));
}

#[tokio::test]
async fn bytes_arrive_as_they_were_sent() {
    let server = Server::dev().await;
    let source = "export default { fetch: async (r) => new Response(await r.arrayBuffer()) }";
    register(&server, Caller::Tenant, "bytes", &code(source)).await;
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let request = server.client.request(Caller::Tenant, Method::POST, "/workers/bytes/fetch/").body(bytes.clone());
    assert_eq!(request.send().await.unwrap().bytes().await.unwrap(), bytes);
}

const METHODS: &str = "
    import { WorkerEntrypoint } from 'cloudflare:workers';
    export class Counter extends WorkerEntrypoint {
        add(a, b) { return a + b + (this.ctx.props.more ?? 0) }
        #hidden() {}
        props() { return this.ctx.props }
        fail() { console.log('before'); throw new TypeError('no') }
    }
    export const tools = { twice: (n) => n * 2, data: 1 };
    export const table = { data: 1 };
    export default { fetch: () => new Response(''), env: (...all) => all.length }";

#[tokio::test]
async fn methods_are_called_and_told() {
    let server = Server::dev().await;
    let made = register(&server, Caller::Tenant, "methods", &code(METHODS)).await;
    assert_eq!(
        made.json["entrypoints"],
        json!([
            {"name": "default", "methods": ["env", "fetch"]},
            {"name": "Counter", "methods": ["add", "fail", "props"]},
            {"name": "tools", "methods": ["twice"]},
        ])
    );
    let call = async |method: &str, body: Value| called(&server, "methods", method, &body).await;
    call("add", json!({"params": [1, 2], "entrypoint": "Counter"})).await.assert_result(3);
    call("add", json!({"params": [1, 2], "entrypoint": "Counter", "props": {"more": 3}})).await.assert_result(6);
    call("props", json!({"entrypoint": "Counter"})).await.assert_result(json!({}));
    call("twice", json!({"params": [4], "entrypoint": "tools"})).await.assert_result(8);

    let failed = call("fail", json!({"entrypoint": "Counter"})).await;
    failed.assert_threw("TypeError");
    assert_eq!(failed.json["logs"], json!(["before"]));
    assert_eq!(failed.header("x-execution-id"), failed.json["executionId"].as_str().unwrap());
    let endless = code("export default { spin() { for (;;) {} } }");
    register(&server, Caller::Tenant, "spin", &endless).await;
    called(&server, "spin", "spin", &json!({"limits": {"cpuMs": 50}})).await.assert_ended_by("cpu_limit");

    for (method, entrypoint) in [("none", "Counter"), ("constructor", "Counter"), ("toString", "tools")] {
        let refused = call(method, json!({ "entrypoint": entrypoint })).await;
        assert!(refused.text.contains("does not implement"), "{}", refused.text);
    }
    let missing = call("add", json!({ "entrypoint": "Nothing" })).await;
    assert!(missing.text.contains("Worker has no such entrypoint: Nothing"), "{}", missing.text);
}

#[tokio::test]
async fn env_is_what_the_code_names() {
    let server = Server::dev().await;
    let source = "
        export default { async fetch(request, env) {
            const tried = async (f) => { try { return await f() } catch (error) { return error.message } };
            return Response.json({
                keys: Object.keys(env).filter((name) => name !== 'DO').sort(), config: env.CONFIG,
                stored: await tried(async () => (await env.STORE.query('SELECT 1 AS one')).rows),
                queue: await tried(async () => (await fetch('http://queue/rpc/getStats', { method: 'POST' })).status),
                outside: await tried(() => fetch('http://127.0.0.1:9/')),
                unified: await tried(async () => (await env.DO.queue_getStats()).length),
            });
        } }";
    let env = json!({ "CONFIG": { "a": [1] }, "STORE": { "$service": "db" } });
    let mut worker = code(source);
    worker["env"] = env;
    register(&server, Caller::Tenant, "env", &worker).await;
    let seen = fetched(&server, Caller::Tenant, "env", "/").await.json;
    // `DO` may be there, and gives no more than was named.
    assert_eq!(seen["keys"], json!(["CONFIG", "STORE"]));
    assert!(seen["unified"].is_string(), "{seen}");
    assert_eq!(seen["config"], json!({"a": [1]}));
    assert_eq!(seen["stored"], json!([{"one": 1}]));
    assert_eq!(seen["queue"], 403, "what is not bound is not granted");

    worker["globalOutbound"] = Value::Null;
    register(&server, Caller::Tenant, "env", &worker).await;
    let confined = fetched(&server, Caller::Tenant, "env", "/").await.json;
    assert_eq!(confined["stored"], json!([{"one": 1}]));
    for fetch in ["queue", "outside"] {
        let message = confined[fetch].as_str().unwrap();
        assert!(message.contains("globalOutbound is null"), "{message}");
    }
}

#[tokio::test]
async fn typescript_and_several_modules_are_taken_as_they_are() {
    let server = Server::dev().await;
    let worker = json!({
        "mainModule": "src/main.ts",
        "modules": {
            "src/main.ts": "import { greet } from './lib.js'; import data from '../data.json';
                            export default { fetch: (r: Request): Response => new Response(greet(data.name as string)) }",
            "src/lib.js": "export const greet = (name) => `hello ${name}`",
            "data.json": { "json": { "name": "Ada" } },
        },
    });
    register(&server, Caller::Tenant, "typed", &worker).await;
    assert_eq!(fetched(&server, Caller::Tenant, "typed", "/").await.text, "hello Ada");
}
