//! Who may write over what: `If-Match`, or `?replace=true`.

use axum::http::{HeaderMap, HeaderValue, header};
use doer_core::id::CodeHash;
use doer_services::workers::Expected;

use crate::http::error::ApiError;

/// What a write expects to be there. `none_named` holds where the request says nothing.
///
/// # Errors
/// `invalid_request` for an `If-Match` that is none, or that contradicts `replace`.
pub fn expected(headers: &HeaderMap, replace: bool, none_named: Expected) -> Result<Expected, ApiError> {
    if !headers.contains_key(header::IF_MATCH) {
        return Ok(if replace { Expected::Anything } else { none_named });
    }
    if replace {
        return Err(ApiError::invalid("If-Match and ?replace=true contradict each other; send one of them"));
    }
    let mut hashes = Vec::new();
    for value in headers.get_all(header::IF_MATCH) {
        let text = value.to_str().map_err(|_| malformed())?;
        if text.trim() == "*" {
            return Ok(Expected::Some);
        }
        for tag in text.split(',').map(str::trim).filter(|tag| !tag.is_empty()) {
            let tag = tag.strip_prefix("W/").unwrap_or(tag);
            let tag = tag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).ok_or_else(malformed)?;
            // A tag that was never ours matches nothing.
            hashes.extend(CodeHash::parse(tag));
        }
    }
    Ok(Expected::OneOf(hashes))
}

/// The tag of code: its hash.
pub fn etag(hash: &CodeHash) -> Option<(header::HeaderName, HeaderValue)> {
    let value = HeaderValue::from_str(&format!("\"{hash}\"")).ok()?;
    Some((header::ETAG, value))
}

fn malformed() -> ApiError {
    ApiError::invalid("If-Match: must be `*`, or tags in quotes as ETag gives them")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(if_match: &[&'static str], replace: bool) -> Result<Expected, String> {
        let mut headers = HeaderMap::new();
        for value in if_match {
            headers.append(header::IF_MATCH, HeaderValue::from_static(value));
        }
        expected(&headers, replace, Expected::SameOrNone).map_err(|error| error.message.into_owned())
    }

    #[test]
    fn nothing_said_is_careful() {
        assert_eq!(of(&[], false), Ok(Expected::SameOrNone));
        assert_eq!(of(&[], true), Ok(Expected::Anything));
        assert!(of(&["*"], true).unwrap_err().contains("contradict"));
    }

    #[test]
    fn tags_are_hashes() {
        let hash = CodeHash::from_bytes([0xab; 32]);
        assert_eq!(of(&["*"], false), Ok(Expected::Some));
        let tag = "\"abababababababababababababababababababababababababababababababab\"";
        let etag = etag(&hash).unwrap().1;
        assert_eq!(etag, tag);
        assert_eq!(of(&[tag], false), Ok(Expected::OneOf(vec![hash.clone()])));
        let both = "\"other\", W/\"abababababababababababababababababababababababababababababababab\"";
        assert_eq!(of(&[both], false), Ok(Expected::OneOf(vec![hash])));
        assert_eq!(of(&["\"x\""], false), Ok(Expected::OneOf(vec![])));
        assert!(of(&["x"], false).is_err());
    }
}
