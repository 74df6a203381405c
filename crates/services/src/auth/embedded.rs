//! The service that callers see. Whatever it is asked, it looks only at what belongs to the caller's namespace, and
//! lets nobody hand on more than they hold.

use std::sync::Arc;

use async_trait::async_trait;
use doer_core::{
    auth::User,
    id::UserId,
    quota::Quotas,
    scope::Scope,
    service::{
        Code, Page, Pagination, ServiceError,
        auth::{
            ApiKeyInfo, Auth, CheckPermission, CreateApiKey, CreateSession, CreateUser, CreatedApiKey, GetUser,
            GrantPermission, ListApiKeys, RefreshSession, RevokeApiKey, RevokePermission, RevokeSession, SessionTokens,
            ValidateToken, Validation,
        },
    },
    tier::Namespace,
};
use rusqlite::{Connection, Transaction};

use super::{
    Authority,
    audit::{Action, Actor},
    authority::{admit_to, session_identity},
    permission,
    sessions::{self, Refreshed},
    users::{self, By, StoredUser},
    validate,
};
use crate::{
    Error, Holder,
    keys::{self, KeyRecord, NewKey},
};

const DEFAULT_PAGE: u32 = 100;
const MAX_PAGE: u32 = 1000;

/// `auth` in the installation's own database.
#[derive(Clone)]
pub struct EmbeddedAuth {
    authority: Arc<Authority>,
    quotas: Arc<dyn Quotas>,
}

impl std::fmt::Debug for EmbeddedAuth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedAuth").field("authority", &self.authority).finish_non_exhaustive()
    }
}

#[async_trait]
impl Auth for EmbeddedAuth {
    async fn validate_token(&self, _: &Scope, params: ValidateToken) -> Result<Validation, ServiceError> {
        let refused = |error: String| Validation { error: Some(error), ..Validation::default() };
        Ok(match self.authority.verify(&params.token).await {
            Ok(Some(proved)) => Validation {
                valid: true,
                user: proved.user,
                session: proved.session,
                api_key: proved.api_key,
                error: None,
            },
            Ok(None) => refused("Invalid token".to_owned()),
            Err(error) if error.code == Code::Forbidden => refused(error.message.into_owned()),
            Err(error) => return Err(error),
        })
    }

    async fn create_session(&self, scope: &Scope, params: CreateSession) -> Result<SessionTokens, ServiceError> {
        let (settings, now_ms) = (self.authority.settings.clone(), self.authority.clock.now_ms());
        let user_id = params.user_id.clone();
        let (session, refresh) = self
            .change(scope, move |change| {
                let user = change.enabled_user(&params.user_id)?;
                permission::may_act_for(&change.scope, &user.user)?;
                let holder = sessions::Holder { user_id: &user.user.id, namespace: &user.namespace, key_id: None };
                let made = sessions::create(change.tx, holder, &settings, now_ms)?;
                change.record(Action::SessionCreated, &made.0.id, Some(&user.user.id))?;
                Ok(made)
            })
            .await?;
        sessions::tokens(&self.authority.signer, &self.authority.settings, session, &user_id, &refresh, now_ms)
    }

    async fn create_api_key(&self, scope: &Scope, params: CreateApiKey) -> Result<CreatedApiKey, ServiceError> {
        validate::name("name", &params.name)?;
        let permissions = permission::list("permissions", params.permissions)?;
        for wanted in &permissions {
            permission::may_hand_on(scope, wanted)?;
        }
        let options = params.options.unwrap_or_default();
        let now_ms = self.authority.clock.now_ms();
        if options.expires_at.is_some_and(|expires_at| expires_at <= now_ms) {
            return Err(ServiceError::invalid("options.expiresAt: must be in the future"));
        }
        let quota = self.quotas.of(scope.tier, &scope.namespace).api_keys;
        let (record, secret) = self
            .change(scope, move |change| {
                let owner = change.owner(options.user_id.as_deref())?;
                if let Some(lacking) = permissions.iter().find(|wanted| !holds(&owner, wanted)) {
                    return Err(ServiceError::forbidden(format!("The key's owner does not hold `{lacking}`")).into());
                }
                let namespace = change.scope.namespace.as_str();
                if keys::rows::has(change.tx, namespace, quota, now_ms)? {
                    return Err(ServiceError::quota(format!("{namespace} has {quota} API keys already")).into());
                }
                let key = NewKey {
                    name: params.name,
                    tenant: users::tenant(&owner).map(str::to_owned),
                    user_id: owner.id,
                    email: owner.email,
                    role: owner.role.unwrap_or_else(|| "user".to_owned()),
                    permissions,
                    expires_at: options.expires_at,
                };
                let made = keys::rows::insert(change.tx, key, namespace, now_ms)?;
                change.record(Action::KeyCreated, &made.0.id, Some(&made.0.user_id))?;
                Ok(made)
            })
            .await?;
        Ok(CreatedApiKey { key: secret.reveal().to_owned(), info: record.into_info() })
    }

