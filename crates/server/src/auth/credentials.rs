//! What a request brings to prove who sent it.

use axum::http::{HeaderMap, header};

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

/// Finds the credentials of a request. `None` where there are none at all.
pub fn find(headers: &HeaderMap) -> Option<Credentials<'_>> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        return Some(value.to_str().ok().and_then(bearer).map_or(Credentials::Malformed, Credentials::Key));
    }
    if let Some(value) = headers.get("x-api-key") {
        return Some(value.to_str().map_or(Credentials::Malformed, |key| Credentials::Key(key.trim())));
    }
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies.flat_map(|cookies| cookies.split(';')).find_map(session).map(Credentials::Session)
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn session(cookie: &str) -> Option<&str> {
    let (name, value) = cookie.split_once('=')?;
    (name.trim() == "session").then(|| value.trim())
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
    fn what_is_there_and_cannot_be_read_is_not_nothing() {
        for value in ["Basic YTpi", "sk_live_x", "Bearer"] {
            assert_eq!(found(&[("authorization", value), ("x-api-key", "b")]).as_deref(), Some("Malformed"), "{value}");
        }
    }
}
