//! A database to test, callers, and shorter ways to call.

use std::{sync::Arc, time::Duration};

use doer_core::{
    auth::{AuthContext, Identity, User},
    id::RequestId,
    quota::{DefaultQuotas, Quota, Quotas},
    scope::Scope,
    service::{
        ServiceError,
        db::{Db, Get, Query, Rows, Thing, Upsert},
    },
    tier::{Namespace, Tier},
    time::ManualClock,
};
use doer_services::db::{EmbeddedDb, Settings};
use serde_json::Value;
use tempfile::TempDir;

pub struct Fixture {
    pub db: Arc<EmbeddedDb>,
    pub clock: Arc<ManualClock>,
    pub dir: TempDir,
}

/// Everybody has so many bytes.
pub struct Bytes(pub u64);

impl Quotas for Bytes {
    fn of(&self, tier: Tier, _: &Namespace) -> Quota {
        Quota { db_bytes: self.0, ..Quota::of(tier) }
    }
}

pub fn fixture() -> Fixture {
    with(Settings { query_timeout: Duration::from_millis(500), ..Settings::default() }, Arc::new(DefaultQuotas))
}

pub fn with(settings: Settings, quotas: Arc<dyn Quotas>) -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(Duration::from_millis(1_000)));
    let db = EmbeddedDb::open(&dir.path().join("db"), settings, clock.clone(), quotas).unwrap();
    Fixture { db, clock, dir }
}

/// A caller of tenant `id`.
pub fn tenant(id: &str) -> Scope {
    let mut context = AuthContext::anonymous(RequestId::generate(), 0);
    context.auth = Identity {
        authenticated: true,
        user: Some(User {
            id: "user".to_owned(),
            email: "user@example.com".to_owned(),
            name: None,
            role: Some("tenant".to_owned()),
            permissions: Vec::new(),
            metadata: [("tenantId".to_owned(), Value::from(id))].into_iter().collect(),
        }),
        session: None,
        api_key: None,
    };
    Scope::of(context)
}

/// Somebody unknown.
pub fn anonymous() -> Scope {
    Scope::of(AuthContext::anonymous(RequestId::generate(), 0))
}

impl Fixture {
    pub async fn sql(&self, scope: &Scope, sql: &str) -> Result<Rows, ServiceError> {
        self.sql_with(scope, sql, Vec::new()).await
    }

    pub async fn sql_with(&self, scope: &Scope, sql: &str, params: Vec<Value>) -> Result<Rows, ServiceError> {
        self.db.query(scope, Query { sql: sql.to_owned(), params: Some(params) }).await
    }

    /// The only value of the only row.
    pub async fn value(&self, scope: &Scope, sql: &str) -> Value {
        let rows = self.sql(scope, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        rows.rows.into_iter().next().and_then(|row| row.into_iter().next()).map(|(_, value)| value).unwrap()
    }

    pub async fn put(&self, scope: &Scope, ns: &str, id: &str, data: Value) -> Result<Thing, ServiceError> {
        self.db.upsert(scope, Upsert { ns: ns.to_owned(), id: id.to_owned(), data, options: None }).await
    }

    pub async fn get(&self, scope: &Scope, ns: &str, id: &str) -> Option<Thing> {
        self.db.get(scope, Get { ns: ns.to_owned(), id: id.to_owned() }).await.unwrap()
    }
}