    async fn check_permission(&self, scope: &Scope, params: CheckPermission) -> Result<bool, ServiceError> {
        permission::check("permission", &params.permission)?;
        Ok(scope.context.holds(&params.permission))
    }

    async fn list_api_keys(&self, scope: &Scope, params: ListApiKeys) -> Result<Page<ApiKeyInfo>, ServiceError> {
        let options = params.options.unwrap_or_default();
        let limit = options.limit.unwrap_or(DEFAULT_PAGE);
        if !(1..=MAX_PAGE).contains(&limit) {
            return Err(ServiceError::invalid(format!("options.limit: must be 1 to {MAX_PAGE}")));
        }
        let (namespace, offset) = (scope.namespace.to_string(), options.offset.unwrap_or_default());
        let read = self.authority.database.read(move |connection| {
            let total = users::tally(connection, &namespace, "keys")?;
            Ok((keys::rows::page(connection, &namespace, limit, offset)?, total))
        });
        let (records, total) = read.await?;
        let data = records.into_iter().map(KeyRecord::into_info).collect();
        Ok(Page { data, pagination: Pagination { limit, offset, total } })
    }

    async fn revoke_api_key(&self, scope: &Scope, params: RevokeApiKey) -> Result<bool, ServiceError> {
        let now_ms = self.authority.clock.now_ms();
        self.change(scope, move |change| {
            let namespace = change.scope.namespace.as_str();
            let revoked = keys::rows::revoke(change.tx, &params.id, Some(namespace), now_ms)?;
            if revoked {
                change.record(Action::KeyRevoked, &params.id, None)?;
            }
            Ok(revoked)
        })
        .await
    }

    async fn refresh_session(&self, scope: &Scope, params: RefreshSession) -> Result<SessionTokens, ServiceError> {
        durable(scope)?;
        let namespace = Some(scope.namespace.to_string());
        let refreshed = self.authority.refresh_in(namespace, params.refresh_token, Actor::of(scope)).await?;
        refreshed.ok_or_else(|| ServiceError::forbidden("refreshToken: is none that holds; sign in again"))
    }

    async fn revoke_session(&self, scope: &Scope, params: RevokeSession) -> Result<bool, ServiceError> {
        let now_ms = self.authority.clock.now_ms();
        self.change(scope, move |change| {
            let namespace = change.scope.namespace.as_str();
            let revoked = sessions::revoke(change.tx, &params.session_id, namespace, now_ms)?;
            if revoked {
                change.record(Action::SessionRevoked, &params.session_id, None)?;
            }
            Ok(revoked)
        })
        .await
    }

    async fn create_user(&self, scope: &Scope, params: CreateUser) -> Result<User, ServiceError> {
        durable(scope)?;
        let options = params.options.unwrap_or_default();
        let email = validate::email(&params.email)?;
        if let Some(name) = &options.name {
            validate::name("options.name", name)?;
        }
        if let Some(password) = &options.password {
            validate::password(password, &email)?;
        }
        let user = User {
            id: UserId::generate().to_string(),
            name: options.name,
            role: Some(validate::role(options.role, &scope.namespace)?),
            permissions: permission::list("options.permissions", options.permissions)?,
            metadata: validate::metadata(options.metadata, &scope.namespace)?,
            email,
        };
        for permission in &user.permissions {
            permission::may_hand_on(scope, permission)?;
        }
        permission::may_act_for(scope, &user)?;
        let password = match options.password {
            Some(password) => Some(self.authority.passwords.hash(password).await?),
            None => None,
        };
        let namespace = scope.namespace.to_string();
        self.insert_user(scope, StoredUser { user, disabled: options.disabled, namespace, password }).await
    }

