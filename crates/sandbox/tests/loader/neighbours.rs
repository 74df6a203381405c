//! Workers that call each other, and themselves.

use doer_sandbox::{
    Invocation, Sandbox,
    loader::{Code, Outbound, Props, WorkerBinding},
};

use super::{
    support::World,
    town::{Town, to, with_env},
    *,
};

async fn town() -> Town {
    Town::new(sandbox().await)
}

/// Has the default export's `fetch` of a worker run `body`, an async function with `env` and `ctx`.
fn runs(body: &str) -> String {
    format!(
        "import {{ WorkerEntrypoint }} from 'cloudflare:workers';
         export default {{ async fetch(request, env, ctx) {{
             const caught = async (f) => {{ try {{ return await f() }} catch (error) {{ return `${{error.name}}: ${{error.message}}` }} }};
             {body}
         }} }}
         export class Echo extends WorkerEntrypoint {{
             same(...values) {{ return values }}
             props() {{ return this.ctx.props }}
             fail() {{ throw new RangeError('out of it') }}
             gives() {{ return {{ list: [1, () => {{}}] }} }}
         }}"
    )
}

async fn answer(stub: &Stub) -> Value {
    let reply = fetched(stub, get("/")).await.answer.expect("an answer");
    serde_json::from_slice(&reply.body).unwrap()
}

const KINDS: &str = "
    const bytes = new Uint8Array([1, 2, 3]);
    const given = { at: new Date(5), map: new Map([['k', new Set([1n])]]), bytes, view: new DataView(bytes.buffer, 1), no: undefined, big: 2n ** 70n };
    given.self = given;
    const kinds = (v) => [v.at instanceof Date && +v.at, v.map.get('k').has(1n), v.bytes.join(), v.view.getUint8(0),
        v.view.buffer === v.bytes.buffer, 'no' in v, v.big === 2n ** 70n, v.self === v];";
const KINDS_KEPT: &str = r#"[5,true,"1,2,3",2,true,true,true,true]"#;

#[test]
fn values_keep_their_kinds_as_arguments_results_and_props() {
    block_on(async {
        let town = town().await;
        let source = runs(&format!(
            "{KINDS}
             const [back] = await ctx.exports.Echo.same(given);
             const props = await ctx.exports.Echo({{ props: given }}).props();
             return Response.json([kinds(back), kinds(props)])"
        ));
        let kept: Value = serde_json::from_str(KINDS_KEPT).unwrap();
        assert_eq!(answer(&town.bound("kinds", &source, [])).await, json!([kept, kept]));
    });
}

#[test]
fn what_cannot_cross_is_named_by_its_path_and_errors_keep_their_names() {
    block_on(async {
        let town = town().await;
        let source = runs(
            "const { Echo } = ctx.exports;
             return Response.json([
                 await caught(() => Echo.same(1, { a: [() => {}] })),
                 await caught(() => Echo({ props: { stub: Echo } })),
                 await caught(() => Echo.gives()),
                 await caught(() => Echo.fail()),
                 await caught(() => Echo.missing()),
                 await caught(() => ctx.exports.default.other()),
                 typeof ctx.exports.None, await Echo.then,
             ])",
        );
        let wanted = json!([
            "DataCloneError: arguments[\"1\"][\"a\"][\"0\"]: a function could not be cloned.",
            "DataCloneError: props[\"stub\"]: a function could not be cloned.",
            "DataCloneError: result[\"list\"][\"1\"]: a function could not be cloned.",
            "RangeError: out of it",
            "TypeError: The RPC receiver does not implement the method \"missing\"",
            "TypeError: The RPC receiver does not implement the method \"other\"",
            "undefined",
            null
        ]);
        assert_eq!(answer(&town.bound("paths", &source, [])).await, wanted);
    });
}

