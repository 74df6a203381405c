//! The services as a caller has them: with its context, its grants and its budget. Whoever holds one can reach just
//! that, and cannot name a backend.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    fault::Termination,
    ledger::{FetchRecord, Ledger},
    outbound::{Egress, HttpRequest, HttpResponse},
    scope::{Scope, Standing},
    service::{Arguments, Backend, Health, Method, Service, ServiceError},
    tier::{Namespace, Tier},
    time::Clock,
};

/// All services of an installation, and the way out of it.
pub struct Services {
    /// In the order of [`Service::ALL`].
    pub backends: [Box<dyn Backend>; 8],
    /// The way out.
    pub egress: Arc<dyn Egress>,
    /// Which namespaces may do anything now.
    pub standing: Arc<dyn Standing>,
    /// The time, for records.
    pub clock: Arc<dyn Clock>,
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(Service::ALL.map(|service| (service, self.health(service)))).finish()
    }
}

impl Services {
    /// How a service is.
    pub fn health(&self, service: Service) -> Health {
        self.backends[service as usize].health()
    }
}

/// Which services somebody may use, in their usual order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Grants(u8);

impl Grants {
    /// Those of a list.
    pub fn of(services: impl IntoIterator<Item = Service>) -> Self {
        Self(services.into_iter().fold(0, |bits, service| bits | 1 << service as u8))
    }

    /// Is this one among them?
    pub const fn has(self, service: Service) -> bool {
        self.0 & (1 << service as u8) != 0
    }

    /// All of them.
    pub fn iter(self) -> impl Iterator<Item = Service> {
        Service::ALL.into_iter().filter(move |service| self.has(*service))
    }

    /// Is there none?
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.iter().map(Service::name).collect();
        f.write_str(&names.join(", "))
    }
}

/// Why a call gave nothing.
#[derive(Debug, Clone, PartialEq)]
pub enum CallError {
    /// The service says why; whoever called may go on.
    Service(ServiceError),
    /// The budget is used up: the execution ends.
    Ended(Termination),
}

impl From<ServiceError> for CallError {
    fn from(error: ServiceError) -> Self {
        Self::Service(error)
    }
}

impl From<Termination> for CallError {
    fn from(ended: Termination) -> Self {
        Self::Ended(ended)
    }
}

/// The services as one caller has them. Cheap to clone; clones share the budget.
#[derive(Debug, Clone)]
pub struct ScopedServices {
    services: Arc<Services>,
    scope: Arc<Scope>,
    grants: Grants,
    ledger: Arc<Ledger>,
    /// Why no request goes out, where none does.
    confined: Option<&'static str>,
}

impl ScopedServices {
    /// The services, for `scope`, as far as they are granted. Grants beyond the scope's tier count for nothing.
    pub fn new(services: Arc<Services>, scope: Arc<Scope>, grants: Grants, ledger: Arc<Ledger>) -> Self {
        let of_tier = Grants::of(scope.tier.services().iter().copied());
        Self { services, grants: Grants(grants.0 & of_tier.0), scope, ledger, confined: None }
    }

    /// The same without [`ScopedServices::fetch`]; `why` is what is told to whoever tries. Services can be called.
    pub fn confined(self, why: &'static str) -> Self {
        Self { confined: Some(why), ..self }
    }

    /// The same at the expense of another budget.
    #[must_use]
    pub fn charging(&self, ledger: Arc<Ledger>) -> Self {
        Self { ledger, ..self.clone() }
    }

    /// The same with other grants, as far as the tier has them.
    #[must_use]
    pub fn granting(&self, grants: Grants) -> Self {
        Self::new(Arc::clone(&self.services), Arc::clone(&self.scope), grants, Arc::clone(&self.ledger))
    }

    /// On whose behalf.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Which services.
    pub const fn grants(&self) -> Grants {
        self.grants
    }

    /// What is left, and what was used.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// Calls a method.
    ///
    /// # Errors
    /// `not_found` for what does not exist, `forbidden` for what is not granted, and the method's own; the end of
    /// the execution where its budget is used up.
    pub async fn call(
        &self,
        service: &str,
        method: &str,
        arguments: Option<&RawValue>,
    ) -> Result<Box<RawValue>, CallError> {
        let known = Service::from_name(service);
        self.ledger.charge_call(known.map_or("unknown", Service::name))?;
        self.ledger.charge_bytes(arguments.map_or(0, |arguments| arguments.get().len()))?;
        let found = known.and_then(|service| service.method(method));
        let method = found.ok_or_else(|| ServiceError::not_found(format!("Method {service}.{method} not found")))?;
        let result = self.dispatch(method, arguments).await?;
        self.ledger.charge_bytes(result.get().len())?;
        Ok(result)
    }

    /// Calls a method of the table, at nobody's expense.
    ///
    /// # Errors
    /// `forbidden` for what is not granted, and the method's own.
    pub async fn dispatch(
        &self,
        method: &'static Method,
        arguments: Option<&RawValue>,
    ) -> Result<Box<RawValue>, ServiceError> {
        if !self.grants.has(method.service) {
            return Err(self.denied(method.service));
        }
        let arguments = Arguments::decode(method, arguments)?;
        let backend = &self.services.backends[method.service as usize];
        let scope = match &arguments.namespace {
            None => return backend.call(&self.scope, method, arguments).await,
            Some(namespace) => self.scope.within(self.named(namespace)?),
        };
        self.services.standing.admit(&scope.namespace).await?;
        backend.call(&scope, method, arguments).await
    }

