//! What a run may ask for: so many calls, so many bytes, so many at a time; each at its edge.

use std::sync::atomic::Ordering::SeqCst;

use doer_core::fault::Termination;
use serde_json::json;

use crate::{
    common::block_on,
    support::{World, value},
};

#[test]
fn exactly_as_many_calls_as_allowed() {
    block_on(async {
        let mut world = World::new();
        world.calls = 3;
        let calls =
            |n| format!("for (let i = 0; i < {n}; i++) await env.db.get('a', 'b').catch(() => {{}}); return 'done'");
        let three = world.outcome(&calls(3)).await;
        assert_eq!(three.usage.calls["db"], 3);
        assert_eq!(value(three, "three"), json!("done"));
        let four = world.outcome(&calls(4)).await;
        let error = four.answer.unwrap_err();
        assert_eq!((error.name.as_str(), error.message.as_str()), ("LimitError", "Limit of 3 calls exceeded"));
        assert_eq!(error.code, Some(Termination::CallLimit), "it cannot be caught");
        assert_eq!(four.usage.calls["db"], 3);
        // Also where they come at once, or by different doors.
        let error = world.error("await Promise.all([1, 2, 3, 4].map(() => env.db.get('a', 'b')))").await;
        assert_eq!(error.code, Some(Termination::CallLimit));
        let mixed = "await env.db.get('a', 'b'); await fetch('https://out.test/echo'); await fetch('http://db/nope');";
        assert_eq!(world.value(&format!("{mixed} return 'done'")).await, json!("done"));
        let error = world.error(&format!("{mixed} await fetch('http://db/nope')")).await;
        assert_eq!(error.code, Some(Termination::CallLimit));
        world.calls = 0;
        assert_eq!(world.error("await env.db.get('a', 'b')").await.message, "Limit of 0 calls exceeded");
    });
}

#[test]
fn exactly_as_many_bytes_as_allowed() {
    block_on(async {
        let mut world = World::new();
        let arguments = r#"["size 1000"]"#.len() as u64;
        world.bytes = arguments + 1000;
        let code = "return (await env.db.query('size 1000')).length";
        assert_eq!(world.value(code).await, json!(998));
        world.bytes -= 1;
        let error = world.error(code).await;
        let message = format!("Limit of {} bytes through calls exceeded", world.bytes);
        assert_eq!((error.code, error.message), (Some(Termination::CallLimit), message));
        // The arguments alone, before anything is called.
        world.bytes = arguments;
        let before = world.seen.calls.load(SeqCst);
        assert_eq!(world.error("await env.db.query('size 10000')").await.code, Some(Termination::CallLimit));
        assert_eq!(world.seen.calls.load(SeqCst), before);
        // Together, where each alone would fit.
        world.bytes = 2 * arguments - 1;
        let two = "await Promise.all([env.db.query('size 1000'), env.db.query('size 1000')])";
        assert_eq!(world.error(two).await.code, Some(Termination::CallLimit));
        assert_eq!(world.seen.calls.load(SeqCst), before);
    });
}

#[test]
fn bodies_of_requests_count_both_ways() {
    block_on(async {
        let mut world = World::new();
        world.bytes = 20_000;
        let code = "return (await (await fetch('https://out.test/echo', { method: 'POST', body: 'x'.repeat(10000) })).text()).length";
        assert_eq!(world.value(code).await, json!(10_000));
        world.bytes -= 1;
        assert_eq!(world.error(code).await.code, Some(Termination::CallLimit));
        world.bytes = 9_999;
        let sent = world.seen.sent.lock().unwrap().len();
        assert_eq!(world.error(code).await.code, Some(Termination::CallLimit));
        assert_eq!(world.seen.sent.lock().unwrap().len(), sent);
    });
}

#[test]
fn a_giant_of_either_direction_ends_the_run_and_costs_the_host_nothing() {
    block_on(async {
        let mut world = World::new();
        world.bytes = 1 << 20;
        for code in [
            "await env.db.query('x'.repeat(30 << 20))",
            "await env.db.query('echo', [new Uint8Array(20 << 20)])",
            "await env.db.query(`size ${40 << 20}`)",
            "await fetch('https://out.test/echo', { method: 'POST', body: new Uint8Array(8 << 20) })",
            "const all = []; for (let i = 0; i < 200; i++) all.push(env.db.query('x'.repeat(10000))); await Promise.all(all)",
        ] {
            let error = world.error(code).await;
            let message = "Limit of 1048576 bytes through calls exceeded";
            assert_eq!((error.code, error.message.as_str()), (Some(Termination::CallLimit), message), "{code}");
        }
        let long = "return await fetch('https://out.test/' + 'x'.repeat(33000)).catch((e) => [e.name, e.message])";
        let message = "fetch failed: URL and headers are larger than 32768 bytes together";
        assert_eq!(world.value(long).await, json!(["TypeError", message]));
    });
}

#[test]
fn so_many_at_a_time_and_no_more() {
    block_on(async {
        let mut world = World::new();
        world.calls = 5000;
        let flood = |n| {
            format!(
                "let refused = 0, kind; const all = [];
                 for (let i = 0; i < {n}; i++) all.push(env.db.get('a', 'b').catch((e) => {{ refused++; kind = e.name + ': ' + e.message }}));
                 await Promise.all(all);
                 return [refused, kind]"
            )
        };
        assert_eq!(world.value(&flood(1024)).await, json!([0, null]));
        let message = "RangeError: Too many calls are in flight: await some of them before starting more";
        assert_eq!(world.value(&flood(1025)).await, json!([1, message]));
        assert_eq!(world.value(&flood(100_000)).await, json!([100_000 - 1024, message]));
        // Room again after some have ended.
        let waves = "let n = 0; for (let w = 0; w < 4; w++) n += (await Promise.all(Array.from({ length: 1024 }, () => env.db.get('a', 'b')))).length; return n";
        assert_eq!(world.value(waves).await, json!(4096));
    });
}

/// What a call costs inside the guest, where it comes out the same on every machine.
#[test]
fn a_call_costs_few_instructions() {
    block_on(async {
        let world = World::new();
        let fuel = async |calls: u64| {
            let code = format!("for (let i = 0; i < {calls}; i++) await env.db.get('books', 'a'); return 1");
            world.outcome(&code).await.usage.fuel
        };
        let (none, hundred) = (fuel(0).await, fuel(100).await);
        let each = (hundred - none) / 100;
        assert!(each < 45_000, "{each}");
    });
}

#[test]
fn results_that_are_never_read_are_charged_and_dropped() {
    block_on(async {
        let mut world = World::new();
        world.bytes = 10 << 20;
        let code =
            "for (let i = 0; i < 9; i++) env.db.query(`size ${1 << 20}`); await env.db.get('a', 'b'); return 'done'";
        assert_eq!(world.value(code).await, json!("done"));
        let code = "for (let i = 0; i < 10; i++) env.db.query(`size ${1 << 20}`); await env.db.query('sleep 20')";
        assert_eq!(world.error(code).await.code, Some(Termination::CallLimit));
    });
}
