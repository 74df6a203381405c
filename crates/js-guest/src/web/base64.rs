//! `atob` and `btoa`.

use base64::{
    Engine,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use rquickjs::{Ctx, Exception, Function, Object, Result};

use super::text::Text;

/// The forgiving decode of the Infra standard: padding may be absent, and spare bits are ignored.
const FORGIVING: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Adds `atob` and `btoa`, from string to string.
pub fn install(native: &Object<'_>) -> Result<()> {
    let ctx = native.ctx();
    native.set("atob", Function::new(ctx.clone(), atob)?)?;
    native.set("btoa", Function::new(ctx.clone(), btoa)?)
}

fn atob(ctx: Ctx<'_>, text: Text) -> Result<String> {
    let mut text = text.0;
    text.retain(|c| !matches!(c, '\t' | '\n' | '\x0C' | '\r' | ' '));
    match decode(&text) {
        Some(bytes) => Ok(bytes.into_iter().map(char::from).collect()),
        None => Err(invalid(&ctx, "The string to be decoded is not correctly encoded.")),
    }
}

/// Padding counts only where it makes the length a multiple of four.
fn decode(text: &str) -> Option<Vec<u8>> {
    if text.contains('=') && !text.len().is_multiple_of(4) {
        return None;
    }
    FORGIVING.decode(text).ok()
}

fn btoa(ctx: Ctx<'_>, text: Text) -> Result<String> {
    let bytes: Option<Vec<u8>> = text.0.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
    match bytes {
        Some(bytes) => Ok(STANDARD.encode(bytes)),
        None => Err(invalid(&ctx, "The string to be encoded contains characters outside of the Latin1 range.")),
    }
}

fn invalid(ctx: &Ctx<'_>, message: &str) -> rquickjs::Error {
    Exception::throw_dom(ctx, "InvalidCharacterError", message)
}
