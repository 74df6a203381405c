//! An installation in a temporary directory, with a clock that stands still until it is moved.

use std::{path::PathBuf, sync::Arc, time::Duration};

use doer_core::{
    auth::{AuthContext, Identity, User},
    id::RequestId,
    quota::DefaultQuotas,
    scope::Scope,
    service::{
        ServiceError,
        auth::{
            ApiKeyOptions, Auth, CreateApiKey, CreateSession, CreateUser, CreatedApiKey, SessionTokens, UserOptions,
        },
    },
    tier::Namespace,
    time::{Clock, ManualClock},
};
use doer_services::auth::{Authority, EmbeddedAuth, Settings};

pub const KEY: &[u8] = b"installation";

pub struct Setup {
    pub dir: tempfile::TempDir,
    pub clock: Arc<ManualClock>,
    pub authority: Arc<Authority>,
    pub auth: EmbeddedAuth,
}

impl Setup {
    pub fn new(settings: Settings) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(Duration::from_secs(1_800_000_000)));
        let authority = Authority::open(&dir.path().join("auth.db"), KEY, clock.clone(), settings).unwrap();
        let auth = EmbeddedAuth::new(authority.clone(), Arc::new(DefaultQuotas));
        Self { dir, clock, authority, auth }
    }

    pub fn path(&self) -> PathBuf {
        self.dir.path().join("auth.db")
    }

    pub async fn user(&self, scope: &Scope, email: &str, options: UserOptions) -> User {
        self.auth.create_user(scope, CreateUser { email: email.to_owned(), options: Some(options) }).await.unwrap()
    }

    pub async fn key(&self, scope: &Scope, user: &User, permissions: &[&str]) -> Result<CreatedApiKey, ServiceError> {
        let options = Some(ApiKeyOptions { user_id: Some(user.id.clone()), expires_at: None });
        let permissions = owned(permissions);
        self.auth.create_api_key(scope, CreateApiKey { name: "ci".to_owned(), permissions, options }).await
    }

    pub async fn session(&self, scope: &Scope, user: &User) -> Result<SessionTokens, ServiceError> {
        self.auth.create_session(scope, CreateSession { user_id: user.id.clone() }).await
    }

    pub async fn proves(&self, token: &str) -> Option<Identity> {
        self.authority.verify(token).await.unwrap()
    }

    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    pub fn now(&self) -> Duration {
        self.clock.now()
    }

    /// What was recorded, the newest first.
    pub async fn actions(&self) -> Vec<String> {
        let records = self.authority.audit().list(None, None, 100).await.unwrap();
        records.into_iter().map(|record| record.action).collect()
    }
}

/// What a credential of those permissions may do.
pub fn caller(identity: Identity) -> Scope {
    let mut context = AuthContext::anonymous(RequestId::generate(), 0);
    context.auth = identity;
    Scope::of(context)
}

/// An admin, in its own namespace.
pub fn admin() -> Scope {
    caller(Identity {
        authenticated: true,
        user: Some(User {
            id: "root".to_owned(),
            email: "root@localhost".to_owned(),
            name: None,
            role: Some("admin".to_owned()),
            permissions: owned(&["*"]),
            metadata: Default::default(),
        }),
        session: None,
        api_key: None,
    })
}

/// An admin who works for a tenant.
pub fn within(tenant: &str) -> Scope {
    admin().within(Namespace::parse(&format!("tenant:{tenant}")).unwrap())
}

pub fn role(role: &str, permissions: &[&str]) -> UserOptions {
    UserOptions { role: Some(role.to_owned()), permissions: owned(permissions), ..UserOptions::default() }
}

pub fn owned(list: &[&str]) -> Vec<String> {
    list.iter().map(|item| (*item).to_owned()).collect()
}
