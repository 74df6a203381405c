//! Forwarding: a service that runs elsewhere, called over HTTP. This is how a team plugs in what it already has.
//!
//! `POST {url}/rpc/{method}` with the named parameters and `context` as JSON; the 2xx body is the result. The
//! [`signature`] tells the other side that a call comes from doer. An answer in doer's own error form is passed on as
//! it is, so that a doer behind a doer changes nothing for callers; anything else that is not a result becomes
//! `upstream_error`.

mod answer;
mod breaker;
mod call;
pub mod signature;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use doer_core::{
    scope::Scope,
    service::{Arguments, Backend, Code, Effect, Health, Method, Service, ServiceError},
    time::Clock,
};
use reqwest::Client;
use serde_json::value::RawValue;
use url::Url;

pub use self::breaker::BreakerSettings;
use self::{answer::Answer, breaker::Breaker, call::Call};
use crate::{tls, wire};

/// Settings of a forwarded service.
#[derive(Clone)]
pub struct Settings {
    /// Where it is; `/rpc/{method}` follows.
    pub url: Url,
    /// Calls are signed with this key, where there is one.
    pub key: Option<Vec<u8>>,
    /// For a call with all its attempts. 30 s by default.
    pub timeout: Duration,
    /// Attempts after the first, for methods that only read. 2 by default.
    pub retries: u32,
    /// The largest result. 16 MiB by default.
    pub max_result_bytes: u64,
    /// When calls are not tried any more.
    pub breaker: BreakerSettings,
}

impl Settings {
    /// The defaults, for a service at `url`.
    pub fn new(url: Url) -> Self {
        Self {
            url,
            key: None,
            timeout: Duration::from_secs(30),
            retries: 2,
            max_result_bytes: 16 << 20,
            breaker: BreakerSettings::default(),
        }
    }
}

impl fmt::Debug for Settings {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("url", &self.url.as_str())
            .field("signed", &self.key.is_some())
            .field("timeout", &self.timeout)
            .field("retries", &self.retries)
            .field("max_result_bytes", &self.max_result_bytes)
            .field("breaker", &self.breaker)
            .finish()
    }
}

/// A service that runs elsewhere.
pub struct Forward {
    service: Service,
    settings: Settings,
    client: Client,
    breaker: Breaker,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forward")
            .field("service", &self.service)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Forward {
    /// Forwards calls of `service`.
    ///
    /// # Errors
    /// Where there is no HTTP client to be had.
    pub fn new(service: Service, settings: Settings, clock: Arc<dyn Clock>) -> Result<Self, tls::Error> {
        let client = tls::http_client()?.build()?;
        let breaker = Breaker::new(settings.breaker, clock.clone());
        Ok(Self { service, settings, client, breaker, clock })
    }

    /// Asks until there is an answer, or no attempt is left.
    async fn attempts(&self, method: &'static Method, call: &Call<'_>) -> Answer {
        let retries = if method.effect == Effect::Read { self.settings.retries } else { 0 };
        let mut attempt = 0;
        loop {
            let outcome = call.request(&self.client, self.clock.as_ref()).send().await;
            let transient = wire::is_transient(&outcome);
            let answer = Answer::read(method, outcome, self.settings.max_result_bytes).await;
            // A refusal that the service has formed itself is its answer; trying again would only ask again.
            if !transient || answer.is_its_own() || attempt >= retries {
                return answer;
            }
            tokio::time::sleep(wire::pause(attempt)).await;
            attempt += 1;
        }
    }
}

fn failure(method: &Method, code: Code, why: &str) -> ServiceError {
    ServiceError::new(code, format!("Service {} {why}", method.path()))
}

#[async_trait]
impl Backend for Forward {
    async fn call(
        &self,
        scope: &Scope,
        method: &'static Method,
        arguments: Arguments,
    ) -> Result<Box<RawValue>, ServiceError> {
        let call = Call::new(&self.settings, scope, method, &arguments)?;
        let permit = self.breaker.admit().map_err(|wait| {
            let why = "is not tried: it failed too often just now";
            failure(method, Code::ServiceUnavailable, why).after(wait)
        })?;
        let limit = self.settings.timeout;
        match tokio::time::timeout(limit, self.attempts(method, &call)).await {
            Ok(answer) => {
                permit.settle(answer.is_well());
                answer.into_result()
            }
            Err(_) => {
                permit.settle(false);
                let why = format!("did not answer within {} ms", limit.as_millis());
                Err(failure(method, Code::Timeout, &why))
            }
        }
    }

    fn health(&self) -> Health {
        if self.breaker.is_closed() { Health::Ok } else { Health::Degraded }
    }
}
