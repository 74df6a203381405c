//! What a request brings to prove who sent it.

use axum::http::{HeaderMap, header};

const API_KEY: &str = "x-api-key";

/// The first credentials of a request, in the order in which they count.
#[derive(Debug, PartialEq, Eq)]
pub enum Credentials<'a> {
    /// `Authorization: Bearer <text>`, else `X-API-Key: <text>`.
    Key(&'a str),
    /// Cookie `session`.
    Session(&'a str),
    /// Something is there that is no credential: another scheme, or not text.
    Malformed,
}

/// Finds the credentials of a request. `None` where there are none at all. What is there twice is malformed: others on
/// the way may have read the other one.
pub fn find(headers: &HeaderMap) -> Option<Credentials<'_>> {
    if headers.contains_key(header::AUTHORIZATION) {
        let token = single(headers, header::AUTHORIZATION.as_str()).and_then(bearer);
        return Some(token.map_or(Credentials::Malformed, Credentials::Key));
    }
    if headers.contains_key(API_KEY) {
        let key = single(headers, API_KEY);
        return Some(key.map_or(Credentials::Malformed, |key| Credentials::Key(key.trim())));
    }
    match cookie(headers, "session") {
        Ok(None) => None,
        Ok(Some(token)) => Some(Credentials::Session(token)),
        Err(Several) => Some(Credentials::Malformed),
    }
}

/// A cookie that is there more than once, with different values: a page at a neighbouring name may have set one of
/// them, in the hope that it comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Several;

/// The cookie of that name.
///
/// # Errors
/// [`Several`].
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Several> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
    let mut values = pairs.filter(|(found, _)| found.trim() == name).map(|(_, value)| value.trim());
    let Some(first) = values.next() else { return Ok(None) };
    if values.all(|other| other == first) { Ok(Some(first)) } else { Err(Several) }
}

fn single<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next().and_then(|value| value.to_str().ok());
    first.filter(|_| values.next().is_none())
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pairs: &[(&'static str, &'static str)]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        find(&headers).map(|credentials| format!("{credentials:?}"))
    }

    #[test]
    fn bearer_then_key_then_cookie() {
        let all = [("authorization", "bearer a"), ("x-api-key", "b"), ("cookie", "x=1; session=c")];
        assert_eq!(found(&all).as_deref(), Some("Key(\"a\")"));
        assert_eq!(found(&all[1..]).as_deref(), Some("Key(\"b\")"));
        assert_eq!(found(&all[2..]).as_deref(), Some("Session(\"c\")"));
        assert_eq!(found(&[("cookie", "x=1; xsession=c")]), None);
        assert_eq!(found(&[]), None);
    }

    #[test]
    fn what_is_there_twice_proves_nothing() {
        assert_eq!(
            found(&[("authorization", "Bearer a"), ("authorization", "Bearer a")]).as_deref(),
            Some("Malformed")
        );
        assert_eq!(found(&[("x-api-key", "a"), ("x-api-key", "b")]).as_deref(), Some("Malformed"));
        assert_eq!(found(&[("cookie", "session=a; session=b")]).as_deref(), Some("Malformed"));
        assert_eq!(found(&[("cookie", "session=a"), ("cookie", "x=1; session=b")]).as_deref(), Some("Malformed"));
        assert_eq!(found(&[("cookie", "session=a; session=a")]).as_deref(), Some("Session(\"a\")"));
    }

    #[test]
    fn what_is_there_and_cannot_be_read_is_not_nothing() {
        for value in ["Basic YTpi", "sk_live_x", "Bearer"] {
            assert_eq!(found(&[("authorization", value), ("x-api-key", "b")]).as_deref(), Some("Malformed"), "{value}");
        }
    }
}
