//! Which headers pass between a caller and a worker. On the API's own listener, where our answers and those of workers
//! come from one origin, no credential of doer reaches a worker, and no worker sets one.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

/// Of one connection only (RFC 9110, 7.6.1), or what the server itself sees to.
const HOP_BY_HOP: [&str; 10] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
];
/// Callers' credentials.
const CREDENTIALS: [&str; 2] = ["authorization", "x-api-key"];
/// Ours; also the beginning of others that only we set.
const COOKIES: [&str; 2] = ["session", "session_refresh"];
const USER: &str = "x-user-";
const REQUEST_ID: &str = "x-request-id";
/// What a worker cannot say for the whole origin, or of the request.
const OURS: [&str; 7] = [
    "alt-svc",
    "clear-site-data",
    "service-worker-allowed",
    "strict-transport-security",
    "x-client-request-id",
    "x-execution-id",
    REQUEST_ID,
];
/// Follows from the body that is sent.
const LENGTH: [&str; 1] = ["content-length"];
/// A page of a worker has an origin of its own: no script in it acts for whoever is signed in here.
const SANDBOX: HeaderValue =
    HeaderValue::from_static("sandbox allow-downloads allow-forms allow-modals allow-popups allow-scripts");

/// A request's headers as they came, but for those of the connection: names in lower case, values as Latin-1 text.
pub fn as_they_came(headers: &HeaderMap) -> Vec<(String, String)> {
    let named = named_by_connection(headers);
    let is_of_connection = |name: &str| HOP_BY_HOP.contains(&name) || named.iter().any(|other| other == name);
    let passed = headers.iter().filter(|(name, _)| !is_of_connection(name.as_str()));
    passed.map(|(name, value)| (name.as_str().to_owned(), latin1(value))).collect()
}

/// A request's headers without anything that is doer's.
pub fn of_request(headers: &HeaderMap, request_id: &str) -> Vec<(String, String)> {
    let mut passed = as_they_came(headers);
    passed.retain_mut(|(name, value)| {
        if name == header::COOKIE.as_str() {
            let others = other_cookies(value);
            return others.map(|others| *value = others).is_some();
        }
        !CREDENTIALS.contains(&name.as_str()) && !name.starts_with(USER) && name != REQUEST_ID
    });
    passed.push((REQUEST_ID.to_owned(), request_id.to_owned()));
    passed
}

/// A worker's headers, but for those of the connection. What is no header is left out.
pub fn given_by_worker(headers: &[(String, String)]) -> HeaderMap {
    passed(headers, |name, _| !LENGTH.contains(&name))
}

/// A worker's headers without what is doer's to say.
pub fn of_response(headers: &[(String, String)]) -> HeaderMap {
    let is_workers = |name: &str, value: &str| match name {
        "set-cookie" => !is_ours(value),
        name => !OURS.contains(&name) && !LENGTH.contains(&name),
    };
    let mut passed = passed(headers, is_workers);
    passed.append(header::CONTENT_SECURITY_POLICY, SANDBOX);
    passed
}

fn passed(headers: &[(String, String)], passes: impl Fn(&str, &str) -> bool) -> HeaderMap {
    let mut passed = HeaderMap::with_capacity(headers.len() + 1);
    for (name, value) in headers {
        let name = name.to_ascii_lowercase();
        if HOP_BY_HOP.contains(&name.as_str()) || !passes(&name, value) {
            continue;
        }
        let bytes: Vec<u8> = value.chars().map(|c| u8::try_from(c).unwrap_or(b'?')).collect();
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_bytes(&bytes)) {
            passed.append(name, value);
        }
    }
    passed
}

fn named_by_connection(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|name| name.trim().to_ascii_lowercase()).collect()
}

fn latin1(value: &HeaderValue) -> String {
    value.as_bytes().iter().copied().map(char::from).collect()
}

/// The cookies that are not ours; `None` where none are left.
fn other_cookies(line: &str) -> Option<String> {
    let name = |pair: &str| pair.split_once('=').map_or("", |(name, _)| name).trim().to_owned();
    let others: Vec<&str> = line.split(';').map(str::trim).filter(|pair| !COOKIES.contains(&&*name(pair))).collect();
    let others = others.join("; ");
    (!others.is_empty()).then_some(others)
}

/// Would a browser send it back under one of our names? One without a name goes back as its value alone, which may
/// look like a name and a value.
fn is_ours(set_cookie: &str) -> bool {
    let pair = set_cookie.split(';').next().unwrap_or_default();
    match pair.split_once('=') {
        Some((name, _)) => matches!(name.trim(), "") || COOKIES.contains(&name.trim()),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_credential_of_ours_reaches_a_worker() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("authorization", "Bearer k"),
            ("x-api-key", "k"),
            ("cookie", "a=1; session=s; b=2"),
            ("cookie", "session_refresh=r; session = x"),
            ("x-user-id", "u"),
            ("x-request-id", "theirs"),
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("te", "trailers"),
            ("accept", "*/*"),
            ("x-own", "1"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers.append("x-latin", HeaderValue::from_bytes(b"\xe4").unwrap());
        let mut passed = of_request(&headers, "req_1");
        passed.sort();
        let text = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let expected = [
            ("accept", "*/*"),
            ("cookie", "a=1; b=2"),
            ("x-latin", "\u{e4}"),
            ("x-own", "1"),
            ("x-request-id", "req_1"),
        ];
        assert_eq!(passed, expected.map(text));
    }

    #[test]
    fn a_worker_sets_neither_our_cookies_nor_what_is_the_origins() {
        let given = [
            ("Set-Cookie", "a=1; Path=/"),
            ("set-cookie", "session=x"),
            ("set-cookie", " session =x; Path=/execute"),
            ("set-cookie", "session_refresh=x"),
            ("set-cookie", "=session=x"),
            ("set-cookie", "session"),
            ("set-cookie", "session2=x"),
            ("clear-site-data", "*"),
            ("content-length", "5"),
            ("transfer-encoding", "chunked"),
            ("x-execution-id", "x"),
            ("bad name", "x"),
            ("x-bad", "a\r\nb: c"),
            ("x-own", "\u{e4}"),
        ];
        let passed = of_response(&given.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let cookies: Vec<&HeaderValue> = passed.get_all("set-cookie").iter().collect();
        assert_eq!(cookies, ["a=1; Path=/", "session2=x"]);
        assert_eq!(passed["x-own"].as_bytes(), b"\xe4");
        assert!(passed["content-security-policy"].to_str().unwrap().starts_with("sandbox"));
        assert_eq!(passed.len(), 4);
    }
}
