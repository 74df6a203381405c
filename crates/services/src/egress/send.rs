//! Requests on their way: each hop is admitted, sent, and followed where it redirects.

use std::{net::IpAddr, sync::Arc};

use async_trait::async_trait;
use doer_core::{
    outbound::{Egress, HttpRequest, HttpResponse, Redirect},
    scope::Scope,
    service::{Code, ServiceError},
};
use reqwest::{
    Response,
    header::{HeaderMap, LOCATION},
};
use url::{Host, Url};

use super::{
    Policy, Resolve, Settings,
    clients::Clients,
    policy::{may_connect, private},
    request::Hop,
    resolve::is_not_public,
};
use crate::{
    tls,
    wire::{self, BodyError},
};

const MAX_REDIRECTS: usize = 20;

/// Sends requests to the outside, under the policy of whoever wants them sent.
pub struct HttpEgress {
    settings: Settings,
    clients: Clients,
}

impl std::fmt::Debug for HttpEgress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpEgress").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl HttpEgress {
    /// One with these policies. Give it a [`SystemResolver`](super::SystemResolver).
    ///
    /// # Errors
    /// Where there is no HTTP client to be had.
    pub fn new(settings: Settings, resolver: Arc<dyn Resolve>) -> Result<Self, tls::Error> {
        let clients = Clients::new(resolver);
        // What would fail for every request fails at the start.
        clients.get(Vec::new())?;
        Ok(Self { settings, clients })
    }

    async fn exchange(
        &self,
        scope: &Scope,
        request: HttpRequest,
        max_body_bytes: u64,
    ) -> Result<HttpResponse, ServiceError> {
        let (policy, name) = self.settings.policy(scope);
        let redirect = request.redirect;
        let mut hop = Hop::first(request, self.settings.max_request_bytes)?;
        for followed in 0..=MAX_REDIRECTS {
            let response = self.hop(policy, &name, &hop).await?;
            let location = match redirect {
                Redirect::Manual => None,
                Redirect::Follow | Redirect::Error => location(&response),
            };
            let Some(location) = location else {
                return answer(response, hop.url, followed > 0, max_body_bytes).await;
            };
            if redirect == Redirect::Error {
                return Err(failed("the answer is a redirect, and `redirect` is `error`"));
            }
            hop = hop.redirected(response.status(), &location)?;
        }
        Err(failed(&format!("more than {MAX_REDIRECTS} redirects")))
    }

    async fn hop(&self, policy: &Policy, name: &str, hop: &Hop) -> Result<Response, ServiceError> {
        policy.admit(name, hop.method.as_str(), &hop.url)?;
        let host = hop.url.host_str().unwrap_or_default();
        let open = policy.open_ranges(hop.url.port_or_known_default().unwrap_or_default());
        // An address in place of a name never reaches the resolver.
        if literal(&hop.url).is_some_and(|address| !may_connect(address, &open)) {
            return Err(private(name, host));
        }
        let client = self.clients.get(open).map_err(ServiceError::internal)?;
        let mut request = client.request(hop.method.clone(), hop.url.clone()).headers(hop.headers.clone());
        if let Some(body) = &hop.body {
            request = request.body(body.clone());
        }
        let response = request.send().await.map_err(|error| match error {
            error if is_not_public(&error) => private(name, host),
            error if error.is_dns() => failed(&format!("cannot resolve {host}")),
            error if error.is_connect() => failed(&match tls::failure(&error) {
                Some(why) => format!("cannot connect to {host}: {}", wire::shorten(&why.to_string())),
                None => format!("cannot connect to {host}"),
            }),
            _ => failed(&format!("{host} broke the exchange off")),
        })?;
        match wire::header_bytes(response.headers()) > wire::MAX_HEADER_BYTES {
            true => Err(failed(&format!("the headers are larger than {} bytes", wire::MAX_HEADER_BYTES))),
            false => Ok(response),
        }
    }
}

#[async_trait]
impl Egress for HttpEgress {
    async fn send(
        &self,
        scope: &Scope,
        request: HttpRequest,
        max_body_bytes: u64,
    ) -> Result<HttpResponse, ServiceError> {
        let limit = self.settings.timeout;
        match tokio::time::timeout(limit, self.exchange(scope, request, max_body_bytes)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(ServiceError::new(Code::Timeout, format!("no answer within {} ms", limit.as_millis()))),
        }
    }
}

/// A failure that is not ours, and not the policy's.
pub(super) fn failed(why: &str) -> ServiceError {
    ServiceError::new(Code::UpstreamError, why.to_owned())
}

/// Where a response redirects to.
fn location(response: &Response) -> Option<String> {
    let redirects = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let location = response.headers().get(LOCATION).filter(|_| redirects)?;
    // Servers write UTF-8 there, where they do not write ASCII.
    Some(String::from_utf8_lossy(location.as_bytes()).into_owned())
}

fn literal(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
        Host::Domain(_) => None,
    }
}

async fn answer(
    response: Response,
    url: Url,
    redirected: bool,
    max_body_bytes: u64,
) -> Result<HttpResponse, ServiceError> {
    let status = response.status().as_u16();
    let headers = pairs(response.headers());
    let body = wire::read_body(response, max_body_bytes).await.map_err(|error| match error {
        BodyError::TooLarge => failed(&format!("the body is larger than {max_body_bytes} bytes")),
        BodyError::Broken => failed("the body broke off"),
    })?;
    Ok(HttpResponse { status, headers, body, url: url.into(), redirected })
}

fn pairs(headers: &HeaderMap) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), wire::text(value))).collect()
}
