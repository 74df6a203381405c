//! `auth`, embedded.

use std::sync::Arc;

use doer_core::{
    quota::{Quota, Quotas},
    service::{Service, auth::Auth},
    tier::{Namespace, Tier},
    time::SystemClock,
};
use doer_services::auth::{Authority, EmbeddedAuth, Settings};

use crate::candidate::Candidate;

/// What the scenarios need to see an end of.
struct FewOfEach;

impl Quotas for FewOfEach {
    fn of(&self, tier: Tier, _: &Namespace) -> Quota {
        Quota { users: 5, api_keys: 5, ..Quota::of(tier) }
    }
}

/// With nobody in it yet.
pub async fn embedded() -> Candidate {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("auth.db");
    let authority = Authority::open(&path, &[7; 32], Arc::new(SystemClock), Settings::default()).unwrap();
    let auth: Arc<dyn Auth> = Arc::new(EmbeddedAuth::new(authority, Arc::new(FewOfEach)));
    Candidate { around: vec![Box::new(dir)], ..Candidate::new(Service::Auth, auth) }
}