    /// Sends a request: to a service, where the host is the name of one, else to the outside.
    ///
    /// # Errors
    /// Those of [`Egress::send`], and of the service; the end of the execution where its budget is used up.
    pub async fn fetch(&self, request: HttpRequest) -> Result<HttpResponse, CallError> {
        let started = Instant::now();
        // Noted before it is sent: who is killed meanwhile has asked for it all the same.
        let number = self.ledger.note(|| FetchRecord {
            url: request.url.clone(),
            method: request.method.clone(),
            timestamp: self.services.clock.now_ms(),
            status: None,
            duration_ms: 0.0,
        });
        let answer = self.send(request).await;
        if let Some(number) = number {
            let status = answer.as_ref().ok().map(|response| response.status);
            self.ledger.note_end(number, status, milliseconds(started.elapsed()));
        }
        answer
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, CallError> {
        if let Some(why) = self.confined {
            self.ledger.charge_call("fetch")?;
            return Err(ServiceError::forbidden(why).into());
        }
        if let Some((service, rest)) = internal(&request.url) {
            return self.fetch_service(service, rest, &request).await;
        }
        self.ledger.charge_call("fetch")?;
        self.ledger.charge_bytes(request.body.as_ref().map_or(0, Bytes::len))?;
        let response = self.services.egress.send(&self.scope, request, self.ledger.bytes_left()).await?;
        self.ledger.charge_bytes(response.body.len())?;
        Ok(response)
    }

    /// `POST http://db/rpc/query`: the body holds the parameters, the answer is the result.
    async fn fetch_service(
        &self,
        service: Service,
        rest: &str,
        request: &HttpRequest,
    ) -> Result<HttpResponse, CallError> {
        let path = rest.split(['?', '#']).next().unwrap_or_default();
        let answer = match self.call_of(service, path, request) {
            Ok((method, parameters)) => self.call(service.name(), method, parameters.as_deref()).await,
            Err(error) => {
                // No call comes of it, and it counts as one: what is refused costs something too.
                self.ledger.charge_call(service.name())?;
                Err(error.into())
            }
        };
        let (status, body) = match answer {
            Ok(result) => (200, String::from(Box::<str>::from(result))),
            Err(CallError::Service(error)) => (error.code.status(), error_body(&error)),
            Err(ended @ CallError::Ended(_)) => return Err(ended),
        };
        Ok(HttpResponse {
            status,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: body.into(),
            url: request.url.clone(),
            redirected: false,
        })
    }

    /// The method and the parameters that a request names.
    fn call_of<'a>(
        &self,
        service: Service,
        path: &'a str,
        request: &HttpRequest,
    ) -> Result<(&'a str, Option<Box<RawValue>>), ServiceError> {
        let method = path
            .strip_prefix("/rpc/")
            .ok_or_else(|| ServiceError::not_found(format!("No route {path} at {service}: use /rpc/<method>")))?;
        if request.method != "POST" {
            return Err(ServiceError::invalid("Services are called with POST"));
        }
        Ok((method, parameters(request.body.as_deref().unwrap_or_default())?))
    }

    fn named(&self, namespace: &str) -> Result<Namespace, ServiceError> {
        if namespace == self.scope.namespace.as_str() {
            return Ok(self.scope.namespace.clone());
        }
        if self.scope.tier != Tier::Internal {
            return Err(ServiceError::forbidden("options.namespace: only internal callers work in another namespace"));
        }
        Namespace::parse(namespace).ok_or_else(|| {
            ServiceError::invalid("options.namespace: must be `*`, `tenant:<id>` or `user:<id>`, 256 bytes at most")
        })
    }

    fn denied(&self, service: Service) -> ServiceError {
        ServiceError::forbidden(format!("Access denied to bindings: {service}. Available: {}", self.grants))
    }
}

/// The service that a URL leads to, and what follows its host. Guests give URLs as the standard writes them.
fn internal(url: &str) -> Option<(Service, &str)> {
    let rest = url.strip_prefix("http://")?;
    let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    Some((Service::from_name(host)?, path))
}

fn parameters(body: &[u8]) -> Result<Option<Box<RawValue>>, ServiceError> {
    if body.trim_ascii().is_empty() {
        return Ok(None);
    }
    serde_json::from_slice(body).map(Some).map_err(|_| ServiceError::invalid("body: must be JSON"))
}

fn error_body(error: &ServiceError) -> String {
    #[derive(Serialize)]
    struct Body<'a> {
        success: bool,
        error: Fields<'a>,
    }
    #[derive(Serialize)]
    struct Fields<'a> {
        code: &'a str,
        message: &'a str,
    }
    let fields = Fields { code: error.code.name(), message: &error.message };
    // Two strings are always JSON.
    serde_json::to_string(&Body { success: false, error: fields }).unwrap_or_default()
}

fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
