//! Values on their way from one heap to another.

use rquickjs::{CatchResultExt, Ctx, Function, Value};

use super::with_platform;
use crate::web::{from_wire, to_wire};

/// What `code` gives, written and read again, and asked by `check`: a function that is true of it.
fn crosses(code: &str, check: &str) {
    with_platform(|ctx| {
        let there = written(&ctx, code).unwrap_or_else(|error| panic!("{code}: {error}"));
        let back = from_wire(&ctx, &there).catch(&ctx).map_err(|error| error.to_string()).expect("it is read");
        let check_function: Function<'_> = ctx.eval(check).catch(&ctx).expect("the check compiles");
        let holds: bool = check_function.call((back,)).catch(&ctx).map_err(|error| error.to_string()).expect("it runs");
        assert!(holds, "{code} arrived as {there}");
    });
}

fn written(ctx: &Ctx<'_>, code: &str) -> Result<String, String> {
    let value: Value<'_> = ctx.eval(code).catch(ctx).map_err(|error| error.to_string())?;
    to_wire(ctx, value, "value").map_err(|_| {
        let thrown = ctx.catch();
        thrown.as_object().expect("an error").get("message").expect("its message")
    })
}

#[test]
fn what_structured_clone_keeps_arrives() {
    for (code, check) in [
        (
            "[1, -0, NaN, -Infinity, 'a\\ud800\"', true, null, undefined, 2n ** 70n]",
            "([a, b, c, d, e, f, g, h, i]) => a === 1 && Object.is(b, -0) && Object.is(c, NaN) && d === -Infinity && e === 'a\\ud800\"' && f && g === null && h === undefined && i === 2n ** 70n",
        ),
        (
            "({ at: new Date(5), never: new Date(NaN), re: /a\\/b/gi })",
            "(v) => v.at instanceof Date && +v.at === 5 && Number.isNaN(+v.never) && v.re.source === 'a\\\\/b' && v.re.flags === 'gi'",
        ),
        (
            "new Map([[{ k: 1 }, new Set([1, 'x'])], ['self', 2]])",
            "(m) => m instanceof Map && [...m.keys()][0].k === 1 && [...m.values()][0].has('x') && m.get('self') === 2",
        ),
        (
            "{ const b = new Uint8Array([1, 2, 3, 4]).buffer; ({ b, u: new Uint8Array(b, 1, 2), d: new DataView(b, 2), f: new Float64Array([1.5]), g: new BigInt64Array([-1n]) }) }",
            "(v) => v.u.buffer === v.b && v.u.join() === '2,3' && v.d.getUint8(0) === 3 && v.f[0] === 1.5 && v.g[0] === -1n",
        ),
        (
            "{ const o = { list: [] }; o.self = o; o.list.push(o, o.list); o }",
            "(o) => o.self === o && o.list[0] === o && o.list[1] === o.list",
        ),
        ("{ const a = [1, , 3]; a.extra = 'e'; a }", "(a) => a.length === 3 && !(1 in a) && a.extra === 'e'"),
        (
            "new RangeError('far', { cause: { a: 1 } })",
            "(e) => e instanceof RangeError && e.message === 'far' && e.cause.a === 1 && !Object.keys(e).length",
        ),
        (
            "[Object(1), Object('s'), Object(3n)]",
            "([a, b, c]) => typeof a === 'object' && a == 1 && b == 's' && c == 3n",
        ),
        ("({ ['__proto__']: 1, toJSON: 2 })", "(o) => Object.hasOwn(o, '__proto__') && o.toJSON === 2"),
    ] {
        crosses(code, check);
    }
}

#[test]
fn what_cannot_cross_is_named_by_its_path() {
    with_platform(|ctx| {
        for (code, wanted) in [
            ("() => {}", "value: a function could not be cloned."),
            ("({ a: [0, { 'b c': () => {} }] })", "value[\"a\"][\"1\"][\"b c\"]: a function could not be cloned."),
            ("new Map([['k', Symbol()]])", "value<entry 1>: a symbol could not be cloned."),
            ("[new Headers()]", "value[\"0\"]: an object of the platform could not be cloned."),
            ("[Promise.resolve()]", "value[\"0\"]: an object of this kind could not be cloned."),
        ] {
            let error = written(&ctx, code).expect_err(code);
            assert!(error.contains(wanted), "{code}: {error}");
        }
    });
}

#[test]
fn nonsense_is_refused() {
    with_platform(|ctx| {
        for text in [
            "",
            "1",
            "{}",
            "[]",
            "[[\"a\",-1]]",
            "[[\"V\",\"Uint8Array\",0,0,1]]",
            "[[\"V\",\"eval\",1,0,1],[\"B\",\"\"]]",
            "[[\"V\",\"Uint8Array\",1,0,9],[\"B\",\"\"]]",
            "[[\"o\",\"a\",7]]",
            "[[\"x\"]]",
            "[[\"P\",0]]",
            "[[\"B\",\"~\"]]",
            "[[\"b\",\"x\"]]",
            "[[\"o\",\"a\",\"length\"]]",
            "[[\"R\",\"(\",\"\"]]",
        ] {
            assert!(from_wire(&ctx, text).is_err(), "{text}");
            drop(ctx.catch());
        }
        let deep = (0..100_000).map(|at| format!("[\"a\",1,\"0\",{}]", at + 1)).collect::<Vec<_>>().join(",");
        assert!(from_wire(&ctx, &format!("[{deep},0]")).is_err(), "it is too deep");
    });
}