#[test]
fn two_stubs_of_one_export_keep_their_own_props() {
    block_on(async {
        let town = town().await;
        let source = runs(
            "const [a, b] = [ctx.exports.Echo({ props: { n: 1 } }), ctx.exports.Echo({ props: { n: 2 } })];
             return Response.json([await Promise.all([b.props(), a.props(), b.props(), ctx.exports.Echo.props()]), ctx.props])",
        );
        let stub = town.bound("props", &source, []);
        let wanted = json!([[{"n": 2}, {"n": 1}, {"n": 2}, {}], {"outer": true}]);
        for _ in 0..2 {
            let mut invocation = invocation(Value::Null);
            invocation.context = to_raw_value(&json!({"props": {"outer": true}})).unwrap();
            let reply = stub.fetch_whole(Entrypoint::default(), get("/"), invocation).await.unwrap().answer.unwrap();
            assert_eq!(serde_json::from_slice::<Value>(&reply.body).unwrap(), wanted);
            imaged(&stub, "/").await;
        }
    });
}

#[test]
fn a_binding_leads_to_an_entrypoint_of_another_worker_and_bodies_go_through() {
    block_on(async {
        let town = town().await;
        let shop = "
            import { WorkerEntrypoint } from 'cloudflare:workers';
            export class Till extends WorkerEntrypoint {
                total(prices) { return { sum: prices.reduce((a, b) => a + b), of: this.ctx.props, namespace: this.ctx.namespace } }
            }
            export default { async fetch(request) {
                let text = await request.text();
                return new Response(new ReadableStream({ pull(c) {
                    if (text === '') return c.close();
                    c.enqueue(new TextEncoder().encode(text[0]));
                    text = text.slice(1);
                } }), { status: 201, headers: { 'x-method': request.method } });
            } }";
        town.bound("shop", shop, []);
        let props = Some(Props::Json("{\"till\":7}".to_owned()));
        let till = WorkerBinding { entrypoint: Some("Till".to_owned()), props, ..to("shop") };
        let source = "export default { async fetch(request, env) {
            const response = await env.SHOP.fetch('http://shop/', { method: 'PUT', body: 'abc' });
            const total = await env.TILL.total([1, 2]);
            return new Response(response.body.pipeThrough(new TransformStream({
                flush(c) { c.enqueue(new TextEncoder().encode(JSON.stringify([response.status, response.headers.get('x-method'), total]))) },
            })));
        } }";
        let env = [("SHOP", EnvBinding::Worker(to("shop"))), ("TILL", EnvBinding::Worker(till))];
        let stub = town.bound("customer", source, env);
        let wanted = "abc[201,\"PUT\",{\"sum\":3,\"of\":{\"till\":7},\"namespace\":\"tenant:test\"}]";
        assert_eq!(text(&stub, "/").await, wanted);
        let outcome = fetched(&stub, get("/")).await;
        assert_eq!(outcome.usage.calls.get("worker"), Some(&2));
        let missing = "export default { fetch: (request, env) => env.NONE.fetch(request) }";
        let stub = town.bound("lost", missing, [("NONE", EnvBinding::Worker(to("nowhere")))]);
        assert_eq!(fetched(&stub, get("/")).await.answer.unwrap_err().message, "no such worker");
    });
}

#[test]
fn the_way_out_may_be_a_worker_or_nothing() {
    block_on(async {
        let town = town().await;
        let (world, source) = (World::new(), "export default { async fetch() {
            const caught = async (url) => { try { return await (await fetch(url)).text() } catch (error) { return `${error}` } };
            return Response.json([await caught('https://out.test/bytes'), await caught('http://db/rpc/query')]);
        } }");
        town.bound("gate", "export default { fetch: (request) => new Response('gate: ' + request.url) }", []);
        let through = town.settle("through", Code { outbound: Outbound::Worker(to("gate")), ..code(source) });
        let blocked = town.settle("blocked", Code { outbound: Outbound::Nothing, ..code(source) });
        let refused = "TypeError: fetch is not permitted: globalOutbound is null";
        for (stub, wanted) in
            [(through, ["gate: https://out.test/bytes", "gate: http://db/rpc/query"]), (blocked, [refused, refused])]
        {
            let reply = stub.fetch_whole(Entrypoint::default(), get("/"), world.invocation(Value::Null)).await.unwrap();
            assert_eq!(serde_json::from_slice::<Value>(&reply.answer.unwrap().body).unwrap(), json!(wanted));
        }
        assert!(world.seen.sent.lock().unwrap().is_empty());
    });
}

