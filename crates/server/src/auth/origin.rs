//! Cookies travel with whatever request a page makes: one that changes something must come from our own pages.

use axum::http::{HeaderMap, Method, header};

use super::text;
use crate::http::error::{ApiError, ErrorCode};

/// Refuses a request with a cookie that changes something and does not say that it comes from our own origin. Browsers
/// send `Origin` with every such request.
///
/// # Errors
/// [`ErrorCode::Forbidden`].
pub fn check(method: &Method, headers: &HeaderMap) -> Result<(), ApiError> {
    if method.is_safe() || is_own(headers) {
        return Ok(());
    }
    let message = "A request with a session cookie must have an Origin that is this server's own";
    Err(ApiError::new(ErrorCode::Forbidden, message))
}

fn is_own(headers: &HeaderMap) -> bool {
    let (Some(origin), Some(host)) = (text(headers, header::ORIGIN.as_str()), text(headers, header::HOST.as_str()))
    else {
        return false;
    };
    // Behind a proxy that speaks TLS our own scheme is not known: the host decides.
    let rest = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    rest.is_some_and(|rest| rest.eq_ignore_ascii_case(host)) && headers.get_all(header::ORIGIN).iter().count() == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(method: Method, pairs: &[(&'static str, &'static str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        check(&method, &headers).is_ok()
    }

    #[test]
    fn what_changes_something_comes_from_our_own_origin() {
        let host = ("host", "doer.example.com");
        assert!(allowed(Method::GET, &[host]));
        assert!(allowed(Method::POST, &[host, ("origin", "https://doer.example.com")]));
        assert!(!allowed(Method::POST, &[host]), "no origin");
        for foreign in ["null", "https://evil.example.com", "https://doer.example.com.evil.test", "doer.example.com"] {
            assert!(!allowed(Method::DELETE, &[host, ("origin", foreign)]), "{foreign}");
        }
    }
}
