//! User code that breaks the language under the platform's feet, and what the invoker relies on.

use rquickjs::{CatchResultExt, Value};

use super::{run, settle, with_platform};
use crate::{
    scope::set_global,
    web::{ResponseKind, bytes_of, new_request, response_kind, take_response},
};

#[test]
fn at_top_level_there_is_no_randomness_and_no_network() {
    with_platform(|ctx| {
        set_global(true);
        settle(
            &ctx,
            r#"
            const refused = (e) => assert(e.message.includes('not allowed in global scope'), e.message);
            refused(throws(Error, () => crypto.randomUUID()));
            refused(throws(Error, () => crypto.getRandomValues(new Uint8Array(1))));
            refused(await rejects(Error, fetch('http://a')));
            equal((await crypto.subtle.digest('SHA-1', new Uint8Array())).byteLength, 20);
            "#,
        );
    });
}

/// Replaces what can be replaced before the platform is used.
const VANDALISM: &str = r#"
    const vandal = { value: () => { throw new Error('vandal'); }, configurable: true };
    const { defineProperty } = Object, { ownKeys } = Reflect;
    const classes = [String, Function, Map, Promise, RegExp, ArrayBuffer, Uint8Array, Object.getPrototypeOf(Uint8Array), Array];
    for (let c = 0; c < classes.length; c++) {
        const keys = ownKeys(classes[c].prototype);
        for (let k = 0; k < keys.length; k++) {
            if (keys[k] === 'constructor' || keys[k] === 'toString') continue;
            try { defineProperty(classes[c].prototype, keys[k], vandal); } catch {}
        }
    }
    const names = ['Response', 'Request', 'Headers', 'Promise', 'JSON', 'Uint8Array', 'Symbol', 'Object', 'Reflect', 'Map', 'TypeError'];
    for (let n = 0; n < names.length; n++) globalThis[names[n]] = undefined;
"#;

#[test]
fn the_invoker_is_not_fooled() {
    with_platform(|ctx| {
        let good: Value<'_> = ctx.eval("globalThis.R = Response; Response.json({ a: 'é' }, { status: 201, headers: [['X-A', '1'], ['set-cookie', 'a'], ['set-cookie', 'b']] })").unwrap();
        let bytes: Value<'_> = ctx.eval("new (class extends R {})(new Uint8Array([0, 255]))").unwrap();
        let fakes = "[Object.create(R.prototype), { status: 200, __proto__: R.prototype }, new Proxy(new R('x'), {}), R.prototype, R, null, 5, 'x', undefined, Symbol(), 1n]";
        let fakes: Vec<Value<'_>> = ctx.eval(fakes).unwrap();
        ctx.eval::<(), _>(VANDALISM).catch(&ctx).map_err(|e| e.to_string()).unwrap();
        for fake in fakes {
            assert_eq!(response_kind(&ctx, &fake), None, "{fake:?}");
            assert!(take_response(&ctx, fake).is_err());
            assert_eq!(
                ctx.catch().get::<rquickjs::Object<'_>>().unwrap().get::<_, String>("name").unwrap(),
                "TypeError"
            );
        }
        assert_eq!([&good, &bytes].map(|value| response_kind(&ctx, value)), [Some(ResponseKind::Whole); 2]);
        let taken = take_response(&ctx, good.clone()).catch(&ctx).map_err(|e| e.to_string()).unwrap();
        assert_eq!(taken.status, 201);
        assert_eq!(taken.body.as_deref(), Some("{\"a\":\"é\"}".as_bytes()));
        assert_eq!(taken.content_type.as_deref(), Some("application/json"));
        let names: Vec<&str> = taken.headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["x-a", "set-cookie", "set-cookie", "content-type"]);
        assert!(take_response(&ctx, good).is_err(), "a body is taken once");
        assert_eq!(take_response(&ctx, bytes).unwrap().body, Some(vec![0, 255]));
    });
}

#[test]
fn a_response_without_a_body_has_none() {
    with_platform(|ctx| {
        let none = take_response(&ctx, ctx.eval("new Response(null, { status: 204 })").unwrap()).unwrap();
        assert_eq!((none.status, none.body, none.content_type, none.headers), (204, None, None, vec![]));
        let empty = take_response(&ctx, ctx.eval("new Response('')").unwrap()).unwrap();
        assert_eq!(empty.body, Some(vec![]));
        let lone = take_response(&ctx, ctx.eval("new Response('\\ud800')").unwrap()).unwrap();
        assert_eq!(lone.body, Some("\u{FFFD}".as_bytes().to_vec()));
    });
}