#[test]
fn a_worker_that_is_called_has_the_services_it_is_bound_to_and_no_others() {
    block_on(async {
        let town = town().await;
        let store = "export const Store = {
            keep: async (sql, env) => await env.db.query(sql), fetch: async (request, env) => Response.json(await env.db.query('kept', [])),
        }; export default {}";
        town.bound("store", store, [("db", EnvBinding::Service(doer_core::service::Service::Db))]);
        town.bound(
            "bare",
            "export default { fetch: (request, env) => Response.json(Object.keys(env)) }",
            [("A", EnvBinding::Value("1".to_owned()))],
        );
        let source = "export default { async fetch(request, env) {
            const own = await env.DO.db_query('x').catch((error) => error.code);
            const kept = await (await env.STORE.fetch('http://store/')).json();
            return Response.json([own, kept.sql, await (await env.BARE.fetch('http://bare/')).json()]);
        } }";
        let shop = WorkerBinding { entrypoint: Some("Store".to_owned()), ..to("store") };
        let env = [
            ("STORE", EnvBinding::Worker(shop)),
            ("BARE", EnvBinding::Worker(to("bare"))),
            ("DO", EnvBinding::Unified),
        ];
        let stub = town.bound("untrusted", source, env);
        let world = World { grants: doer_core::scoped::Grants::default(), ..World::new() };
        let reply = stub.fetch_whole(Entrypoint::default(), get("/"), world.invocation(Value::Null)).await.unwrap();
        let found: Value = serde_json::from_slice(&reply.answer.unwrap().body).unwrap();
        assert_eq!(found, json!(["forbidden", "kept", ["A"]]));
    });
}

#[test]
fn secrets_come_with_each_run() {
    block_on(async {
        let town = town().await;
        let source = "
            import { env as imported } from 'cloudflare:workers';
            const early = imported.KEY;
            export default { fetch: (request, env) => Response.json([early === undefined, env.KEY, imported.KEY]) }";
        let stub = town.bound("secret", source, [("KEY", EnvBinding::Secret("KEY".to_owned()))]);
        let wanted = json!([true, "s3cret", "s3cret"]);
        assert_eq!(answer(&stub).await, wanted);
        let reply = imaged(&stub, "/").await.answer.unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&reply.body).unwrap(), wanted);
        let none = town.bound("none", source, [("KEY", EnvBinding::Secret("OTHER".to_owned()))]);
        let error = none.fetch(Entrypoint::default(), get("/"), invocation(Value::Null)).await.unwrap_err();
        assert!(error.to_string().contains("There is no secret \"OTHER\""), "{error}");
    });
}

#[test]
fn the_unified_binding_is_ones_own_else_what_is_bound_else_says_that_it_is_not_there() {
    block_on(async {
        let town = town().await;
        let source = "export default { async fetch(request, env) {
            const response = await env.DO.fetch('http://do/');
            let called; try { called = await env.DO.db_query('x') } catch (error) { called = [error.name, error.code, error.message] }
            return Response.json([response.status, await response.text(), called]);
        } }";
        let absent = json!([
            503,
            "DO service not available",
            ["ServiceError", "service_unavailable", "DO service not available"]
        ]);
        assert_eq!(answer(&town.bound("absent", source, [])).await, absent);
        let own = format!(
            "import {{ WorkerEntrypoint }} from 'cloudflare:workers';
             {source}
             export class DO extends WorkerEntrypoint {{ fetch() {{ return new Response('mine') }} db_query(sql) {{ return sql + '!' }} }}"
        );
        assert_eq!(answer(&town.bound("own", &own, [])).await, json!([200, "mine", "x!"]));
        let bound = town.bound("bound", source, [("DO", EnvBinding::Unified)]);
        let world = World::new();
        let reply = bound.fetch_whole(Entrypoint::default(), get("/"), world.invocation(Value::Null)).await.unwrap();
        assert_eq!(
            reply.answer.unwrap_err().message,
            "fetch is not permitted: out.test is not on the list `egress.tenant`"
        );
    });
}

