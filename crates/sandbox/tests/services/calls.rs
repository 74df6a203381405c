//! Calls of services from JavaScript: what goes, what comes, what `env` looks like, how calls overlap.

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use doer_core::{fault::Termination, scoped::Grants, service::Service, tier::Tier};
use doer_sandbox::{Invocation, Surface};
use serde_json::{Value, json};

use crate::{
    common::{block_on, invocation, run, sandbox, text},
    support::{PARTY, World, value},
};

#[test]
fn a_call_reaches_its_method_with_its_arguments() {
    block_on(async {
        let world = World::new();
        for (code, method, params) in [
            ("env.db.get('books', 'a')", "db.get", json!({"ns": "books", "id": "a"})),
            ("env.DO.db_get('books', 'a', undefined, undefined)", "db.get", json!({"ns": "books", "id": "a"})),
            ("env.DO.queue_getJob('j')", "queue.getJob", json!({"id": "j"})),
            (
                "env.mcp.callTool('t', { when: new Date(0), bytes: new Uint8Array([1, 2]), skip: undefined, list: [undefined] })",
                "mcp.callTool",
                json!({"toolName": "t", "args": {"when": "1970-01-01T00:00:00.000Z", "bytes": {"$base64": "AQI="}, "list": [null]}}),
            ),
            ("env.queue.send('q', undefined)", "queue.send", json!({"queue": "q"})),
            (
                "env.db.upsert('n', 'i', 'te\\nxt \\u20ac \\ud800')",
                "db.upsert",
                json!({"ns": "n", "id": "i", "data": "te\nxt € \u{FFFD}"}),
            ),
        ] {
            let module = format!("export default async (input, env) => await {code}");
            let answer = if method == "queue.send" {
                // The message is required, and `undefined` at the end is no argument.
                assert_eq!(world.error(&module).await.message, "message: is required");
                continue;
            } else {
                world.both(&module).await
            };
            assert_eq!(answer, json!({"method": method, "params": params, "namespace": "*"}), "{code}");
        }
    });
}

#[test]
fn env_holds_what_was_granted_and_do_names_everything() {
    block_on(async {
        let mut world = World::new();
        let shape = "export default (input, env) => [Object.keys(env), Object.keys(env.db), typeof env.db.nothing, typeof env.DO.db_nothing]";
        let methods: Vec<&str> = Service::Db.methods().iter().map(|method| method.name).collect();
        let all = json!(["DO", "db", "auth", "gateway", "schedule", "webhooks", "email", "mcp", "queue"]);
        assert_eq!(world.both(shape).await, json!([all, methods, "undefined", "undefined"]));

        let mut flat: Vec<String> =
            Service::ALL.into_iter().flat_map(Service::methods).map(|method| method.flat_name()).collect();
        flat.push("fetch".into());
        world.tier = Tier::Tenant;
        assert_eq!(world.value("return Object.keys(env.DO)").await, json!(flat));
        assert_eq!(world.both(shape).await[0], json!(["DO", "db", "email", "queue"]));

        world.grants = Grants::of([Service::Queue, Service::Db]);
        assert_eq!(world.both(shape).await[0], json!(["DO", "db", "queue"]));
        let refused = "try { await env.DO.mcp_listTools() } catch (e) { return [e.name, e.code, e.message] }";
        let message = "Access denied to bindings: mcp. Available: db, queue";
        assert_eq!(world.value(refused).await, json!(["ServiceError", "forbidden", message]));
        assert_eq!(world.seen.calls.load(SeqCst), 0);
        world.grants = Grants::default();
        assert_eq!(world.value("return Object.keys(env)").await, json!(["DO"]));
    });
}

