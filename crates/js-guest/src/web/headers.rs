//! The Fetch standard's rules for header names and values.

use std::borrow::Cow;

use rquickjs::{Ctx, Exception, Function, IntoJs, Object, Result, Value};

use super::text::Text;

/// Adds `headerName`, `headerValue`, `isToken` and `isReasonPhrase`.
pub fn install(native: &Object<'_>) -> Result<()> {
    let ctx = native.ctx();
    native.set("headerName", Function::new(ctx.clone(), header_name)?)?;
    native.set("headerValue", Function::new(ctx.clone(), header_value)?)?;
    native.set("isToken", Function::new(ctx.clone(), |text: Text| is_token(&text.0))?)?;
    native.set("isReasonPhrase", Function::new(ctx.clone(), |text: Text| is_reason_phrase(&text.0))?)
}

/// The name in lower case; a name that is so already comes back as it is.
fn header_name<'js>(ctx: Ctx<'js>, value: Value<'js>) -> Result<Value<'js>> {
    let given: Text = value.get()?;
    match name(&ctx, &given.0)? {
        Cow::Borrowed(_) => Ok(value),
        Cow::Owned(lower) => lower.into_js(&ctx),
    }
}

/// The value without the white space around it, which the standard calls normalising.
fn header_value<'js>(ctx: Ctx<'js>, value: Value<'js>) -> Result<Value<'js>> {
    let given: Text = value.get()?;
    let trimmed = self::value(&ctx, &given.0)?;
    if trimmed.len() == given.0.len() { Ok(value) } else { trimmed.into_js(&ctx) }
}

/// A header's name as it is kept: in lower case.
///
/// # Errors
/// A `TypeError` in JavaScript where it is none.
pub fn name<'a>(ctx: &Ctx<'_>, text: &'a str) -> Result<Cow<'a, str>> {
    if !is_token(text) {
        return Err(Exception::throw_type(ctx, "Invalid header name"));
    }
    Ok(if text.bytes().any(|b| b.is_ascii_uppercase()) { text.to_ascii_lowercase().into() } else { text.into() })
}

/// A header's value as it is kept: without the white space around it.
///
/// # Errors
/// A `TypeError` in JavaScript where it is none.
pub fn value<'a>(ctx: &Ctx<'_>, text: &'a str) -> Result<&'a str> {
    let trimmed = text.trim_matches(['\t', '\n', '\r', ' ']);
    if trimmed.chars().any(|c| matches!(c, '\0' | '\n' | '\r') || u32::from(c) > 0xFF) {
        return Err(Exception::throw_type(ctx, "Invalid header value"));
    }
    Ok(trimmed)
}

/// The phrase that RFC 9110 and its registry have for a status: HTTP/2 sends none, and HTTP/1 rarely another.
pub fn reason_phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        207 => "Multi-Status",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        423 => "Locked",
        424 => "Failed Dependency",
        425 => "Too Early",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        511 => "Network Authentication Required",
        _ => "",
    }
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// `reason-phrase` of RFC 9112: tabs, spaces, visible characters and bytes above 0x7F.
fn is_reason_phrase(text: &str) -> bool {
    text.chars().all(|c| matches!(c, '\t' | ' '..='~' | '\u{80}'..='\u{FF}'))
}
