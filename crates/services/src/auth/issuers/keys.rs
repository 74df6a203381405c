//! An issuer's keys: fetched when the first token asks for them, kept, and fetched anew when they have grown old or a
//! token names one that is not among them; never more than once a minute, whatever tokens come.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use doer_core::time::Clock;
use jsonwebtoken::{
    DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::is_safe;
use crate::auth::{Issuer, Signature, sessions::millis};

const MAX_BYTES: usize = 512 * 1024;
const MAX_KEYS: usize = 100;
/// A modulus of 2048 bits; shorter ones can be factored.
const MIN_RSA_BYTES: usize = 256;
/// 32 bytes in base64url. The library takes the length for granted.
const COORDINATE_CHARS: usize = 43;
/// Keys are fetched anew after so long: one that an issuer takes back opens nothing for longer.
const FRESH: Duration = Duration::from_secs(10 * 60);
/// While an issuer cannot be reached, the keys that are known count for so long.
const USABLE: Duration = Duration::from_secs(24 * 60 * 60);
const BETWEEN_FETCHES: Duration = Duration::from_secs(60);

/// Why keys could not be had.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("no answer from {url}")]
    Request {
        url: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("{url} answered {status}")]
    Status { url: String, status: u16 },
    #[error("{url} sent more than {MAX_BYTES} bytes")]
    TooLarge { url: String },
    #[error("{url} sent something else")]
    Unreadable {
        url: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("its OpenID configuration is that of {found}")]
    AnotherIssuer { found: String },
    #[error("its OpenID configuration names {url}, which is no https URL")]
    Unsafe { url: String },
}

/// The keys of one issuer.
pub struct KeySet {
    issuer: String,
    jwks_url: Option<String>,
    client: reqwest::Client,
    clock: Arc<dyn Clock>,
    known: RwLock<Option<Arc<Keys>>>,
    /// When they were last asked for, whether or not that went well. Held while they are asked for.
    asked_at: Arc<tokio::sync::Mutex<Option<u64>>>,
}

impl std::fmt::Debug for KeySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeySet").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// Keys as they were at one time.
#[derive(Debug, Default)]
pub struct Keys {
    keys: Vec<(Option<String>, Signature, DecodingKey)>,
    fetched_at: u64,
}

impl Keys {
    /// The key that a token was signed with. One that names none was signed with the only key there is.
    pub fn find(&self, id: Option<&str>, signature: Signature) -> Option<&DecodingKey> {
        let mut fitting = self
            .keys
            .iter()
            .filter(|(own, for_signature, _)| *for_signature == signature && (id.is_none() || own.as_deref() == id));
        let (_, _, key) = fitting.next()?;
        match (id, fitting.next()) {
            (None, Some(_)) => None,
            _ => Some(key),
        }
    }

    fn read(keys: Vec<Value>, fetched_at: u64) -> Self {
        let keys = keys.into_iter().take(MAX_KEYS).filter_map(|key| {
            let jwk: Jwk = serde_json::from_value(key).ok()?;
            let signature = signature_of(&jwk)?;
            Some((jwk.common.key_id.clone(), signature, DecodingKey::from_jwk(&jwk).ok()?))
        });
        Self { keys: keys.collect(), fetched_at }
    }
}

