//! The way out, to an upstream on loopback, past a resolver that says whatever a test wants.

use std::sync::Arc;

use doer_core::{
    outbound::{Egress, HttpRequest, HttpResponse, Redirect},
    scope::Scope,
    service::{Code, ServiceError},
};
use doer_services::egress::{HttpEgress, Policy, PrivateRange, Rule, Scheme, Settings};
use serde_json::Value;

use crate::{
    names::Names,
    scopes::admin,
    serve::serve,
    upstream::{self, Hits},
};

/// An upstream on loopback, egress to it, and what happened on the way.
pub struct World {
    pub egress: HttpEgress,
    pub names: Arc<Names>,
    pub hits: Hits,
    pub port: u16,
}

impl World {
    /// Loopback is open at the upstream's port, and the names lead where they are told to.
    pub async fn new(names: &[(&str, &[&str])]) -> Self {
        Self::with(names, |settings| settings).await
    }

    /// The same, with changed settings.
    pub async fn with(names: &[(&str, &[&str])], change: impl FnOnce(Settings) -> Settings) -> Self {
        let hits = Hits::default();
        let address = serve(upstream::router(hits.clone())).await;
        let port = address.rsplit(':').next().unwrap().parse().unwrap();
        let resolver = Arc::new(Names::new(names));
        let settings = Settings { internal: open(port), ..Settings::default() };
        let egress = HttpEgress::new(change(settings), resolver.clone()).unwrap();
        Self { egress, names: resolver, hits, port }
    }

    /// `get` of a URL in which `PORT` is the upstream's.
    pub async fn get(&self, url: &str) -> Result<HttpResponse, ServiceError> {
        self.send(self.request("GET", url)).await
    }

    pub async fn send(&self, request: HttpRequest) -> Result<HttpResponse, ServiceError> {
        self.egress.send(&admin(), request, 1 << 20).await
    }

    pub async fn send_as(&self, scope: &Scope, url: &str) -> Result<HttpResponse, ServiceError> {
        self.egress.send(scope, self.request("GET", url), 1 << 20).await
    }

    pub fn request(&self, method: &str, url: &str) -> HttpRequest {
        HttpRequest {
            method: method.to_owned(),
            url: url.replace("PORT", &self.port.to_string()),
            headers: Vec::new(),
            body: None,
            redirect: Redirect::Follow,
        }
    }

    /// What the upstream was asked.
    pub async fn echo(&self, request: HttpRequest) -> Value {
        serde_json::from_slice(&self.send(request).await.unwrap().body).unwrap()
    }
}

/// Everything, on a port too, and loopback at it.
pub fn open(port: u16) -> Policy {
    let loopback = PrivateRange { net: "127.0.0.1/32".parse().unwrap(), ports: vec![port] };
    Policy { allow: vec![everywhere(port)], allow_private: vec![loopback] }
}

pub fn everywhere(port: u16) -> Rule {
    Rule { schemes: vec![Scheme::Https, Scheme::Http], ports: vec![port], ..Rule::host("*".parse().unwrap()) }
}

pub fn refused(outcome: Result<HttpResponse, ServiceError>) -> String {
    let error = outcome.unwrap_err();
    assert_eq!(error.code, Code::Forbidden, "{error}");
    error.message.into_owned()
}

pub fn failed(outcome: Result<HttpResponse, ServiceError>) -> String {
    let error = outcome.unwrap_err();
    assert_eq!(error.code, Code::UpstreamError, "{error}");
    error.message.into_owned()
}
