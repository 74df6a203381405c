//! What workers are bound to beside services: each other, and the secrets of their namespace.

use std::sync::{Arc, Weak};

use async_trait::async_trait;
use doer_core::{id::WorkerId, tier::Namespace};
use doer_sandbox::loader::{Code, Factory, Host, Key, LoadError};
use doer_services::secrets::SecretStore;

use super::Workers;

/// The installation, as the loader sees it. The workers own the loader, so it does not own them.
pub struct Installation {
    /// Where code comes from.
    pub workers: Weak<Workers>,
    /// Where secrets come from.
    pub secrets: Arc<SecretStore>,
}

/// Knows the code of one worker of the store.
pub(super) struct Stored {
    pub(super) workers: Weak<Workers>,
    pub(super) key: Key,
}

#[async_trait]
impl Factory for Stored {
    async fn code(&self) -> Result<Code, LoadError> {
        // No binding names what could never be registered; and where there are no workers any more, nobody asks.
        let (Ok(id), Some(workers)) = (WorkerId::parse(&self.key.id), self.workers.upgrade()) else {
            return Err(LoadError::NotFound);
        };
        workers.code(&self.key.namespace, &id).await
    }
}

#[async_trait]
impl Host for Installation {
    fn factory(&self, key: &Key) -> Arc<dyn Factory> {
        Arc::new(Stored { workers: Weak::clone(&self.workers), key: key.clone() })
    }

    async fn secret(&self, namespace: &Namespace, name: &str) -> Result<Option<String>, LoadError> {
        self.secrets.reveal(namespace, name).await.map_err(|error| {
            tracing::error!(%namespace, name, error = &error as &dyn std::error::Error, "a secret cannot be had");
            LoadError::Factory("a secret of the worker cannot be had".into())
        })
    }
}
