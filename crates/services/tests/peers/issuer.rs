//! Keys of an issuer, made by the library `jose`: how they change, and what becomes of tokens meanwhile.

use std::time::Duration;

use doer_core::service::Code;
use doer_services::auth::{Issuer, Settings};
use serde_json::{Value, json};

use crate::{peer::Peer, setup::Setup};

const MINUTE: Duration = Duration::from_secs(60);

struct World {
    peer: Peer,
    setup: Setup,
}

impl World {
    /// An issuer with one key, `first`, and who believes it.
    async fn start(test: &str) -> Option<Self> {
        let peer = Peer::start(test, "issuer.mjs", json!({})).await?;
        peer.ask("make", json!({ "kid": "first", "alg": "ES256" })).await;
        peer.ask("publish", json!({ "kids": ["first"] })).await;
        let issuers = vec![Issuer::new("corp", peer.address(), "doer")];
        Some(Self { peer, setup: Setup::new(Settings { issuers, ..Settings::default() }) })
    }

    /// A token of that key; it holds for a year.
    async fn token(&self, kid: &str) -> String {
        let now = self.setup.now().as_secs();
        let claims = json!({ "aud": "doer", "sub": "ada", "iat": now, "exp": now + 365 * 86_400 });
        self.peer.ask("sign", json!({ "kid": kid, "claims": claims })).await.as_str().unwrap().to_owned()
    }

    async fn holds(&self, token: &str) -> bool {
        self.setup.proves(token).await.is_some()
    }

    async fn asked(&self) -> Value {
        self.peer.ask("asked", json!({})).await["keys"].clone()
    }
}

#[tokio::test]
async fn keys_change_without_a_token_being_refused() {
    let Some(world) = World::start("keys_change_without_a_token_being_refused").await else { return };
    let first = world.token("first").await;
    assert!(world.holds(&first).await);

    // As issuers do it: the new one is published beside the old one, then used, then the old one is taken away.
    world.peer.ask("make", json!({ "kid": "second", "alg": "RS256" })).await;
    world.peer.ask("publish", json!({ "kids": ["second", "first"] })).await;
    world.setup.advance(MINUTE);
    let second = world.token("second").await;
    assert!(world.holds(&second).await && world.holds(&first).await);
    assert_eq!(world.asked().await, 2);

    world.peer.ask("publish", json!({ "kids": ["second"] })).await;
    world.setup.advance(11 * MINUTE);
    assert!(!world.holds(&first).await, "a key that was taken back opens nothing");
    assert!(world.holds(&second).await);
    assert_eq!(world.asked().await, 3);
}

#[tokio::test]
async fn a_key_of_the_same_name_that_was_replaced_opens_nothing() {
    let Some(world) = World::start("a_key_of_the_same_name_that_was_replaced_opens_nothing").await else { return };
    let old = world.token("first").await;
    assert!(world.holds(&old).await);
    world.peer.ask("make", json!({ "kid": "first", "alg": "EdDSA" })).await;
    world.setup.advance(11 * MINUTE);
    assert!(!world.holds(&old).await);
    assert!(world.holds(&world.token("first").await).await);
}

#[tokio::test]
async fn tokens_with_names_of_keys_that_are_not_there_do_not_make_it_ask_and_ask() {
    let test = "tokens_with_names_of_keys_that_are_not_there_do_not_make_it_ask_and_ask";
    let Some(world) = World::start(test).await else { return };
    assert!(world.holds(&world.token("first").await).await);
    world.peer.ask("make", json!({ "kid": "hidden", "alg": "ES256" })).await;
    let hidden = world.token("hidden").await;
    for _ in 0..20 {
        assert!(!world.holds(&hidden).await);
    }
    assert_eq!(world.asked().await, 1, "it has asked within this minute");
    world.setup.advance(MINUTE);
    assert!(!world.holds(&hidden).await && !world.holds(&hidden).await);
    assert_eq!(world.asked().await, 2);
}

#[tokio::test]
async fn known_keys_go_on_for_a_day_while_the_issuer_is_down() {
    let Some(mut world) = World::start("known_keys_go_on_for_a_day_while_the_issuer_is_down").await else { return };
    let token = world.token("first").await;
    assert!(world.holds(&token).await);
    // First it answers with errors, then not at all.
    world.peer.ask("down", json!({ "is": true })).await;
    for hours in [1, 5] {
        world.setup.advance(hours * 60 * MINUTE);
        assert!(world.holds(&token).await);
    }
    world.peer.kill().await;
    world.setup.advance(17 * 60 * MINUTE);
    assert!(world.holds(&token).await);
    world.setup.advance(2 * 60 * MINUTE);
    let failed = world.setup.authority.verify(&token).await.unwrap_err();
    assert_eq!(failed.code, Code::ServiceUnavailable);
}