/// What a key checks; nothing where it is too weak, not for signatures, or of a kind that is not used here.
fn signature_of(jwk: &Jwk) -> Option<Signature> {
    let (signature, algorithm) = match &jwk.algorithm {
        AlgorithmParameters::RSA(key) if key.n.len() * 3 / 4 >= MIN_RSA_BYTES => {
            (Signature::RS256, KeyAlgorithm::RS256)
        }
        AlgorithmParameters::EllipticCurve(key)
            if key.curve == EllipticCurve::P256
                && [&key.x, &key.y].map(|number| number.len()) == [COORDINATE_CHARS; 2] =>
        {
            (Signature::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(key)
            if key.curve == EllipticCurve::Ed25519 && key.x.len() == COORDINATE_CHARS =>
        {
            (Signature::EdDSA, KeyAlgorithm::EdDSA)
        }
        _ => return None,
    };
    let common = &jwk.common;
    let for_signatures = common.public_key_use.as_ref().is_none_or(|r#use| *r#use == PublicKeyUse::Signature);
    let may_verify = common.key_operations.as_ref().is_none_or(|all| all.contains(&KeyOperations::Verify));
    let same = common.key_algorithm.is_none_or(|own| own == algorithm);
    (for_signatures && may_verify && same).then_some(signature)
}

impl KeySet {
    /// Those of an issuer; nothing is fetched yet.
    pub fn new(issuer: &Issuer, client: reqwest::Client, clock: Arc<dyn Clock>) -> Self {
        Self {
            issuer: issuer.issuer.clone(),
            jwks_url: issuer.jwks_url.clone(),
            client,
            clock,
            known: RwLock::default(),
            asked_at: Arc::default(),
        }
    }

    /// Keys that are the newest that can be had now, where the wanted one is not among those that are known. `None`
    /// where there are none at all.
    pub async fn holding(self: &Arc<Self>, id: Option<&str>, signature: Signature) -> Option<Arc<Keys>> {
        let known = self.known();
        let found = known.as_ref().is_some_and(|keys| keys.find(id, signature).is_some());
        let now = self.clock.now_ms();
        if found && known.as_ref().is_some_and(|keys| now < keys.fetched_at.saturating_add(millis(FRESH))) {
            return known;
        }
        let asked_at = if found {
            // Known and old: while somebody else asks, it is good enough.
            self.asked_at.clone().try_lock_owned().ok()
        } else {
            Some(self.asked_at.clone().lock_owned().await)
        };
        let due = |at: Option<u64>| at.is_none_or(|at| now >= at.saturating_add(millis(BETWEEN_FETCHES)));
        if let Some(mut asked_at) = asked_at.filter(|asked_at| due(**asked_at)) {
            *asked_at = Some(now);
            let this = self.clone();
            // Whoever asked first may give up waiting; it was asked for all who come within the minute.
            let asked = tokio::spawn(async move {
                this.renew(now).await;
                drop(asked_at);
            });
            // Its panic has been reported by the hook.
            let _ = asked.await;
        }
        self.known()
    }

    fn known(&self) -> Option<Arc<Keys>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).clone();
        known.filter(|keys| self.clock.now_ms() < keys.fetched_at.saturating_add(millis(USABLE)))
    }

    async fn renew(&self, now: u64) {
        match self.fetch().await {
            Ok(keys) => {
                let keys = Arc::new(Keys::read(keys, now));
                *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(keys);
            }
            Err(error) => {
                let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                tracing::warn!(issuer = self.issuer, %error, source, "an issuer's keys could not be fetched");
            }
        }
    }

    async fn fetch(&self) -> Result<Vec<Value>, FetchError> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }
        let url = match &self.jwks_url {
            Some(url) => url.clone(),
            None => self.discover().await?,
        };
        let set: Set = self.get(&url).await?;
        Ok(set.keys)
    }

    /// As OpenID Connect Discovery 1.0 has it.
    async fn discover(&self) -> Result<String, FetchError> {
        #[derive(Deserialize)]
        struct Configuration {
            issuer: String,
            jwks_uri: String,
        }
        let url = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let found: Configuration = self.get(&url).await?;
        if found.issuer != self.issuer {
            return Err(FetchError::AnotherIssuer { found: found.issuer });
        }
        if !is_safe(&found.jwks_uri) {
            return Err(FetchError::Unsafe { url: found.jwks_uri });
        }
        Ok(found.jwks_uri)
    }

    async fn get<T: for<'de> Deserialize<'de>>(&self, url: &str) -> Result<T, FetchError> {
        // For messages: without what may be secret in it.
        let told =
            Url::parse(url).map_or_else(|_| "its URL".to_owned(), |url| url[..url::Position::AfterPath].to_owned());
        let failed = |source| FetchError::Request { url: told.clone(), source };
        let mut response = self.client.get(url).send().await.map_err(failed)?;
        if !response.status().is_success() {
            return Err(FetchError::Status { url: told, status: response.status().as_u16() });
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > MAX_BYTES {
                return Err(FetchError::TooLarge { url: told });
            }
            body.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&body).map_err(|source| FetchError::Unreadable { url: told, source })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn keys(keys: Value) -> Keys {
        Keys::read(keys.as_array().unwrap().clone(), 0)
    }

    fn ed(extra: Value) -> Value {
        let mut key = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
        key.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        key
    }

    #[test]
    fn only_keys_for_signatures_that_are_strong_enough_count() {
        let short = "A".repeat(171);
        for unfit in [
            ed(json!({"use": "enc"})),
            ed(json!({"key_ops": ["sign"]})),
            ed(json!({"alg": "RS256"})),
            ed(json!({"crv": "X25519"})),
            ed(json!({"x": "AAAA"})),
            json!({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}),
            json!({"kty": "oct", "k": "AAAA", "alg": "HS256"}),
            json!({"kty": "RSA", "n": short, "e": "AQAB"}),
            json!({"kty": "EC", "crv": "P-384", "x": "AA", "y": "AA"}),
            json!({}),
            json!(7),
        ] {
            assert!(keys(json!([unfit])).keys.is_empty(), "{unfit}");
        }
        let fit = keys(json!([{}, ed(json!({"use": "sig", "key_ops": ["verify"], "alg": "EdDSA", "kid": "1"}))]));
        assert_eq!(fit.keys.len(), 1);
    }

    #[test]
    fn a_token_without_a_key_id_is_held_against_the_only_key_or_none() {
        let one = keys(json!([ed(json!({"kid": "1"}))]));
        let two = keys(json!([ed(json!({"kid": "1"})), ed(json!({"kid": "2"}))]));
        assert!(one.find(None, Signature::EdDSA).is_some());
        assert!(one.find(None, Signature::RS256).is_none());
        assert!(two.find(None, Signature::EdDSA).is_none());
        assert!(two.find(Some("2"), Signature::EdDSA).is_some());
        assert!(two.find(Some("3"), Signature::EdDSA).is_none());
        assert!(keys(json!([ed(json!({}))])).find(Some("1"), Signature::EdDSA).is_none());
    }
}
