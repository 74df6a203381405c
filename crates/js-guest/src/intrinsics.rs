//! Built-ins as they were at boot. User code may replace every name on the global object; what the
//! runtime itself needs, it keeps here.

use std::cell::RefCell;

use rquickjs::{Ctx, Function, Object, Persistent, Result, Value, function::This};

struct Intrinsics {
    settle: Persistent<Function<'static>>,
    freeze: Persistent<Function<'static>>,
    map_for_each: Persistent<Function<'static>>,
    set_for_each: Persistent<Function<'static>>,
    to_iso_string: Persistent<Function<'static>>,
    regexp_to_string: Persistent<Function<'static>>,
    require: Persistent<Function<'static>>,
    type_error: Persistent<Object<'static>>,
    eval: Persistent<Function<'static>>,
    worker_entrypoint: Persistent<Function<'static>>,
    has_own: Persistent<Function<'static>>,
}

thread_local! {
    static INTRINSICS: RefCell<Option<Intrinsics>> = const { RefCell::new(None) };
}

/// Keeps them; to be called before any user code.
///
/// # Errors
/// Only if the script below does not run.
pub fn capture(ctx: &Ctx<'_>) -> Result<()> {
    let kept: Object<'_> = crate::raw::eval_at(
        ctx,
        "({
            settle: async (value) => await value,
            freeze: ((freeze, ownKeys) => function deep(object, except) {
                const keys = ownKeys(object);
                for (let i = 0; i < keys.length; i++) {
                    const value = object[keys[i]];
                    if (typeof value === 'object' && value !== null && keys[i] !== except) deep(value);
                }
                return freeze(object);
            })(Object.freeze, Reflect.ownKeys),
            mapForEach: Map.prototype.forEach,
            setForEach: Set.prototype.forEach,
            toISOString: Date.prototype.toISOString,
            regExpToString: RegExp.prototype.toString,
            typeError: TypeError.prototype,
            eval,
            hasOwn: Object.hasOwn,
            WorkerEntrypoint: class WorkerEntrypoint {
                constructor(ctx, env) {
                    this.ctx = ctx;
                    this.env = env;
                }
            },
            require: (run, module, require) => { run(module.exports, require, module); return module.exports; },
        })",
        "doer:intrinsics",
        1,
    )?
    .get()?;
    let intrinsics = Intrinsics {
        settle: kept.get("settle")?,
        freeze: kept.get("freeze")?,
        map_for_each: kept.get("mapForEach")?,
        set_for_each: kept.get("setForEach")?,
        to_iso_string: kept.get("toISOString")?,
        regexp_to_string: kept.get("regExpToString")?,
        require: kept.get("require")?,
        type_error: kept.get("typeError")?,
        eval: kept.get("eval")?,
        worker_entrypoint: kept.get("WorkerEntrypoint")?,
        has_own: kept.get("hasOwn")?,
    };
    INTRINSICS.set(Some(intrinsics));
    Ok(())
}

fn restore<'js>(ctx: &Ctx<'js>, pick: impl Fn(&Intrinsics) -> &Persistent<Function<'static>>) -> Result<Function<'js>> {
    INTRINSICS
        .with_borrow(|kept| kept.as_ref().map(|kept| pick(kept).clone()))
        .ok_or(rquickjs::Error::Unknown)?
        .restore(ctx)
}

/// `TypeError.prototype`.
///
/// # Errors
/// Only before [`capture`].
pub fn type_error_prototype<'js>(ctx: &Ctx<'js>) -> Result<Object<'js>> {
    INTRINSICS
        .with_borrow(|kept| kept.as_ref().map(|kept| kept.type_error.clone()))
        .ok_or(rquickjs::Error::Unknown)?
        .restore(ctx)
}

/// The class that entrypoints of workers extend.
///
/// # Errors
/// Only before [`capture`].
pub fn worker_entrypoint<'js>(ctx: &Ctx<'js>) -> Result<Function<'js>> {
    restore(ctx, |kept| &kept.worker_entrypoint)
}

