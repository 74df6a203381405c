//! On whose behalf something is done: made once per request, handed to every service with every call.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    auth::{AuthContext, Identity},
    service::ServiceError,
    tier::{Namespace, Tier},
};

/// A caller, and what follows from who it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Scope {
    /// What the credentials proved.
    pub context: AuthContext,
    /// How far it is trusted.
    pub tier: Tier,
    /// Where it works: its own namespace, or the one that an internal caller has named.
    pub namespace: Namespace,
    /// How often work has led to other work on the way here: a message to the consumer that took it, a task to the one that
    /// it had executed. Nothing where somebody asks by themselves, or a task's time has come.
    pub hops: u32,
}

/// Work leads to other work so often in a row: what goes in circles comes to its end.
const MAX_HOPS: u32 = 16;

impl Scope {
    /// What follows from a context.
    pub fn of(context: AuthContext) -> Self {
        Self { tier: Tier::of(&context), namespace: Namespace::of(&context), context, hops: 0 }
    }

    /// The same caller, working in `namespace`.
    pub fn within(&self, namespace: Namespace) -> Self {
        Self { context: self.context.clone(), tier: self.tier, namespace, hops: self.hops }
    }

    /// The hops of work that is left behind here.
    ///
    /// # Errors
    /// `forbidden` where there were too many: it goes in circles.
    pub fn next_hop(&self) -> Result<u32, ServiceError> {
        if self.hops < MAX_HOPS {
            return Ok(self.hops + 1);
        }
        let message = format!("Work has led to other work {MAX_HOPS} times in a row, and goes no further");
        Err(ServiceError::forbidden(message))
    }

    /// The id of the request.
    pub fn request_id(&self) -> &str {
        self.context.request_id.as_str()
    }

    /// Does whatever is written here outlast the request? Anonymous callers have no durable storage.
    pub fn is_durable(&self) -> bool {
        self.context.auth.authenticated
    }

    /// Whoever this is, to be kept beside work that runs later.
    pub fn owner(&self) -> Owner {
        Owner { namespace: self.namespace.clone(), identity: self.context.auth.clone() }
    }
}

/// Who registered work that runs later, without a caller: queue consumers, tasks, webhooks. Stored as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Owner {
    /// Where it was registered.
    pub namespace: Namespace,
    /// By whom.
    pub identity: Identity,
}

/// Where owners stand now.
#[async_trait]
pub trait Standing: Send + Sync + 'static {
    /// The scope that work of `owner` runs in now: with the tier that the owner has at present. `None` where nothing
    /// may run: the namespace is suspended, the user is gone, or the key was revoked.
    ///
    /// # Errors
    /// Our own failures.
    async fn scope(&self, owner: &Owner) -> Result<Option<Scope>, ServiceError>;

    /// May anything be done in a namespace now?
    ///
    /// # Errors
    /// `forbidden` where it is suspended.
    async fn admit(&self, namespace: &Namespace) -> Result<(), ServiceError>;
}
