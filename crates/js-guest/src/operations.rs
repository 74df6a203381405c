//! What the host is doing for this run: operations that were submitted, and the promises that wait for them.

use std::{cell::RefCell, collections::BTreeMap};

use doer_guest_protocol::{Completion, End, Failure, Operation, Resume, decode, encode};
use rquickjs::{Ctx, Exception, Function, Object, Persistent, Result, TypedArray, Value, object::Property};

use crate::{error, host, json, web};

/// Makes what user code catches.
type MakeError = for<'a, 'js> fn(&'a Ctx<'js>, &Failure<'_>) -> Result<Object<'js>>;

/// Who waits for an operation.
struct Waiter {
    resolve: Persistent<Function<'static>>,
    reject: Persistent<Function<'static>>,
    failure: MakeError,
}

thread_local! {
    static WAITING: RefCell<BTreeMap<u32, Waiter>> = const { RefCell::new(BTreeMap::new()) };
}

/// Gives the host something to do, and its number. One of the two functions is called when it has ended.
///
/// # Errors
/// A `RangeError` where too much is going on already.
pub fn submit<'js>(
    ctx: &Ctx<'js>,
    operation: &Operation<'_>,
    resolve: Function<'js>,
    reject: Function<'js>,
) -> Result<u32> {
    let Some(number) = host::submit(&encode(operation)) else {
        let text = "Too many calls are in flight: await some of them before starting more";
        return Err(Exception::throw_range(ctx, text));
    };
    let waiter = Waiter {
        resolve: Persistent::save(ctx, resolve),
        reject: Persistent::save(ctx, reject),
        failure: match operation {
            Operation::Call { .. } => service_error,
            Operation::Fetch(_) => fetch_error,
            Operation::Read { .. } | Operation::Close { .. } | Operation::Write(_) | Operation::Finish { .. } => {
                body_error
            }
            Operation::CallWorker(..) | Operation::FetchWorker(..) | Operation::Load { .. } => worker_error,
        },
    };
    WAITING.with_borrow_mut(|waiting| waiting.insert(number, waiter));
    Ok(number)
}

/// Gives the host something to do of which nobody waits for the end.
///
/// # Errors
/// As [`submit`].
pub fn tell_host(ctx: &Ctx<'_>, operation: &Operation<'_>) -> Result<()> {
    match host::submit(&encode(operation)) {
        Some(_) => Ok(()),
        None => Err(Exception::throw_range(ctx, "Too many calls are in flight")),
    }
}

/// Gives an operation up. Nothing happens where it has ended already.
pub fn cancel(number: u32) {
    // Dropped after the borrow ends: freeing a function may run finalizers.
    let waiter = WAITING.with_borrow_mut(|waiting| waiting.remove(&number));
    if waiter.is_some() {
        host::cancel(number);
    }
}

/// Is the host doing anything?
pub fn any_pending() -> bool {
    WAITING.with_borrow(|waiting| !waiting.is_empty())
}

/// Settles what has ended already; says whether that was anything.
pub fn settle_ended(ctx: &Ctx<'_>) -> bool {
    if !any_pending() {
        return false;
    }
    let message = host::ended();
    match decode(&message) {
        Ok(ended) if !message.is_empty() => {
            settle(ctx, &ended);
            true
        }
        _ => false,
    }
}

/// Tells those who wait how their operations ended. What nobody waits for any more is dropped.
pub fn settle(ctx: &Ctx<'_>, message: &Resume<'_>) {
    for completion in &message.completions {
        let Some(waiter) = WAITING.with_borrow_mut(|waiting| waiting.remove(&completion.operation)) else { continue };
        if tell(ctx, waiter, completion).is_err() {
            // Memory or stack are used up, or a `then` of the user's threw: there is nobody left to tell.
            drop(ctx.catch());
        }
    }
}

fn tell(ctx: &Ctx<'_>, waiter: Waiter, completion: &Completion<'_>) -> Result<()> {
    let value = match &completion.end {
        End::Result(json) => json::parse(ctx, json),
        End::Response(response) => web::response_from_network(ctx, response),
        End::Cloned(text) => rquickjs::String::from_str(ctx.clone(), text).map(rquickjs::String::into_value),
        End::Chunk(Some(piece)) => TypedArray::<u8>::new_copy(ctx.clone(), piece.0).map(TypedArray::into_value),
        End::Chunk(None) => Ok(Value::new_null(ctx.clone())),
        End::Done => Ok(Value::new_undefined(ctx.clone())),
        End::Failed(failure) => {
            return waiter.reject.restore(ctx)?.call(((waiter.failure)(ctx, failure)?,));
        }
    };
    match value {
        Ok(value) => waiter.resolve.restore(ctx)?.call((value,)),
        Err(refused) => waiter.reject.restore(ctx)?.call((error::thrown(ctx, refused)?,)),
    }
}

/// `ServiceError`: its `code` is for programs to look at.
///
/// # Errors
/// Only out of memory.
pub fn service_error<'js>(ctx: &Ctx<'js>, failure: &Failure<'_>) -> Result<Object<'js>> {
    let reason = error::named(ctx, "ServiceError", failure.message)?;
    reason.prop("code", Property::from(failure.code).writable().configurable().enumerable())?;
    if let Some(wait_ms) = failure.retry_after_ms {
        reason.prop("retryAfterMs", Property::from(wait_ms as f64).writable().configurable().enumerable())?;
    }
    Ok(reason)
}

/// What the standard has `fetch` fail with. A policy says itself that it does not permit something.
fn fetch_error<'js>(ctx: &Ctx<'js>, failure: &Failure<'_>) -> Result<Object<'js>> {
    match failure.code {
        "forbidden" => error::type_error(ctx, failure.message),
        _ => error::type_error(ctx, &format!("fetch failed: {}", failure.message)),
    }
}

/// A body that breaks off, or that nobody reads.
fn body_error<'js>(ctx: &Ctx<'js>, failure: &Failure<'_>) -> Result<Object<'js>> {
    error::type_error(ctx, failure.message)
}

/// What another worker threw, or why it was not called.
fn worker_error<'js>(ctx: &Ctx<'js>, failure: &Failure<'_>) -> Result<Object<'js>> {
    match failure.name {
        Some("TypeError") => error::type_error(ctx, failure.message),
        Some(name) => error::named(ctx, name, failure.message),
        None => error::named(ctx, "Error", failure.message),
    }
}
