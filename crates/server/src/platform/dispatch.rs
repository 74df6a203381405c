//! Events of webhooks are handed to the same targets as everything else that runs later.

use std::sync::Arc;

use async_trait::async_trait;
use doer_core::{
    run::{RunError, Target},
    scope::Scope,
    service::ServiceError,
};
use doer_services::{targets::Targets, webhooks::Dispatch};
use serde_json::Value;

/// Hands events to targets.
pub struct ToTargets(pub Arc<Targets>);

#[async_trait]
impl Dispatch for ToTargets {
    async fn check(&self, scope: &Scope, target: &Target) -> Result<(), ServiceError> {
        self.0.check(scope, target)
    }

    async fn run(&self, scope: &Scope, target: &Target, event: Value) -> Result<(), RunError> {
        self.0.run(scope, target, event, None).await.map(|_| ())
    }
}
