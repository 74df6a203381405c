//! Conformance of the embedded `db`.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use doer_core::{
    quota::{Quota, Quotas},
    service::{Service, db::Db},
    tier::{Namespace, Tier},
    time::SystemClock,
};
use doer_services::db::{EmbeddedDb, Settings};

use crate::{
    door::Direct,
    scenarios::{covers_the_contract, run},
};

/// The scenarios fill a database.
struct Small;

impl Quotas for Small {
    fn of(&self, tier: Tier, _: &Namespace) -> Quota {
        Quota { db_bytes: 2 << 20, ..Quota::of(tier) }
    }
}

#[test]
fn the_scenarios_cover_the_contract() {
    covers_the_contract(Service::Db);
}

#[tokio::test]
async fn embedded() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings { query_timeout: Duration::from_secs(1), ..Settings::default() };
    let db: Arc<dyn Db> =
        EmbeddedDb::open(&dir.path().join("db"), settings, Arc::new(SystemClock), Arc::new(Small)).unwrap();
    run(Service::Db, &Direct(&db), &BTreeMap::new(), "direct").await;
}
