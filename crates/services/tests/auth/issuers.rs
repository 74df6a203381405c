//! Tokens of an issuer, with real keys that are fetched from it.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use doer_core::{service::Code, tier::Tier};
use doer_services::auth::{Issuer, Settings, Signature};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::{
    oidc::{Oidc, key, public, token},
    setup::{Setup, caller},
};

const ALGORITHMS: [(Algorithm, &str); 3] =
    [(Algorithm::RS256, "RS256"), (Algorithm::ES256, "ES256"), (Algorithm::EdDSA, "EdDSA")];

fn believing(issuers: Vec<Issuer>) -> Setup {
    Setup::new(Settings { issuers, ..Settings::default() })
}

async fn one() -> (Oidc, Setup) {
    let oidc = Oidc::start().await;
    let setup = believing(vec![Issuer::new("okta", &oidc.url, "doer")]);
    (oidc, setup)
}

fn with(claims: &Value, name: &str, value: Value) -> Value {
    let mut claims = claims.clone();
    claims[name] = value;
    claims
}

#[tokio::test]
async fn a_token_of_each_kind_proves_who_its_user_is_and_nothing_more() {
    let (oidc, setup) = one().await;
    for (algorithm, id) in ALGORITHMS {
        let claims = with(&oidc.claims(setup.now()), "role", json!("admin"));
        let proved = setup.proves(&token(algorithm, Some(id), &claims)).await.unwrap();
        let scope = caller(proved);
        assert_eq!((scope.tier, scope.namespace.as_str()), (Tier::Public, "user:okta|ada"), "{id}");
    }
    assert_eq!(oidc.fetches(), 1, "the keys are kept");
}

#[tokio::test]
async fn roles_and_tenants_that_are_listed_count() {
    let oidc = Oidc::start().await;
    let setup = believing(vec![Issuer {
        roles: vec!["tenant".to_owned()],
        tenants: [("org_1".to_owned(), "acme".to_owned())].into(),
        permissions: vec!["execute".to_owned()],
        ..Issuer::new("okta", &oidc.url, "doer")
    }]);
    let claims = with(&with(&oidc.claims(setup.now()), "role", json!(["tenant", "admin"])), "tenant", json!("org_1"));
    let scope = caller(setup.proves(&token(Algorithm::RS256, Some("RS256"), &claims)).await.unwrap());
    assert_eq!((scope.tier, scope.namespace.as_str()), (Tier::Tenant, "tenant:acme"));
    assert!(scope.context.holds("execute") && !scope.context.holds("rpc:db"));

    let actor = doer_services::auth::audit::Actor::operator();
    setup.authority.tenants().suspend(actor, "acme", None).await.unwrap();
    let refused = setup.authority.verify(&token(Algorithm::RS256, Some("RS256"), &claims)).await.unwrap_err();
    assert_eq!(refused.message, "Tenant acme is suspended");
}

#[tokio::test]
async fn every_claim_is_checked() {
    let (oidc, setup) = one().await;
    let (claims, now) = (oidc.claims(setup.now()), setup.now().as_secs());
    let holds = async |claims: &Value| setup.proves(&token(Algorithm::ES256, Some("ES256"), claims)).await.is_some();
    assert!(holds(&claims).await);
    assert!(holds(&with(&claims, "aud", json!(["another", "doer"]))).await);
    for (name, value) in [
        ("iss", json!("https://another.example.com")),
        ("iss", json!("doer")),
        ("aud", json!("another")),
        ("aud", json!([])),
        ("exp", json!(now - 60)),
        ("nbf", json!(now + 60)),
        ("iat", json!(now + 60)),
        ("sub", json!("")),
        ("sub", json!(7)),
    ] {
        assert!(!holds(&with(&claims, name, value.clone())).await, "{name} {value}");
    }
    for name in ["iss", "aud", "sub", "exp"] {
        let mut without = claims.clone();
        without.as_object_mut().unwrap().remove(name);
        assert!(!holds(&without).await, "{name}");
    }
}

