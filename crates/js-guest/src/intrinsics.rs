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
    refuse_eval: Persistent<Function<'static>>,
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
            refuseEval: (({ defineProperty, getPrototypeOf, setPrototypeOf }, EvalError, global) => () => {
                const refuse = () => { throw new EvalError('Code generation from strings disallowed for this context'); };
                const refused = { eval: (code) => (typeof code === 'string' ? refuse() : code) }.eval;
                const value = (value) => ({ __proto__: null, value, writable: true, enumerable: false, configurable: true });
                const fixed = (value) => ({ __proto__: null, value, writable: false, enumerable: false, configurable: false });
                defineProperty(global, 'eval', value(refused));
                // Nothing leads to the constructors but their names and `constructor` of what they make.
                let parent = getPrototypeOf(refuse);
                const kinds = [
                    ['Function', refuse], ['AsyncFunction', async () => {}],
                    ['GeneratorFunction', function* () {}], ['AsyncGeneratorFunction', async function* () {}],
                ];
                for (let i = 0; i < kinds.length; i++) {
                    const prototype = getPrototypeOf(kinds[i][1]);
                    const constructor = function () { refuse(); };
                    defineProperty(constructor, 'name', { __proto__: null, value: kinds[i][0] });
                    defineProperty(constructor, 'length', { __proto__: null, value: 1 });
                    defineProperty(constructor, 'prototype', fixed(prototype));
                    defineProperty(prototype, 'constructor', value(constructor));
                    setPrototypeOf(constructor, parent);
                    if (i === 0) {
                        parent = constructor;
                        defineProperty(global, 'Function', value(constructor));
                    }
                }
                return refused;
            })(Object, EvalError, globalThis),
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
        refuse_eval: kept.get("refuseEval")?,
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

/// Takes away whatever makes code of text, for as long as the heap lives; to be called before any user code, which could
/// keep what it finds. Modules are read by the engine itself, now and later.
///
/// # Errors
/// Only out of memory.
pub fn disallow_eval(ctx: &Ctx<'_>) -> Result<()> {
    let refused: Function<'_> = restore(ctx, |kept| &kept.refuse_eval)?.call(())?;
    let refused = Persistent::save(ctx, refused);
    INTRINSICS.with_borrow_mut(|kept| {
        if let Some(kept) = kept {
            kept.eval = refused;
        }
    });
    Ok(())
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
