//! The guard of development mode. Callers without credentials are admins there, so no web page in the
//! developer's browser may reach the server: not across origins, and not by a name that was made to resolve
//! to this machine.

use std::net::IpAddr;

use axum::http::{HeaderMap, Uri, header};

use crate::http::error::{ApiError, ErrorCode};

/// Refuses what could come from a web page. Does nothing outside development mode.
///
/// # Errors
/// [`ErrorCode::Forbidden`].
pub fn check(dev: bool, headers: &HeaderMap, uri: &Uri) -> Result<(), ApiError> {
    if !dev {
        return Ok(());
    }
    // Every value counts: a second `Host` or `Origin` must not slip past the first.
    let host = match single(headers, &header::HOST)? {
        Some(host) => host,
        None => uri.authority().map(|authority| authority.as_str()).unwrap_or_default(),
    };
    if !is_local(host) {
        return Err(refusal("Host must be localhost, 127.0.0.1 or [::1]"));
    }
    if let Some(origin) = single(headers, &header::ORIGIN)?
        && origin.strip_prefix("http://") != Some(host)
    {
        return Err(refusal("no requests from web pages of another origin"));
    }
    match single(headers, &header::HeaderName::from_static("sec-fetch-site"))? {
        None | Some("same-origin" | "none") => Ok(()),
        Some(_) => Err(refusal("no requests from web pages of another site")),
    }
}

/// May development mode listen there?
pub fn is_loopback(address: IpAddr) -> bool {
    address.is_loopback()
}

fn single<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Result<Option<&'a str>, ApiError> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| refusal("a header that is not ASCII")),
        (Some(_), Some(_)) => Err(refusal("a header that must not be repeated")),
    }
}

fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    name.eq_ignore_ascii_case("localhost") || name == "127.0.0.1" || name == "[::1]"
}

fn refusal(why: &'static str) -> ApiError {
    ApiError::new(ErrorCode::Forbidden, format!("Development mode: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(pairs: &[(&'static str, &'static str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        check(true, &headers, &Uri::from_static("/execute")).is_ok()
    }

    #[test]
    fn only_local_names_are_hosts() {
        for host in ["localhost", "LocalHost:8080", "127.0.0.1:8080", "[::1]", "[::1]:8080"] {
            assert!(allowed(&[("host", host)]), "{host}");
        }
        for host in ["", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example:8080", "::1", "10.0.0.1"] {
            assert!(!allowed(&[("host", host)]), "{host}");
        }
        assert!(!allowed(&[]), "no host at all");
        assert!(!allowed(&[("host", "localhost"), ("host", "evil.example")]), "two hosts");
    }

    #[test]
    fn pages_of_another_origin_are_refused() {
        let host = ("host", "localhost:8080");
        assert!(allowed(&[host, ("origin", "http://localhost:8080")]));
        for origin in ["null", "http://localhost:3000", "https://localhost:8080", "http://evil.example"] {
            assert!(!allowed(&[host, ("origin", origin)]), "{origin}");
        }
        assert!(!allowed(&[host, ("origin", "http://localhost:8080"), ("origin", "http://evil.example")]));
    }

    #[test]
    fn pages_of_another_site_are_refused() {
        let host = ("host", "localhost:8080");
        assert!(allowed(&[host, ("sec-fetch-site", "none")]));
        assert!(allowed(&[host, ("sec-fetch-site", "same-origin")]));
        assert!(!allowed(&[host, ("sec-fetch-site", "cross-site")]));
        assert!(!allowed(&[host, ("sec-fetch-site", "same-site")]));
    }

    #[test]
    fn outside_development_mode_nothing_is_refused() {
        assert!(check(false, &HeaderMap::new(), &Uri::from_static("/")).is_ok());
    }
}