#[tokio::test]
async fn a_token_cannot_choose_how_it_is_checked() {
    let (oidc, setup) = one().await;
    let claims = oidc.claims(setup.now());
    let right = token(Algorithm::RS256, Some("RS256"), &claims);
    assert!(setup.proves(&right).await.is_some());
    let payload = right.split('.').nth(1).unwrap();
    let header = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());

    // Signed with the public key, as if it were a secret: its bytes in each form in which it may be at hand.
    let jwk = public(Algorithm::RS256, "RS256");
    let modulus = jwk["n"].as_str().unwrap();
    for secret in [modulus.as_bytes().to_vec(), URL_SAFE_NO_PAD.decode(modulus).unwrap(), jwk.to_string().into_bytes()]
    {
        let header = Header { kid: Some("RS256".to_owned()), ..Header::new(Algorithm::HS256) };
        let forged = jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(&secret)).unwrap();
        assert_eq!(setup.proves(&forged).await, None, "a public key is no secret");
    }
    for json in [json!({"alg": "none", "kid": "RS256"}), json!({"alg": "", "kid": "RS256"}), json!({"kid": "RS256"})] {
        assert_eq!(setup.proves(&format!("{}.{payload}.", header(json.clone()))).await, None, "{json}");
    }
    for (algorithm, id) in [(Algorithm::RS256, "ES256"), (Algorithm::ES256, "RS256"), (Algorithm::EdDSA, "ES256")] {
        assert_eq!(setup.proves(&token(algorithm, Some(id), &claims)).await, None, "the key of another algorithm");
    }
    let signed = |header: &Header| jsonwebtoken::encode(header, &claims, &key(Algorithm::RS256)).unwrap();
    let rs256 = || Header { kid: Some("RS256".to_owned()), ..Header::new(Algorithm::RS256) };
    let critical = Header { crit: Some(vec!["exp".to_owned()]), ..rs256() };
    assert_eq!(setup.proves(&signed(&critical)).await, None, "what is critical is not understood");
    let pss = Header { kid: Some("RS256".to_owned()), ..Header::new(Algorithm::PS256) };
    assert_eq!(setup.proves(&signed(&pss)).await, None, "an algorithm that is not configured");

    // A key that the token brings along.
    let own =
        Header { jwk: Some(serde_json::from_value(jwk).unwrap()), jku: Some(oidc.url.clone()), kid: None, ..rs256() };
    assert!(setup.proves(&signed(&own)).await.is_some(), "it is ignored: the only RSA key has signed it");
    assert_eq!(oidc.fetches(), 1);

    let [head, _, signature] = right.split('.').collect::<Vec<_>>()[..] else { panic!() };
    let admin = URL_SAFE_NO_PAD.encode(with(&claims, "sub", json!("root")).to_string());
    assert_eq!(setup.proves(&format!("{head}.{admin}.{signature}")).await, None);
    assert_eq!(setup.proves(&format!("{head}.{payload}.{}", "A".repeat(signature.len()))).await, None);
}

#[tokio::test]
async fn only_the_configured_algorithms_count() {
    let oidc = Oidc::start().await;
    let setup = believing(vec![Issuer {
        algorithms: vec![Signature::ES256],
        jwks_url: Some(format!("{}/keys", oidc.url)),
        ..Issuer::new("okta", &oidc.url, "doer")
    }]);
    let claims = oidc.claims(setup.now());
    assert_eq!(setup.proves(&token(Algorithm::RS256, Some("RS256"), &claims)).await, None);
    assert!(setup.proves(&token(Algorithm::ES256, Some("ES256"), &claims)).await.is_some());
}

#[tokio::test]
async fn a_new_key_is_fetched_but_not_for_every_token_that_names_one() {
    let (oidc, setup) = one().await;
    let claims = oidc.claims(setup.now());
    let of = |id: &str| token(Algorithm::EdDSA, Some(id), &claims);
    assert!(setup.proves(&of("EdDSA")).await.is_some());
    oidc.publish(vec![public(Algorithm::EdDSA, "new")]);
    for unknown in ["new", "x", "y"] {
        assert_eq!(setup.proves(&of(unknown)).await, None, "within the minute");
    }
    assert_eq!(oidc.fetches(), 1);
    setup.advance(Duration::from_secs(60));
    assert!(setup.proves(&of("new")).await.is_some());
    assert_eq!(setup.proves(&of("x")).await, None);
    assert_eq!(setup.proves(&of("EdDSA")).await, None, "one that was taken back");
    assert_eq!(oidc.fetches(), 2);
}

