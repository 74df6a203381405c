//! Programs that run once, and load other code meanwhile.

use std::sync::Arc;

use doer_core::{scoped::ScopedServices, tier::Namespace};

use super::{bindings::Links, neighbours::Neighbours, registry::Registry};
use crate::{Error, Invocation, Outcome, Program, links};

impl Registry {
    /// Runs a program as [`Sandbox::execute`](crate::Sandbox::execute) does. Where the invocation grants the loader, it has
    /// `env.LOADER`. What it loads by an id is found again by the same program with the same services, in this namespace.
    ///
    /// # Errors
    /// As there.
    pub async fn execute(
        &self,
        namespace: &Namespace,
        program: Program,
        invocation: Invocation,
    ) -> Result<Outcome, Error> {
        let sandbox = &self.inner.sandbox;
        if !invocation.loader {
            return sandbox.execute(program, invocation).await;
        }
        let grants = invocation.services.as_ref().map(ScopedServices::grants).unwrap_or_default();
        let name = format!("{} {grants}", program.fingerprint());
        let links = Arc::new(Links { loads: true, ..Links::default() });
        let registry = Arc::clone(&self.inner);
        let neighbours = Neighbours::of_program(registry, namespace.clone(), name, links, &invocation);
        let links = links::Links { workers: Some(Arc::new(neighbours)), ..links::Links::default() };
        sandbox.execute_linked(program, invocation, links).await
    }
}
