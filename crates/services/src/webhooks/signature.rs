//! Signatures over the raw body: made for what goes out, and checked, in constant time, on what comes in.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use doer_core::service::webhooks::Provider;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Signatures of one request that are looked at: during a rotation of secrets there are two.
const MAX_SIGNATURES: usize = 16;
const PREFIX: &str = "whsec_";

/// Headers of a request.
pub(super) struct Headers<'a>(pub &'a [(String, String)]);

impl<'a> Headers<'a> {
    /// The first of that name, whatever the case of its letters.
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// What a source or an endpoint signs with, as bytes. `None` where the text is no secret of that provider: Svix and
/// Standard Webhooks have base64 after `whsec_`, all others take the text as it is.
pub(super) fn key(provider: Provider, secret: &str) -> Option<Vec<u8>> {
    match provider {
        Provider::Svix | Provider::Standard => {
            BASE64_STANDARD.decode(secret.strip_prefix(PREFIX).unwrap_or(secret)).ok().filter(|key| !key.is_empty())
        }
        Provider::Stripe | Provider::Github | Provider::Workos | Provider::Hmac => Some(secret.as_bytes().to_vec()),
    }
}

/// How the key of an endpoint is shown to its owner.
pub(super) fn shown(key: &[u8]) -> String {
    format!("{PREFIX}{}", BASE64_STANDARD.encode(key))
}

/// `webhook-signature` as [Standard Webhooks](https://www.standardwebhooks.com) has it.
pub(super) fn sign(key: &[u8], id: &str, timestamp_s: u64, body: &[u8]) -> Option<String> {
    let mac = mac(key, &[id.as_bytes(), timestamp_s.to_string().as_bytes(), body])?;
    Some(format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes())))
}

/// Did whoever has `key` send this, and lately? GitHub signs no time: its requests have no age.
pub(super) fn verify(
    provider: Provider,
    key: &[u8],
    headers: &Headers<'_>,
    body: &[u8],
    now_ms: u64,
    tolerance: Duration,
) -> bool {
    let Some(signed) = Signed::of(provider, headers, body) else { return false };
    let fresh = signed.sent_at_ms.is_none_or(|sent| u128::from(sent.abs_diff(now_ms)) <= tolerance.as_millis());
    let Some(mac) = mac(key, &signed.parts) else { return false };
    // Every signature is looked at, so that the time taken does not tell which one holds.
    let holds =
        signed.signatures.iter().fold(false, |any, signature| any | mac.clone().verify_slice(signature).is_ok());
    fresh && holds
}

/// What a request claims.
struct Signed<'a> {
    /// Joined by dots they are what is signed.
    parts: Vec<&'a [u8]>,
    /// When it was sent, where that is signed.
    sent_at_ms: Option<u64>,
    /// One of them should hold.
    signatures: Vec<Vec<u8>>,
}

impl<'a> Signed<'a> {
    fn of(provider: Provider, headers: &Headers<'a>, body: &'a [u8]) -> Option<Self> {
        match provider {
            Provider::Stripe => Self::pairs(headers.get("stripe-signature")?, body, 1000),
            Provider::Workos => Self::pairs(headers.get("workos-signature")?, body, 1),
            Provider::Github => {
                let signature = hex::decode(headers.get("x-hub-signature-256")?.strip_prefix("sha256=")?).ok()?;
                Some(Self { parts: vec![body], sent_at_ms: None, signatures: vec![signature] })
            }
            Provider::Svix => Self::standard(headers, ["svix-id", "svix-timestamp", "svix-signature"], body),
            Provider::Standard => {
                Self::standard(headers, ["webhook-id", "webhook-timestamp", "webhook-signature"], body)
            }
            Provider::Hmac => {
                let timestamp = headers.get("x-timestamp")?;
                let signature = hex::decode(headers.get("x-signature")?.strip_prefix("sha256=")?).ok()?;
                Some(Self {
                    parts: vec![timestamp.as_bytes(), body],
                    sent_at_ms: Some(time(timestamp, 1000)?),
                    signatures: vec![signature],
                })
            }
        }
    }

