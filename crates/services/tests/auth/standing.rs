//! Whoever registered work, and what of it may run now.

use doer_core::{
    auth::User,
    scope::{Owner, Scope, Standing},
    service::{
        Code,
        auth::{Auth, RevokeApiKey, RevokePermission, UserOptions},
    },
    tier::{Namespace, Tier},
};
use doer_services::{
    auth::{Issuer, Settings, audit::Actor},
    keys::NewKey,
};
use jsonwebtoken::Algorithm;

use crate::{
    oidc::{Oidc, token},
    setup::{Setup, admin, caller, owned, role, within},
};

async fn now(setup: &Setup, owner: &Owner) -> Option<Scope> {
    setup.authority.scope(owner).await.unwrap()
}

async fn signed_in(setup: &Setup, scope: &Scope, user: &User) -> Scope {
    let session = setup.session(scope, user).await.unwrap();
    caller(setup.proves(&session.token).await.unwrap())
}

#[tokio::test]
async fn a_users_work_runs_with_what_the_user_may_do_now() {
    let setup = Setup::new(Settings::default());
    let ada = setup.user(&within("acme"), "ada@example.com", role("tenant", &["execute", "rpc:*"])).await;
    let registered = signed_in(&setup, &within("acme"), &ada).await;
    let owner = registered.owner();
    let revoke = RevokePermission { user_id: ada.id.clone(), permission: "rpc:*".to_owned() };
    setup.auth.revoke_permission(&within("acme"), revoke).await.unwrap();

    let scope = now(&setup, &owner).await.unwrap();
    assert_eq!((scope.tier, scope.namespace.as_str()), (Tier::Tenant, "tenant:acme"));
    assert!(scope.context.holds("execute") && !scope.context.holds("rpc:db"));
    assert_ne!(scope.request_id(), now(&setup, &owner).await.unwrap().request_id(), "each run is a request of its own");

    setup.authority.set_disabled(Actor::operator(), &ada.id, true).await.unwrap();
    assert_eq!(now(&setup, &owner).await, None);
    setup.authority.set_disabled(Actor::operator(), &ada.id, false).await.unwrap();
    assert!(now(&setup, &owner).await.is_some());
}

#[tokio::test]
async fn a_keys_work_runs_as_long_as_the_key_holds() {
    let setup = Setup::new(Settings::default());
    let ada = setup.user(&within("acme"), "ada@example.com", role("tenant", &["execute"])).await;
    let key = setup.key(&within("acme"), &ada, &["execute"]).await.unwrap();
    let owner = caller(setup.proves(&key.key).await.unwrap()).owner();
    assert!(now(&setup, &owner).await.unwrap().context.auth.api_key.is_some());
    let mut stolen = owner.clone();
    stolen.identity.user.as_mut().unwrap().id = "usr_another".to_owned();
    assert_eq!(now(&setup, &stolen).await, None, "the key of somebody else");
    setup.auth.revoke_api_key(&within("acme"), RevokeApiKey { id: key.info.id }).await.unwrap();
    assert_eq!(now(&setup, &owner).await, None);
}

#[tokio::test]
async fn an_internal_owner_stays_in_the_namespace_that_it_named() {
    let setup = Setup::new(Settings::default());
    let key = NewKey {
        name: "ci".to_owned(),
        user_id: "admin".to_owned(),
        email: "admin@localhost".to_owned(),
        role: "admin".to_owned(),
        tenant: None,
        permissions: owned(&["*"]),
        expires_at: None,
    };
    let (_, secret) = setup.authority.keys().create(key, 0).unwrap();
    let registered = caller(setup.proves(secret.reveal()).await.unwrap());
    let owner = registered.within(Namespace::parse("tenant:acme").unwrap()).owner();
    let scope = now(&setup, &owner).await.unwrap();
    assert_eq!((scope.tier, scope.namespace.as_str()), (Tier::Internal, "tenant:acme"));
}

#[tokio::test]
async fn who_was_internal_and_is_no_longer_does_not_work_elsewhere() {
    let setup = Setup::new(Settings::default());
    let bob = setup.user(&admin(), "bob@example.com", role("user", &["tenant:x"])).await;
    let mut owner = signed_in(&setup, &admin(), &bob).await.owner();
    assert!(now(&setup, &owner).await.is_some());
    owner.namespace = Namespace::parse("tenant:acme").unwrap();
    assert_eq!(now(&setup, &owner).await, None);
    owner.namespace = Namespace::parse(&format!("user:{}", bob.id)).unwrap();
    assert!(now(&setup, &owner).await.is_some());
}

