//! A request as it leaves: read from what the caller gave, checked, and turned into the next one by a redirect.

use bytes::Bytes;
use doer_core::{outbound::HttpRequest, service::ServiceError};
use reqwest::{
    Method, StatusCode,
    header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LOCATION, CONTENT_TYPE, COOKIE, HeaderMap},
};
use url::Url;

use crate::wire;

/// One hop of a request.
#[derive(Debug, Clone)]
pub(super) struct Hop {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Bytes>,
}

impl Hop {
    /// The first one.
    ///
    /// # Errors
    /// `invalid_request`, naming what is wrong.
    pub(super) fn first(request: HttpRequest, max_body_bytes: u64) -> Result<Self, ServiceError> {
        if request.body.as_ref().is_some_and(|body| body.len() as u64 > max_body_bytes) {
            return Err(ServiceError::invalid(format!("body: must have at most {max_body_bytes} bytes")));
        }
        Ok(Self {
            method: method(&request.method)?,
            url: url(&request.url)?,
            headers: headers(&request.headers)?,
            body: request.body,
        })
    }

    /// The one that a redirect leads to, as the Fetch standard has it.
    ///
    /// # Errors
    /// `upstream_error` where the redirect leads to nothing that could be asked.
    pub(super) fn redirected(mut self, status: StatusCode, location: &str) -> Result<Self, ServiceError> {
        let broken = || super::send::failed("a redirect leads to no URL that can be fetched");
        let next = self.url.join(location).map_err(|_| broken())?;
        let next = checked(next).map_err(|_| broken())?;
        let to_get = match status {
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => self.method == Method::POST,
            StatusCode::SEE_OTHER => self.method != Method::GET && self.method != Method::HEAD,
            _ => false,
        };
        if to_get {
            self.method = Method::GET;
            self.body = None;
            for name in [CONTENT_TYPE, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LOCATION] {
                self.headers.remove(name);
            }
        }
        // What the caller said to one server is not for another to hear.
        if next.origin() != self.url.origin() {
            self.headers.remove(AUTHORIZATION);
            self.headers.remove(COOKIE);
        }
        self.url = next;
        Ok(self)
    }
}

fn method(text: &str) -> Result<Method, ServiceError> {
    let method = Method::from_bytes(text.as_bytes())
        .map_err(|_| ServiceError::invalid("method: must be a method of HTTP, such as `GET`"))?;
    match text.to_ascii_uppercase().as_str() {
        "CONNECT" | "TRACE" | "TRACK" => Err(ServiceError::invalid(format!("method: {text} cannot be sent"))),
        _ => Ok(method),
    }
}

fn url(text: &str) -> Result<Url, ServiceError> {
    let url = Url::parse(text).map_err(|error| ServiceError::invalid(format!("url: {error}")))?;
    checked(url).map_err(|problem| ServiceError::invalid(format!("url: {problem}")))
}

fn checked(mut url: Url) -> Result<Url, &'static str> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err("must begin with `https://` or `http://`");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a user name or a password: use the header `authorization`");
    }
    url.set_fragment(None);
    Ok(url)
}

