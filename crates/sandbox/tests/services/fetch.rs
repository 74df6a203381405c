//! `fetch`: what is sent, what comes back, what is refused, and giving up.

use std::sync::atomic::Ordering::SeqCst;

use doer_core::outbound::Redirect;
use serde_json::json;

use crate::{common::block_on, support::World};

#[test]
fn a_request_goes_out_as_it_was_made() {
    block_on(async {
        let world = World::new();
        let code = "await fetch('https://OUT.test:443/echo?q=1#part', { method: 'patch', redirect: 'manual', body: 'caf\u{e9}',
                headers: [['X-A', 'b\u{e9}'], ['x-a', 'c'], ['Content-Type', 'text/x']] });
            await fetch(new Request('https://out.test/echo', { method: 'POST', body: new Uint8Array([0, 255]) }), { redirect: 'error' });
            await env.DO.fetch('https://out.test/echo');
            await fetch('https://out.test/echo', { method: 'POST', body: new URLSearchParams({ a: 'b c' }) });";
        world.value(code).await;
        let sent = world.seen.sent.lock().unwrap();
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let parts: Vec<_> =
            sent.iter().map(|r| (r.method.as_str(), r.url.as_str(), r.redirect, r.body.as_deref())).collect();
        assert_eq!(
            parts,
            [
                ("PATCH", "https://out.test/echo?q=1#part", Redirect::Manual, Some("caf\u{e9}".as_bytes())),
                ("POST", "https://out.test/echo", Redirect::Error, Some(&[0, 255][..])),
                ("GET", "https://out.test/echo", Redirect::Follow, None),
                ("POST", "https://out.test/echo", Redirect::Follow, Some(&b"a=b+c"[..])),
            ]
        );
        assert_eq!(sent[0].headers, [header("x-a", "b\u{e9}"), header("x-a", "c"), header("content-type", "text/x")]);
        assert_eq!(sent[3].headers, [header("content-type", "application/x-www-form-urlencoded;charset=UTF-8")]);
    });
}

#[test]
fn a_response_is_what_the_network_gave() {
    block_on(async {
        let world = World::new();
        let code = "export default async () => {
            const r = await fetch('https://out.test/moved');
            let frozen; try { r.headers.set('a', 'b') } catch (e) { frozen = e.name }
            const copy = r.clone();
            return [r instanceof Response, r.status, r.ok, r.type, r.url, r.redirected, r.headers.get('x-kind'), r.headers.getSetCookie(),
                frozen, await r.text(), r.bodyUsed, copy.url, copy.type, await copy.text()];
        }";
        assert_eq!(
            world.both(code).await,
            json!([
                true,
                200,
                true,
                "basic",
                "https://out.test/there",
                true,
                "caf\u{e9}",
                ["a=1", "b=2"],
                "TypeError",
                "there",
                true,
                "https://out.test/there",
                "basic",
                "there"
            ])
        );
        let code = "const r = await fetch('https://out.test/bytes'); const n = await fetch('https://out.test/none');
            return [[...await r.bytes()], n.status, n.body, await n.text()]";
        assert_eq!(world.value(code).await, json!([[0, 255, 10], 204, null, ""]));
        // Handed on as the run's own answer.
        let outcome =
            world.outcome("return await fetch('https://out.test/echo', { method: 'POST', body: 'on' })").await;
        let answer = outcome.answer.unwrap();
        assert_eq!((answer.result.get(), answer.response.unwrap().headers.len()), ("\"on\"", 3));
    });
}

#[test]
fn refusals_and_failures_are_type_errors() {
    block_on(async {
        let world = World::new();
        let code = |url: &str| {
            format!("return await fetch('{url}').catch((e) => [e.name, e instanceof TypeError, e.message])")
        };
        let forbidden = "fetch is not permitted: out.test is not on the list `egress.tenant`";
        assert_eq!(world.value(&code("https://out.test/secret")).await, json!(["TypeError", true, forbidden]));
        let down = "fetch failed: out.test: connection refused";
        assert_eq!(world.value(&code("https://out.test/down")).await, json!(["TypeError", true, down]));
        assert_eq!(world.value(&code("/relative")).await[0], json!("TypeError"));
        let body = "return await fetch('https://out.test/echo', { body: 'x' }).catch((e) => e.message)";
        assert_eq!(world.value(body).await, json!("Request: GET and HEAD take no body"));
        let error = world.error("const a = 1;\nawait fetch('https://out.test/down')").await;
        assert_eq!((error.name.as_str(), error.message.as_str(), error.line), ("TypeError", down, Some(2)));
    });
}