#[test]
fn without_services_env_is_empty() {
    block_on(async {
        let code = "async (input, env) => [env, await fetch('https://out.test/echo').catch(e => e.message)]";
        let refused = "fetch is not permitted: no egress policy allows network access here";
        assert_eq!(value(run(text(code), invocation(Value::Null)).await, code), json!([{}, refused]));
        let world = World::new();
        let pure = Invocation { surface: Surface::Pure, ..world.invocation(Value::Null) };
        let code = "async () => [typeof env, await fetch('https://out.test/echo').catch(e => e.message)]";
        assert_eq!(value(run(text(code), pure).await, code), json!(["undefined", refused]));
        assert!(world.seen.sent.lock().unwrap().is_empty());
    });
}

#[test]
fn a_failure_is_an_error_to_catch_with_the_place_that_waited() {
    block_on(async {
        let world = World::new();
        let code = "const tell = async (order) => {\n  try {\n    await env.db.query(order);\n  } catch (e) {\n    return [e instanceof Error, e.name, e.code, e.message, e.retryAfterMs, Object.keys(e), e.stack.trim()];\n  }\n};\nreturn [await tell('fail conflict'), await tell('later'), await tell('break')]";
        let stack = "at tell (main.js:3:24)";
        assert_eq!(
            world.value(code).await,
            json!([
                [true, "ServiceError", "conflict", "conflict, as told", null, ["code"], stack],
                [true, "ServiceError", "rate_limit", "too often", 1500, ["code", "retryAfterMs"], stack],
                [true, "ServiceError", "internal", "Internal error", null, ["code"], stack],
            ])
        );
        let error = world.error("const x = 1;\n\nawait env.db.query('fail not_found')").await;
        assert_eq!((error.name.as_str(), error.message.as_str()), ("ServiceError", "not_found, as told"));
        assert_eq!((error.line, error.column, error.code), (Some(3), Some(14), None), "{error:?}");
        let missing = world.error("await env.db.get('only')").await;
        assert_eq!((missing.name.as_str(), missing.message.as_str()), ("ServiceError", "id: is required"));
    });
}

#[test]
fn what_json_cannot_carry_is_refused_by_its_path() {
    block_on(async {
        let world = World::new();
        for (argument, message) in [
            ("{ a: [1n] }", "arguments[1].a[0] cannot be sent as JSON: it is a BigInt"),
            ("() => 1", "arguments[1] cannot be sent as JSON: it is a function"),
            ("{ p: fetch('x:') }", "arguments[1].p cannot be sent as JSON: it is a promise (is an `await` missing?)"),
            ("(() => { const o = {}; o.o = o; return o })()", "arguments[1].o cannot be sent as JSON: it is a cycle"),
        ] {
            let code = format!("return await env.db.query('echo', {argument}).catch(e => [e.name, e.message])");
            assert_eq!(world.value(&code).await, json!(["SerializationError", message]), "{argument}");
        }
        let thrown = "return await env.db.query('echo', { toJSON() { throw new RangeError('mine') } }).catch(e => [e.name, e.message])";
        assert_eq!(world.value(thrown).await, json!(["RangeError", "mine"]));
        assert_eq!(world.seen.calls.load(SeqCst), 0);
    });
}

#[test]
fn calls_in_flight_overlap() {
    block_on(async {
        let world = World::new();
        // Each waits for all the others: one after the other they would wait for ever.
        let all =
            format!("return (await Promise.all(Array.from({{ length: {PARTY} }}, () => env.db.query('meet')))).length");
        assert_eq!(world.value(&all).await, json!(PARTY));
        let order = "const done = []; await Promise.all([30, 1, 15].map(async (ms) => done.push(await env.db.query(`sleep ${ms}`)))); return done";
        assert_eq!(world.value(order).await, json!(["1", "15", "30"]));
        let race = "return await Promise.race([env.db.query('never'), env.db.get('a', 'b').then(() => 'first')])";
        assert_eq!(world.value(race).await, json!("first"));
        assert_eq!(world.seen.waiting.load(SeqCst), 0, "what nobody waits for is dropped with the run");
    });
}