    /// `t=<time>,v1=<hex>,v1=<hex>`, with spaces or without.
    fn pairs(header: &'a str, body: &'a [u8], unit_ms: u64) -> Option<Self> {
        let pairs = || header.split(',').filter_map(|pair| pair.trim().split_once('='));
        let (_, timestamp) = pairs().find(|(name, _)| *name == "t")?;
        let signatures = pairs().filter(|(name, _)| *name == "v1").take(MAX_SIGNATURES);
        Some(Self {
            parts: vec![timestamp.as_bytes(), body],
            sent_at_ms: Some(time(timestamp, unit_ms)?),
            signatures: signatures.filter_map(|(_, signature)| hex::decode(signature).ok()).collect(),
        })
    }

    /// `v1,<base64> v1,<base64>`, over id, time and body.
    fn standard(headers: &Headers<'a>, [id, timestamp, signature]: [&str; 3], body: &'a [u8]) -> Option<Self> {
        let (id, timestamp) = (headers.get(id)?, headers.get(timestamp)?);
        let signatures = headers.get(signature)?.split(' ').filter_map(|entry| entry.strip_prefix("v1,"));
        Some(Self {
            parts: vec![id.as_bytes(), timestamp.as_bytes(), body],
            sent_at_ms: Some(time(timestamp, 1000)?),
            signatures: signatures
                .take(MAX_SIGNATURES)
                .filter_map(|signature| BASE64_STANDARD.decode(signature).ok())
                .collect(),
        })
    }
}

fn time(text: &str, unit_ms: u64) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok()?.checked_mul(unit_ms))?
}

