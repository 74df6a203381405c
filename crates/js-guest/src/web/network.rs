//! `fetch` on its way out: what stands before it, and the message that it becomes.

use std::cell::Cell;

use doer_guest_protocol::{Bytes, Operation, Redirect, Request};
use rquickjs::{Array, Ctx, Exception, Function, Object, Result, Value};

use super::{
    handoff::{body_bytes, pairs},
    text::Text,
};
use crate::{operations, scope::refuse_global};

thread_local! {
    static PERMITTED: Cell<bool> = const { Cell::new(false) };
}

/// Says whether there is any way out in what runs next.
pub fn permit(permitted: bool) {
    PERMITTED.set(permitted);
}

/// Adds `startFetch` and `cancelFetch`.
pub fn install(native: &Object<'_>) -> Result<()> {
    native.set("startFetch", Function::new(native.ctx().clone(), start)?)?;
    native.set("cancelFetch", Function::new(native.ctx().clone(), operations::cancel)?)
}

/// Sends a request, `[method, url, redirect, headers, body]`, and gives the number of the operation, whose end will call
/// one of the two functions.
fn start<'js>(ctx: Ctx<'js>, parts: Array<'js>, resolve: Function<'js>, reject: Function<'js>) -> Result<u32> {
    refuse_global(&ctx, "fetch()")?;
    if !PERMITTED.get() {
        return Err(Exception::throw_type(&ctx, "fetch is not permitted: no egress policy allows network access here"));
    }
    with_request(&parts, |request| operations::submit(&ctx, &Operation::Fetch(request), resolve, reject))
}

/// The message that the parts of a request become.
pub(super) fn with_request<R>(parts: &Array<'_>, send: impl FnOnce(Request<'_>) -> Result<R>) -> Result<R> {
    let (method, url, redirect): (Text, Text, Text) = (parts.get(0)?, parts.get(1)?, parts.get(2)?);
    let headers = pairs(&parts.get(3)?)?;
    let body = body_bytes(&parts.get::<Value<'_>>(4)?)?;
    send(Request {
        method: &method.0,
        url: &url.0,
        headers: headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
        body: body.as_deref().map(Bytes),
        redirect: match redirect.0.as_str() {
            "manual" => Redirect::Manual,
            "error" => Redirect::Error,
            _ => Redirect::Follow,
        },
    })
}
