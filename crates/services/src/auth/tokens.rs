//! Our own access tokens: JWTs, signed with a key that is made from the installation's and used for nothing else.

use std::collections::HashSet;

use doer_core::service::ServiceError;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

/// Who makes them, and whom they are for.
pub const ISSUER: &str = "doer";

/// How far the clock may have been set back since a token was made.
const SKEW_SECONDS: u64 = 60;

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who made it.
    pub iss: String,
    /// Whom it is for.
    pub aud: String,
    /// The user's id.
    pub sub: String,
    /// The session's id.
    pub sid: String,
    /// The token's own id.
    pub jti: String,
    /// When it was made, in seconds since the Unix epoch.
    pub iat: u64,
    /// From when on it holds no more, likewise.
    pub exp: u64,
}

impl Claims {
    /// Does it hold at that time?
    pub fn holds_at(&self, now_ms: u64) -> bool {
        let now = now_ms / 1000;
        now < self.exp && self.iat <= now + SKEW_SECONDS
    }
}

/// Makes and checks them.
pub struct Signer {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer(..)")
    }
}

impl Signer {
    /// One for an installation.
    pub fn new(installation_key: &[u8]) -> Self {
        let key = blake3::derive_key("doer 2026-11 access tokens", installation_key);
        // The one algorithm, whatever a token says of itself.
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[ISSUER]);
        validation.required_spec_claims = HashSet::from(["iss", "aud", "sub", "exp"].map(str::to_owned));
        // The library would read the system's clock.
        validation.validate_exp = false;
        Self { encoding: EncodingKey::from_secret(&key), decoding: DecodingKey::from_secret(&key), validation }
    }

    /// A token for a session.
    ///
    /// # Errors
    /// Our own failures.
    pub fn sign(&self, user_id: &str, session_id: &str, now_ms: u64, lifetime_ms: u64) -> Result<String, ServiceError> {
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: ISSUER.to_owned(),
            sub: user_id.to_owned(),
            sid: session_id.to_owned(),
            jti: uuid::Uuid::now_v7().simple().to_string(),
            iat: now_ms / 1000,
            exp: now_ms.saturating_add(lifetime_ms) / 1000,
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding).map_err(ServiceError::internal)
    }

    /// What a token says, where it is one of ours, whether or not it still holds.
    pub fn read(&self, token: &str) -> Option<Claims> {
        let token = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation).ok()?;
        token.header.crit.is_none().then_some(token.claims)
    }

    /// The same, where it holds.
    #[cfg(test)]
    fn check(&self, token: &str, now_ms: u64) -> Option<Claims> {
        self.read(token).filter(|claims| claims.holds_at(now_ms))
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use serde_json::{Value, json};

    use super::*;

    const NOW: u64 = 1_000_000;

    fn signer() -> Signer {
        Signer::new(b"installation")
    }

    fn claims() -> Value {
        json!({"iss": ISSUER, "aud": ISSUER, "sub": "usr_1", "sid": "ses_1", "jti": "1", "iat": 1000, "exp": 2000})
    }

    fn signed(header: Value, claims: &Value, with: &EncodingKey) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(&header), part(claims));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), with, Algorithm::HS256).unwrap();
        format!("{message}.{signature}")
    }

    fn holds(header: Value, claims: &Value) -> bool {
        signer().check(&signed(header, claims, &signer().encoding), NOW).is_some()
    }

    #[test]
    fn a_token_holds_for_its_hour() {
        let token = signer().sign("usr_1", "ses_1", NOW, 3_600_000).unwrap();
        let claims = signer().check(&token, NOW).unwrap();
        assert_eq!((claims.sub.as_str(), claims.sid.as_str(), claims.exp - claims.iat), ("usr_1", "ses_1", 3600));
        assert!(signer().check(&token, NOW + 3_599_999).is_some());
        assert!(signer().check(&token, NOW + 3_600_000).is_none());
        assert!(Signer::new(b"another").check(&token, NOW).is_none(), "another installation's");
        assert_ne!(token, signer().sign("usr_1", "ses_1", NOW, 3_600_000).unwrap(), "each has an id");
    }

    #[test]
    fn every_claim_is_checked() {
        let header = json!({"alg": "HS256", "typ": "JWT"});
        assert!(holds(header.clone(), &claims()));
        for (name, value) in [
            ("iss", json!("other")),
            ("aud", json!("other")),
            ("exp", json!(1000)),
            ("iat", json!(1061)),
            ("sub", json!(1)),
        ] {
            let mut wrong = claims();
            wrong[name] = value;
            assert!(!holds(header.clone(), &wrong), "{name}");
        }
        for name in ["iss", "aud", "sub", "sid", "jti", "iat", "exp"] {
            let mut without = claims();
            without.as_object_mut().unwrap().remove(name);
            assert!(!holds(header.clone(), &without), "{name}");
        }
    }

    #[test]
    fn the_header_decides_nothing() {
        for header in [
            json!({"alg": "none"}),
            json!({"alg": "None"}),
            json!({"alg": "HS384"}),
            json!({"alg": "RS256"}),
            json!({"typ": "JWT"}),
            json!({"alg": "HS256", "crit": ["b64"], "b64": false}),
            json!({"alg": "HS256", "crit": []}),
        ] {
            assert!(!holds(header.clone(), &claims()), "{header}");
        }
        let own = json!({"alg": "HS256", "jwk": {"kty": "oct", "k": "AAAA"}});
        assert!(signer().check(&signed(own, &claims(), &EncodingKey::from_secret(&[0, 0, 0])), NOW).is_none());
    }

    #[test]
    fn a_token_that_was_touched_is_none() {
        let token = signer().sign("usr_1", "ses_1", NOW, 3_600_000).unwrap();
        let [header, payload, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!("{token}") };
        let mut forged = claims();
        forged["sub"] = json!("usr_2");
        let forged = URL_SAFE_NO_PAD.encode(forged.to_string());
        for touched in [
            format!("{header}.{forged}.{signature}"),
            format!("{header}.{payload}."),
            format!("{header}.{payload}"),
            format!("{header}.{payload}.{signature}.x"),
            format!("{header}.{payload}.{}", &signature[1..]),
            format!(" {token}"),
            String::new(),
            "..".to_owned(),
        ] {
            assert!(signer().check(&touched, NOW).is_none(), "{touched}");
        }
    }
}
