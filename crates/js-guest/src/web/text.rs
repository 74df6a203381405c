//! Strings on their way from JavaScript to Rust.

use rquickjs::{Ctx, Error, FromJs, Result, String as JsString, Value};

/// A string as the standards' `USVString`: lone surrogates are U+FFFD.
///
/// The conversion of the bindings fails on lone surrogates instead.
pub struct Text(pub String);

impl<'js> FromJs<'js> for Text {
    fn from_js(_ctx: &Ctx<'js>, value: Value<'js>) -> Result<Self> {
        let kind = value.type_name();
        let string = JsString::from_value(value).map_err(|_| Error::new_from_js(kind, "string"))?;
        let text = string.to_cstring()?;
        Ok(Self(replace_surrogates(raw_bytes(&text).to_vec())))
    }
}

/// The engine's own bytes, which its `&str` view promises to be UTF-8 although they need not be.
#[expect(unsafe_code, reason = "the pointer and length are those of a live C string of the engine")]
fn raw_bytes<'a>(text: &'a rquickjs::CString<'_>) -> &'a [u8] {
    unsafe { std::slice::from_raw_parts(text.as_ptr().cast(), text.len()) }
}

/// A lone surrogate is three bytes (`ED A0..BF xx`), and so is U+FFFD: they are replaced in place.
fn replace_surrogates(bytes: Vec<u8>) -> String {
    let mut bytes = match String::from_utf8(bytes) {
        Ok(text) => return text,
        Err(error) => error.into_bytes(),
    };
    for at in 0..bytes.len().saturating_sub(2) {
        if bytes[at] == 0xED && bytes[at + 1] >= 0xA0 {
            bytes[at..at + 3].copy_from_slice("\u{FFFD}".as_bytes());
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
