//! What workers need of the program that they are loaded in.

use std::sync::Arc;

use async_trait::async_trait;
use doer_core::tier::Namespace;

use super::{
    registry::Key,
    slot::{Factory, LoadError},
};

/// What workers need of the program that they are loaded in.
#[async_trait]
pub trait Host: Send + Sync + 'static {
    /// Knows the code of the worker that a binding names. Does nothing yet, as with
    /// [`Registry::get`](super::Registry::get).
    fn factory(&self, key: &Key) -> Arc<dyn Factory>;

    /// A secret of a namespace, for a worker that runs now; `None` where it has none by that name.
    ///
    /// # Errors
    /// Where it cannot be had: the worker is not run.
    async fn secret(&self, namespace: &Namespace, name: &str) -> Result<Option<String>, LoadError>;
}

/// A program that has no workers to bind, and no secrets.
#[derive(Debug, Clone, Copy)]
pub struct NoHost;

#[async_trait]
impl Host for NoHost {
    fn factory(&self, _: &Key) -> Arc<dyn Factory> {
        Arc::new(|| async { Err(LoadError::NotFound) })
    }

    async fn secret(&self, _: &Namespace, _: &str) -> Result<Option<String>, LoadError> {
        Ok(None)
    }
}
