//! Tokens of an issuer whose keys and signatures are made by an independent library, as credentials of a whole doer.
//! What takes hours (keys that grow old, change and outlast their issuer) is in the services' own tests.

use std::time::{SystemTime, UNIX_EPOCH};

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    https::{Authority, Flaw},
    peer::Peer,
    support::{Answer, Caller, Server, Setup},
};

struct World {
    server: Server,
    peer: Peer,
}

impl World {
    async fn start(test: &str) -> Option<Self> {
        Self::with(test, json!({}), "", "http").await
    }

    /// One that is told more, and a doer that is, too.
    async fn with(test: &str, settings: Value, more: &str, scheme: &str) -> Option<Self> {
        let peer = Peer::start(test, "issuer.mjs", settings).await?;
        let kinds = ["RS256", "ES256", "EdDSA"];
        for alg in kinds {
            peer.ask("make", json!({ "kid": alg, "alg": alg })).await;
        }
        peer.ask("publish", json!({ "kids": kinds })).await;
        let config = format!(
            "{more}[[services.auth.issuers]]\nname = 'corp'\nissuer = '{scheme}://127.0.0.1:{}'\naudience = ['doer']\nroles = ['tenant']\n\
             tenants = {{ 'org-1' = 'acme' }}\npermissions = ['execute']",
            peer.port
        );
        Some(Self { server: Server::start(Setup::production().config(&config)).await, peer })
    }

    async fn token(&self, params: Value) -> String {
        self.peer.ask("sign", params).await.as_str().unwrap().to_owned()
    }

    /// Code that says for whom it runs.
    async fn run(&self, token: &str) -> Answer {
        let request = self.server.client.request(Caller::Anonymous, Method::POST, "/execute").bearer_auth(token);
        let code = "return [ctx.namespace, ctx.user && ctx.user.id]";
        Answer::read(request.json(&json!({ "code": code })).send().await.unwrap()).await
    }
}

