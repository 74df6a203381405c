//! Events of webhooks are handed to the same targets as everything else that runs later.

use std::time::Duration;

use async_trait::async_trait;
use doer_core::{
    run::{Happening, RunError, Target},
    scope::Scope,
    service::ServiceError,
};
use doer_services::{targets::Targets, webhooks::Dispatch};
use serde_json::Value;

/// Hands events to targets.
pub struct ToTargets(pub Targets);

/// A snippet ends sooner, as its tier has it; whoever hands the event on gives up a moment after that.
const TIMEOUT: Duration = Duration::from_secs(120);

#[async_trait]
impl Dispatch for ToTargets {
    async fn check(&self, scope: &Scope, target: &Target) -> Result<(), ServiceError> {
        self.0.check(scope, target)
    }

    async fn run(&self, scope: &Scope, target: &Target, event: Value) -> Result<(), RunError> {
        self.0.run(scope, target, Happening::Webhook, event, TIMEOUT).await.map(|_| ())
    }
}
