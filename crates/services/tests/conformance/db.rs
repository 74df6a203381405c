//! Conformance of the embedded `db`.

use std::{sync::Arc, time::Duration};

use doer_core::{
    quota::{Quota, Quotas},
    service::{Service, db::Db},
    tier::{Namespace, Tier},
    time::SystemClock,
};
use doer_services::db::{EmbeddedDb, Settings};

use crate::candidate::Candidate;

/// The scenarios fill a database.
struct Small;

impl Quotas for Small {
    fn of(&self, tier: Tier, _: &Namespace) -> Quota {
        Quota { db_bytes: 2 << 20, ..Quota::of(tier) }
    }
}

/// With small databases, whose statements have a second.
pub async fn embedded() -> Candidate {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings { query_timeout: Duration::from_secs(1), ..Settings::default() };
    let db: Arc<dyn Db> =
        EmbeddedDb::open(&dir.path().join("db"), settings, Arc::new(SystemClock), Arc::new(Small)).unwrap();
    Candidate { around: vec![Box::new(dir)], ..Candidate::new(Service::Db, db) }
}