    async fn get_user(&self, scope: &Scope, params: GetUser) -> Result<Option<User>, ServiceError> {
        let namespace = scope.namespace.to_string();
        let found = self.authority.database.read(move |connection| {
            let email = params.id.to_ascii_lowercase();
            let by = if params.id.contains('@') { By::Email(&email) } else { By::Id(&params.id) };
            users::find_in(connection, &namespace, by)
        });
        Ok(found.await?.map(|found| found.user))
    }

    async fn grant_permission(&self, scope: &Scope, params: GrantPermission) -> Result<User, ServiceError> {
        self.change_permissions(
            scope,
            params.user_id,
            params.permission,
            Action::PermissionGranted,
            |held, permission| match held.binary_search(&permission) {
                Ok(_) => Ok(false),
                Err(at) => {
                    held.insert(at, permission);
                    permission::fits("permission", held).map(|()| true)
                }
            },
        )
        .await
    }

    async fn revoke_permission(&self, scope: &Scope, params: RevokePermission) -> Result<User, ServiceError> {
        self.change_permissions(
            scope,
            params.user_id,
            params.permission,
            Action::PermissionRevoked,
            |held, permission| {
                let before = held.len();
                held.retain(|held| *held != permission);
                Ok(held.len() < before)
            },
        )
        .await
    }
}

impl EmbeddedAuth {
    /// The service of an authority.
    pub fn new(authority: Arc<Authority>, quotas: Arc<dyn Quotas>) -> Self {
        Self { authority, quotas }
    }

    async fn insert_user(&self, scope: &Scope, new: StoredUser) -> Result<User, ServiceError> {
        let quota = self.quotas.of(scope.tier, &scope.namespace).users;
        let now_ms = self.authority.clock.now_ms();
        self.change(scope, move |change| {
            let namespace = &new.namespace;
            if users::count(change.tx, namespace)? >= quota {
                return Err(ServiceError::quota(format!("{namespace} has {quota} users already")).into());
            }
            if users::find(change.tx, By::Email(&new.user.email))?.is_some() {
                return Err(ServiceError::new(Code::Conflict, "email: another user has this address").into());
            }
            users::insert(change.tx, &new, now_ms)?;
            change.record(Action::UserCreated, &new.user.id, new.user.role.as_deref())?;
            Ok(new.user)
        })
        .await
    }

    async fn change_permissions(
        &self,
        scope: &Scope,
        user_id: String,
        permission: String,
        action: Action,
        edit: impl FnOnce(&mut Vec<String>, String) -> Result<bool, ServiceError> + Send + 'static,
    ) -> Result<User, ServiceError> {
        permission::check("permission", &permission)?;
        permission::may_hand_on(scope, &permission)?;
        self.change(scope, move |change| {
            let mut user = change.user(&user_id)?.user;
            let detail = permission.clone();
            if edit(&mut user.permissions, permission)? {
                users::set_permissions(change.tx, &user.id, &user.permissions)?;
                change.record(action, &user.id, Some(&detail))?;
            }
            Ok(user)
        })
        .await
    }

