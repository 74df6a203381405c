//! Credentials that are exchanged for a session: it is no more than they are.

use std::time::Duration;

use doer_core::{
    id::RequestId,
    scope::Standing,
    service::{
        Code,
        auth::{Auth, RevokeApiKey, SessionTokens},
    },
};
use doer_services::{
    auth::{Settings, audit::Actor},
    keys::NewKey,
};

use crate::setup::{Setup, admin, caller, owned, role, within};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A session for whatever a credential proves.
async fn exchanged(setup: &Setup, credential: &str) -> SessionTokens {
    setup.authority.exchange(&caller(setup.proves(credential).await.unwrap())).await.unwrap()
}

async fn refreshed(setup: &Setup, tokens: &SessionTokens) -> Option<SessionTokens> {
    setup.authority.refresh(tokens.refresh_token.clone(), &RequestId::generate()).await.unwrap()
}

#[tokio::test]
async fn a_session_holds_what_the_key_holds_and_ends_with_it() {
    let setup = Setup::new(Settings::default());
    let ada = setup.user(&within("acme"), "ada@example.com", role("tenant", &["execute", "rpc:*"])).await;
    let key = setup.key(&within("acme"), &ada, &["rpc:db"]).await.unwrap();
    let first = exchanged(&setup, &key.key).await;
    // A session for a session is no way to more, nor is a new token for it.
    let second = refreshed(&setup, &exchanged(&setup, &first.token).await).await.unwrap();
    for tokens in [&first, &second] {
        let scope = caller(setup.proves(&tokens.token).await.unwrap());
        assert_eq!(scope.namespace.as_str(), "tenant:acme");
        assert_eq!(scope.context.auth.session.as_ref().unwrap().id, tokens.session.id);
        assert!(scope.context.holds("rpc:db") && !scope.context.holds("rpc:queue") && !scope.context.holds("execute"));
        assert!(setup.authority.scope(&scope.owner()).await.unwrap().is_some());
    }
    setup.auth.revoke_api_key(&within("acme"), RevokeApiKey { id: key.info.id }).await.unwrap();
    for tokens in [&first, &second] {
        assert_eq!(setup.proves(&tokens.token).await, None);
        assert_eq!(refreshed(&setup, tokens).await, None);
    }
}

#[tokio::test]
async fn keys_of_the_command_line_have_sessions_too() {
    let setup = Setup::new(Settings::default());
    let key = NewKey {
        name: "ci".to_owned(),
        user_id: "root".to_owned(),
        email: "root@localhost".to_owned(),
        role: "admin".to_owned(),
        tenant: None,
        permissions: owned(&["execute"]),
        expires_at: Some(u64::try_from((setup.now() + DAY).as_millis()).unwrap()),
    };
    let (_, secret) = setup.authority.keys().create(key, 0).unwrap();
    let tokens = exchanged(&setup, secret.reveal()).await;
    let scope = caller(setup.proves(&tokens.token).await.unwrap());
    assert!(scope.context.holds("execute") && !scope.context.holds("rpc:db"), "an admin's lesser key");
    setup.advance(DAY);
    assert_eq!(refreshed(&setup, &tokens).await, None, "the key's time is over");
}

#[tokio::test]
async fn whoever_has_a_session_can_end_it() {
    let setup = Setup::new(Settings::default());
    // A plain user works in another namespace than that to which the user belongs.
    let ada = setup.user(&within("acme"), "ada@example.com", role("user", &["execute"])).await;
    let tokens = setup.session(&within("acme"), &ada).await.unwrap();
    let scope = caller(setup.proves(&tokens.token).await.unwrap());
    setup.authority.end_session(&scope).await.unwrap();
    assert_eq!(setup.proves(&tokens.token).await, None);
    assert_eq!(refreshed(&setup, &tokens).await, None);
    assert_eq!(setup.authority.end_session(&admin()).await.unwrap_err().code, Code::NotFound);
}

#[tokio::test]
async fn a_suspended_tenants_refresh_token_is_good_once_it_goes_on() {
    let setup = Setup::new(Settings::default());
    let ada = setup.user(&within("acme"), "ada@example.com", role("user", &["execute"])).await;
    let tokens = setup.session(&within("acme"), &ada).await.unwrap();
    let tenants = setup.authority.tenants();
    tenants.suspend(Actor::operator(), "acme", None).await.unwrap();
    for _ in 0..2 {
        let refresh = setup.authority.refresh(tokens.refresh_token.clone(), &RequestId::generate()).await;
        assert_eq!(refresh.unwrap_err().code, Code::Forbidden, "and no theft");
    }
    tenants.resume(Actor::operator(), "acme").await.unwrap();
    assert!(refreshed(&setup, &tokens).await.is_some());
}

#[tokio::test]
async fn nobody_else_has_one() {
    let setup = Setup::new(Settings::default());
    for scope in [admin(), caller(Default::default())] {
        assert_eq!(setup.authority.exchange(&scope).await.unwrap_err().code, Code::Forbidden);
    }
}
