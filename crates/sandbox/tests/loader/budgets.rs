//! What a worker may use: its own limits, those of a stub, and what is left to whoever calls.

use doer_sandbox::{Invocation, loader::Code, worker::WorkerLimits};

use super::{
    support::World,
    town::{Town, to, with_env},
    *,
};

async fn town() -> Town {
    Town::new(sandbox().await)
}

/// Calls as often as it is told.
const BUSY: &str =
    "export default { async calls(n) { for (let i = 0; i < n; i++) await fetch('https://out.test/none'); return n } }";

async fn answer_with(stub: &Stub, invocation: Invocation) -> Value {
    let reply = stub.fetch_whole(Entrypoint::default(), get("/"), invocation).await.unwrap().answer.unwrap();
    serde_json::from_slice(&reply.body).unwrap()
}

#[test]
fn calls_of_a_stub_are_limited_one_by_one_and_all_of_them_together() {
    block_on(async {
        let town = town().await;
        let source = format!(
            "const busy = {{ mainModule: 'm.js', modules: {{ 'm.js': {BUSY:?} }} }};
             const caught = async (f) => {{ try {{ return await f() }} catch (error) {{ return `${{error.name}}: ${{error.message}}` }} }};
             export default {{ async fetch(request, env) {{
                 const loaded = env.LOADER.load(busy);
                 const few = loaded.getEntrypoint(null, {{ limits: {{ subRequests: 2 }} }});
                 const own = env.LOADER.load({{ ...busy, limits: {{ subRequests: 1 }} }});
                 const both = own.getEntrypoint(null, {{ limits: {{ subRequests: 9 }} }});
                 return Response.json([
                     await caught(() => few.calls(2)), await caught(() => few.calls(3)), await caught(() => few.calls(2)),
                     await caught(() => both.calls(1)), await caught(() => both.calls(2)), await caught(() => loaded.getEntrypoint().calls(4)),
                     await caught(() => loaded.getEntrypoint(null, {{ limits: {{ subRequests: 0 }} }}).calls(1)),
                     await caught(() => loaded.getEntrypoint(null, {{ limits: {{ calls: 1 }} }}).calls(1)),
                 ]);
             }} }}"
        );
        let stub = town.bound("parent", &source, [("LOADER", EnvBinding::Loader)]);
        let found = answer_with(&stub, World::new().invocation(Value::Null)).await;
        let over = |n: u32| format!("LimitError: Limit of {n} calls exceeded");
        let known = "known are cpuMs, subRequests, memoryMb, timeoutMs, fuel";
        let wanted = json!([
            2,
            over(2),
            2,
            1,
            over(1),
            4,
            "Error: limits.subRequests: must be a positive integer",
            format!("Error: limits.calls: is not known; {known}"),
        ]);
        assert_eq!(found, wanted);
    });
}

#[test]
fn a_worker_that_is_called_by_another_keeps_its_own_limits() {
    block_on(async {
        let town = town().await;
        let own_limits = WorkerLimits { sub_requests: Some(3), ..WorkerLimits::default() };
        town.settle("few", Code { own_limits, ..code(BUSY) });
        let source = "export default { async fetch(request, env) {
            const first = await env.FEW.calls(3);
            try { await env.FEW.calls(4) } catch (error) { return Response.json([first, error.message]) }
        } }";
        let stub = town.bound("parent", source, [("FEW", EnvBinding::Worker(to("few")))]);
        let invocation = World::new().invocation(Value::Null);
        assert_eq!(answer_with(&stub, invocation).await, json!([3, "Limit of 3 calls exceeded"]));
    });
}