    /// Makes a change on behalf of a caller, with its record.
    async fn change<T: Send + 'static>(
        &self,
        scope: &Scope,
        work: impl FnOnce(&Change<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, ServiceError> {
        durable(scope)?;
        let (authority, scope) = (self.authority.clone(), scope.clone());
        let done = self.authority.database.write(move |tx| work(&Change { tx, scope, authority: &authority }));
        Ok(done.await?)
    }
}

impl Authority {
    /// Uses a refresh token up, of one namespace or of any.
    pub(super) async fn refresh_in(
        &self,
        namespace: Option<String>,
        token: String,
        actor: Actor,
    ) -> Result<Option<SessionTokens>, ServiceError> {
        let (audit, settings, now_ms) = (self.audit().clone(), self.settings.clone(), self.clock.now_ms());
        let tenants = self.tenants().clone();
        let refreshed = self.database.write(move |tx| {
            let refreshed = sessions::refresh(tx, &token, namespace.as_deref(), &settings, now_ms)?;
            if let Refreshed::Stolen(session) = &refreshed {
                // The refusal must not undo what it tells of: the session stays ended.
                let detail = Some("a refresh token was used twice");
                audit.append(tx, &actor, Action::SessionRevoked, &session.session.id, detail)?;
            }
            let (session, token) = match refreshed {
                Refreshed::Goes(session, token) => (session, token),
                Refreshed::Stolen(_) | Refreshed::Refused => return Ok(None),
            };
            let Some(identity) = session_identity(tx, &session, now_ms)? else { return Ok(None) };
            // What is refused is undone: the token is good once the tenant goes on.
            identity.user.map_or(Ok(()), |user| admit_to(&tenants, &user))?;
            Ok(Some((session, token)))
        });
        let Some((session, token)) = refreshed.await? else { return Ok(None) };
        sessions::tokens(&self.signer, &self.settings, session.session, &session.user_id, &token, now_ms).map(Some)
    }
}

/// A change that is being made.
struct Change<'a> {
    tx: &'a Transaction<'a>,
    scope: Scope,
    authority: &'a Authority,
}

impl Change<'_> {
    fn record(&self, action: Action, target: &str, detail: Option<&str>) -> Result<(), Error> {
        self.authority.audit().append(self.tx, &Actor::of(&self.scope), action, target, detail)
    }

    /// A user of the namespace.
    fn user(&self, id: &str) -> Result<StoredUser, Error> {
        let found = users::find_in(self.tx, self.scope.namespace.as_str(), By::Id(id))?;
        Ok(found.ok_or_else(|| ServiceError::not_found("No such user"))?)
    }

    fn enabled_user(&self, id: &str) -> Result<StoredUser, Error> {
        let user = self.user(id)?;
        if user.disabled {
            return Err(ServiceError::forbidden("The user is disabled").into());
        }
        Ok(user)
    }

    /// Whose a new key is: a user of the namespace that the caller may act for, else the caller, at home.
    fn owner(&self, user_id: Option<&str>) -> Result<User, Error> {
        if let Some(id) = user_id {
            let owner = self.enabled_user(id)?.user;
            permission::is_trusted_as(&self.scope, &owner)?;
            return Ok(owner);
        }
        // A key reaches whatever its owner reaches: an admin's own does not belong among the keys of a tenant.
        if Namespace::of(&self.scope.context) != self.scope.namespace {
            return Err(ServiceError::invalid(format!(
                "options.userId: is required in {}: a key there belongs to a user of it",
                self.scope.namespace
            ))
            .into());
        }
        let caller = self.scope.context.auth.user.clone();
        Ok(caller.ok_or_else(|| ServiceError::forbidden("Callers without credentials have no keys"))?)
    }
}

#[async_trait]
impl Holder for EmbeddedAuth {
    fn name(&self) -> &'static str {
        "users, sessions and keys"
    }

    async fn forget(&self, namespace: &Namespace) -> Result<(), Error> {
        let namespace = namespace.to_string();
        self.authority.database.write(move |tx| forget(tx, &namespace)).await
    }
}

/// Deletes what a namespace has. The record of what changed stays.
pub(crate) fn forget(connection: &Connection, namespace: &str) -> Result<(), Error> {
    connection.execute(
        "DELETE FROM refresh_tokens WHERE session_id IN (SELECT id FROM sessions WHERE namespace = ?1)",
        [namespace],
    )?;
    for table in ["sessions", "keys", "users", "tallies"] {
        connection.execute(&format!("DELETE FROM {table} WHERE namespace = ?1"), [namespace])?;
    }
    Ok(())
}

fn holds(user: &User, permission: &str) -> bool {
    user.role.as_deref() == Some("admin") || permission::covers(&user.permissions, permission)
}

/// # Errors
/// `forbidden` for callers without credentials.
fn durable(scope: &Scope) -> Result<(), ServiceError> {
    if !scope.is_durable() {
        return Err(ServiceError::forbidden("Anonymous callers have no durable storage"));
    }
    Ok(())
}
