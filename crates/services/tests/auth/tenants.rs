//! Deletion of a tenant, whatever comes in between.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use async_trait::async_trait;
use doer_core::{
    service::{
        Code, ServiceError,
        auth::{Auth, GetUser, UserOptions},
    },
    tier::Namespace,
};
use doer_services::{
    Error, Holder,
    auth::{Settings, audit::Actor},
    keys::NewKey,
    tasks::Tasks,
    tenants::Tenants,
};

use crate::setup::{Setup, admin, owned, role, within};

/// Notes what it is to forget; fails for as long as it is told to.
#[derive(Default)]
struct Keeper {
    forgotten: Mutex<Vec<String>>,
    broken: AtomicBool,
}

#[async_trait]
impl Holder for Keeper {
    fn name(&self) -> &'static str {
        "test"
    }

    async fn forget(&self, namespace: &Namespace) -> Result<(), Error> {
        if self.broken.load(SeqCst) {
            return Err(ServiceError::quota("broken").into());
        }
        self.forgotten.lock().unwrap().push(namespace.to_string());
        Ok(())
    }
}

impl Keeper {
    fn forgotten(&self) -> Vec<String> {
        let mut all = self.forgotten.lock().unwrap().clone();
        all.sort();
        all
    }
}

fn cli_key(role: &str, user_id: &str) -> NewKey {
    NewKey {
        name: "ci".to_owned(),
        user_id: user_id.to_owned(),
        email: "ci@localhost".to_owned(),
        role: role.to_owned(),
        tenant: Some("acme".to_owned()),
        permissions: owned(&["execute"]),
        expires_at: None,
    }
}

#[tokio::test]
async fn a_deleted_tenant_leaves_nothing_and_others_keep_everything() {
    let setup = Setup::new(Settings::default());
    let ada = setup.user(&within("acme"), "ada@example.com", role("tenant", &["execute"])).await;
    let session = setup.session(&within("acme"), &ada).await.unwrap();
    let key = setup.key(&within("acme"), &ada, &["execute"]).await.unwrap();
    let from_outside = UserOptions { metadata: [("tenantId".to_owned(), "acme".into())].into(), ..role("tenant", &[]) };
    let bob = setup.user(&admin(), "bob@example.com", from_outside).await;
    let other = setup.user(&within("other"), "eve@example.com", role("tenant", &[])).await;
    let other_key = setup.key(&within("other"), &other, &[]).await.unwrap();
    let (_, cli) = setup.authority.keys().create(cli_key("tenant", "usr_cli"), 0).unwrap();
    let (_, trusted) = setup.authority.keys().create(cli_key("admin", "admin"), 0).unwrap();

    let keeper = Arc::new(Keeper::default());
    let tenants = setup.authority.tenants();
    tenants.delete(Actor::operator(), "acme", &[keeper.clone(), Arc::new(setup.auth.clone())]).await.unwrap();
    let mut expected = vec!["tenant:acme".to_owned(), "user:usr_cli".to_owned()];
    expected.extend([&ada, &bob].map(|user| format!("user:{}", user.id)));
    expected.sort();
    assert_eq!(keeper.forgotten(), expected);
    for gone in [&session.token, &key.key, cli.reveal()] {
        assert_eq!(setup.proves(gone).await, None);
    }
    assert!(setup.proves(trusted.reveal()).await.is_some(), "an admin is nobody's");
    assert!(setup.proves(&other_key.key).await.is_some());
    assert_eq!(setup.auth.get_user(&admin(), GetUser { id: bob.id }).await.unwrap(), None);
    assert_eq!(setup.actions().await[..2], ["tenant.deleted", "tenant.deleting"]);

    let known: Vec<_> = tenants.list().await.unwrap().into_iter().map(|tenant| (tenant.id, tenant.users)).collect();
    assert_eq!(known, [("acme".to_owned(), 0), ("other".to_owned(), 1)], "acme: the admin's key names it");
    let holders: [Arc<dyn Holder>; 1] = [keeper.clone()];
    tenants.delete(Actor::operator(), "acme", &holders).await.unwrap();
    setup.user(&within("acme"), "ada@example.com", role("tenant", &[])).await;
}

#[tokio::test]
async fn a_deletion_that_was_cut_short_is_taken_up_again() {
    let setup = Setup::new(Settings::default());
    let ada = setup.user(&within("acme"), "ada@example.com", role("tenant", &["execute"])).await;
    let key = setup.key(&within("acme"), &ada, &["execute"]).await.unwrap();
    let keeper = Arc::new(Keeper::default());
    keeper.broken.store(true, SeqCst);
    let tenants = setup.authority.tenants();
    // Users first, then a failure: who there was must not be forgotten with them.
    let holders: Vec<Arc<dyn Holder>> = vec![Arc::new(setup.auth.clone()), keeper.clone()];
    assert!(tenants.delete(Actor::operator(), "acme", &holders).await.is_err());

    assert_eq!(tenants.admit("acme").unwrap_err().code, Code::Forbidden);
    for outcome in
        [tenants.resume(Actor::operator(), "acme").await, tenants.suspend(Actor::operator(), "acme", None).await]
    {
        assert_eq!(outcome.unwrap_err().code, Code::Conflict, "there is no way back");
    }
    keeper.broken.store(false, SeqCst);
    Tenants::open(&setup.path()).unwrap().finish_deletions(&holders).await.unwrap();
    let mut expected = vec!["tenant:acme".to_owned(), format!("user:{}", ada.id)];
    expected.sort();
    assert_eq!(keeper.forgotten(), expected);
    assert_eq!(setup.proves(&key.key).await, None);
    assert_eq!(tenants.admit("acme"), Ok(()));
    tenants.finish_deletions(&holders).await.unwrap();
    assert_eq!(keeper.forgotten().len(), 2, "once is enough");
}

#[tokio::test]
async fn the_server_finishes_what_was_begun() {
    let setup = Setup::new(Settings::default());
    let keeper = Arc::new(Keeper::default());
    let tasks = Tasks::default();
    setup.authority.start(&tasks);
    setup.authority.tenants().start(&tasks, vec![keeper.clone()]);
    setup.authority.tenants().begin_deletion(Actor::operator(), "acme").await.unwrap();
    let deleted = async {
        while setup.authority.tenants().admit("acme").is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), deleted).await.unwrap();
    assert_eq!(keeper.forgotten(), ["tenant:acme"]);
    tasks.stop().await;
}
