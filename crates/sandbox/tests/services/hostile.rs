//! Code that breaks the language under the bindings' feet, or uses them where nobody would.

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use doer_core::fault::Termination;
use serde_json::{Value, json};

use crate::{
    common::{block_on, run, text},
    support::{World, value},
};

#[test]
fn nothing_that_code_can_replace_is_relied_upon() {
    block_on(async {
        let world = World::new();
        let vandals = [
            "globalThis.Promise = globalThis.JSON = globalThis.Error = globalThis.TypeError = globalThis.Object = globalThis.Reflect = undefined;",
            "Promise.prototype.then = Promise.prototype.catch = () => { throw new Error('vandal') };",
            "JSON.parse = JSON.stringify = () => { throw new Error('vandal') };",
            "for (const i of [0, 1, 2, 3, 4, 5]) Object.defineProperty(Array.prototype, i, { set() { throw new Error('vandal') }, configurable: true });",
            "for (const n of ['DO', 'db', 'queue', 'code', 'message', 'name', 'stack', 'method', 'params', 'toJSON']) Object.defineProperty(Object.prototype, n, { set() { throw new Error('vandal') }, get() { return undefined }, configurable: true });",
            "Object.setPrototypeOf(Error.prototype, null); Error.prepareStackTrace = () => { throw new Error('vandal') }; Error.stackTraceLimit = 0;",
            "Array.prototype[Symbol.iterator] = () => { throw new Error('vandal') };",
            "delete Function.prototype.call; delete Function.prototype.apply; delete Function.prototype.bind;",
            "Response.prototype.constructor = undefined; globalThis.Response = globalThis.Request = globalThis.Headers = undefined;",
        ];
        for vandal in vandals {
            // At top level too: a worker's image then holds what is broken.
            for (before, inside) in [(vandal, ""), ("", vandal)] {
                let code = format!(
                    "{before} export default async (input, env) => {{ {inside}
                        const got = await env.db.get('a', 'b');
                        let failed; try {{ await env.DO.db_query('fail conflict') }} catch (e) {{ failed = e.code + ' ' + e.message }}
                        const r = await fetch('https://out.test/echo', {{ method: 'POST', body: Uint8Array.of(104, 105) }});
                        return got.method + ' ' + failed + ' ' + r.status + ' ' + await r.text();
                    }}"
                );
                assert_eq!(world.both(&code).await, json!("db.get conflict conflict, as told 200 hi"), "{code}");
            }
        }
    });
}

#[test]
fn a_then_on_every_object_is_the_codes_own_affair() {
    block_on(async {
        let world = World::new();
        let code = "Object.prototype.then = function (yes) { delete Object.prototype.then; yes('stolen') }; return await env.db.get('a', 'b')";
        assert_eq!(world.value(code).await, json!("stolen"));
        let code = "Object.prototype.then = () => { throw new Error('vandal') }; try { await env.db.get('a', 'b') } catch (e) { return e.message }";
        assert_eq!(world.value(code).await, json!("vandal"));
        let code = "Object.defineProperty(Object.prototype, 'then', { get() { throw new Error('vandal') }, configurable: true }); let said; try { await env.db.get('a', 'b') } catch (e) { said = e.message } return said";
        assert_eq!(world.value(code).await, json!("vandal"));
    });
}

#[test]
fn arguments_may_call_services_themselves() {
    block_on(async {
        let world = World::new();
        let code = "const inner = [];
            const tricky = { get a() { inner.push(env.db.get('x', 'y')); return 1 }, toJSON: undefined, b: { toJSON() { inner.push(env.DO.fetch('https://out.test/echo')); return 2 } } };
            const outer = await env.db.query('echo', [tricky]);
            return [outer.params, (await inner[0]).method, (await inner[1]).status]";
        assert_eq!(world.value(code).await, json!([[{"a": 1, "b": 2}], "db.get", 200]));
    });
}

#[test]
fn calls_may_come_from_anywhere_and_after_the_answer() {
    block_on(async {
        let world = World::new();
        let code = "ctx.waitUntil((async () => {
                await env.db.get('a', 'b');
                await new Promise((r) => setTimeout(() => r(env.db.get('c', 'd')), 2));
                await [env].map((e) => e.db.get('e', 'f'))[0];
                console.log('all');
            })());
            const { query } = env.db; await query('bare');
            await Reflect.apply(env.db.get, null, ['a', 'b']);
            class Mine { [Symbol.toPrimitive]() { env.db.get('p', 'q'); return 'x' } }
            `${new Mine()}`;
            return 'done'";
        let outcome = world.outcome(code).await;
        assert_eq!(outcome.logs, ["all"]);
        assert_eq!(outcome.usage.calls["db"], 6);
        let registry = "const r = new FinalizationRegistry(() => env.db.get('late', 'r')); for (let i = 0; i < 100; i++) r.register({}, i); await env.db.get('a', 'b'); return 'done'";
        assert_eq!(world.value(registry).await, json!("done"));
    });
}

#[test]
fn endless_demands_meet_a_limit() {
    block_on(async {
        let world = World::new();
        for (code, ends) in [
            ("for (;;) env.db.get('a', 'b').catch(() => {})", Termination::CpuLimit),
            ("for (;;) await env.db.get('a', 'b')", Termination::CallLimit),
            ("const f = () => env.db.get('a', 'b').then(f); await f()", Termination::CallLimit),
            (
                "const f = () => { env.db.get('a', 'b'); setTimeout(f, 0); setTimeout(f, 0) }; f(); await new Promise(() => {})",
                Termination::CallLimit,
            ),
            (
                "const a = new AbortController(); for (;;) { const c = new AbortController(); fetch('https://out.test/never', { signal: c.signal }).catch(() => {}); c.abort(); }",
                Termination::CpuLimit,
            ),
            ("for (;;) await fetch('http://db/nope')", Termination::CallLimit),
            ("await env.db.query('echo', { get a() { for (;;); } })", Termination::CpuLimit),
        ] {
            let mut limited = world.invocation(Value::Null);
            limited.limits.cpu = Duration::from_millis(200);
            let error = run(text(code), limited).await.answer.unwrap_err();
            assert_eq!(error.code, Some(ends), "{code}: {error:?}");
        }
        assert_eq!(world.seen.waiting.load(SeqCst), 0);
        assert_eq!(world.value("return (await env.db.get('a', 'b')).method").await, json!("db.get"));
    });
}

#[test]
fn endless_recursion_in_arguments_ends_in_an_error_to_catch() {
    block_on(async {
        let world = World::new();
        for (argument, wanted) in [
            ("(function f() { return { get a() { return f() } } })()", "SerializationError"),
            ("{ get a() { return env.db.query('echo', this) } }", "SerializationError"),
            ("{ toJSON() { env.db.query('echo', this); return 1 } }", "done"),
            ("new Proxy([], { get: (t, k, r) => r[k] })", "RangeError"),
        ] {
            let code = format!(
                "try {{ await env.db.query('echo', {argument}); return 'done' }} catch (e) {{ return e.name }}"
            );
            let mut limited = world.invocation(Value::Null);
            limited.limits.cpu = Duration::from_secs(5);
            let outcome = run(text(&code), limited).await;
            assert_eq!(value(outcome, argument), json!(wanted), "{argument}");
        }
    });
}
