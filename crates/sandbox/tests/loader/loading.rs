//! Code that is given to `env.LOADER`: what it may be given, and what it gets.

use doer_core::{scoped::Grants, service::Service};
use doer_sandbox::{
    Invocation,
    loader::{Code, Outbound},
};

use super::{
    support::{World, value},
    town::{Town, to, with_env},
    *,
};

/// Has the default export's `fetch` of a worker run `body`; `one(main, more)` is code of one module.
fn loads(body: &str) -> String {
    format!(
        "import {{ WorkerEntrypoint }} from 'cloudflare:workers';
         const one = (main, more = {{}}) => ({{ mainModule: 'm.js', modules: {{ 'm.js': main }}, ...more }});
         const says = (text) => `export default {{ fetch: () => new Response('${{text}}') }}`;
         const caught = async (f) => {{ try {{ return await f() }} catch (error) {{ return `${{error.name}}: ${{error.message}}` }} }};
         export class Kept extends WorkerEntrypoint {{ of(name) {{ return [this.ctx.props.of, name] }} }}
         export default {{ async fetch(request, env, ctx) {{
             const ask = async (code) => (await env.LOADER.load(code).getEntrypoint().fetch('http://x/')).json();
             {body}
         }} }}"
    )
}

async fn town() -> Town {
    Town::new(sandbox().await)
}

async fn answer_with(stub: &Stub, invocation: Invocation) -> Value {
    let reply = stub.fetch_whole(Entrypoint::default(), get("/"), invocation).await.unwrap().answer;
    let reply = reply.unwrap_or_else(|error| panic!("{error:?}"));
    serde_json::from_slice(&reply.body).unwrap_or_else(|_| panic!("{:?}", reply.body))
}

async fn answer(stub: &Stub) -> Value {
    answer_with(stub, invocation(Value::Null)).await
}

const LOADER: (&str, EnvBinding) = ("LOADER", EnvBinding::Loader);

#[test]
fn stubs_are_passed_on_to_code_that_is_loaded() {
    block_on(async {
        let town = town().await;
        town.bound("shop", "export default { fetch: () => new Response('shop'), total: (a, b) => a + b }", []);
        let source = loads(
            "const other = env.LOADER.get('other', () => one('export const Deep = { add: (n) => n + 1n }; export default {}'));
             const child = one(`export default { async fetch(request, env) {
                 return Response.json([
                     await env.OWN.of('child'), await (await env.SHOP.fetch('http://shop/')).text(), await env.SHOP.total(1, 2),
                     String(await env.DEEP.add(1n)), env.plain.a,
                 ]);
             } }`, { env: { OWN: ctx.exports.Kept({ props: { of: 'parent' } }), SHOP: env.SHOP, DEEP: other.getEntrypoint('Deep'), plain: { a: 1 } } });
             const kept = env.LOADER.get('kept', () => child).getEntrypoint();
             return Response.json([await ask(child), await (await kept.fetch('http://x/')).json()]);",
        );
        let stub = town.bound("parent", &source, [LOADER, ("SHOP", EnvBinding::Worker(to("shop")))]);
        let wanted = json!([["parent", "child"], "shop", 3, "2", 1]);
        // The second run finds the child that was loaded by the first, whose stubs still lead where they led.
        for _ in 0..2 {
            assert_eq!(answer(&stub).await, json!([wanted, wanted]));
        }
    });
}

