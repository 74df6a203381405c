//! What the invoker needs from the platform, whatever user code did to the global object.
//!
//! The scripts leave a few functions here at boot. They look at `#private` fields, which user code can
//! neither forge nor replace.

use doer_guest_protocol::Response;
use rquickjs::{
    Array, Ctx, Error, Exception, Function, IntoJs, JsLifetime, Object, Promise, Result, TypedArray, Value,
    function::Args,
};

use super::{bytes, text::Text};
use crate::raw;

/// Functions of the platform's scripts, kept out of JavaScript's reach.
struct Handoff<'js> {
    response_kind: Function<'js>,
    buffer_response: Function<'js>,
    take_response: Function<'js>,
    send_response: Function<'js>,
    new_request: Function<'js>,
    bytes_of: Function<'js>,
    network_response: Function<'js>,
    fetch: Function<'js>,
    report: Function<'js>,
}

#[expect(unsafe_code, reason = "the lifetime of the type is that of the values in it")]
unsafe impl<'js> JsLifetime<'js> for Handoff<'js> {
    type Changed<'to> = Handoff<'to>;
}

/// A `Response` that left JavaScript.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenResponse {
    /// HTTP status; 0 for `Response.error()`.
    pub status: u16,
    /// Names in lower case, in the order they were added; `set-cookie` may come more than once. Values
    /// are byte strings: each `char` stands for one byte.
    pub headers: Vec<(String, String)>,
    /// The whole body; `None` where the response has none, which is not the same as an empty one.
    pub body: Option<Vec<u8>>,
    /// The value of the `content-type` header.
    pub content_type: Option<String>,
}

/// Keeps what the scripts have left in `native`.
pub fn keep<'js>(ctx: &Ctx<'js>, native: &Object<'js>) -> Result<()> {
    let handoff = Handoff {
        response_kind: native.get("responseKind")?,
        buffer_response: native.get("bufferResponse")?,
        take_response: native.get("takeResponse")?,
        send_response: native.get("sendResponse")?,
        new_request: native.get("newRequest")?,
        bytes_of: native.get("bytesOf")?,
        network_response: native.get("networkResponse")?,
        fetch: native.get("fetch")?,
        report: native.get("report")?,
    };
    ctx.store_userdata(handoff).map(|_| ()).map_err(|_| Error::Unknown)
}

/// How the body of a response comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseKind {
    /// At once, if there is one.
    Whole,
    /// Piece by piece.
    Streamed,
}

/// What kind of response a value is; `None` where it was not made by the platform's own `Response`, or by a class that
/// extends it.
pub fn response_kind<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Option<ResponseKind> {
    if !value.is_object() {
        return None;
    }
    let asked = function(ctx, |handoff| handoff.response_kind.clone()).and_then(|ask| ask.call((value.clone(),)));
    match without_exception(ctx, asked) {
        Some(1) => Some(ResponseKind::Whole),
        Some(2) => Some(ResponseKind::Streamed),
        _ => None,
    }
}

/// A promise of the same response with its whole body at hand; `None` where it is already.
///
/// # Errors
/// A `TypeError` in JavaScript where its body was used before.
pub fn buffer_response<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<Option<Value<'js>>> {
    function(ctx, |handoff| handoff.buffer_response.clone())?.call((value.clone(),))
}

/// Takes status, headers and body out of a response, whose body counts as used from then on.
///
/// # Errors
/// A `TypeError` in JavaScript where `value` is no response, or its body was used before.
pub fn take_response<'js>(ctx: &Ctx<'js>, value: Value<'js>) -> Result<TakenResponse> {
    let parts: Array<'js> = function(ctx, |handoff| handoff.take_response.clone())?.call((value,))?;
    let headers = pairs(&parts.get(1)?)?;
    let content_type = headers.iter().find(|(name, _)| name == "content-type").map(|(_, value)| value.clone());
    Ok(TakenResponse { status: parts.get(0)?, headers, body: body_bytes(&parts.get(2)?)?, content_type })
}

/// A `Response` whose body is on its way.
pub struct SentResponse<'js> {
    /// HTTP status.
    pub status: u16,
    /// As those of a [`TakenResponse`].
    pub headers: Vec<(String, String)>,
    /// Settled when the body has ended.
    pub end: Promise<'js>,
}

/// Begins to send a response whose body comes piece by piece.
///
/// # Errors
/// A `TypeError` in JavaScript where its body was used before.
pub fn send_response<'js>(ctx: &Ctx<'js>, value: Value<'js>) -> Result<SentResponse<'js>> {
    let parts: Array<'js> = function(ctx, |handoff| handoff.send_response.clone())?.call((value,))?;
    Ok(SentResponse { status: parts.get(0)?, headers: pairs(&parts.get(1)?)?, end: parts.get(2)? })
}

