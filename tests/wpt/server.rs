//! The network: files of the checkout, as the server of web-platform-tests serves them.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;
use doer_core::{
    outbound::{Egress, HttpRequest, HttpResponse, Redirect},
    scope::{Owner, Scope, Standing},
    service::{Arguments, Backend, Code, Health, Method, ServiceError},
    tier::Namespace,
};
use serde_json::value::RawValue;
use url::Url;

use crate::handlers;

/// No service is there.
pub struct Nobody;

#[async_trait]
impl Backend for Nobody {
    async fn call(&self, _: &Scope, _: &'static Method, _: Arguments) -> Result<Box<RawValue>, ServiceError> {
        Err(ServiceError::forbidden("there are no services"))
    }

    fn health(&self) -> Health {
        Health::Ok
    }
}

#[async_trait]
impl Standing for Nobody {
    async fn scope(&self, _: &Owner) -> Result<Option<Scope>, ServiceError> {
        Ok(None)
    }

    async fn admit(&self, _: &Namespace) -> Result<(), ServiceError> {
        Ok(())
    }
}

/// A request as a handler sees it.
pub struct Asked<'a> {
    pub method: &'a str,
    pub url: &'a Url,
    pub headers: &'a [(String, String)],
    pub body: &'a [u8],
    pub stash: MutexGuard<'a, BTreeMap<String, String>>,
}

impl Asked<'_> {
    /// A parameter of the address.
    pub fn get(&self, name: &str) -> Option<String> {
        self.url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// The bytes of a parameter, which need not be text.
    pub fn get_bytes(&self, name: &str) -> Option<Vec<u8>> {
        let query = self.url.query()?;
        let (_, value) = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name)?;
        let mut bytes = value.bytes();
        let mut out = Vec::new();
        while let Some(byte) = bytes.next() {
            let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
            out.push(match byte {
                b'+' => b' ',
                b'%' => u8::try_from(digit(bytes.next())? * 16 + digit(bytes.next())?).ok()?,
                byte => byte,
            });
        }
        Some(out)
    }

    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// What is answered.
#[derive(Default)]
pub struct Answered {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answered {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.into()));
        self
    }
}

/// Serves a checkout.
pub struct Checkout {
    root: PathBuf,
    stash: Mutex<BTreeMap<String, String>>,
}

impl Checkout {
    pub fn new(root: PathBuf) -> Self {
        Self { root, stash: Mutex::default() }
    }

    fn answer(&self, method: &str, url: &Url, headers: &[(String, String)], body: &[u8]) -> Option<Answered> {
        let path = percent_decoded(url.path().trim_start_matches('/'));
        let stash = self.stash.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = Asked { method, url, headers, body, stash };
        if path.ends_with(".py") {
            return handlers::answer(&path, asked);
        }
        let file = self.root.join(served(&path));
        let Ok(mut content) = std::fs::read(&file) else { return Some(Answered::new(404, "not found")) };
        if path.ends_with(".asis") {
            return as_is(&content);
        }
        if path.contains(".sub.") || asked.get("pipe").is_some_and(|pipe| pipe.contains("sub")) {
            content = substitute(&String::from_utf8_lossy(&content)).into_bytes();
        }
        let mut answered = Answered::new(200, content).with("content-type", media_type(&path));
        let described = std::fs::read_to_string(self.root.join(format!("{path}.headers"))).unwrap_or_default();
        for (name, value) in described.lines().filter_map(|line| line.split_once(':')) {
            set(&mut answered, name.trim(), value.trim());
        }
        pipe(&asked.get("pipe").unwrap_or_default(), &mut answered);
        Some(answered)
    }
}

/// Where a file is that has another address.
pub fn served(path: &str) -> &str {
    if path == "resources/WebIDLParser.js" { "resources/webidl2/lib/webidl2.js" } else { path }
}

fn set(answered: &mut Answered, name: &str, value: &str) {
    answered.headers.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
    answered.headers.push((name.to_ascii_lowercase(), value.to_owned()));
}

/// A file that is a whole response, from the status line on.
fn as_is(content: &[u8]) -> Option<Answered> {
    let text: String = content.iter().map(|byte| char::from(*byte)).collect();
    let text = text.replace("\r\n", "\n");
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let mut answered = Answered::new(status, body);
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        answered = answered.with(name, value.trim_matches([' ', '\t']));
    }
    Some(answered)
}

