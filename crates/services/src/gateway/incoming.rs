//! An upstream's answer, as JSON.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use doer_core::service::{ServiceError, gateway::RouteResponse};
use reqwest::{
    Response,
    header::{CONTENT_TYPE, HeaderMap},
};
use serde_json::{Value, json};

use super::failed;
use crate::wire::{self, BodyError};

/// Reads an answer to its end.
///
/// # Errors
/// `upstream_error`.
pub(super) async fn read(response: Response, max_body_bytes: u64) -> Result<RouteResponse, ServiceError> {
    if wire::header_bytes(response.headers()) > wire::MAX_HEADER_BYTES {
        return Err(failed(&format!("the answer's headers are larger than {} bytes", wire::MAX_HEADER_BYTES)));
    }
    let status = response.status().as_u16();
    let media_type = response.headers().get(CONTENT_TYPE).map(wire::text).unwrap_or_default().to_ascii_lowercase();
    let headers = joined(response.headers());
    let bytes = wire::read_body(response, max_body_bytes).await.map_err(|error| match error {
        BodyError::TooLarge => failed(&format!("the answer is larger than {max_body_bytes} bytes")),
        BodyError::Broken => failed("the answer broke off"),
    })?;
    Ok(RouteResponse { status, headers, body: value(&media_type, &bytes) })
}

fn joined(headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut joined: BTreeMap<String, String> = BTreeMap::new();
    // The length among them was that of the body before it became JSON.
    for (name, value) in headers.iter().filter(|(name, _)| !wire::stays_behind(name.as_str())) {
        let value = wire::text(value);
        joined
            .entry(name.as_str().to_owned())
            .and_modify(|values| {
                values.push_str(", ");
                values.push_str(&value);
            })
            .or_insert(value);
    }
    joined
}

fn value(media_type: &str, bytes: &[u8]) -> Value {
    if bytes.is_empty() {
        return Value::Null;
    }
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    if (essence == "application/json" || essence.ends_with("+json"))
        && let Ok(value) = serde_json::from_slice(bytes)
    {
        return value;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) if is_text(essence, media_type) => Value::from(text),
        _ => json!({ "$base64": STANDARD.encode(bytes) }),
    }
}

fn is_text(essence: &str, media_type: &str) -> bool {
    const TEXTS: [&str; 5] = [
        "application/json",
        "application/xml",
        "application/javascript",
        "application/x-www-form-urlencoded",
        "application/x-ndjson",
    ];
    essence.starts_with("text/")
        || essence.ends_with("+xml")
        || essence.ends_with("+json")
        || TEXTS.contains(&essence)
        || media_type.contains("charset=utf-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_json_text_or_bytes() {
        for (media_type, bytes, expected) in [
            ("application/json", b"[1]".as_slice(), json!([1])),
            ("application/problem+json; charset=utf-8", b"{}", json!({})),
            ("application/json", b"[1", json!("[1")),
            ("application/json", b"", Value::Null),
            ("text/plain", b"[1]", json!("[1]")),
            ("text/plain", b"\xff", json!({"$base64": "/w=="})),
            ("image/svg+xml", b"<svg/>", json!("<svg/>")),
            ("image/png", b"abc", json!({"$base64": "YWJj"})),
            ("", b"abc", json!({"$base64": "YWJj"})),
        ] {
            assert_eq!(value(media_type, bytes), expected, "{media_type}");
        }
    }
}
