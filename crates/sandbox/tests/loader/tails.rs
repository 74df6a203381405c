//! Workers that are told of the runs of others.

use doer_sandbox::loader::Code;

use super::{
    support::World,
    town::{Town, to},
    *,
};

/// Sends what it is told where the test looks for it.
const TAIL: &str = "export default { async tail(events) {
    await fetch('https://out.test/echo', { method: 'POST', body: JSON.stringify(events) });
} }";

async fn told(world: &World) -> Value {
    loop {
        if let Some(request) = world.seen.sent.lock().unwrap().pop() {
            return serde_json::from_slice(request.body.as_deref().unwrap()).unwrap();
        }
        tokio::task::yield_now().await;
    }
}

async fn watched(source: &str) -> (Town, Stub) {
    let town = Town::new(sandbox().await);
    town.bound("tail", TAIL, []);
    let stub = town.settle("watched", Code { tails: vec![to("tail")], ..code(source) });
    (town, stub)
}

#[test]
fn tails_are_told_what_was_written_and_how_it_ended() {
    block_on(async {
        let world = World::new();
        for (source, outcome, exception) in [
            ("return new Response('fine')", "ok", Value::Null),
            ("throw new RangeError('no')", "exception", json!("RangeError: no")),
            ("for (;;) {}", "exceededCpu", Value::Null),
            ("await new Promise((resolve) => setTimeout(resolve, 1e6))", "exceededWallTime", Value::Null),
            ("const all = []; for (;;) all.push(new Uint8Array(1 << 20).fill(1))", "exceededMemory", Value::Null),
            ("for (;;) await (await fetch('https://out.test/none')).text()", "exceededCalls", Value::Null),
        ] {
            let body = format!(
                "export default {{ async fetch(request) {{ console.log('first', 1); console.warn('second'); console.error('third'); {source} }} }}"
            );
            let (_town, stub) = watched(&body).await;
            let (services, seen) = (Arc::clone(&world.services), Arc::clone(&world.seen));
            let mut invocation = World { services, seen, calls: 3, ..world }.invocation(Value::Null);
            invocation.limits.fuel = 3_000_000_000;
            invocation.limits.memory_bytes = 32 << 20;
            if outcome == "exceededWallTime" {
                invocation.limits.wall = Duration::from_millis(1500);
            }
            let answered = stub.fetch_whole(Entrypoint::default(), get("/path"), invocation).await.unwrap();
            world.seen.sent.lock().unwrap().retain(|request| request.url.ends_with("/echo"));
            let events = told(&world).await;
            let event = &events[0];
            assert_eq!(event["outcome"], outcome, "{source}: {:?}", answered.answer);
            let logs = json!([
                {"level": "log", "message": ["first 1"]}, {"level": "warn", "message": ["second"]},
                {"level": "error", "message": ["third"]}
            ]);
            assert_eq!(event["logs"], logs);
            let thrown = &event["exceptions"][0];
            let text =
                thrown["name"].as_str().map(|name| json!(format!("{name}: {}", thrown["message"].as_str().unwrap())));
            assert_eq!(text.unwrap_or_default(), exception);
            assert!(exception.is_null() || thrown["stack"].as_str().unwrap().contains("main.js:1:"), "{thrown}");
            assert_eq!(event["event"]["request"], json!({"method": "GET", "url": "http://worker.test/path"}));
            assert!(event["cpuTime"].as_f64().unwrap() > 0.0 && event["wallTime"].as_f64().unwrap() > 0.0);
        }
    });
}

#[test]
fn tails_are_told_of_who_went_away_and_after_what_was_left_to_do() {
    block_on(async {
        let world = World::new();
        let waits = "export default { async fetch() { console.log('begun'); await fetch('https://out.test/never') } }";
        let (_town, stub) = watched(waits).await;
        let mut fetch = Box::pin(stub.fetch_whole(Entrypoint::default(), get("/"), world.invocation(Value::Null)));
        let begun = async {
            while world.seen.waiting.load(SeqCst) == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            _ = &mut fetch => panic!("it waits"),
            () = begun => {}
        }
        world.seen.sent.lock().unwrap().clear();
        drop(fetch);
        let events = told(&world).await;
        assert_eq!(events[0]["outcome"], "canceled");
        assert_eq!(events[0]["logs"], json!([{"level": "log", "message": ["begun"]}]));

        let later = "export default { fetch(request, env, ctx) {
            ctx.waitUntil(new Promise((resolve) => setTimeout(resolve, 5)).then(() => console.log('later')));
            return new Response('reply');
        } }";
        let (_town, stub) = watched(later).await;
        let answered = stub.fetch(Entrypoint::default(), get("/"), world.invocation(Value::Null)).await.unwrap();
        drop(answered);
        let events = told(&world).await;
        assert_eq!((&events[0]["outcome"], &events[0]["logs"][0]["message"]), (&json!("ok"), &json!(["later"])));
    });
}

#[test]
fn nobody_is_told_of_what_a_tail_calls() {
    block_on(async {
        let (town, world) = (Town::new(sandbox().await), World::new());
        let tail = "export default { async tail(events, env) {
            const called = await (await env.WATCHED.fetch('http://watched/again')).text();
            await fetch('https://out.test/echo', { method: 'POST', body: JSON.stringify([events[0].event.request.url, called]) });
        } }";
        town.bound("circle", tail, [("WATCHED", EnvBinding::Worker(to("watched")))]);
        let source = "export default { fetch: (request) => new Response(request.url) }";
        let stub = town.settle("watched", Code { tails: vec![to("circle")], ..code(source) });
        stub.fetch_whole(Entrypoint::default(), get("/"), world.invocation(Value::Null)).await.unwrap();
        assert_eq!(told(&world).await, json!(["http://worker.test/", "http://watched/again"]));
        // Were it told of its own call, it would go on for ever.
        for _ in 0..50 {
            assert_eq!(text(&town.bound("other", source, []), "/").await, "http://worker.test/");
        }
        assert!(world.seen.sent.lock().unwrap().is_empty());
    });
}
