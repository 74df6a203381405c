//! Who holds what belongs to namespaces, and can let go of it.

use async_trait::async_trait;
use doer_core::tier::Namespace;

use crate::Error;

/// Something that keeps what belongs to namespaces.
#[async_trait]
pub trait Holder: Send + Sync {
    /// What it keeps, for messages and logs.
    fn name(&self) -> &'static str;

    /// Deletes everything that belongs to `namespace`. Doing it twice is no error.
    ///
    /// # Errors
    /// Our own failures; some of it may be gone then, and the rest goes with the next attempt.
    async fn forget(&self, namespace: &Namespace) -> Result<(), Error>;
}
