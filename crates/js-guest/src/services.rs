//! `env`: the services as code sees them. All of it is made at boot and lies in the base image; a run only takes away
//! what it was not granted.

use std::cell::RefCell;

use doer_guest_protocol::{Binding, Boot, Operation};
use rquickjs::{Ctx, Function, Object, Persistent, Promise, Result, Value, function::Rest, object::Property};

use crate::{
    error,
    json::{self, Unserializable},
    operations, scope, web,
};

struct Bindings {
    /// `env` with everything in it. A heap serves one run, so it need not be copied.
    env: Persistent<Object<'static>>,
    /// Its members, in the order of the bits that grant them.
    names: Vec<String>,
}

/// A worker's own `env`.
struct Worker {
    env: Persistent<Object<'static>>,
    /// Members whose values come with each run.
    secrets: Vec<(String, u32)>,
}

/// The member of `env` with all services in it.
const UNIFIED: &str = "DO";

thread_local! {
    static BINDINGS: RefCell<Option<Bindings>> = const { RefCell::new(None) };
    static WORKER: RefCell<Option<Worker>> = const { RefCell::new(None) };
}

/// Makes the bindings; to be called before any user code.
///
/// # Errors
/// Only out of memory.
pub fn install<'js>(ctx: &Ctx<'js>, table: &Boot) -> Result<()> {
    let (env, unified) = (Object::new(ctx.clone())?, Object::new(ctx.clone())?);
    member(&env, UNIFIED, &unified)?;
    let mut number = 0;
    for service in &table.services {
        let binding = Object::new(ctx.clone())?;
        for method in &service.methods {
            let place = number;
            let call = move |ctx: Ctx<'js>, arguments: Rest<Value<'js>>| call(&ctx, place, &arguments.0);
            let call = Function::new(ctx.clone(), call)?.with_name(&method.flat_name)?;
            member(&binding, &method.name, &call)?;
            member(&unified, &method.flat_name, &call)?;
            number += 1;
        }
        member(&env, &service.name, &binding)?;
    }
    let fetch = web::fetch_function(ctx)?;
    member(&unified, "fetch", &fetch)?;
    let names = table.services.iter().map(|service| service.name.clone()).collect();
    BINDINGS.set(Some(Bindings { env: Persistent::save(ctx, env), names }));
    Ok(())
}

fn member<'js>(object: &Object<'js>, name: &str, value: &Object<'js>) -> Result<()> {
    object.prop(name, Property::from(value.clone()).writable().enumerable().configurable())
}

/// `env` of a run: `DO` and the services that are granted, or nothing at all. `DO` has every method of every service, and
/// the host says no where one was not granted.
///
/// # Errors
/// Only before [`install`].
pub fn env<'js>(ctx: &Ctx<'js>, granted: Option<u32>) -> Result<Object<'js>> {
    let Some(granted) = granted else { return Object::new(ctx.clone()) };
    BINDINGS.with_borrow(|bindings| {
        let bindings = bindings.as_ref().ok_or(rquickjs::Error::Unknown)?;
        let env = bindings.env.clone().restore(ctx)?;
        for (bit, name) in bindings.names.iter().enumerate() {
            if granted & (1 << bit) == 0 {
                env.remove(name.as_str())?;
            }
        }
        Ok(env)
    })
}

/// Makes the `env` of a worker out of its members; secrets are put in by [`declared`]. It lies in the worker's image.
///
/// # Errors
/// Only before [`install`], or out of memory.
pub fn declare<'js>(ctx: &Ctx<'js>, members: &[(String, Binding)]) -> Result<()> {
    let (all, names) = BINDINGS.with_borrow(|bindings| {
        let bindings = bindings.as_ref().ok_or(rquickjs::Error::Unknown)?;
        Ok::<_, rquickjs::Error>((bindings.env.clone().restore(ctx)?, bindings.names.clone()))
    })?;
    let env = Object::new(ctx.clone())?;
    for (name, binding) in members {
        let value: Value<'js> = match binding {
            Binding::Value(json) => json::parse(ctx, json)?,
            Binding::Cloned(text) => web::from_wire(ctx, text)?,
            Binding::Worker(number) => web::worker(ctx, *number)?,
            Binding::Loader => web::loader(ctx)?,
            Binding::Service(bit) => all.get(names.get(*bit as usize).ok_or(rquickjs::Error::Unknown)?.as_str())?,
            Binding::Unified => all.get(UNIFIED)?,
            Binding::Secret(_) => continue,
        };
        env.prop(name.as_str(), Property::from(value).writable().enumerable().configurable())?;
    }
    let secrets = members.iter().filter_map(|(name, binding)| match binding {
        Binding::Secret(number) => Some((name.clone(), *number)),
        _ => None,
    });
    WORKER.set(Some(Worker { env: Persistent::save(ctx, env), secrets: secrets.collect() }));
    Ok(())
}