/// A `Request` as a handler receives it. The URL is one that a request may have, in its serialised form; names of headers
/// may have any case.
///
/// # Errors
/// A `TypeError` in JavaScript where the standard refuses the method or a header.
pub fn new_request<'js>(
    ctx: &Ctx<'js>,
    url: &str,
    method: &str,
    headers: &[(String, String)],
    body: Option<IncomingBody<'_>>,
) -> Result<Value<'js>> {
    let mut list = Vec::with_capacity(2 * headers.len());
    for (name, value) in headers {
        list.push(super::headers::name(ctx, name)?.into_js(ctx)?);
        list.push(super::headers::value(ctx, value)?.into_js(ctx)?);
    }
    let body = body.map(|body| incoming(ctx, body)).transpose()?;
    function(ctx, |handoff| handoff.new_request.clone())?.call((url, method, raw::array(ctx, &list)?, body))
}

/// A `Response` as the network gave it.
///
/// # Errors
/// Only out of memory.
pub fn response_from_network<'js>(ctx: &Ctx<'js>, response: &Response<'_>) -> Result<Value<'js>> {
    // A fragment is never sent, and no part of where an answer came from.
    let url = response.url.split('#').next().unwrap_or_default();
    let mut args = Args::new(ctx.clone(), 5 + 2 * response.headers.len());
    args.push_arg(response.status)?;
    args.push_arg(super::headers::reason_phrase(response.status))?;
    args.push_arg(url)?;
    args.push_arg(response.redirected)?;
    args.push_arg(match response.status {
        101 | 204 | 205 | 304 => None,
        _ => Some(incoming(ctx, response.stream.map_or(IncomingBody::Whole(response.body.0), IncomingBody::Stream))?),
    })?;
    for (name, value) in &response.headers {
        args.push_arg(*name)?;
        args.push_arg(*value)?;
    }
    function(ctx, |handoff| handoff.network_response.clone())?.call_arg(args)
}

/// A body that comes in.
#[derive(Debug, Clone, Copy)]
pub enum IncomingBody<'a> {
    /// All of it.
    Whole(&'a [u8]),
    /// To be read from the host, under this number.
    Stream(u32),
}

/// A body as the scripts take it: bytes, or a number.
fn incoming<'js>(ctx: &Ctx<'js>, body: IncomingBody<'_>) -> Result<Value<'js>> {
    match body {
        IncomingBody::Whole(bytes) => Ok(TypedArray::<u8>::new_copy(ctx.clone(), bytes)?.into_value()),
        IncomingBody::Stream(number) => Ok(Value::new_number(ctx.clone(), f64::from(number))),
    }
}

/// Reports what nobody caught: to the listeners of `error` on the global object, else to the console.
pub fn report(ctx: &Ctx<'_>, error: Error) {
    let thrown = match crate::error::thrown(ctx, error) {
        Ok(thrown) => thrown,
        Err(error) => return crate::error::report_uncaught(ctx, error),
    };
    let handled = function(ctx, |handoff| handoff.report.clone()).and_then(|report| report.call((thrown.clone(),)));
    if without_exception(ctx, handled) != Some(true) {
        crate::error::report_uncaught(ctx, ctx.throw(thrown));
    }
}

/// `fetch`, as it was before any user code.
///
/// # Errors
/// Only before the platform is installed.
pub fn fetch_function<'js>(ctx: &Ctx<'js>) -> Result<Function<'js>> {
    function(ctx, |handoff| handoff.fetch.clone())
}

/// A copy of the bytes behind an `ArrayBuffer`, a typed array or a `DataView`; `None` for all else.
///
/// A detached buffer has no bytes, which is not an error.
pub fn bytes_of(value: &Value<'_>) -> Option<Vec<u8>> {
    let ctx = value.ctx();
    let found = function(ctx, |handoff| handoff.bytes_of.clone()).and_then(|find| find.call((value.clone(),)));
    let array: Option<TypedArray<'_, u8>> = without_exception(ctx, found).flatten();
    array.map(|array| bytes::read(&array, <[u8]>::to_vec))
}

/// Drops the exception behind an error (a stack that is used up, at worst), so that it does not surface later.
fn without_exception<T>(ctx: &Ctx<'_>, result: Result<T>) -> Option<T> {
    result.inspect_err(|_| drop(ctx.catch())).ok()
}

fn function<'js>(ctx: &Ctx<'js>, pick: impl Fn(&Handoff<'js>) -> Function<'js>) -> Result<Function<'js>> {
    let handoff = ctx.userdata::<Handoff<'js>>();
    handoff
        .map(|handoff| pick(&handoff))
        .ok_or_else(|| Exception::throw_internal(ctx, "the web platform is not installed"))
}

/// Names and values of a flat list.
pub(super) fn pairs(list: &Array<'_>) -> Result<Vec<(String, String)>> {
    (0..list.len()).step_by(2).map(|at| Ok((list.get::<Text>(at)?.0, list.get::<Text>(at + 1)?.0))).collect()
}

/// The bytes that a body consists of; `None` for `null`.
pub(super) fn body_bytes(source: &Value<'_>) -> Result<Option<Vec<u8>>> {
    if source.is_null() {
        return Ok(None);
    }
    if source.is_string() {
        return Ok(Some(source.get::<Text>()?.0.into_bytes()));
    }
    Ok(Some(bytes::read(&source.get()?, <[u8]>::to_vec)))
}