#[test]
fn aborting_rejects_at_once_and_drops_the_request() {
    block_on(async {
        let world = World::new();
        let code =
            "const c = new AbortController(); const asked = fetch('https://out.test/never', { signal: c.signal });
            await env.db.query('sleep 5'); setTimeout(() => c.abort(), 1);
            const name = await asked.catch((e) => e.name);
            await env.db.query('sleep 5');
            return name";
        assert_eq!(world.value(code).await, json!("AbortError"));
        assert_eq!(world.seen.waiting.load(SeqCst), 0);
        let code = "const c = new AbortController(); c.abort('early');
            const early = await fetch('https://out.test/never', { signal: c.signal }).catch((e) => e);
            const request = new Request('https://out.test/never', { signal: AbortSignal.timeout(5) });
            const late = await fetch(request).catch((e) => e.name);
            const d = new AbortController(); const never = fetch('https://out.test/never', { signal: d.signal }); d.abort('sync');
            const done = new AbortController(); const ok = await fetch('https://out.test/echo', { signal: done.signal }); done.abort();
            return [early, late, await never.catch((e) => e), ok.status]";
        assert_eq!(world.value(code).await, json!(["early", "TimeoutError", "sync", 200]));
        assert_eq!(world.seen.waiting.load(SeqCst), 0);
        // Given up, it keeps nothing alive.
        let code = "const c = new AbortController(); fetch('https://out.test/never', { signal: c.signal }).catch(() => {}); c.abort();
            await new Promise(() => {})";
        assert!(world.error(code).await.message.starts_with("The code awaits a promise that nothing can settle"));
    });
}

#[test]
fn services_are_hosts_too() {
    block_on(async {
        let world = World::new();
        let code = "const post = async (url, body) => { const r = await fetch(url, { method: 'POST', body: JSON.stringify(body) }); return [r.status, await r.json()] };
            return [await post('http://db/rpc/get', { ns: 'n', id: 'i' }), await post('http://db/rpc/query', ['fail conflict']), (await fetch('http://db/rpc/get')).status]";
        assert_eq!(
            world.value(code).await,
            json!([
                [200, {"method": "db.get", "params": {"ns": "n", "id": "i"}, "namespace": "*"}],
                [409, {"success": false, "error": {"code": "conflict", "message": "conflict, as told"}}],
                400,
            ])
        );
        assert!(world.seen.sent.lock().unwrap().is_empty(), "nothing of it reaches the network");
    });
}

#[test]
fn requests_are_told_in_the_order_in_which_they_began() {
    block_on(async {
        let world = World::new();
        let code = "const never = fetch('https://out.test/never'); await Promise.all([fetch('https://out.test/echo', { method: 'PUT' }), fetch('https://out.test/down').catch(() => {})]);
            for (;;);";
        let mut busy = world.invocation(json!(null));
        busy.limits.cpu = std::time::Duration::from_millis(30);
        let outcome = crate::common::run(crate::common::text(code), busy).await;
        assert!(outcome.answer.is_err());
        let told: Vec<_> =
            outcome.requests.iter().map(|r| (r.method.as_str(), r.url.as_str(), r.timestamp, r.status)).collect();
        assert_eq!(
            told,
            [
                ("GET", "https://out.test/never", 1_700_000_000_000, None),
                ("PUT", "https://out.test/echo", 1_700_000_000_000, Some(200)),
                ("GET", "https://out.test/down", 1_700_000_000_000, None),
            ]
        );
        assert_eq!(outcome.usage.calls["fetch"], 3);
    });
}