#[tokio::test]
async fn many_at_once_ask_once() {
    let (oidc, setup) = one().await;
    let setup = Arc::new(setup);
    let wanted = token(Algorithm::EdDSA, Some("EdDSA"), &oidc.claims(setup.now()));
    let all: Vec<_> = (0..20)
        .map(|_| {
            let (setup, wanted) = (setup.clone(), wanted.clone());
            tokio::spawn(async move { setup.proves(&wanted).await.is_some() })
        })
        .collect();
    for one in all {
        assert!(one.await.unwrap());
    }
    assert_eq!(oidc.fetches(), 1);
}

#[tokio::test]
async fn a_caller_that_gives_up_leaves_the_keys_to_the_next() {
    let (oidc, setup) = one().await;
    let wanted = token(Algorithm::EdDSA, Some("EdDSA"), &oidc.claims(setup.now()));
    tokio::select! {
        biased;
        _ = setup.proves(&wanted) => panic!("keys cannot be there at once"),
        () = tokio::task::yield_now() => {}
    }
    assert!(setup.proves(&wanted).await.is_some());
    assert_eq!(oidc.fetches(), 1);
}

#[tokio::test]
async fn keys_are_renewed_and_outlast_an_issuer_that_is_down_for_a_day() {
    let (oidc, setup) = one().await;
    let proves =
        async || setup.proves(&token(Algorithm::EdDSA, Some("EdDSA"), &oidc.claims(setup.now()))).await.is_some();
    assert!(proves().await);
    setup.advance(Duration::from_secs(599));
    assert!(proves().await);
    assert_eq!(oidc.fetches(), 1);
    setup.advance(Duration::from_secs(1));
    assert!(proves().await);
    assert_eq!(oidc.fetches(), 2);

    oidc.go_down();
    setup.advance(Duration::from_secs(24 * 3600 - 1));
    assert!(proves().await);
    setup.advance(Duration::from_secs(60));
    let wanted = token(Algorithm::EdDSA, Some("EdDSA"), &oidc.claims(setup.now()));
    let failed = setup.authority.verify(&wanted).await.unwrap_err();
    assert_eq!(
        (failed.code, failed.message.as_ref()),
        (Code::ServiceUnavailable, "The keys of issuer okta cannot be had")
    );
}

#[tokio::test]
async fn keys_from_somewhere_else_are_not_taken() {
    for path in ["moved", "large", "none"] {
        let oidc = Oidc::start().await;
        let jwks_url = Some(format!("{}/{path}", oidc.url));
        let setup = believing(vec![Issuer { jwks_url, ..Issuer::new("okta", &oidc.url, "doer") }]);
        let wanted = token(Algorithm::EdDSA, Some("EdDSA"), &oidc.claims(setup.now()));
        assert_eq!(setup.authority.verify(&wanted).await.unwrap_err().code, Code::ServiceUnavailable, "{path}");
    }
    let (oidc, setup) = one().await;
    oidc.impersonate("https://another.example.com");
    let wanted = token(Algorithm::EdDSA, Some("EdDSA"), &oidc.claims(setup.now()));
    assert_eq!(setup.authority.verify(&wanted).await.unwrap_err().code, Code::ServiceUnavailable);
    assert_eq!(oidc.fetches(), 0);
}

#[tokio::test]
async fn an_issuer_that_never_answers_is_given_up() {
    let oidc = Oidc::start().await;
    let jwks_url = Some(format!("{}/slow", oidc.url));
    let setup = believing(vec![Issuer { jwks_url, ..Issuer::new("okta", &oidc.url, "doer") }]);
    let wanted = token(Algorithm::EdDSA, Some("EdDSA"), &oidc.claims(setup.now()));
    assert_eq!(setup.authority.verify(&wanted).await.unwrap_err().code, Code::ServiceUnavailable);
}