#[test]
fn trusted_code_loads_code() {
    block_on(async {
        let town = town().await;
        let source = r#"
            const child = (n) => ({
                mainModule: 'main.js',
                modules: { 'main.js': `import data from './data.json'; import { WorkerEntrypoint } from 'cloudflare:workers';
                    export default { fetch: (request, env) => Response.json([data, env.n, env.at instanceof Date, typeof env.DO]) }
                    export class Add extends WorkerEntrypoint { to(n) { return this.ctx.props.base + n } }`, 'data.json': { json: { a: n } } },
                env: { n, at: new Date(0) }, globalOutbound: null,
            });
            export default { async fetch(request, env) {
                const caught = async (f) => { try { return await f() } catch (error) { return error.message } };
                let asked = 0;
                const factory = async () => { asked++; return child(1) };
                const one = env.LOADER.get('one', factory);
                const before = asked;
                const [first, second] = await Promise.all([one.getEntrypoint().fetch('http://x/'), one.getEntrypoint().fetch('http://x/')]);
                const again = env.LOADER.get('one', factory).getEntrypoint('Add', { props: { base: 40n } });
                const anonymous = env.LOADER.load(child(2)).getEntrypoint();
                const wrong = async (code) => caught(() => env.LOADER.load({ ...child(3), ...code }).getEntrypoint().fetch('http://x/'));
                let tries = 0;
                const flaky = env.LOADER.get('flaky', () => { if (tries++ === 0) throw new Error('not yet'); return child(4) }).getEntrypoint();
                return Response.json([before, await first.json(), await second.json(), `${await again.to(2n)}`, asked,
                    await (await anonymous.fetch('http://x/')).json(),
                    await wrong({ mainModule: 'none.js' }), await wrong({ modules: { 'main.js': { js: '', text: '' } } }),
                    await wrong({ env: { f() {} } }), await wrong({ extra: 1 }),
                    await caught(() => flaky.fetch('http://x/')), (await (await flaky.fetch('http://x/')).json())[1]]);
            } }"#;
        let stub = town.bound("parent", source, [("LOADER", EnvBinding::Loader)]);
        let child = |n: u32| json!([{"a": n}, n, true, "function"]);
        let found = answer(&stub).await;
        assert_eq!(found[0], json!(0));
        assert_eq!((&found[1], &found[2], &found[3], &found[4]), (&child(1), &child(1), &json!("42"), &json!(1)));
        assert_eq!(found[5], child(2));
        assert_eq!(found[6], json!("mainModule: \"none.js\" is not among modules"));
        assert_eq!(
            found[7],
            json!("modules[\"main.js\"]: must have exactly one of js, ts, cjs, text, json, data, wasm, and has 2")
        );
        assert_eq!(found[8], json!("env[\"f\"]: a function could not be cloned."));
        assert!(found[9].as_str().unwrap().contains("unknown field `extra`"), "{}", found[9]);
        assert_eq!((&found[10], &found[11]), (&json!("not yet"), &json!(4)));
        // The next run finds it loaded.
        assert_eq!(answer(&stub).await[4], json!(0));
    });
}