/// `header(a,b)|status(404)`, of the pipes that the server of web-platform-tests has.
fn pipe(pipes: &str, answered: &mut Answered) {
    for (name, arguments) in pipes.split('|').filter_map(|pipe| pipe.trim_end_matches(')').split_once('(')) {
        match name {
            "header" => {
                let mut parts = arguments.splitn(3, ',').map(|part| part.trim().replace("\\,", ","));
                let (name, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
                set(answered, &name, &value);
            }
            "status" => answered.status = arguments.parse().unwrap_or(200),
            _ => {}
        }
    }
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "js" => "text/javascript",
        "json" => "application/json",
        "html" => "text/html",
        "txt" | "idl" => "text/plain",
        "png" => "image/png",
        _ => "application/octet-stream",
    }
}

fn percent_decoded(path: &str) -> String {
    let form = url::form_urlencoded::parse(path.replace('+', "%2B").as_bytes()).next().map(|(key, _)| key.into_owned());
    form.unwrap_or_default()
}

/// What stands in for `{{...}}`.
pub fn substitute(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        out += before;
        let Some((name, after)) = after.split_once("}}") else {
            out += "{{";
            rest = after;
            continue;
        };
        out += match name.trim() {
            "host" | "domains[]" | "location[hostname]" | "hosts[][]" => "web-platform.test",
            "domains[www]" | "hosts[][www]" => "www.web-platform.test",
            "domains[www1]" | "hosts[][www1]" => "www1.web-platform.test",
            "domains[www2]" | "hosts[][www2]" => "www2.web-platform.test",
            "hosts[alt][]" => "not-web-platform.test",
            "ports[http][0]" => "8000",
            "ports[http][1]" => "8001",
            "ports[https][0]" => "8443",
            "ports[https][1]" => "8444",
            _ => "0",
        };
        rest = after;
    }
    out + rest
}

#[async_trait]
impl Egress for Checkout {
    async fn send(&self, _: &Scope, request: HttpRequest, _: u64) -> Result<HttpResponse, ServiceError> {
        let failed = |text: &'static str| ServiceError::new(Code::UpstreamError, text);
        let mut url = Url::parse(&request.url).map_err(|error| ServiceError::invalid(error.to_string()))?;
        let (mut method, mut body) = (request.method, request.body.unwrap_or_default());
        let mut headers = request.headers;
        // What the HTTP client of the server adds.
        let has = |headers: &[(String, String)], name: &str| headers.iter().any(|(key, _)| key == name);
        for (name, value) in [("accept", "*/*"), ("user-agent", "doer")] {
            if !has(&headers, name) {
                headers.push((name.to_owned(), value.to_owned()));
            }
        }
        if !body.is_empty() || matches!(method.as_str(), "POST" | "PUT" | "PATCH") {
            headers.push(("content-length".to_owned(), body.len().to_string()));
        }
        for count in 0..=20 {
            if !matches!(url.scheme(), "http" | "https") {
                return Err(failed("not http or https"));
            }
            if url.path() == "/fetch/api/resources/huge-response.py" {
                std::future::pending::<()>().await;
            }
            if let Some(delay) = url.query_pairs().find(|(key, _)| key == "delay").and_then(|(_, ms)| ms.parse().ok()) {
                tokio::time::sleep(std::time::Duration::from_millis(delay)).await;
            }
            if !url.host_str().unwrap_or_default().ends_with("web-platform.test") {
                return Err(failed("no such host"));
            }
            let mut answered =
                self.answer(&method, &url, &headers, &body).ok_or_else(|| failed("the connection was closed"))?;
            let location = answered.headers.iter().find(|(name, _)| name == "location").map(|(_, value)| value.clone());
            let redirect = matches!(answered.status, 301 | 302 | 303 | 307 | 308);
            match (redirect, &location, request.redirect) {
                (true, _, Redirect::Error) => return Err(failed("a redirect")),
                (true, Some(location), Redirect::Follow) => {
                    let next = url.join(location).map_err(|_| failed("a redirect to nowhere"))?;
                    if !matches!(next.scheme(), "http" | "https") {
                        return Err(failed("a redirect to another scheme"));
                    }
                    let rewritten = answered.status == 303 && method != "HEAD" && method != "GET"
                        || matches!(answered.status, 301 | 302) && method == "POST";
                    if rewritten {
                        method = "GET".to_owned();
                        body = Bytes::new();
                        headers.retain(|(name, _)| !name.starts_with("content-"));
                    }
                    if next.origin() != url.origin() {
                        headers.retain(|(name, _)| name != "authorization");
                    }
                    url = next;
                }
                _ if answered.headers.iter().any(|(_, value)| value.contains(['\0', '\r', '\n'])) => {
                    return Err(failed("a header that is not valid"));
                }
                _ => {
                    if method == "HEAD" {
                        answered.body.clear();
                    }
                    return Ok(HttpResponse {
                        status: answered.status,
                        headers: answered.headers,
                        body: answered.body.into(),
                        url: url.into(),
                        redirected: count > 0,
                    });
                }
            }
        }
        Err(failed("too many redirects"))
    }
}
