//! Runs that are killed: alone, whatever they did, and whoever waits for them.

use doer_core::fault::Termination;
use doer_sandbox::{loader::Code, worker::WorkerLimits};

use super::{
    town::{Town, to},
    *,
};

/// Each does something without an end.
const BOMBS: &str = "
    export default {
        fetch: () => new Response('alive'),
        spin() { for (;;) {} },
        grow() { const all = []; for (;;) all.push(new Uint8Array(1 << 20).fill(1)) },
        deep() { return this.deep() },
        async chain() { for (;;) await Promise.resolve() },
        logs() { for (let i = 0; i < 1e6; i++) console.log(i) },
        wait() { return new Promise((resolve) => setTimeout(resolve, 1e6)) },
    }";

#[test]
fn a_bomb_ends_its_own_run_and_nothing_else() {
    block_on(async {
        let stub = registry(ROOM).await.get(key("bombs"), || async { Ok(code(BOMBS)) });
        assert_eq!(text(&stub, "/").await, "alive");
        let (going, others) = (stub.clone(), Arc::new(AtomicU32::new(0)));
        let seen = Arc::clone(&others);
        // Somebody calls the same worker all the while.
        let caller = tokio::spawn(async move {
            loop {
                assert_eq!(text(&going, "/").await, "alive");
                seen.fetch_add(1, SeqCst);
            }
        });
        for (bomb, ended) in [
            ("spin", Some(Termination::FuelExhausted)),
            ("grow", Some(Termination::MemoryLimit)),
            ("deep", None),
            ("chain", Some(Termination::FuelExhausted)),
            ("logs", Some(Termination::OutputLimit)),
            ("wait", Some(Termination::Timeout)),
        ] {
            let mut limited = invocation(Value::Null);
            limited.limits.fuel = 2_000_000_000;
            limited.limits.memory_bytes = 32 << 20;
            limited.limits.output_bytes = 100_000;
            if bomb == "wait" {
                limited.limits.wall = Duration::from_millis(200);
            }
            let arguments = to_raw_value(&json!([])).unwrap();
            let outcome = stub.call(Entrypoint::default(), bomb.to_owned(), arguments, limited).await.unwrap();
            let error = outcome.answer.unwrap_err();
            assert_eq!(error.code, ended, "{bomb}: {error:?}");
            let before = others.load(SeqCst);
            while others.load(SeqCst) < before + 2 {
                assert!(!caller.is_finished(), "{bomb}");
                tokio::task::yield_now().await;
            }
        }
        caller.abort();
    });
}

#[test]
fn a_called_worker_is_killed_alone() {
    block_on(async {
        let town = Town::new(sandbox().await);
        let bad = "export default {
            spin() { for (;;) {} }, grow() { const all = []; for (;;) all.push(new Uint8Array(1 << 20).fill(1)) },
            deep() { return this.deep() }, flood() { for (;;) console.log('x'.repeat(1000)) },
            wait() { return new Promise((resolve) => setTimeout(resolve, 1e6)) },
            async chain() { for (;;) await Promise.resolve() },
            logs() { for (let i = 0; i < 1e6; i++) console.log(i) },
        }";
        let own_limits = WorkerLimits {
            // Used up long before the time is, however slow the machine.
            fuel: Some(200_000_000),
            memory_mb: Some(32),
            timeout_ms: Some(3000),
            ..WorkerLimits::default()
        };
        town.settle("bad", Code { own_limits, ..code(bad) });
        let source = "export default { async fetch(request, env, ctx) {
            const failures = [];
            for (const how of ['spin', 'grow', 'deep', 'flood', 'wait', 'chain', 'logs']) {
                try { await env.BAD[how]() } catch (error) { failures.push(error.name) }
            }
            return Response.json(failures);
        } }";
        let stub = town.bound("caller", source, [("BAD", EnvBinding::Worker(to("bad")))]);
        let mut limited = invocation(Value::Null);
        limited.limits.output_bytes = 100_000;
        let reply = stub.fetch_whole(Entrypoint::default(), get("/"), limited).await.unwrap().answer.unwrap();
        let failures: Value = serde_json::from_slice(&reply.body).unwrap();
        let limit = "LimitError";
        assert_eq!(failures, json!([limit, limit, "RangeError", limit, "TimeoutError", limit, limit]));
        // Another heap of the same worker knows nothing of it.
        let quiet = "export default { async fetch(request, env) {
            return new Response(await env.BAD.deep().catch((error) => error.name));
        } }";
        let stub = town.bound("after", quiet, [("BAD", EnvBinding::Worker(to("bad")))]);
        assert_eq!(text(&stub, "/").await, "RangeError");
    });
}

#[test]
fn calls_at_the_same_time_run_at_the_same_time_each_in_its_own_heap() {
    block_on(async {
        let sandbox = doer_sandbox::Sandbox::start(common::config(4)).await.unwrap();
        let source = "let calls = 0;
            export default { async fetch(request) {
                calls++;
                if (request.url.endsWith('/stay')) await new Promise((resolve) => setTimeout(resolve, 1e6));
                return new Response(`${calls}`);
            } }";
        let stub = Registry::new(sandbox.clone(), ROOM).get(key("counts"), move || async move { Ok(code(source)) });
        assert_eq!(text(&stub, "/").await, "1");
        let staying: Vec<_> = (0..3)
            .map(|_| {
                let stub = stub.clone();
                tokio::spawn(async move { fetched(&stub, get("/stay")).await })
            })
            .collect();
        while sandbox.stats().running < 3 {
            tokio::task::yield_now().await;
        }
        assert_eq!(text(&stub, "/").await, "1");
        for call in staying {
            call.abort();
        }
    });
}