#[expect(clippy::disallowed_methods, reason = "tokens hold by the clock that both sides look at")]
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// What a token of a tenant's user says, with changes.
fn claims(changes: Value) -> Value {
    let mut claims = json!({
        "aud": "doer", "sub": "ada", "iat": now(), "exp": now() + 300, "role": "tenant", "tenant": "org-1",
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

#[tokio::test]
async fn tokens_of_an_issuer_let_its_users_in() {
    let Some(world) = World::start("tokens_of_an_issuer_let_its_users_in").await else { return };
    for kid in ["RS256", "ES256", "EdDSA"] {
        let token = world.token(json!({ "kid": kid, "claims": claims(json!({})) })).await;
        let answer = world.run(&token).await;
        assert_eq!(answer.at("/result/0"), "tenant:acme", "{kid}: {}", answer.text);
    }
    let admin = claims(json!({ "role": "admin" }));
    let answer = world.run(&world.token(json!({ "kid": "ES256", "claims": admin })).await).await;
    answer.assert_refused(403, "forbidden");
    assert_eq!(world.peer.ask("asked", json!({})).await, json!({ "configuration": 1, "keys": 1 }));
}

#[tokio::test]
async fn what_the_issuer_did_not_say_lets_nobody_in() {
    let Some(world) = World::start("what_the_issuer_did_not_say_lets_nobody_in").await else { return };
    world.peer.ask("make", json!({ "kid": "unpublished", "alg": "ES256" })).await;
    world.peer.ask("make", json!({ "kid": "PS256", "alg": "PS256" })).await;
    let right = claims(json!({}));
    let mut wrong = Vec::new();
    for (why, changes) in [
        ("another's", json!({ "iss": "https://login.example.com" })),
        ("for another", json!({ "aud": "others" })),
        ("for nobody", json!({ "aud": null })),
        ("expired", json!({ "exp": now() - 60 })),
        ("not yet", json!({ "nbf": now() + 60 })),
        ("of tomorrow", json!({ "iat": now() + 86_400 })),
        ("of nobody", json!({ "sub": "" })),
        ("without an end", json!({ "exp": null })),
    ] {
        let mut claims = claims(changes);
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        wrong.push((why, world.token(json!({ "kid": "RS256", "claims": claims })).await));
    }
    for (why, params) in [
        ("a key nobody has published", json!({ "kid": "unpublished" })),
        ("another key's id", json!({ "kid": "unpublished", "header": { "kid": "ES256" } })),
        ("no key's id", json!({ "kid": "unpublished", "header": { "kid": null } })),
        ("an algorithm that is not for here", json!({ "kid": "PS256", "header": { "kid": "RS256" } })),
    ] {
        let mut params = params;
        params["claims"] = right.clone();
        wrong.push((why, world.token(params).await));
    }
    for kid in ["RS256", "ES256", "EdDSA"] {
        let forged = world.peer.ask("confuse", json!({ "kid": kid, "claims": right })).await;
        wrong.extend(
            forged.as_array().unwrap().iter().map(|token| ("a public key", token.as_str().unwrap().to_owned())),
        );
    }
    let unsigned = world.peer.ask("unsigned", json!({ "claims": right })).await;
    wrong.push(("signed by nobody", unsigned.as_str().unwrap().to_owned()));
    let token = world.token(json!({ "kid": "RS256", "claims": right })).await;
    let (content, signature) = token.rsplit_once('.').unwrap();
    wrong.push(("a signature cut off", format!("{content}.")));
    wrong.push(("another signature", format!("{content}.{}", signature.chars().rev().collect::<String>())));
    for (why, token) in wrong {
        let answer = world.run(&token).await;
        assert_eq!((answer.status.as_u16(), answer.at("/error/code")), (401, &json!("unauthenticated")), "{why}");
    }
    assert_eq!(world.run(&token).await.at("/result/0"), "tenant:acme", "the right one still counts");
}

#[tokio::test]
async fn an_issuer_that_is_down_keeps_nobody_out_whose_key_is_known() {
    let Some(world) = World::start("an_issuer_that_is_down_keeps_nobody_out_whose_key_is_known").await else { return };
    let token = world.token(json!({ "kid": "EdDSA", "claims": claims(json!({})) })).await;
    world.peer.ask("down", json!({ "is": true })).await;
    let answer = world.run(&token).await;
    answer.assert_refused(503, "service_unavailable");
    assert_eq!(answer.at("/error/message"), "The keys of issuer corp cannot be had");

    // Another doer, which has asked before.
    world.peer.ask("down", json!({ "is": false })).await;
    let Some(other) = World::start("an_issuer_that_is_down_keeps_nobody_out_whose_key_is_known").await else { return };
    let token = other.token(json!({ "kid": "EdDSA", "claims": claims(json!({})) })).await;
    assert_eq!(other.run(&token).await.at("/result/0"), "tenant:acme");
    other.peer.ask("down", json!({ "is": true })).await;
    assert_eq!(other.run(&token).await.at("/result/0"), "tenant:acme");
    let fresh = other.token(json!({ "kid": "RS256", "claims": claims(json!({ "sub": "bob" })) })).await;
    assert_eq!(other.run(&fresh).await.at("/result/0"), "tenant:acme");
}

#[tokio::test]
async fn keys_come_from_an_issuer_that_proves_who_it_is_only() {
    let test = "keys_come_from_an_issuer_that_proves_who_it_is_only";
    let authority = Authority::new("ours");
    let trusting = format!("[tls]\nca_file = '{}'\n", authority.file().display());
    for (flaw, trust, expected) in [
        (Flaw::Nothing, &*trusting, 200),
        (Flaw::Nothing, "", 503),
        (Flaw::Expired, &*trusting, 503),
        (Flaw::Early, &*trusting, 503),
        (Flaw::Misnamed, &*trusting, 503),
    ] {
        let (cert, key) = authority.certificate(flaw).pem();
        let settings = json!({ "cert": cert, "key": key });
        let Some(world) = World::with(test, settings, trust, "https").await else { return };
        let token = world.token(json!({ "kid": "ES256", "claims": claims(json!({})) })).await;
        let answer = world.run(&token).await;
        assert_eq!(answer.status, expected, "{flaw:?} {trust}: {}", answer.text);
        let asked = world.peer.ask("asked", json!({})).await["configuration"].clone();
        assert_eq!(asked, u32::from(expected == 200), "{flaw:?} {trust}");
    }
}
