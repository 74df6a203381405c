//! The Fetch standard's rules for header names and values.

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
    let name: Text = value.get()?;
    if !is_token(&name.0) {
        return Err(Exception::throw_type(&ctx, "Invalid header name"));
    }
    if name.0.bytes().any(|b| b.is_ascii_uppercase()) {
        return name.0.to_ascii_lowercase().into_js(&ctx);
    }
    Ok(value)
}

/// The value without the white space around it, which the standard calls normalising.
fn header_value<'js>(ctx: Ctx<'js>, value: Value<'js>) -> Result<Value<'js>> {
    let text: Text = value.get()?;
    let trimmed = text.0.trim_matches(['\t', '\n', '\r', ' ']);
    if trimmed.chars().any(|c| matches!(c, '\0' | '\n' | '\r') || u32::from(c) > 0xFF) {
        return Err(Exception::throw_type(&ctx, "Invalid header value"));
    }
    if trimmed.len() == text.0.len() { Ok(value) } else { trimmed.into_js(&ctx) }
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// `reason-phrase` of RFC 9112: tabs, spaces, visible characters and bytes above 0x7F.
fn is_reason_phrase(text: &str) -> bool {
    text.chars().all(|c| matches!(c, '\t' | ' '..='~' | '\u{80}'..='\u{FF}'))
}
