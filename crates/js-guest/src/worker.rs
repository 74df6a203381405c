//! Entrypoints of a worker: exports that answer requests, or whose methods can be called from outside.

use rquickjs::{
    Array, Ctx, Exception, Function, Object, Result, Value,
    function::{Args, This},
};

use crate::{intrinsics, raw};

/// What an entrypoint's methods are called on.
struct Receiver<'js> {
    object: Object<'js>,
    /// An instance knows `env` and `ctx` already.
    is_instance: bool,
}

/// Finds the export: `default` where no name is given.
///
/// # Errors
/// An error that says what is missing.
pub fn entrypoint<'js>(
    ctx: &Ctx<'js>,
    default: Value<'js>,
    namespace: &Object<'js>,
    name: Option<&str>,
) -> Result<Value<'js>> {
    let found = match name {
        None | Some("default") => default,
        Some(name) => namespace.get(name)?,
    };
    if found.is_undefined() {
        let text = match name {
            None | Some("default") => "Worker has no default export".to_owned(),
            Some(name) => format!("Worker has no such entrypoint: {name}"),
        };
        return Err(Exception::throw_type(ctx, &text));
    }
    Ok(found)
}

/// Has an entrypoint answer a request.
///
/// # Errors
/// Whatever it throws; a `TypeError` where it has no `fetch`.
pub fn fetch<'js>(
    ctx: &Ctx<'js>,
    entrypoint: Value<'js>,
    request: Value<'js>,
    env: Object<'js>,
    context: Object<'js>,
) -> Result<Value<'js>> {
    let receiver = receiver(ctx, entrypoint, &env, &context)?;
    let handler: Value<'js> = receiver.object.get("fetch")?;
    let Some(handler) = handler.as_function() else {
        return Err(Exception::throw_type(ctx, "Handler does not export a fetch() function"));
    };
    let this = This(receiver.object.clone());
    if receiver.is_instance { handler.call((this, request)) } else { handler.call((this, request, env, context)) }
}

/// Has a handler of an entrypoint (`scheduled`, `queue`, `tail`) take an event.
///
/// # Errors
/// Whatever it throws; a `TypeError` where it has no such handler.
pub fn handle<'js>(
    ctx: &Ctx<'js>,
    entrypoint: Value<'js>,
    handler: &str,
    event: Value<'js>,
    env: Object<'js>,
    context: Object<'js>,
) -> Result<Value<'js>> {
    let receiver = receiver(ctx, entrypoint, &env, &context)?;
    let found: Value<'js> = receiver.object.get(handler)?;
    let Some(found) = found.as_function() else {
        let text = format!("Handler does not export a {handler}() function");
        return Err(Exception::throw_type(ctx, &text));
    };
    let this = This(receiver.object.clone());
    if receiver.is_instance { found.call((this, event)) } else { found.call((this, event, env, context)) }
}

/// Calls a method of an entrypoint.
///
/// # Errors
/// Whatever it throws; a `TypeError` where it has no such method.
pub fn call<'js>(
    ctx: &Ctx<'js>,
    entrypoint: Value<'js>,
    method: &str,
    arguments: Value<'js>,
    env: &Object<'js>,
    context: &Object<'js>,
) -> Result<Value<'js>> {
    let receiver = receiver(ctx, entrypoint, env, context)?;
    let Some(function) = public_method(ctx, &receiver.object, method)? else {
        let text = format!("The RPC receiver does not implement the method {method:?}");
        return Err(Exception::throw_type(ctx, &text));
    };
    let arguments: Array<'js> = arguments.get()?;
    let mut args = Args::new(ctx.clone(), arguments.len());
    args.this(receiver.object)?;
    for argument in arguments.iter::<Value<'js>>() {
        args.push_arg(argument?)?;
    }
    function.call_arg(args)
}

/// An object as it is; of a class, a new instance.
fn receiver<'js>(
    ctx: &Ctx<'js>,
    entrypoint: Value<'js>,
    env: &Object<'js>,
    context: &Object<'js>,
) -> Result<Receiver<'js>> {
    if let Some(class) = entrypoint.as_constructor()
        && extends(class, intrinsics::worker_entrypoint(ctx)?.as_value())
    {
        let object: Object<'js> = class.construct((context.clone(), env.clone()))?;
        return Ok(Receiver { object, is_instance: true });
    }
    match entrypoint.as_object() {
        Some(object) if !entrypoint.is_function() => Ok(Receiver { object: object.clone(), is_instance: false }),
        _ => {
            let text = "The entrypoint is neither an object nor a class that extends WorkerEntrypoint";
            Err(Exception::throw_type(ctx, text))
        }
    }
}

/// Does a class have another among those it is derived from?
fn extends<'js>(class: &Object<'js>, ancestor: &Value<'js>) -> bool {
    let mut next = class.get_prototype();
    while let Some(class) = next {
        if raw::same_object(class.as_value(), ancestor) {
            return true;
        }
        next = class.get_prototype();
    }
    false
}

/// A method that the worker wrote itself: what every object has, or every entrypoint, is nobody's to call.
fn public_method<'js>(ctx: &Ctx<'js>, receiver: &Object<'js>, name: &str) -> Result<Option<Function<'js>>> {
    if name == "constructor" {
        return Ok(None);
    }
    let base: Object<'js> = intrinsics::worker_entrypoint(ctx)?.get("prototype")?;
    let mut next = Some(receiver.clone());
    while let Some(object) = next {
        let prototype = object.get_prototype();
        // The last of a chain is that of all objects.
        let is_base = raw::same_object(object.as_value(), base.as_value());
        let is_receiver = raw::same_object(object.as_value(), receiver.as_value());
        if is_base || (prototype.is_none() && !is_receiver) {
            return Ok(None);
        }
        if intrinsics::has_own(ctx, &object, name)? {
            return Ok(receiver.get::<_, Value<'js>>(name)?.into_function());
        }
        next = prototype;
    }
    Ok(None)
}