#[test]
fn calls_within_each_other_end() {
    block_on(async {
        let town = town().await;
        let deep = "export default { async fetch(request, env, ctx) {
            const n = Number(new URL(request.url).pathname.slice(1));
            try { return await ctx.exports.default.fetch('http://x/' + (n + 1)) } catch (error) { return new Response(`${n} ${error.message}`) }
        } }";
        let roomy = Town::new(Sandbox::start(common::config(24)).await.unwrap());
        let stub = roomy.bound("deep", deep, []);
        assert_eq!(text(&stub, "/0").await, "16 workers call each other more than 16 deep");
        let many = "export default { async fetch(request, env, ctx) { for (;;) await ctx.exports.Small.no() } }
            export const Small = { no() {} };";
        let stub = town.bound("many", many, []);
        let mut limited = invocation(Value::Null);
        limited.limits.calls = 20;
        let outcome = stub.fetch_whole(Entrypoint::default(), get("/"), limited).await.unwrap();
        assert_eq!(outcome.answer.unwrap_err().message, "Limit of 20 calls exceeded");
        assert_eq!(outcome.usage.calls.get("worker"), Some(&20));
    });
}

#[test]
fn whoever_calls_pays_for_what_is_called() {
    block_on(async {
        let busy =
            "export default { fetch: (request, env, ctx) => Promise.all([1, 2, 3].map(() => ctx.exports.Busy.spin())) }
            export const Busy = { spin() { for (;;) {} } };";
        let stub = town().await.bound("busy", busy, []);
        let mut limited = invocation(Value::Null);
        limited.limits.cpu = Duration::from_millis(300);
        let outcome = stub.fetch_whole(Entrypoint::default(), get("/"), limited).await.unwrap();
        let error = outcome.answer.unwrap_err();
        assert!(error.message.contains("CPU time limit of 300ms"), "{error:?}");
    });
}

async fn fetch_with(stub: &Stub, invocation: Invocation) -> String {
    let reply = stub.fetch_whole(Entrypoint::default(), get("/"), invocation).await.unwrap().answer.unwrap();
    String::from_utf8(reply.body.to_vec()).unwrap()
}

#[test]
fn callers_that_hold_all_slots_do_not_wait_for_each_other_for_ever() {
    block_on(async {
        let source = "export default { async fetch(request, env, ctx) {
            try { return new Response(await ctx.exports.Other.hello()) } catch (error) { return new Response(error.message) }
        } }
        export const Other = { hello: () => 'hello' };";
        let alone = Sandbox::start(common::config(1)).await.unwrap();
        let stub = Town::new(alone.clone()).bound("alone", source, []);
        assert_eq!(fetch_with(&stub, invocation(Value::Null)).await, "No slot is free for a call of a worker");
        assert_eq!(alone.stats().running, 0);

        let pair = Sandbox::start(common::config(2)).await.unwrap();
        let stub = Town::new(pair.clone()).bound("pair", source, []);
        assert_eq!(fetch_with(&stub, invocation(Value::Null)).await, "hello");
        let texts = futures_util::future::join_all((0..8).map(|_| fetch_with(&stub, invocation(Value::Null)))).await;
        for text in texts {
            assert!(["hello", "No slot is free for a call of a worker"].contains(&&*text), "{text}");
        }
        assert_eq!((pair.stats().running, pair.stats().waiting), (0, 0));
    });
}

#[test]
fn who_goes_away_takes_its_calls_along() {
    block_on(async {
        let sandbox = Sandbox::start(common::config(4)).await.unwrap();
        let source = "export default { fetch: (request, env, ctx) => ctx.exports.Slow.wait() }
            export const Slow = { wait: () => new Promise((resolve) => setTimeout(resolve, 1e6)) };";
        let stub = Town::new(sandbox.clone()).settle("slow", with_env(source, []));
        let running = tokio::spawn(async move { fetched(&stub, get("/")).await });
        while sandbox.stats().running < 2 {
            tokio::task::yield_now().await;
        }
        running.abort();
        while sandbox.stats().running > 0 {
            tokio::task::yield_now().await;
        }
    });
}