/// `env.DO` with all services, whatever is granted; `None` before [`install`].
///
/// # Errors
/// Only out of memory.
pub fn unified<'js>(ctx: &Ctx<'js>) -> Result<Option<Value<'js>>> {
    let env = BINDINGS.with_borrow(|bindings| bindings.as_ref().map(|bindings| bindings.env.clone()));
    env.map(|env| env.restore(ctx)?.get(UNIFIED)).transpose()
}

/// Sees to it that `env.DO` is there, for a worker: the one that it exports itself, else what is bound by that name, else
/// one that says that it is not available.
///
/// # Errors
/// Only before [`install`].
pub fn complete<'js>(ctx: &Ctx<'js>, env: &Object<'js>, exports: Option<&Object<'js>>) -> Result<()> {
    match exports {
        Some(exports) if exports.contains_key(UNIFIED)? => {
            let exported: Value<'js> = exports.get(UNIFIED)?;
            env.prop(UNIFIED, Property::from(exported).writable().enumerable().configurable())
        }
        _ if env.contains_key(UNIFIED)? => Ok(()),
        // Who looks at what there is does not see it.
        _ => env.prop(UNIFIED, Property::from(web::absent_service(ctx)?).writable().configurable()),
    }
}

/// `env` as a module imports it: a worker's own, without secrets until it is invoked, or everything there is; what is not
/// granted is not there once code runs for somebody.
///
/// # Errors
/// Only before [`install`].
pub fn imported<'js>(ctx: &Ctx<'js>) -> Result<Object<'js>> {
    let worker = WORKER.with_borrow(|worker| worker.as_ref().map(|worker| worker.env.clone()));
    let general = || BINDINGS.with_borrow(|bindings| bindings.as_ref().map(|bindings| bindings.env.clone()));
    worker.or_else(general).ok_or(rquickjs::Error::Unknown)?.restore(ctx)
}

/// The `env` that was declared, with its secrets; `None` where none was.
///
/// # Errors
/// Only out of memory, or where there are fewer secrets than declared.
pub fn declared<'js>(ctx: &Ctx<'js>, secrets: &[String]) -> Result<Option<Object<'js>>> {
    WORKER.with_borrow(|worker| {
        let Some(worker) = worker else { return Ok(None) };
        let env = worker.env.clone().restore(ctx)?;
        for (name, number) in &worker.secrets {
            let secret = secrets.get(*number as usize).ok_or(rquickjs::Error::Unknown)?;
            env.prop(name.as_str(), Property::from(secret.as_str()).writable().enumerable().configurable())?;
        }
        Ok(Some(env))
    })
}

/// Calls a method: a promise of its result.
fn call<'js>(ctx: &Ctx<'js>, method: u32, arguments: &[Value<'js>]) -> Result<Promise<'js>> {
    scope::refuse_global(ctx, "Calling a service")?;
    let (promise, resolve, reject) = ctx.promise()?;
    // Getters and `toJSON` of the user's run here, and may call services themselves.
    let submitted = match json::arguments(ctx, arguments) {
        Ok(arguments) => {
            let operation = Operation::Call { method, arguments: &arguments };
            operations::submit(ctx, &operation, resolve, reject.clone()).map(|_| ())
        }
        Err(Unserializable::Thrown(error)) => Err(error),
        Err(Unserializable::Value(message)) => {
            reject.call::<_, ()>((error::named(ctx, "SerializationError", &message)?,))?;
            Ok(())
        }
    };
    if let Err(error) = submitted {
        reject.call::<_, ()>((error::thrown(ctx, error)?,))?;
    }
    Ok(promise)
}

#[cfg(test)]
mod tests;