/// Over the parts, joined by dots. A key of any length will do.
fn mac(key: &[u8], parts: &[&[u8]]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    for (number, part) in parts.iter().enumerate() {
        if number > 0 {
            mac.update(b".");
        }
        mac.update(part);
    }
    Some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLERANCE: Duration = Duration::from_mins(5);

    fn headers(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn check(provider: Provider, secret: &str, list: &[(&str, &str)], body: &str, now_s: u64) -> bool {
        let (key, list) = (key(provider, secret).unwrap(), headers(list));
        verify(provider, &key, &Headers(&list), body.as_bytes(), now_s * 1000, TOLERANCE)
    }

    fn hex_mac(secret: &str, parts: &[&[u8]]) -> String {
        hex::encode(mac(secret.as_bytes(), parts).unwrap().finalize().into_bytes())
    }

    /// From "Validating webhook deliveries" in GitHub's documentation.
    #[test]
    fn github_as_its_documentation_has_it() {
        let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let secret = "It's a Secret to Everybody";
        let github = |name, signature, body| check(Provider::Github, secret, &[(name, signature)], body, 0);
        assert!(github("X-Hub-Signature-256", signature, "Hello, World!"));
        assert!(github("x-hub-signature-256", signature, "Hello, World!"), "names have no case");
        assert!(!github("X-Hub-Signature-256", signature, "Hello, World?"));
        assert!(!github("X-Hub-Signature-256", &signature[..signature.len() - 2], "Hello, World!"), "truncated");
        assert!(!github("X-Hub-Signature-256", "sha256=", "Hello, World!"));
        assert!(!github("X-Hub-Signature-256", &signature["sha256=".len()..], "Hello, World!"));
        assert!(!github("X-Hub-Signature", signature, "Hello, World!"), "SHA-1's header");
        assert!(!check(Provider::Github, "another", &[("X-Hub-Signature-256", signature)], "Hello, World!", 0));
    }

    /// From "Verifying webhooks manually" in Svix's documentation.
    #[test]
    fn svix_as_its_documentation_has_it() {
        let secret = "whsec_plJ3nmyCDGBKInavdOK15jsl";
        let body = r#"{"event_type":"ping","data":{"success":true}}"#;
        let good = "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=";
        let svix = |signature: &str, now_s| {
            let list =
                [("svix-id", "msg_loFOjxBNrRLzqYUf"), ("svix-timestamp", "1731705121"), ("svix-signature", signature)];
            check(Provider::Svix, secret, &list, body, now_s)
        };
        assert!(svix(good, 1_731_705_121));
        assert!(svix(&format!("v1,bm9wZQ== v2,AAAA {good}"), 1_731_705_121), "one of several");
        assert!(svix(good, 1_731_705_121 + 300) && svix(good, 1_731_705_121 - 300));
        assert!(!svix(good, 1_731_705_121 + 301) && !svix(good, 1_731_705_121 - 301), "skewed, either way");
        assert!(!svix(&good.replace("v1,", "v2,"), 1_731_705_121));
        assert!(!svix("", 1_731_705_121));
    }

    /// From the test suites of the libraries of Standard Webhooks.
    #[test]
    fn standard_webhooks_as_its_libraries_have_it() {
        let (id, timestamp, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        for secret in ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] {
            let key = key(Provider::Standard, secret).unwrap();
            assert_eq!(sign(&key, id, timestamp, body.as_bytes()).unwrap(), expected);
            let list = |id| [("Webhook-Id", id), ("Webhook-Timestamp", "1614265330"), ("Webhook-Signature", expected)];
            assert!(check(Provider::Standard, secret, &list(id), body, timestamp));
            assert!(!check(Provider::Standard, secret, &list("msg_other"), body, timestamp), "the id is signed");
        }
        assert_eq!(key(Provider::Standard, "whsec_not base64"), None);
        assert_eq!(key(Provider::Standard, "whsec_"), None);
        assert_eq!(shown(&key(Provider::Standard, "whsec_AAEC").unwrap()), "whsec_AAEC");
    }

    /// Made with `printf '1492774577.{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_test_secret`.
    #[test]
    fn stripe_with_several_signatures() {
        let body = r#"{"id":"evt_1"}"#;
        let good = "799c4ba7bb339f3c8601adfd112f0e477c930a268be1243d341abb8286501c2f";
        let stripe = |header: String, now_s| {
            check(Provider::Stripe, "whsec_test_secret", &[("Stripe-Signature", &header)], body, now_s)
        };
        let now = 1_492_774_577;
        assert!(stripe(format!("t=1492774577,v1={good}"), now));
        assert!(stripe(format!("t=1492774577,v1={},v1={good},v0=beef", "00".repeat(32)), now));
        assert!(!stripe(format!("t=1492774577,v0={good}"), now), "v0 is no signature");
        assert!(!stripe(format!("t=1492774578,v1={good}"), now), "the time is signed");
        assert!(!stripe(format!("v1={good}"), now));
        assert!(!stripe(format!("t=1492774577,v1={good}"), now + 301));
        assert!(!stripe(format!("t=1492774577,v1={}", &good[..62]), now), "truncated");
        let late = format!("t=1492774577,{}v1={good}", "v1=00,".repeat(MAX_SIGNATURES));
        assert!(!stripe(late, now), "no more than so many are looked at");
    }

    #[test]
    fn workos_tells_milliseconds() {
        let body = r#"{"id":"event_1"}"#;
        let signature = hex_mac("key", &[b"1626125972272", body.as_bytes()]);
        let header = format!("t=1626125972272, v1={signature}");
        let workos = |now_s| check(Provider::Workos, "key", &[("WorkOS-Signature", &header)], body, now_s);
        assert!(workos(1_626_125_972));
        assert!(!workos(1_626_125_972 + 301));
    }

    #[test]
    fn generic_signatures_cover_time_and_body() {
        let signature = format!("sha256={}", hex_mac("key", &[b"1000", b"body"]));
        let hmac = |timestamp, body, now_s| {
            check(Provider::Hmac, "key", &[("X-Timestamp", timestamp), ("X-Signature", &signature)], body, now_s)
        };
        assert!(hmac("1000", "body", 1000));
        assert!(!hmac("1000", "Body", 1000));
        assert!(!hmac("1001", "body", 1000));
        assert!(!hmac("1000", "body", 1301));
        assert!(!hmac("+1000", "body", 1000), "digits only");
        assert!(!hmac("99999999999999999999999", "body", 1000));
    }
}
