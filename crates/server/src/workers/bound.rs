//! The workers that other workers are bound to: those that are stored in the same namespace.

use std::sync::{Arc, Weak};

use async_trait::async_trait;
use doer_core::{id::WorkerId, tier::Namespace};
use doer_sandbox::loader::{Factory, Host, Key, LoadError};

use super::Workers;

/// What bindings lead to. The registry holds it, and is held by the workers themselves: so it does not hold them.
pub struct Bound(Weak<Workers>);

impl Bound {
    pub fn of(workers: &Arc<Workers>) -> Self {
        Self(Arc::downgrade(workers))
    }
}

#[async_trait]
impl Host for Bound {
    fn factory(&self, key: &Key) -> Arc<dyn Factory> {
        let (workers, key) = (self.0.clone(), key.clone());
        Arc::new(move || {
            let (workers, key) = (workers.clone(), key.clone());
            async move {
                let (Some(workers), Ok(id)) = (workers.upgrade(), WorkerId::parse(&key.id)) else {
                    return Err(LoadError::NotFound);
                };
                workers.code(&key.namespace, &id).await
            }
        })
    }

    /// There are none yet: code that names one is refused when it is given.
    async fn secret(&self, _: &Namespace, _: &str) -> Result<Option<String>, LoadError> {
        Ok(None)
    }
}
