//! `gateway`, embedded: the way to systems outside, along routes that the installation configures.
//!
//! A request's path is normalised (`path`) before anything looks at it, finds its route (`route`), is counted
//! against the route's rate (`rate`), becomes a request (`outgoing`) and is sent; the answer is read into JSON
//! (`incoming`). Upstreams are the administrator's choice, so they may be private addresses; redirects, which are the
//! upstream's choice, are given back and not followed.

mod incoming;
mod outgoing;
mod path;
mod rate;
mod route;
mod settings;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use doer_core::{
    scope::Scope,
    service::{
        Code, ServiceError,
        gateway::{Gateway, ListRoutes, Route as RouteParams, RouteInfo, RouteResponse},
    },
    time::Clock,
};
use reqwest::Client;

pub use self::settings::{Error, RouteSettings, Settings};
use self::{outgoing::Outgoing, path::Target, rate::Rates, route::Route};
use crate::{tls, wire};

/// The gateway of an installation.
pub struct HttpGateway {
    routes: Vec<Route>,
    rates: Rates,
    client: Client,
    max_body_bytes: u64,
}

impl std::fmt::Debug for HttpGateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpGateway").field("routes", &self.routes).finish_non_exhaustive()
    }
}

impl HttpGateway {
    /// One with these routes.
    ///
    /// # Errors
    /// [`Error`], naming the setting that makes no sense.
    pub fn new(settings: Settings, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let max_body_bytes = settings.max_body_bytes;
        let routes = route::table(settings.routes)?;
        Ok(Self {
            routes,
            rates: Rates::new(clock),
            client: tls::http_client()?.build().map_err(tls::Error::from)?,
            max_body_bytes,
        })
    }

    /// The route with the longest prefix of the path. One that the caller may not use might as well not be there.
    fn find(&self, scope: &Scope, target: &Target) -> Result<(usize, &Route), ServiceError> {
        let found = self.routes.iter().enumerate().find(|(_, route)| route.leads_to(target));
        found.filter(|(_, route)| route.is_for(scope)).ok_or_else(|| ServiceError::not_found("Not found"))
    }

    async fn send(&self, route: &Route, outgoing: &Outgoing) -> Result<RouteResponse, ServiceError> {
        let mut attempt = 0;
        loop {
            let outcome = outgoing.request(&self.client).send().await;
            if attempt < route.retries && outgoing.is_idempotent() && wire::is_transient(&outcome) {
                tokio::time::sleep(wire::pause(attempt)).await;
                attempt += 1;
                continue;
            }
            return match outcome {
                Ok(response) => incoming::read(response, self.max_body_bytes).await,
                Err(error) if error.is_connect() => Err(failed("cannot connect")),
                Err(_) => Err(failed("the exchange broke off")),
            };
        }
    }
}

#[async_trait]
impl Gateway for HttpGateway {
    async fn route(&self, scope: &Scope, params: RouteParams) -> Result<RouteResponse, ServiceError> {
        let target = Target::parse(&params.path)?;
        let options = params.options.unwrap_or_default();
        let (number, route) = self.find(scope, &target)?;
        let limit = time_limit(options.timeout, route.timeout)?;
        let outgoing = Outgoing::new(route, &target, options, self.max_body_bytes)?;
        if let Some(per_minute) = route.rate_per_minute {
            self.rates.take(number, &scope.namespace, per_minute).map_err(|wait| {
                let message = format!("Rate limit exceeded: {per_minute} requests per minute on {}", route.prefix());
                ServiceError::new(Code::RateLimit, message).after(wait)
            })?;
        }
        match tokio::time::timeout(limit, self.send(route, &outgoing)).await {
            Ok(outcome) => outcome,
            Err(_) => {
                let message = format!("The upstream did not answer within {} ms", limit.as_millis());
                Err(ServiceError::new(Code::Timeout, message))
            }
        }
    }

    async fn list_routes(&self, scope: &Scope, _: ListRoutes) -> Result<Vec<RouteInfo>, ServiceError> {
        let mut routes: Vec<RouteInfo> =
            self.routes.iter().filter(|route| route.is_for(scope)).map(Route::info).collect();
        routes.sort_by(|one, other| one.prefix.cmp(&other.prefix));
        Ok(routes)
    }
}

/// What a caller wants, where it is less than what the route allows.
fn time_limit(wanted_ms: Option<u64>, most: Duration) -> Result<Duration, ServiceError> {
    match wanted_ms {
        Some(0) => Err(ServiceError::invalid("options.timeout: must be at least 1 (milliseconds)")),
        Some(wanted) => Ok(most.min(Duration::from_millis(wanted))),
        None => Ok(most),
    }
}

/// The upstream gave no answer. Which address it is at is nobody's business.
fn failed(class: &str) -> ServiceError {
    ServiceError::new(Code::UpstreamError, format!("Service error: {class}"))
}
