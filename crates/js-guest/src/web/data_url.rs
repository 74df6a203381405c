//! `data:` URLs, which `fetch` answers by itself.

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use rquickjs::{Array, Ctx, Function, IntoJs, Object, Result, TypedArray};

use super::{mime::Mime, text::Text};

/// Padding may be missing, and so may be anything after the last bit that counts.
const FORGIVING: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Adds `dataUrl`.
pub fn install(native: &Object<'_>) -> Result<()> {
    native.set("dataUrl", Function::new(native.ctx().clone(), data_url)?)
}

/// Content type and bytes; `undefined` where the URL is not valid, null where it is none of these.
fn data_url<'js>(ctx: Ctx<'js>, url: Text) -> Result<Option<Array<'js>>> {
    let Some((content_type, bytes)) = parse(&url.0) else { return Ok(None) };
    let pair = Array::new(ctx.clone())?;
    pair.set(0, content_type)?;
    pair.set(1, TypedArray::new(ctx.clone(), bytes)?.into_js(&ctx)?)?;
    Ok(Some(pair))
}

fn parse(url: &str) -> Option<(String, Vec<u8>)> {
    let rest = url.strip_prefix("data:")?;
    let (media, data) = rest.split('#').next()?.split_once(',')?;
    let mut bytes = percent_decoded(data);
    let mut media = media.trim_matches(' ');
    let essence = media.trim_end_matches(' ');
    if essence.len() >= 6 && essence.is_char_boundary(essence.len() - 6) {
        let (before, word) = essence.split_at(essence.len() - 6);
        let before = before.trim_end_matches(' ');
        if let (true, Some(before)) = (word.eq_ignore_ascii_case("base64"), before.strip_suffix(';')) {
            media = before;
            bytes.retain(|byte| !byte.is_ascii_whitespace());
            bytes = FORGIVING.decode(&bytes).ok()?;
        }
    }
    let media = if media.starts_with(';') { format!("text/plain{media}") } else { media.to_owned() };
    let mime =
        Mime::of_header(&media).map_or_else(|| "text/plain;charset=US-ASCII".to_owned(), |mime| mime.to_string());
    Some((mime, bytes))
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let digit = |at: usize| char::from(*bytes.get(at)?).to_digit(16);
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            _ => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    out
}