#[test]
fn services_are_passed_on_as_far_as_they_are_granted() {
    block_on(async {
        let town = town().await;
        let source = loads(
            "const child = (given) => one(`export default { async fetch(request, env) {
                 const tried = async (f) => { try { return await f() } catch (error) { return error.message } };
                 return Response.json([(await tried(() => env.STORE.query('kept', []))).sql, await tried(() => fetch('http://queue/rpc/getStats', { method: 'POST' }).then((r) => r.status))]);
             } }`, { env: { STORE: given } });
             return Response.json([await ask(child(env.db)), await caught(() => ask(child(env.queue))), await caught(() => ask(child(env.LOADER)))])",
        );
        let world = World { grants: Grants::of([Service::Db]), ..World::new() };
        // What is not granted is not there to be passed on; the loader is no value.
        let wanted = json!([
            ["kept", 403],
            [null, 403],
            "DataCloneError: env[\"STORE\"][\"get\"]: a function could not be cloned."
        ]);
        let members = [LOADER, ("db", EnvBinding::Service(Service::Db))];
        let stub = town.settle("parent", with_env(&source, members));
        assert_eq!(answer_with(&stub, world.invocation(Value::Null)).await, wanted);
    });
}

#[test]
fn requests_of_loaded_code_go_where_it_is_said_else_where_its_parents_go() {
    block_on(async {
        let town = town().await;
        town.bound("gate", "export default { fetch: (request) => new Response('gate ' + request.url) }", []);
        let source = loads(
            "const child = `export default { async fetch() {
                 const caught = async (url) => { try { return await (await fetch(url)).text() } catch (error) { return error.message } };
                 return Response.json(await caught('https://out.test/none'));
             } }`;
             const own = ctx.exports.Kept;
             return Response.json([
                 await ask(one(child)), await ask(one(child, { globalOutbound: null })),
                 await caught(() => ask(one(child, { globalOutbound: env.GATE }))), await caught(() => ask(one(child, { globalOutbound: {} }))),
             ]);",
        );
        let bound = |outbound: Outbound| Code {
            outbound,
            ..with_env(&source, [LOADER, ("GATE", EnvBinding::Worker(to("gate")))])
        };
        let (refused, through) = ("fetch is not permitted: globalOutbound is null", "gate https://out.test/none");
        let no = "TypeError: globalOutbound: must be a stub of a worker, or null";
        for (id, outbound, absent) in [
            ("open", Outbound::Policy, ""),
            ("shut", Outbound::Nothing, refused),
            ("gated", Outbound::Worker(to("gate")), through),
        ] {
            let stub = town.settle(id, bound(outbound));
            let found = answer_with(&stub, World::new().invocation(Value::Null)).await;
            assert_eq!(found, json!([absent, refused, through, no]), "{id}");
        }
    });
}

#[test]
fn tails_of_loaded_code_are_stubs() {
    block_on(async {
        let (town, world) = (town().await, World::new());
        let tail = "export default { async tail(events) { await fetch('https://out.test/echo', { method: 'POST', body: events[0].logs[0].message[0] }) } }";
        town.bound("watch", tail, []);
        let source = loads(
            "const child = one(`export default { fetch() { console.log('watched'); return Response.json(1) } }`, { tails: [env.WATCH] });
             return Response.json([await ask(child), await caught(() => ask({ ...child, tails: [1] })), await caught(() => ask({ ...child, tails: env.WATCH }))]);",
        );
        let stub = town.bound("parent", &source, [LOADER, ("WATCH", EnvBinding::Worker(to("watch")))]);
        let wrong = [
            "TypeError: tails[0]: must be a stub of a worker",
            "TypeError: tails: must be an array of stubs of workers",
        ];
        assert_eq!(answer_with(&stub, world.invocation(Value::Null)).await, json!([1, wrong[0], wrong[1]]));
        loop {
            if let Some(request) = world.seen.sent.lock().unwrap().pop() {
                assert_eq!(request.body.as_deref(), Some(&b"watched"[..]));
                break;
            }
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn bad_code_fails_when_it_is_given_and_says_where_it_is_wrong() {
    block_on(async {
        let source = loads(
            "const wrong = (code) => { try { env.LOADER.load(code); return 'taken' } catch (error) { return error.message } };
             const big = 'x'.repeat(2 << 20);
             return Response.json([
                 wrong(one('')), wrong(1), wrong({ mainModule: 'a.js', modules: {} }), wrong(one('', { modules: { 'm.js': 1 } })),
                 wrong(one('', { limits: { cpuMs: 0 } })), wrong(one('', { compatibilityFlags: ['nodejs'] })).split(';')[0],
                 wrong(one('', { compatibilityDate: '9000-01-01' })).split(';')[0], wrong(one('', { env: { big } })),
                 wrong(one('/*' + big + '*/')), wrong(one('', { env: { a: [Symbol()] } })),
             ]);",
        );
        let stub = town().await.bound("parent", &source, [LOADER]);
        let mut limited = invocation(Value::Null);
        limited.limits.code_bytes = 1 << 20;
        let found = answer_with(&stub, limited).await;
        let wanted = [
            "taken",
            "The code of a worker must be an object",
            "modules: must have at least one module",
            "modules[\"m.js\"]: must be a string or an object",
            "limits.cpuMs: must be a positive integer",
            "compatibilityFlags[0]: \"nodejs\" is not known",
            "compatibilityDate: 9000-01-01 is in the future",
            "env: 2097159 bytes are more than 1048576",
            "modules: 2097160 bytes are more than 1048576",
            "env[\"a\"][\"0\"]: a symbol could not be cloned.",
        ];
        assert_eq!(found, json!(wanted));
    });
}

#[test]
fn code_is_taken_when_it_is_given_whatever_becomes_of_it_later() {
    block_on(async {
        let source = loads(
            "const bytes = new Uint8Array([1]);
             const code = one(`import data from './d.bin'; export default { fetch: (r, env) => Response.json([new Uint8Array(data)[0], env.list]) }`);
             code.modules['d.bin'] = { data: bytes };
             code.env = { list: [1] };
             const loaded = env.LOADER.load(code);
             bytes[0] = 2; code.env.list.push(2); code.modules['m.js'] = says('other'); code.mainModule = 'none';
             return Response.json(await (await loaded.getEntrypoint().fetch('http://x/')).json());",
        );
        let stub = town().await.bound("parent", &source, [LOADER]);
        assert_eq!(answer(&stub).await, json!([1, [1]]));
    });
}

#[test]
fn a_parent_finds_its_own_children_only_and_loads_them_again_once_they_are_gone() {
    block_on(async {
        let town = town().await;
        let source = loads(
            "let asked = 0;
             const child = env.LOADER.get('same', () => { asked++; return one(says(env.NAME)) }).getEntrypoint();
             return Response.json([await (await child.fetch('http://x/')).text(), asked]);",
        );
        let named = |name: &str| {
            let env = [LOADER, ("NAME", EnvBinding::Value(json!(name).to_string()))];
            // The same code, under another id.
            town.bound(if name == "a" { "first" } else { "second" }, &source, env)
        };
        for (name, asked) in [("a", 1), ("b", 1), ("a", 0), ("b", 0)] {
            assert_eq!(answer(&named(name)).await, json!([name, asked]));
        }
        town.registry.remove_namespace(&key("x").namespace);
        assert_eq!(answer(&named("a")).await, json!(["a", 1]));
    });
}

#[test]
fn the_loader_is_there_where_it_is_granted_and_bound() {
    block_on(async {
        let (town, world) = (town().await, World::new());
        let source = loads(
            "const { LOADER } = env;
             return Response.json([typeof LOADER, Object.keys(env).includes('LOADER'), await caught(() => env.EARLY ?? 0)]);",
        );
        let bare = [("A", EnvBinding::Value("1".to_owned()))];
        for (loader, env, there) in [
            (true, Some(vec![LOADER]), true),
            (false, Some(vec![LOADER]), false),
            (true, Some(bare.to_vec()), false),
            (true, None, true),
            (false, None, false),
        ] {
            let code = match &env {
                Some(env) => with_env(&source, env.clone()),
                None => code(&source),
            };
            let stub = town.registry.load_in(key("x").namespace, code);
            let given = Invocation { loader, ..world.invocation(Value::Null) };
            let kind = if there { "object" } else { "undefined" };
            assert_eq!(answer_with(&stub, given).await, json!([kind, there, 0]), "{loader} {env:?}");
        }
        // Kept from where it could be seen, it gives nothing.
        let early = "import { env } from 'cloudflare:workers'; const { LOADER } = env;
            export default { async fetch() { try { LOADER.load({ mainModule: 'a', modules: { a: { js: '' } } }) } catch (error) { return Response.json(error.message) } } }";
        let stub = town.bound("early", early, [LOADER]);
        let given = Invocation { loader: false, ..world.invocation(Value::Null) };
        assert_eq!(answer_with(&stub, given).await, json!("the loader is not granted"));
    });
}

#[test]
fn a_program_that_runs_once_loads_code_too() {
    block_on(async {
        let (town, world) = (town().await, World::new());
        let code = "let asked = 0;
            const child = env.LOADER.get('c', () => { asked++; return { mainModule: 'm.js', modules: { 'm.js': 'export default { twice: (n) => 2 * n }' } } });
            return [await child.getEntrypoint().twice(21), asked]";
        let run = async |code: &str, given: Invocation| {
            let outcome = town.registry.execute(&key("x").namespace, common::text(code), given).await.unwrap();
            value(outcome, code)
        };
        let given = || world.invocation(Value::Null);
        assert_eq!(run(code, given()).await, json!([42, 1]));
        assert_eq!(run(code, given()).await, json!([42, 0]));
        // Another text, or the same with fewer services, has children of its own.
        assert_eq!(run(&format!("{code};"), given()).await, json!([42, 1]));
        let fewer = World { grants: Grants::of([Service::Db]), ..World::new() };
        assert_eq!(run(code, fewer.invocation(Value::Null)).await, json!([42, 1]));
        let without = Invocation { loader: false, ..given() };
        assert_eq!(run("return typeof env.LOADER", without).await, json!("undefined"));
    });
}