#[test]
fn calls_within_calls_are_paid_for_by_the_first_also_without_services() {
    block_on(async {
        let source = "export default { async fetch(request, env, ctx) { for (;;) await ctx.exports.Two.two() } }
            export const Two = { two: () => 2 };";
        let deep = "export default { async fetch(request, env, ctx) { for (;;) await ctx.exports.Two.two() } }
            import { WorkerEntrypoint } from 'cloudflare:workers';
            export class Two extends WorkerEntrypoint { async two() { await this.ctx.exports.One.one() } }
            export const One = { one: () => 1 };";
        for source in [source, deep] {
            let stub = town().await.settle("deep", code(source));
            let mut limited = invocation(Value::Null);
            limited.limits.calls = 10;
            let outcome = stub.fetch_whole(Entrypoint::default(), get("/"), limited).await.unwrap();
            assert_eq!(outcome.answer.unwrap_err().message, "Limit of 10 calls exceeded");
            assert_eq!(outcome.usage.calls.get("worker"), Some(&10));
        }
    });
}

/// Burns what its caller says, in steps.
const BURNS: &str = "
    export default { async fetch(request, env, ctx) {
        const before = await ctx.exports.Burn.steps(1e5);
        HOW
        return Response.json('enough');
    } }
    export const Burn = { steps(n) { let x = 0; for (let i = 0; i < n; i++) x += i; return x } };";

#[test]
fn fuel_is_summed_over_calls_one_after_the_other_and_at_once() {
    block_on(async {
        for how in [
            "for (let i = 0; i < 20; i++) await ctx.exports.Burn.steps(1e6);",
            "await Promise.all([1, 2, 3, 4].map(async () => { for (let i = 0; i < 5; i++) await ctx.exports.Burn.steps(1e6) }));",
            "for (let i = 0; i < 20; i++) try { await ctx.exports.Burn.steps(1e6) } catch {}",
        ] {
            let stub = town().await.settle("burns", code(&BURNS.replace("HOW", how)));
            let all = stub.fetch_whole(Entrypoint::default(), get("/"), invocation(Value::Null)).await.unwrap();
            assert!(all.answer.is_ok(), "{how}: {:?}", all.answer);
            // What was called is part of what is told.
            let needed = all.usage.fuel;
            let mut limited = invocation(Value::Null);
            limited.limits.fuel = needed / 4;
            let outcome = stub.fetch_whole(Entrypoint::default(), get("/"), limited).await.unwrap();
            let error = outcome.answer.unwrap_err();
            assert!(error.message.starts_with("Fuel limit of "), "{how}: {error:?}");
            assert!(outcome.usage.fuel <= needed / 4, "{how}: {} of {needed}", outcome.usage.fuel);
        }
    });
}

#[test]
fn what_is_left_of_the_fuel_is_enough_for_what_needs_no_more() {
    block_on(async {
        let stub = town().await.settle("burns", code(&BURNS.replace("HOW", "await ctx.exports.Burn.steps(1e6);")));
        let all = stub.fetch_whole(Entrypoint::default(), get("/"), invocation(Value::Null)).await.unwrap();
        let mut limited = invocation(Value::Null);
        limited.limits.fuel = all.usage.fuel * 2;
        assert_eq!(answer_with(&stub, limited).await, json!("enough"));
    });
}

#[test]
fn a_loop_through_the_loader_and_back_ends() {
    block_on(async {
        let source = "
            const child = (PARENT, n) => ({ mainModule: 'm.js', env: { PARENT, n }, modules: { 'm.js':
                'export default { fetch: (request, env) => env.PARENT.fetch(`http://x/${env.n}`) }' } });
            export default { async fetch(request, env, ctx) {
                const n = Number(new URL(request.url).pathname.slice(1));
                try {
                    return await env.LOADER.load(child(ctx.exports.default, n + 1)).getEntrypoint().fetch(request.url);
                } catch (error) { return new Response(`${n} ${error.message}`) }
            } }";
        let roomy = Town::new(doer_sandbox::Sandbox::start(common::config(24)).await.unwrap());
        let stub = roomy.settle("loop", with_env(source, [("LOADER", EnvBinding::Loader)]));
        assert_eq!(text(&stub, "/0").await, "8 workers call each other more than 16 deep");
        let mut limited = invocation(Value::Null);
        limited.limits.calls = 7;
        let reply = stub.fetch_whole(Entrypoint::default(), get("/0"), limited).await.unwrap().answer.unwrap();
        assert_eq!(reply.body, "1 Limit of 7 calls exceeded");
    });
}
