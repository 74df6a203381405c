//! Signing in with a password, and guessing at one.

use std::{net::IpAddr, time::Duration};

use doer_core::{
    id::RequestId,
    service::{
        Code, ServiceError,
        auth::{SessionTokens, UserOptions},
    },
};
use doer_services::auth::{Settings, SignIn, audit::Actor};

use crate::setup::{Setup, admin, within};

const PASSWORD: &str = "correct horse battery";

async fn with_ada(settings: Settings) -> (Setup, String) {
    let setup = Setup::new(settings);
    let options = UserOptions { password: Some(PASSWORD.to_owned()), ..UserOptions::default() };
    let ada = setup.user(&within("acme"), "ada@example.com", options).await;
    (setup, ada.id)
}

async fn sign_in(
    setup: &Setup,
    email: &str,
    password: &str,
    from: &str,
) -> Result<Option<SessionTokens>, ServiceError> {
    let address: IpAddr = from.parse().unwrap();
    setup.authority.sign_in(email, password.to_owned(), address, &RequestId::generate()).await
}

#[tokio::test]
async fn the_right_password_begins_a_session_and_no_other_does() {
    let (setup, ada) = with_ada(Settings::default()).await;
    let tokens = sign_in(&setup, "ADA@example.com", PASSWORD, "192.0.2.1").await.unwrap().unwrap();
    assert_eq!(setup.proves(&tokens.token).await.unwrap().user.unwrap().id, ada);
    let long = "a".repeat(1025);
    for (email, password) in [
        ("ada@example.com", "correct horse"),
        ("bob@example.com", PASSWORD),
        ("no address", PASSWORD),
        ("ada@example.com", &long),
    ] {
        assert_eq!(sign_in(&setup, email, password, "192.0.2.1").await, Ok(None), "{email}");
    }
    setup.authority.set_disabled(Actor::operator(), &ada, true).await.unwrap();
    assert_eq!(sign_in(&setup, "ada@example.com", PASSWORD, "192.0.2.1").await, Ok(None));
}

#[tokio::test]
async fn an_account_without_a_password_opens_to_none() {
    let setup = Setup::new(Settings::default());
    setup.user(&admin(), "ada@example.com", UserOptions::default()).await;
    assert_eq!(sign_in(&setup, "ada@example.com", "", "192.0.2.1").await, Ok(None));
}

#[tokio::test]
async fn guessing_is_slowed_down_alike_whether_or_not_there_is_an_account() {
    let settings = SignIn { account_failures: 2, address_failures: 100, ..SignIn::default() };
    let (setup, _) = with_ada(Settings { sign_in: settings, ..Settings::default() }).await;
    for email in ["ada@example.com", "nobody@example.com"] {
        for _ in 0..2 {
            assert_eq!(sign_in(&setup, email, "wrong password", "192.0.2.1").await, Ok(None));
        }
        let refused = sign_in(&setup, email, PASSWORD, "192.0.2.2").await.unwrap_err();
        assert_eq!((refused.code, refused.retry_after), (Code::RateLimit, Some(Duration::from_secs(1))), "{email}");
    }
    setup.advance(Duration::from_secs(1));
    assert!(sign_in(&setup, "ada@example.com", PASSWORD, "192.0.2.2").await.unwrap().is_some());
    assert_eq!(sign_in(&setup, "ada@example.com", "wrong password", "192.0.2.2").await, Ok(None), "and is forgiven");
}

#[tokio::test]
async fn an_address_that_guesses_at_many_accounts_is_slowed_down() {
    let settings = SignIn { address_failures: 3, ..SignIn::default() };
    let (setup, _) = with_ada(Settings { sign_in: settings, ..Settings::default() }).await;
    for account in 0..3 {
        let email = format!("user{account}@example.com");
        assert_eq!(sign_in(&setup, &email, PASSWORD, "192.0.2.1").await, Ok(None));
    }
    assert_eq!(sign_in(&setup, "ada@example.com", PASSWORD, "192.0.2.1").await.unwrap_err().code, Code::RateLimit);
    assert!(sign_in(&setup, "ada@example.com", PASSWORD, "192.0.2.2").await.unwrap().is_some());
}

#[tokio::test]
async fn what_happened_is_recorded_without_what_was_typed() {
    let (setup, ada) = with_ada(Settings::default()).await;
    sign_in(&setup, "ada@example.com", PASSWORD, "192.0.2.1").await.unwrap();
    sign_in(&setup, "ada@example.com", "wrong password", "192.0.2.1").await.unwrap();
    sign_in(&setup, "hunter2hunter2", "x", "192.0.2.1").await.unwrap();
    let records = setup.authority.audit().list(None, None, 3).await.unwrap();
    let told: Vec<_> =
        records.iter().map(|one| (one.action.as_str(), one.target.as_str(), one.namespace.as_str())).collect();
    assert_eq!(
        told[..2],
        [("sign_in.failed", "no such account", "*"), ("sign_in.failed", ada.as_str(), "tenant:acme")]
    );
    assert_eq!((told[2].0, told[2].2), ("sign_in.succeeded", "tenant:acme"));
    assert!(!format!("{records:?}").contains("hunter2"));
}

#[tokio::test]
async fn nobody_signs_in_to_a_suspended_tenant() {
    let (setup, _) = with_ada(Settings::default()).await;
    setup.authority.tenants().suspend(Actor::operator(), "acme", None).await.unwrap();
    let refused = sign_in(&setup, "ada@example.com", PASSWORD, "192.0.2.1").await.unwrap_err();
    assert_eq!((refused.code, refused.message.as_ref()), (Code::Forbidden, "Tenant acme is suspended"));
}
