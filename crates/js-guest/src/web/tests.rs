//! The platform as user code sees it: each test is JavaScript with `assert` and `throws` in scope.

use rquickjs::{CatchResultExt, Context, Ctx, Runtime, Value};

use super::*;
use crate::scope::set_global;

mod bodies;
mod encodings;
mod events;
mod hostile;
mod objects;
mod streams;
mod subtle;
mod urls;
mod wire;

/// `assert`, `equal`, `throws` and `rejects` for the scripts of the tests.
const HARNESS: &str = r#"
(function () {
    const show = (v) => { try { return typeof v === 'string' ? JSON.stringify(v) : String(v); } catch { return typeof v; } };
    const assert = (ok, what = 'assertion') => { if (!ok) throw new Error(`failed: ${what}`); };
    const equal = (got, want, what = '') => { if (!Object.is(got, want)) throw new Error(`${what} got ${show(got)}, want ${show(want)}`); };
    const same = (got, want, what = '') => equal(JSON.stringify(got), JSON.stringify(want), what);
    const check = (error, kind) => {
        const name = typeof kind === 'string' ? kind : kind.name;
        if (error?.name !== name) throw new Error(`threw ${error?.name}: ${error?.message}, want ${name}`);
        return error;
    };
    const throws = (kind, f) => { let error, threw = false; try { f(); } catch (e) { error = e; threw = true; } if (!threw) throw new Error(`nothing thrown by ${f}`); return check(error, kind); };
    const rejects = async (kind, promise) => { let error, threw = false; try { await promise; } catch (e) { error = e; threw = true; } if (!threw) throw new Error('nothing rejected'); return check(error, kind); };
    return { assert, equal, same, throws, rejects };
})()
"#;

/// Runs `test` in a fresh engine with the platform installed.
fn with_platform<R>(test: impl for<'js> FnOnce(Ctx<'js>) -> R) -> R {
    let runtime = Runtime::new().expect("runtime");
    let context = Context::full(&runtime).expect("context");
    context.with(|ctx| {
        install(&ctx)
            .and_then(Platform::complete)
            .map(|_| ())
            .catch(&ctx)
            .map_err(|error| error.to_string())
            .expect("the platform installs");
        set_global(false);
        begin_invocation(false);
        test(ctx)
    })
}

/// Runs `body` as an async function and waits until its promise is settled.
fn run(body: &str) {
    with_platform(|ctx| settle(&ctx, body));
}

fn settle(ctx: &Ctx<'_>, body: &str) {
    let code = format!("(async ({{ assert, equal, same, throws, rejects }}) => {{\n{body}\n}})({HARNESS})");
    let promise: rquickjs::Promise<'_> =
        ctx.eval(code).catch(ctx).map_err(|e| e.to_string()).expect("the test compiles");
    let outcome = promise.finish::<Value<'_>>().catch(ctx).map(|_| ()).map_err(|error| error.to_string());
    assert_eq!(outcome, Ok(()));
}
