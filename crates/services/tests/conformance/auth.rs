//! `auth`, embedded.

use std::{collections::BTreeMap, sync::Arc};

use doer_core::{
    quota::{Quota, Quotas},
    service::{Service, auth::Auth},
    tier::{Namespace, Tier},
    time::SystemClock,
};
use doer_services::auth::{Authority, EmbeddedAuth, Settings};

use crate::{
    door::Direct,
    scenarios::{self, covers_the_contract},
};

/// What the scenarios need to see an end of.
struct FewOfEach;

impl Quotas for FewOfEach {
    fn of(&self, tier: Tier, _: &Namespace) -> Quota {
        Quota { users: 5, api_keys: 5, ..Quota::of(tier) }
    }
}

#[tokio::test]
async fn embedded_auth_does_what_its_contract_says() {
    covers_the_contract(Service::Auth);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("auth.db");
    let authority = Authority::open(&path, &[7; 32], Arc::new(SystemClock), Settings::default()).unwrap();
    let auth: Arc<dyn Auth> = Arc::new(EmbeddedAuth::new(authority, Arc::new(FewOfEach)));
    scenarios::run(Service::Auth, &Direct(&auth), &BTreeMap::new(), "direct").await;
}
