//! The one door of a guest to the outside.

use std::{
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};

use doer_core::{
    ledger::Ledger,
    outbound::{HttpRequest, HttpResponse},
    scoped::{CallError, ScopedServices},
};
use serde_json::value::RawValue;
use tokio::runtime::Handle;

/// The services of one run, and the runtime they work on.
#[derive(Debug)]
pub(crate) struct Door {
    services: ScopedServices,
    runtime: Handle,
}

impl Door {
    /// To be opened on the runtime that serves the request.
    pub(crate) fn open(services: ScopedServices) -> Self {
        Self { services, runtime: Handle::current() }
    }

    pub(crate) fn ledger(&self) -> &Arc<Ledger> {
        self.services.ledger()
    }

    /// One bit for each service that is granted, in the order of [`doer_core::service::Service::ALL`].
    pub(crate) fn granted(&self) -> u32 {
        self.services.grants().iter().fold(0, |bits, service| bits | 1 << service as u32)
    }

    /// Polls work of services as their runtime's own. A long execution lives on other threads, whose runtime drives no
    /// sockets; and a connection that is kept must not depend on them.
    pub(crate) fn poll<F: Future + ?Sized>(&self, work: Pin<&mut F>, context: &mut Context<'_>) -> Poll<F::Output> {
        let _entered = self.runtime.enter();
        work.poll(context)
    }

    /// As [`ScopedServices::call`].
    pub(crate) async fn call(
        &self,
        service: &str,
        method: &str,
        arguments: Option<&RawValue>,
    ) -> Result<Box<RawValue>, CallError> {
        let mut call = pin!(self.services.call(service, method, arguments));
        std::future::poll_fn(|context| self.poll(call.as_mut(), context)).await
    }

    /// As [`ScopedServices::fetch`].
    pub(crate) async fn fetch(&self, request: HttpRequest) -> Result<HttpResponse, CallError> {
        let mut fetch = pin!(self.services.fetch(request));
        std::future::poll_fn(|context| self.poll(fetch.as_mut(), context)).await
    }
}
