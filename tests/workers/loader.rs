//! `env.LOADER`: code that loads other code, for whom that is granted.

use serde_json::{Value, json};

use super::{called, code, fetched, register};
use crate::support::{Caller, Server, Setup};

/// The loader for tenants too.
const GRANTED: &str = "[limits.tenant]\nloader = true\n";

/// Runs the body of an async function in which `one(main, more)` is code of one module.
fn loads(body: &str) -> String {
    format!(
        "const one = (main, more = {{}}) => ({{ mainModule: 'm.js', modules: {{ 'm.js': main }}, ...more }});
         const caught = async (f) => {{ try {{ return await f() }} catch (error) {{ return `${{error.name}}: ${{error.message}}` }} }};
         {body}"
    )
}

async fn run(server: &Server, caller: Caller, body: &str) -> Value {
    let answer = server.client.post(caller, "/execute", &json!({ "code": loads(body) })).await;
    assert_eq!(answer.json["success"], true, "{}", answer.text);
    answer.json["result"].clone()
}

#[tokio::test]
async fn snippets_get_load_and_call_entrypoints_with_props_and_limits() {
    let server = Server::dev().await;
    let found = run(
        &server,
        Caller::Admin,
        "const source = `import { WorkerEntrypoint } from 'cloudflare:workers';
             export class Add extends WorkerEntrypoint { to(n) { return this.ctx.props.base + n } who() { return this.ctx.namespace } spin() { for (;;) {} } }
             export default { async fetch(request, env) { return Response.json([request.method, await request.text(), env.list, env.DB ? (await env.DB.query('SELECT 1 AS one')).rows : null]) } }`;
         const child = env.LOADER.load(one(source, { env: { list: [1n].length, DB: env.db } }));
         const [two, three] = [2, 3].map((base) => child.getEntrypoint('Add', { props: { base } }));
         const response = await child.getEntrypoint().fetch('http://child/', { method: 'POST', body: 'hello' });
         return [
             await response.json(), await Promise.all([two.to(1), three.to(1), two.to(2)]), await two.who(),
             await caught(() => child.getEntrypoint('Add', { limits: { cpuMs: 50 } }).spin()),
             await caught(() => child.getEntrypoint('None').to(1)),
         ]",
    )
    .await;
    let wanted = json!([
        ["POST", "hello", 1, [{"one": 1}]],
        [3, 4, 4],
        "*",
        "LimitError: CPU time limit of 50ms exceeded",
        "TypeError: Worker has no such entrypoint: None"
    ]);
    assert_eq!(found, wanted);
}

#[tokio::test]
async fn what_was_loaded_by_an_id_is_found_again_by_the_next_request() {
    let server = Server::dev().await;
    let body = "let asked = 0;
        const child = env.LOADER.get('kept', async () => { asked++; return one('export default { twice: (n) => 2 * n }') });
        return [await child.getEntrypoint().twice(4), asked]";
    assert_eq!(run(&server, Caller::Admin, body).await, json!([8, 1]));
    assert_eq!(run(&server, Caller::Admin, body).await, json!([8, 0]));
    // Another program has children of its own.
    assert_eq!(run(&server, Caller::Admin, &format!("{body};")).await, json!([8, 1]));
}

#[tokio::test]
async fn bad_code_is_told_by_its_path_and_the_next_try_is_a_new_one() {
    let server = Server::dev().await;
    let found = run(
        &server,
        Caller::Admin,
        "const load = (code) => caught(() => env.LOADER.load(code).getEntrypoint().fetch('http://x/').then((r) => r.text()));
         let tries = 0;
         const flaky = env.LOADER.get('flaky', () => { if (tries++ === 0) throw new RangeError('not yet'); return one('export default { fetch: () => new Response(`now`) }') }).getEntrypoint();
         return [
             await load(one('', { modules: { 'm.js': { ts: 1 } } })), await load(one('', { extra: 1 })), await load(one('', { limits: { cpu: 1 } })),
             await load(one('let a = ;')), await load(one('throw new TypeError(`at top`)')),
             await caught(() => flaky.fetch('http://x/')), await caught(async () => (await flaky.fetch('http://x/')).text()),
         ]",
    )
    .await;
    let text = |at: usize| found[at].as_str().unwrap_or_else(|| panic!("{found}"));
    assert_eq!(text(0), "Error: modules[\"m.js\"].ts: must be a string");
    assert!(text(1).contains("unknown field `extra`"), "{found}");
    assert!(text(2).contains("limits.cpu: is not known"), "{found}");
    assert!(text(3).starts_with("SyntaxError: "), "{found}");
    assert_eq!((text(4), text(5), text(6)), ("TypeError: at top", "RangeError: not yet", "now"));
}

#[tokio::test]
async fn it_is_there_for_those_to_whom_it_is_granted_and_selected_like_a_service() {
    let server = Server::dev().await;
    let kind = "return [typeof env.LOADER, Object.keys(env).includes('LOADER')]";
    assert_eq!(run(&server, Caller::Admin, kind).await, json!(["object", true]));
    assert_eq!(run(&server, Caller::Tenant, kind).await, json!(["undefined", false]));
    let select = async |caller, bindings: Value| {
        server.client.post(caller, "/execute", &json!({ "code": kind, "bindings": bindings })).await
    };
    assert_eq!(select(Caller::Admin, json!(["db"])).await.json["result"], json!(["undefined", false]));
    assert_eq!(select(Caller::Admin, json!(["LOADER"])).await.json["result"], json!(["object", true]));
    let refused = select(Caller::Tenant, json!(["db", "LOADER"])).await;
    refused.assert_refused(403, "forbidden");
    assert!(refused.text.contains("Access denied to bindings: LOADER"), "{}", refused.text);

    // Registered workers: who calls decides, and what the code names.
    let source = "export default { fetch: (request, env) => Response.json(typeof env.LOADER) }";
    let bound = |env: Value| json!({ "mainModule": "main.js", "modules": { "main.js": source }, "env": env });
    for (caller, env, wanted) in [
        (Caller::Admin, json!({}), "object"),
        (Caller::Admin, json!({ "LOADER": { "$service": "LOADER" } }), "object"),
        (Caller::Admin, json!({ "DB": { "$service": "db" } }), "undefined"),
        (Caller::Tenant, json!({}), "undefined"),
        (Caller::Tenant, json!({ "LOADER": { "$service": "LOADER" } }), "undefined"),
    ] {
        register(&server, caller, "loader-kind", &bound(env.clone())).await;
        assert_eq!(fetched(&server, caller, "loader-kind", "/").await.json, wanted, "{caller:?} {env}");
    }
}

/// Loads `child` and says what it answers, and whether its factory was asked.
const PARENT: &str = "
    export default {
        async say(text) {
            let asked = 0;
            const code = { mainModule: 'm.js', modules: { 'm.js': `export default { say: () => ${JSON.stringify(text)} }` } };
            const said = await env.LOADER.get('child', () => { asked++; return code }).getEntrypoint().say();
            return [said, asked];
        },
        fetch: () => new Response(''),
    }
    import { env } from 'cloudflare:workers';";

#[tokio::test]
async fn one_id_in_two_namespaces_or_of_two_parents_is_two_workers_and_none_is_registered() {
    let server = Server::start(Setup::dev().config(GRANTED)).await;
    for caller in [Caller::Tenant, Caller::OtherTenant] {
        for id in ["parent", "twin"] {
            register(&server, caller, id, &code(PARENT)).await;
        }
    }
    let say = async |caller, id: &str, text: &str| {
        let body = json!({ "params": [text] });
        let answer = server.client.post(caller, &format!("/workers/{id}/rpc/say"), &body).await;
        assert_eq!(answer.json["success"], true, "{}", answer.text);
        answer.json["result"].clone()
    };
    assert_eq!(say(Caller::Tenant, "parent", "one").await, json!(["one", 1]));
    assert_eq!(say(Caller::OtherTenant, "parent", "two").await, json!(["two", 1]));
    assert_eq!(say(Caller::Tenant, "twin", "three").await, json!(["three", 1]));
    for (caller, id, text) in
        [(Caller::Tenant, "parent", "one"), (Caller::OtherTenant, "parent", "two"), (Caller::Tenant, "twin", "three")]
    {
        assert_eq!(say(caller, id, "other").await, json!([text, 0]), "{id}");
    }
    let listed = server.client.get(Caller::Tenant, "/workers").await;
    assert_eq!(listed.at("/pagination/total"), 2, "{}", listed.text);
    assert_eq!(server.client.get(Caller::Tenant, "/workers/child").await.status, 404);
    // A registered worker of that id is another one.
    register(&server, Caller::Tenant, "child", &super::says("registered")).await;
    assert_eq!(fetched(&server, Caller::Tenant, "child", "/").await.text, "registered");
    assert_eq!(say(Caller::Tenant, "parent", "other").await, json!(["one", 0]));
    // Other code has children of its own.
    register(&server, Caller::Tenant, "parent", &code(&format!("{PARENT}//"))).await;
    assert_eq!(say(Caller::Tenant, "parent", "new").await, json!(["new", 1]));
}

#[tokio::test]
async fn loaded_code_pays_from_its_parents_budget() {
    let server = Server::start(Setup::dev().config(GRANTED)).await;
    let source = "
        const busy = { mainModule: 'm.js', modules: { 'm.js': 'export default { async calls(n, env) { for (let i = 0; i < n; i++) await this.db(); return n }, db: () => fetch(`http://db/rpc/query`, { method: `POST`, body: `{}` }) }' } };
        export default { async few(n) { return await env.LOADER.load(busy).getEntrypoint(null, { limits: { subRequests: 3 } }).calls(n) },
            async all(n) { return await env.LOADER.load(busy).getEntrypoint().calls(n) } }
        import { env } from 'cloudflare:workers';";
    register(&server, Caller::Tenant, "payer", &code(source)).await;
    let call = async |method: &str, n: u32, calls: u32| {
        called(&server, "payer", method, &json!({ "params": [n], "limits": { "subRequests": calls } })).await
    };
    call("few", 3, 100).await.assert_result(3);
    let refused = call("few", 4, 100).await;
    assert!(refused.text.contains("Limit of 3 calls exceeded"), "{}", refused.text);
    let paid = call("all", 10, 100).await;
    paid.assert_result(10);
    // To load, to call, and the calls of what was called.
    assert_eq!(paid.at("/usage/calls"), &json!({ "worker": 2, "db": 10 }));
    let refused = call("all", 10, 11).await;
    assert!(refused.text.contains("Limit of 11 calls exceeded"), "{}", refused.text);
}

#[tokio::test]
async fn code_without_eval_stays_without() {
    let server = Server::dev().await;
    let source = "
        const caught = (f) => { try { return f() } catch (error) { return `${error}` } };
        const ways = () => [() => eval('1'), () => (0, eval)('1'), () => new Function('return 1')(), () => (async () => {}).constructor('1')].map(caught);
        const early = ways();
        export default { fetch: () => Response.json([...early, ...ways()]) }";
    let mut worker = code(source);
    worker["compatibilityFlags"] = json!(["disallow_eval"]);
    register(&server, Caller::Tenant, "strict", &worker).await;
    for _ in 0..3 {
        let found = fetched(&server, Caller::Tenant, "strict", "/").await.json;
        let refused = "EvalError: Code generation from strings disallowed for this context";
        assert_eq!(found, json!(vec![refused; 8]));
    }
}