#[test]
fn the_invoker_makes_requests() {
    with_platform(|ctx| {
        let headers = [("X-A".to_owned(), "1".to_owned()), ("cookie".to_owned(), "é".to_owned())];
        ctx.eval::<(), _>("globalThis.saved = Request; globalThis.Request = undefined; Object.defineProperty(Array.prototype, 0, { set() { throw 1; }, configurable: true })").unwrap();
        let request = new_request(&ctx, "http://a/b", "post", &headers, Some(crate::web::IncomingBody::Whole(b"{}")))
            .catch(&ctx)
            .map_err(|e| e.to_string())
            .unwrap();
        ctx.globals().set("made", request).unwrap();
        settle(
            &ctx,
            r#"
            delete Array.prototype[0];
            assert(made instanceof saved);
            same([made.url, made.method, made.headers.get('x-a'), made.headers.get('cookie'), await made.text()], ['http://a/b', 'POST', '1', '\u00e9', '{}']);
            "#,
        );
        let bare = new_request(&ctx, "http://a/", "GET", &[], None).unwrap();
        ctx.globals().set("bare", bare).unwrap();
        settle(&ctx, "same([bare.body, [...bare.headers].length], [null, 0]);");
        assert!(new_request(&ctx, "http://a/", "not a method", &[], None).is_err());
        assert!(new_request(&ctx, "http://a", "GET", &[("a b".to_owned(), String::new())], None).is_err());
    });
}

#[test]
fn bytes_are_those_behind_any_view() {
    with_platform(|ctx| {
        let bytes = |code: &str| bytes_of(&ctx.eval::<Value<'_>, _>(code).unwrap());
        assert_eq!(bytes("new Uint8Array([1, 2, 3]).subarray(1)"), Some(vec![2, 3]));
        assert_eq!(bytes("new Uint16Array([258])"), Some(vec![2, 1]));
        assert_eq!(bytes("new DataView(new ArrayBuffer(3), 1)"), Some(vec![0, 0]));
        assert_eq!(bytes("new ArrayBuffer(2)"), Some(vec![0, 0]));
        assert_eq!(bytes("var b = new ArrayBuffer(2); b.transfer(); b"), Some(vec![]));
        for other in ["({})", "'x'", "null", "undefined", "[1]", "5", "Symbol()", "new Proxy(new Uint8Array(1), {})"] {
            assert_eq!(bytes(other), None, "{other}");
        }
        assert!(!ctx.has_exception());
    });
}

#[test]
fn broken_built_ins_break_only_their_owner() {
    run(r#"
        const values = [undefined, null, NaN, Infinity, -1, 2 ** 53, '\ud800', Symbol(), 1n, {}, [], () => 1, new Proxy({}, { get() { throw new Error('trap'); } }),
            { [Symbol.iterator]() { return { next: () => ({ done: true }) }; } }, { toString() { throw new Error('no'); } }, { get status() { throw new Error('no'); } }, new ArrayBuffer(8).transfer(),
            (() => { const u = new Uint8Array(8); u.buffer.transfer(); return u; })(), new Date(NaN)];
        const makers = [(a, b) => new URL(a, b), (a, b) => new URLSearchParams(a), (a, b) => new Headers(a), (a, b) => new Request(a, b), (a, b) => new Response(a, b),
            (a, b) => new Blob(a, b), (a, b) => new File(a, b), (a, b) => new TextDecoder(a, b), (a, b) => new TextDecoder().decode(a, b), (a, b) => new TextEncoder().encodeInto(a, b),
            (a, b) => structuredClone(a, b), (a, b) => atob(a), (a, b) => btoa(a), (a, b) => crypto.getRandomValues(a), (a, b) => new Event(a, b), (a, b) => new CustomEvent(a, b),
            (a, b) => new EventTarget().addEventListener(a, b), (a, b) => Response.json(a, b), (a, b) => Response.redirect(a, b), (a, b) => AbortSignal.any(a), (a, b) => AbortSignal.abort(a),
            (a, b) => new Blob(['abc']).slice(a, b), (a, b) => new URL('http://a/?x').searchParams.set(a, b), (a, b) => new Headers().append(a, b)];
        for (const part of ['href', 'protocol', 'username', 'password', 'host', 'hostname', 'port', 'pathname', 'search', 'hash']) {
            for (const from of ['http://u:p@a:1/b?c#d', 'data:x', 'file:///c:/d', 'a://b', 'blob:http://a/b', 'a:/b', 'http://[::1]/']) {
                for (const to of ['', ':', '/', '//', '?', '#', '@', 'x:99999', '[', '\ud800', '\0', 'file', 'http', 'C|/', '.', '../..', '%', '%zz', 'a'.repeat(70000), '::1', '0x']) {
                    makers.push(() => { const url = new URL(from); url[part] = to; url.searchParams.append('k', to); url.searchParams.delete('k'); return `${url.host}${url.pathname}${url.search}${url.hash}${url.port}${url.origin}`; });
                }
            }
        }
        let calls = 0;
        for (const maker of makers) {
            for (const a of maker.length ? values : [0]) for (const b of maker.length ? values : [0]) {
                try { const made = maker(a, b); if (made instanceof Promise) made.catch(() => 0); } catch {}
                calls++;
            }
        }
        for (const a of values) for (const b of values) { fetch(a, b).catch(() => 0); crypto.subtle.digest(a, b).catch(() => 0); calls++; }
        assert(calls > 5000);
        Object.defineProperty(Object.prototype, 'status', { get() { return 404; }, set() { throw new Error('setter'); }, configurable: true });
        Object.defineProperty(Array.prototype, 0, { get() { return 'odd'; }, set() { throw new Error('setter'); }, configurable: true });
        for (const maker of makers.slice(0, 24)) for (const a of values) { try { maker(a, a); } catch {} }
        delete Object.prototype.status; delete Array.prototype[0];
        equal(new Response('x').status, 200);
    "#);
}