fn headers(given: &[(String, String)]) -> Result<HeaderMap, ServiceError> {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let (name, value) = wire::header(name, value)
            .ok_or_else(|| ServiceError::invalid(format!("headers.{}: is no header of HTTP", wire::shorten(name))))?;
        if !wire::stays_behind(name.as_str()) {
            headers.append(name, value);
        }
    }
    if wire::header_bytes(&headers) > wire::MAX_HEADER_BYTES {
        return Err(ServiceError::invalid(format!("headers: must have at most {} bytes", wire::MAX_HEADER_BYTES)));
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, url: &str, headers: &[(&str, &str)]) -> HttpRequest {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let body = Some(Bytes::from_static(b"body"));
        HttpRequest { method: method.to_owned(), url: url.to_owned(), headers, body, redirect: Default::default() }
    }

    fn hop(method: &str, headers: &[(&str, &str)]) -> Hop {
        Hop::first(request(method, "https://a.example/x?y#z", headers), 4).unwrap()
    }

    #[test]
    fn what_cannot_be_sent_is_named() {
        let message = |request| Hop::first(request, 4).unwrap_err().message.into_owned();
        assert!(message(request("GET", "ftp://a.example/", &[])).starts_with("url: must begin"));
        assert!(message(request("GET", "https://u:p@a.example/", &[])).starts_with("url: must not hold a user"));
        assert!(message(request("GET", "nonsense", &[])).starts_with("url: "));
        assert!(message(request("CONNECT", "https://a.example/", &[])).starts_with("method: CONNECT"));
        assert!(message(request("TRACE", "https://a.example/", &[])).starts_with("method: TRACE"));
        assert!(message(request("GET", "https://a.example/", &[("x", "a\nb")])).starts_with("headers.x: "));
        assert_eq!(
            Hop::first(request("PUT", "https://a.example/", &[]), 3).unwrap_err().message,
            "body: must have at most 3 bytes"
        );
    }

    #[test]
    fn odd_notations_of_addresses_are_addresses() {
        for text in ["http://2130706433/", "http://0x7f.1/", "http://0177.0.0.1/", "http://127.1/"] {
            let hop = Hop::first(request("GET", text, &[]), 4).unwrap();
            assert_eq!(hop.url.host_str(), Some("127.0.0.1"), "{text}");
        }
    }

    #[test]
    fn headers_of_the_connection_are_dropped() {
        let hop =
            hop("GET", &[("host", "evil"), ("x-forwarded-for", "1.2.3.4"), ("content-length", "9"), ("x-a", "b")]);
        assert_eq!(hop.headers.keys().map(|name| name.as_str()).collect::<Vec<_>>(), ["x-a"]);
        assert_eq!(hop.url.as_str(), "https://a.example/x?y");
    }

    #[test]
    fn redirects_change_methods_as_the_fetch_standard_says() {
        for (method, status, expected) in [
            ("POST", 301, "GET"),
            ("POST", 302, "GET"),
            ("PUT", 302, "PUT"),
            ("PUT", 303, "GET"),
            ("HEAD", 303, "HEAD"),
            ("POST", 307, "POST"),
            ("POST", 308, "POST"),
        ] {
            let next = hop(method, &[("content-type", "a/b")]);
            let next = next.redirected(StatusCode::from_u16(status).unwrap(), "/next").unwrap();
            assert_eq!(next.method.as_str(), expected, "{method} {status}");
            assert_eq!(next.body.is_some(), expected != "GET", "{method} {status}");
            assert_eq!(next.headers.contains_key("content-type"), expected != "GET", "{method} {status}");
            assert_eq!(next.url.as_str(), "https://a.example/next");
        }
    }

    #[test]
    fn credentials_do_not_follow_to_another_origin() {
        let credentials = [("authorization", "secret"), ("cookie", "secret"), ("x-a", "b")];
        for (location, kept) in [
            ("/next", true),
            ("https://a.example:443/", true),
            ("http://a.example/", false),
            ("https://a.example:8443/", false),
            ("//b.example/", false),
        ] {
            let next = hop("GET", &credentials).redirected(StatusCode::FOUND, location).unwrap();
            assert_eq!(next.headers.contains_key("authorization"), kept, "{location}");
            assert_eq!(next.headers.contains_key("cookie"), kept, "{location}");
            assert!(next.headers.contains_key("x-a"), "{location}");
        }
    }

    #[test]
    fn redirects_to_what_cannot_be_fetched_fail() {
        for location in ["file:///etc/passwd", "https://u:p@b.example/", "https://"] {
            assert!(hop("GET", &[]).redirected(StatusCode::FOUND, location).is_err(), "{location}");
        }
    }
}