#[tokio::test]
async fn a_suspended_tenant_runs_nothing_and_its_credentials_say_why() {
    let setup = Setup::new(Settings::default());
    let ada = setup.user(&within("acme"), "ada@example.com", role("tenant", &["execute"])).await;
    let eve = setup.user(&within("acme"), "eve@example.com", UserOptions::default()).await;
    let key = setup.key(&within("acme"), &ada, &["execute"]).await.unwrap();
    let owners = [signed_in(&setup, &within("acme"), &ada).await, signed_in(&setup, &within("acme"), &eve).await];
    assert_eq!(owners[1].namespace.as_str(), format!("user:{}", eve.id));

    let tenants = setup.authority.tenants();
    tenants.suspend(Actor::operator(), "acme", Some("unpaid".to_owned())).await.unwrap();
    for scope in &owners {
        assert_eq!(now(&setup, &scope.owner()).await, None, "{}", scope.namespace);
        let refused = setup.authority.admit(&scope.namespace).await.unwrap_err();
        assert_eq!((refused.code, refused.message.as_ref()), (Code::Forbidden, "Tenant acme is suspended"));
    }
    assert_eq!(setup.authority.verify(&key.key).await.unwrap_err().code, Code::Forbidden);
    let params = doer_core::service::auth::ValidateToken { token: key.key.clone() };
    let told = setup.auth.validate_token(&admin(), params).await.unwrap();
    assert_eq!((told.valid, told.error.as_deref(), told.user), (false, Some("Tenant acme is suspended"), None));

    tenants.resume(Actor::operator(), "acme").await.unwrap();
    assert!(now(&setup, &owners[0].owner()).await.is_some());
    assert!(setup.proves(&key.key).await.is_some());
    for free in ["*", "tenant:other", "user:nobody"] {
        assert_eq!(setup.authority.admit(&Namespace::parse(free).unwrap()).await, Ok(()), "{free}");
    }
}

#[tokio::test]
async fn nobody_knows_whoever_was_made_up_and_development_knows_its_admin() {
    let owner = admin().owner();
    assert_eq!(now(&Setup::new(Settings::default()), &owner).await, None);
    let built_in = owner.identity.user.clone();
    let setup = Setup::new(Settings { built_in, ..Settings::default() });
    assert_eq!(now(&setup, &owner).await.unwrap().tier, Tier::Internal);
    let anonymous = caller(Default::default()).owner();
    assert_eq!(now(&setup, &anonymous).await, None);
}

#[tokio::test]
async fn an_issuers_user_stands_as_long_as_the_issuer_is_believed() {
    let oidc = Oidc::start().await;
    let issuer = || Issuer { roles: vec!["tenant".to_owned()], ..Issuer::new("okta", &oidc.url, "doer") };
    let believing = Setup::new(Settings { issuers: vec![issuer()], ..Settings::default() });
    let mut claims = oidc.claims(believing.now());
    claims["role"] = "tenant".into();
    let proved = believing.proves(&token(Algorithm::EdDSA, Some("EdDSA"), &claims)).await.unwrap();
    let owner = caller(proved).owner();
    assert_eq!(now(&believing, &owner).await.unwrap().tier, Tier::Tenant);

    let less = Setup::new(Settings { issuers: vec![Issuer { roles: Vec::new(), ..issuer() }], ..Settings::default() });
    assert_eq!(now(&less, &owner).await.unwrap().tier, Tier::Public);
    assert_eq!(now(&Setup::new(Settings::default()), &owner).await, None);
}

#[tokio::test]
async fn the_namespace_of_a_user_that_is_not_stored_falls_with_the_tenant() {
    let oidc = Oidc::start().await;
    let issuer =
        Issuer { tenants: [("org_1".to_owned(), "acme".to_owned())].into(), ..Issuer::new("okta", &oidc.url, "doer") };
    let setup =
        Setup::new(Settings { issuers: vec![issuer], built_in: admin().context.auth.user, ..Settings::default() });
    let mut claims = oidc.claims(setup.now());
    claims["tenant"] = "org_1".into();
    let proved = setup.proves(&token(Algorithm::EdDSA, Some("EdDSA"), &claims)).await.unwrap();
    let key = NewKey {
        name: "ci".to_owned(),
        user_id: "bob".to_owned(),
        email: "bob@localhost".to_owned(),
        role: "user".to_owned(),
        tenant: Some("acme".to_owned()),
        permissions: Vec::new(),
        expires_at: None,
    };
    setup.authority.keys().create(key, 0).unwrap();

    // What runs there later is registered by whoever is trusted with all namespaces.
    let namespaces = [caller(proved).namespace, Namespace::parse("user:bob").unwrap()];
    assert_eq!(namespaces[0].as_str(), "user:okta|ada");
    let owners = namespaces.clone().map(|namespace| admin().within(namespace).owner());
    for owner in &owners {
        assert!(now(&setup, owner).await.is_some());
    }
    setup.authority.tenants().suspend(Actor::operator(), "acme", None).await.unwrap();
    for (owner, namespace) in owners.iter().zip(&namespaces) {
        assert_eq!(now(&setup, owner).await, None, "{namespace}");
        assert_eq!(setup.authority.admit(namespace).await.unwrap_err().code, Code::Forbidden, "{namespace}");
    }

    setup.authority.tenants().resume(Actor::operator(), "acme").await.unwrap();
    claims.as_object_mut().unwrap().remove("tenant");
    setup.proves(&token(Algorithm::EdDSA, Some("EdDSA"), &claims)).await.unwrap();
    setup.authority.tenants().suspend(Actor::operator(), "acme", None).await.unwrap();
    assert!(now(&setup, &owners[0]).await.is_some(), "the issuer says that the user left");
}
