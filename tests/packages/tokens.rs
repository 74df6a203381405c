//! jose: tokens that are signed or encrypted here are read by Node.js, and the other way round.

use serde_json::{Value, json};

use super::{ask::Ask, worker::Worker};
use crate::support::secret;

const SIGNED: [&str; 8] = ["HS256", "HS512", "ES256", "ES384", "ES512", "RS256", "PS256", "Ed25519"];
const ENCRYPTED: [(&str, &str); 8] = [
    ("dir", "A256GCM"),
    ("dir", "A128CBC-HS256"),
    ("A256KW", "A128GCM"),
    ("A256GCMKW", "A256CBC-HS512"),
    ("RSA-OAEP", "A128GCM"),
    ("RSA-OAEP-256", "A256GCM"),
    ("ECDH-ES", "A256GCM"),
    ("ECDH-ES+A128KW", "A256GCM"),
];

/// Keys for an algorithm: bytes that are written here, else a pair that Node.js makes.
fn keys(jose: &Worker, alg: &str) -> Value {
    if alg.starts_with("HS") || alg.starts_with('A') || alg == "dir" {
        let len = if alg.starts_with("HS") { 64 } else { 32 };
        let key = json!({"kty": "oct", "k": base64url(len)});
        return json!({"public": key, "private": key});
    }
    jose.in_node(&[Ask::json("/keys", &json!({"alg": alg}))])[0].json()
}

/// So many bytes of seven.
fn base64url(len: usize) -> String {
    use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
    secret(BASE64_URL_SAFE_NO_PAD.encode(vec![7; len]))
}

async fn here(jose: &Worker, path: &str, body: &Value) -> Value {
    let answer = jose.ask(&Ask::json(path, body)).await;
    assert_eq!(answer.status, 200, "{path} {body}: {}", answer.text);
    answer.json
}

fn in_node(jose: &Worker, path: &str, body: &Value) -> Value {
    jose.in_node(&[Ask::json(path, body)])[0].json()
}

#[tokio::test]
async fn jose_signs_what_others_verify_and_the_other_way_round() {
    let test = "jose_signs_what_others_verify_and_the_other_way_round";
    let Some(jose) = Worker::deployed(test, "jose").await else { return };
    for alg in SIGNED {
        let keys = keys(&jose, alg);
        let sign = json!({"alg": alg, "key": keys["private"]});
        let (ours, theirs) = (here(&jose, "/sign", &sign).await, in_node(&jose, "/sign", &sign));
        if !["ES256", "ES384", "ES512", "PS256"].contains(&alg) {
            assert_eq!(ours, theirs, "{alg} has no randomness in it");
        }
        let verify = |token: &Value| json!({"alg": alg, "key": keys["public"], "token": token});
        let read = in_node(&jose, "/verify", &verify(&ours));
        assert_eq!(read["payload"]["name"], "Ada Löwe", "{alg}");
        assert_eq!(here(&jose, "/verify", &verify(&theirs)).await, read, "{alg}");

        // Its first character, of which all bits count.
        let (signed, signature) = theirs.as_str().unwrap().rsplit_once('.').unwrap();
        let first = if signature.starts_with('A') { 'B' } else { 'A' };
        let forged = json!(format!("{signed}.{first}{}", &signature[1..]));
        let refused = jose.ask(&Ask::json("/verify", &verify(&forged))).await;
        assert_eq!(refused.json["code"], "ERR_JWS_SIGNATURE_VERIFICATION_FAILED", "{alg}: {}", refused.text);
    }
}

#[tokio::test]
async fn jose_encrypts_what_others_decrypt_and_the_other_way_round() {
    let test = "jose_encrypts_what_others_decrypt_and_the_other_way_round";
    let Some(jose) = Worker::deployed(test, "jose").await else { return };
    for (alg, enc) in ENCRYPTED {
        let keys = keys(&jose, alg);
        let encrypt = json!({"alg": alg, "enc": enc, "key": keys["public"]});
        let (ours, theirs) = (here(&jose, "/encrypt", &encrypt).await, in_node(&jose, "/encrypt", &encrypt));
        let decrypt = |token: &Value| json!({"alg": alg, "key": keys["private"], "token": token});
        let read = in_node(&jose, "/decrypt", &decrypt(&ours));
        assert_eq!(
            (&read["payload"]["name"], &read["alg"], &read["enc"]),
            (&json!("Ada Löwe"), &json!(alg), &json!(enc))
        );
        assert_eq!(here(&jose, "/decrypt", &decrypt(&theirs)).await, read, "{alg} {enc}");
    }
}

#[tokio::test]
async fn jose_takes_keys_in_every_form_and_says_what_is_wrong() {
    let test = "jose_takes_keys_in_every_form_and_says_what_is_wrong";
    let Some(jose) = Worker::deployed(test, "jose").await else { return };
    for alg in ["ES256", "Ed25519"] {
        let own = here(&jose, "/keys", &json!({"alg": alg})).await;
        let pem = Ask::json("/pem", &json!({"alg": alg, "key": own["private"]}));
        let answer = jose.alike(&[pem]).await.remove(0);
        assert!(answer.json["pem"].as_str().unwrap().starts_with("-----BEGIN PRIVATE KEY-----"), "{}", answer.text);
    }
    let keys = keys(&jose, "RS256");
    let token = in_node(&jose, "/sign", &json!({"alg": "RS256", "key": keys["private"]}));
    let mut public = keys["public"].clone();
    public["kid"] = json!("k1");
    let verify = |options: Value| json!({"alg": "RS256", "token": token, "key": public, "options": options});
    let cut = &token.as_str().unwrap()[..40];
    let asks = [
        Ask::json("/set", &json!({"token": token, "keys": {"keys": [public]}})),
        Ask::json("/set", &json!({"token": token, "keys": {"keys": []}})),
        Ask::json("/verify", &verify(json!({"issuer": "urn:a", "audience": "urn:b"}))),
        Ask::json("/verify", &verify(json!({"audience": "urn:c"}))),
        Ask::json("/verify", &verify(json!({"maxTokenAge": "1 second"}))),
        Ask::json("/verify", &verify(json!({"algorithms": ["ES256"]}))),
        Ask::json("/verify", &json!({"alg": "RS256", "token": cut, "key": public})),
        Ask::json("/decode", &json!({"token": token})),
    ];
    let answers = jose.alike(&asks).await;
    let codes: Vec<_> = answers.iter().map(|answer| answer.json["code"].as_str().unwrap_or_default()).collect();
    let claim = "ERR_JWT_CLAIM_VALIDATION_FAILED";
    let expected = [
        "",
        "ERR_JWKS_NO_MATCHING_KEY",
        "",
        claim,
        "ERR_JWT_EXPIRED",
        "ERR_JOSE_ALG_NOT_ALLOWED",
        "ERR_JWS_INVALID",
        "",
    ];
    assert_eq!(codes, expected);
    assert_eq!(answers[0].json, json!({"sub": "urn:a", "kid": "k1"}));
}
