//! A request to an upstream: what the caller may say, with what the route adds.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use doer_core::service::{ServiceError, gateway::RouteOptions};
use reqwest::{
    Client, Method, RequestBuilder,
    header::{CONTENT_TYPE, HeaderMap, HeaderValue},
};
use serde_json::{Map, Value};
use url::Url;

use super::{path::Target, route::Route};
use crate::wire;

/// A request, ready to be sent, more than once where that is no harm.
#[derive(Debug)]
pub(super) struct Outgoing {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Option<Bytes>,
}

impl Outgoing {
    /// # Errors
    /// `invalid_request`, naming the option; `forbidden` where the route does not have the method.
    pub(super) fn new(
        route: &Route,
        target: &Target,
        options: RouteOptions,
        max_body_bytes: u64,
    ) -> Result<Self, ServiceError> {
        let name = options.method.as_deref().unwrap_or("GET").to_ascii_uppercase();
        let method = route.method(&name).cloned().ok_or_else(|| {
            let allowed = route.info().methods.join(", ");
            let name = wire::shorten(&name);
            ServiceError::forbidden(format!(
                "options.method: {name} is not allowed on {}; allowed: {allowed}",
                route.prefix()
            ))
        })?;
        let mut url = route.url(target);
        if !options.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&options.query);
        }
        let mut headers = headers(&options)?;
        let body = options.body.map(|value| body(value, &route.defaults)).transpose()?.map(|(body, media_type)| {
            headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(media_type));
            body
        });
        if body.as_ref().is_some_and(|body| body.len() as u64 > max_body_bytes) {
            return Err(ServiceError::invalid(format!("options.body: must have at most {max_body_bytes} bytes")));
        }
        for (name, value) in &route.headers {
            headers.insert(name, value.clone());
        }
        Ok(Self { method, url, headers, body })
    }

    pub(super) fn is_idempotent(&self) -> bool {
        self.method.is_idempotent()
    }

    pub(super) fn request(&self, client: &Client) -> RequestBuilder {
        let request = client.request(self.method.clone(), self.url.clone()).headers(self.headers.clone());
        match &self.body {
            Some(body) => request.body(body.clone()),
            None => request,
        }
    }
}

fn headers(options: &RouteOptions) -> Result<HeaderMap, ServiceError> {
    let mut headers = HeaderMap::new();
    for (name, value) in &options.headers {
        let (name, value) = wire::header(name, value).ok_or_else(|| {
            ServiceError::invalid(format!("options.headers.{}: is no header of HTTP", wire::shorten(name)))
        })?;
        // What begins like ours would be taken for ours by an upstream that trusts it.
        if !wire::stays_behind(name.as_str()) && !name.as_str().starts_with("x-doer-") {
            headers.insert(name, value);
        }
    }
    match wire::header_bytes(&headers) > wire::MAX_HEADER_BYTES {
        true => {
            Err(ServiceError::invalid(format!("options.headers: must have at most {} bytes", wire::MAX_HEADER_BYTES)))
        }
        false => Ok(headers),
    }
}

/// The bytes of a body, and their media type where the caller gives none. An object gets the members that the route has
/// and it lacks.
fn body(mut value: Value, defaults: &Map<String, Value>) -> Result<(Bytes, &'static str), ServiceError> {
    if let Value::String(text) = value {
        return Ok((text.into(), "text/plain;charset=utf-8"));
    }
    if let Some(encoded) = base64_of(&value) {
        let bytes =
            STANDARD.decode(encoded).map_err(|_| ServiceError::invalid("options.body.$base64: must be base64"))?;
        return Ok((bytes.into(), "application/octet-stream"));
    }
    if let Some(members) = value.as_object_mut() {
        for (name, default) in defaults {
            members.entry(name).or_insert_with(|| default.clone());
        }
    }
    Ok((value.to_string().into(), "application/json"))
}

fn base64_of(value: &Value) -> Option<&str> {
    value.as_object().filter(|members| members.len() == 1)?.get("$base64")?.as_str()
}