#[test]
fn timers_and_calls_do_not_starve_each_other() {
    block_on(async {
        let world = World::new();
        let polls = "let done = false; env.db.query('sleep 5').then(() => { done = true }); let turns = 0;
            while (!done) { turns++; await new Promise((r) => setTimeout(r, 0)) } return turns > 0";
        assert_eq!(world.value(polls).await, json!(true));
        let timeout = "const late = new Promise((_, no) => setTimeout(no, 5, new Error('late')));
            return await Promise.race([env.db.query('never'), late]).catch((e) => e.message)";
        assert_eq!(world.value(timeout).await, json!("late"));
    });
}

#[test]
fn an_operation_keeps_a_run_alive_only_for_who_waits() {
    block_on(async {
        let world = World::new();
        let forgotten = world.outcome("env.db.query('never'); return 'done'").await;
        assert_eq!(forgotten.usage.calls.len(), 0, "it never began");
        assert_eq!(value(forgotten, "forgotten"), json!("done"));
        let begun = world.outcome("env.db.query('never'); await env.db.get('a', 'b'); return 'done'").await;
        assert_eq!(begun.usage.calls["db"], 2);
        assert_eq!(value(begun, "begun"), json!("done"));
        let later =
            "ctx.waitUntil((async () => { await env.db.query('sleep 5'); console.log('late') })()); return 'done'";
        let later = world.outcome(later).await;
        assert_eq!((later.logs.clone(), later.usage.calls["db"]), (vec!["late".to_owned()], 1));
        let stuck = world.error("env.db.query('echo'); await new Promise(() => {})").await;
        assert_eq!(stuck.message, "The code awaits a promise that nothing can settle: no timer or call is pending");
        assert_eq!(world.seen.waiting.load(SeqCst), 0);
    });
}

#[test]
fn whatever_ends_a_run_ends_its_calls() {
    block_on(async {
        let world = World::new();
        let code = "console.log('on'); await Promise.all([env.db.query('never'), fetch('https://out.test/never')])";
        let mut timed = world.invocation(Value::Null);
        timed.limits.wall = Duration::from_millis(50);
        let outcome = run(text(code), timed).await;
        assert_eq!(outcome.answer.unwrap_err().code, Some(Termination::Timeout));
        assert_eq!(world.seen.waiting.load(SeqCst), 0);
        assert_eq!((outcome.usage.calls["db"], outcome.usage.calls["fetch"]), (1, 1));
        assert_eq!(outcome.requests[0].url, "https://out.test/never");
        let invocation = world.invocation(Value::Null);
        let cancel = invocation.cancel.clone();
        let running = tokio::spawn(run(text(code), invocation));
        while world.seen.waiting.load(SeqCst) < 2 {
            tokio::task::yield_now().await;
        }
        cancel.cancel();
        assert_eq!(running.await.unwrap().answer.unwrap_err().code, Some(Termination::Cancelled));
        assert_eq!(world.seen.waiting.load(SeqCst), 0);
        // And the slots are free again.
        assert_eq!(world.value("return (await env.db.get('a', 'b')).method").await, json!("db.get"));
    });
}

#[test]
fn a_busy_run_still_reaches_services_that_open_sockets() {
    block_on(async {
        let world = World::new();
        let busy = "const until = performance.now() + 20; while (performance.now() < until); return await env.db.query('socket')";
        assert_eq!(world.value(busy).await, json!(true));
        assert!(sandbox().await.stats().running < 8);
    });
}

#[test]
fn nothing_is_called_at_top_level() {
    block_on(async {
        let world = World::new();
        let code = "let said; try { await fetch('https://out.test/echo') } catch (e) { said = e.message }
            export default async (input, env) => [said, (await env.db.get('a', 'b')).method]";
        let said = "fetch() is not allowed in global scope; call it inside a handler";
        assert_eq!(world.both(code).await, json!([said, "db.get"]));
        assert!(world.seen.sent.lock().unwrap().is_empty());
    });
}
