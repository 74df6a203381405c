//! Where owners of work that runs later stand now: nothing is run with what somebody was allowed once.

use super::{
    Authority,
    authority::{enabled, key_identity},
    foreign,
    issuers::Issuers,
    users::{self, By},
};
use crate::keys;
use async_trait::async_trait;
use doer_core::{
    auth::{AuthContext, Identity, User},
    id::RequestId,
    scope::{Owner, Scope, Standing},
    service::{Code, ServiceError},
    tier::{Namespace, Tier},
};

#[async_trait]
impl Standing for Authority {
    async fn scope(&self, owner: &Owner) -> Result<Option<Scope>, ServiceError> {
        let Some(identity) = self.present(&owner.identity).await? else { return Ok(None) };
        let mut context = AuthContext::anonymous(RequestId::generate(), self.clock.now_ms());
        context.auth = identity;
        let scope = Scope::of(context);
        let runs = reaches(&scope, &owner.namespace) && admitted(self.admit(&owner.namespace).await)?;
        Ok(runs.then(|| scope.within(owner.namespace.clone())))
    }

    async fn admit(&self, namespace: &Namespace) -> Result<(), ServiceError> {
        if let Some(tenant) = namespace.as_str().strip_prefix("tenant:") {
            return self.tenants().admit(tenant);
        }
        let Some(id) = namespace.as_str().strip_prefix("user:") else { return Ok(()) };
        match self.database.read_now(|connection| users::find(connection, By::Id(id)))? {
            Some(found) => self.admit_user(&found.user),
            None => self.admit_unknown(id),
        }
    }
}

impl Authority {
    /// May anything be done in the namespace of a user who is not stored: one that others vouch for, or whom only keys
    /// tell of?
    fn admit_unknown(&self, id: &str) -> Result<(), ServiceError> {
        let tenants = self.database.read_now(|connection| {
            let mut tenants = keys::rows::tenants_of(connection, id)?;
            tenants.extend(foreign::tenant_of(connection, id)?);
            Ok(tenants)
        })?;
        tenants.iter().try_for_each(|tenant| self.tenants().admit(tenant))
    }

    /// Whoever it was, as they are now; nobody where they may do nothing.
    async fn present(&self, stored: &Identity) -> Result<Option<Identity>, ServiceError> {
        let Some(user) = stored.user.as_ref().filter(|_| stored.authenticated) else { return Ok(None) };
        let now_ms = self.clock.now_ms();
        let mut is_known = true;
        let identity = if let Some(key) = &stored.api_key {
            let found = self.database.read_now(|connection| keys::rows::find(connection, &key.id))?;
            is_known = found.is_some();
            found.filter(|found| found.key.user_id == user.id).and_then(|found| key_identity(found, now_ms))
        } else if Issuers::is_foreign(&user.id) {
            self.issuers.still(user.clone()).map(plain)
        } else if self.settings.built_in.as_ref().is_some_and(|built_in| built_in.id == user.id) {
            self.settings.built_in.clone().map(plain)
        } else {
            let found = self.database.read_now(|connection| users::find(connection, By::Id(&user.id)))?;
            is_known = found.is_some();
            enabled(found).map(|found| plain(found.user))
        };
        let identity = match (identity, self.elsewhere()) {
            (None, Some(elsewhere)) if !is_known => elsewhere.user(&user.id, stored.api_key.clone()).await?,
            (identity, _) => identity,
        };
        let Some(identity) = identity else { return Ok(None) };
        let runs = match &identity.user {
            Some(user) => admitted(self.admit_user(user))?,
            None => false,
        };
        Ok(runs.then_some(identity))
    }
}

/// A refusal is an answer here; failures are not.
fn admitted(outcome: Result<(), ServiceError>) -> Result<bool, ServiceError> {
    match outcome {
        Ok(()) => Ok(true),
        Err(refused) if refused.code == Code::Forbidden => Ok(false),
        Err(failed) => Err(failed),
    }
}

/// Without the session in which work was registered: it goes on when that has ended.
fn plain(user: User) -> Identity {
    Identity { authenticated: true, user: Some(user), session: None, api_key: None }
}

/// May a caller still work in the namespace in which it once did?
fn reaches(scope: &Scope, namespace: &Namespace) -> bool {
    let own = scope.context.auth.user.as_ref().map(|user| format!("user:{}", user.id));
    scope.tier == Tier::Internal || scope.namespace == *namespace || own.as_deref() == Some(namespace.as_str())
}