/// `Object.hasOwn`.
///
/// # Errors
/// Whatever a proxy's trap throws.
pub fn has_own<'js>(ctx: &Ctx<'js>, object: &Object<'js>, name: &str) -> Result<bool> {
    restore(ctx, |kept| &kept.has_own)?.call((object.clone(), name))
}

/// Runs a text in the global scope, as `eval` that is not called by its name does.
///
/// # Errors
/// Whatever it throws.
pub fn run_code<'js>(ctx: &Ctx<'js>, code: &str) -> Result<Value<'js>> {
    restore(ctx, |kept| &kept.eval)?.call((code,))
}

/// A promise for `value`, as `await` would wait for it.
///
/// # Errors
/// Only out of memory.
pub fn settle<'js>(ctx: &Ctx<'js>, value: Value<'js>) -> Result<rquickjs::Promise<'js>> {
    restore(ctx, |kept| &kept.settle)?.call((value,))
}

/// `Object.freeze` of an object and all that it holds, but for what one member holds; for data, which has no cycles.
///
/// # Errors
/// Whatever a proxy's trap throws.
pub fn freeze<'js>(ctx: &Ctx<'js>, object: Object<'js>, except: Option<&str>) -> Result<Object<'js>> {
    restore(ctx, |kept| &kept.freeze)?.call((object, except))
}

/// Keys and values of a `Map`, in order.
///
/// # Errors
/// A `TypeError` where it is none.
pub fn map_entries<'js>(ctx: &Ctx<'js>, map: Value<'js>) -> Result<Vec<(Value<'js>, Value<'js>)>> {
    let out = std::rc::Rc::new(RefCell::new(Vec::new()));
    let into = out.clone();
    let each = Function::new(ctx.clone(), move |value: Value<'js>, key: Value<'js>| {
        into.borrow_mut()
            .push((Persistent::save(key.ctx(), key.clone()), Persistent::save(value.ctx(), value.clone())));
    })?;
    restore(ctx, |kept| &kept.map_for_each)?.call::<_, ()>((This(map), each))?;
    out.take().into_iter().map(|(key, value)| Ok((key.restore(ctx)?, value.restore(ctx)?))).collect()
}

/// Members of a `Set`, in order.
///
/// # Errors
/// A `TypeError` where it is none.
pub fn set_values<'js>(ctx: &Ctx<'js>, set: Value<'js>) -> Result<Vec<Value<'js>>> {
    let out = std::rc::Rc::new(RefCell::new(Vec::new()));
    let into = out.clone();
    let each = Function::new(ctx.clone(), move |value: Value<'js>| {
        into.borrow_mut().push(Persistent::save(value.ctx(), value.clone()));
    })?;
    restore(ctx, |kept| &kept.set_for_each)?.call::<_, ()>((This(set), each))?;
    out.take().into_iter().map(|value| value.restore(ctx)).collect()
}

/// `Date.prototype.toISOString`.
///
/// # Errors
/// A `RangeError` for an invalid date.
pub fn iso_string<'js>(ctx: &Ctx<'js>, date: Value<'js>) -> Result<String> {
    restore(ctx, |kept| &kept.to_iso_string)?.call((This(date),))
}

/// `RegExp.prototype.toString`.
///
/// # Errors
/// Whatever a getter throws.
pub fn regexp_string<'js>(ctx: &Ctx<'js>, regexp: Value<'js>) -> Result<Value<'js>> {
    restore(ctx, |kept| &kept.regexp_to_string)?.call((This(regexp),))
}

/// Runs a CommonJS wrapper and gives its `module.exports`.
///
/// # Errors
/// Whatever the module throws.
pub fn run_commonjs<'js>(
    ctx: &Ctx<'js>,
    wrapper: Value<'js>,
    module: Object<'js>,
    require: Function<'js>,
) -> Result<Value<'js>> {
    restore(ctx, |kept| &kept.require)?.call((wrapper, module, require))
}
