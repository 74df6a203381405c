//! Signatures of forwarded calls: `X-Doer-Signature: v1=<hex>`, the HMAC-SHA256 with the shared key of
//! `{X-Doer-Timestamp}.{body}`, where the timestamp is in seconds since the Unix epoch.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The header that says when a call was signed.
pub const TIMESTAMP: &str = "x-doer-timestamp";
/// The header with the signature.
pub const SIGNATURE: &str = "x-doer-signature";
/// How far the timestamp may be from the receiver's clock, in seconds: a call that somebody recorded is no use later.
pub const TOLERANCE_SECONDS: u64 = 300;

const VERSION: &str = "v1=";

/// Signs a body.
pub fn sign(key: &[u8], timestamp_seconds: u64, body: &[u8]) -> String {
    format!("{VERSION}{}", hex::encode(mac(key, timestamp_seconds, body).finalize().into_bytes()))
}

/// Did whoever holds the key sign this body, at about this time? For the receiving side.
pub fn verify(key: &[u8], timestamp: &str, signature: &str, body: &[u8], now_seconds: u64) -> bool {
    let Ok(timestamp) = timestamp.parse::<u64>() else { return false };
    let Some(Ok(signature)) = signature.strip_prefix(VERSION).map(hex::decode) else { return false };
    timestamp.abs_diff(now_seconds) <= TOLERANCE_SECONDS
        // In constant time.
        && mac(key, timestamp, body).verify_slice(&signature).is_ok()
}

fn mac(key: &[u8], timestamp_seconds: u64, body: &[u8]) -> Hmac<Sha256> {
    // HMAC takes keys of every length; the error of the general trait cannot come.
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap_or_else(|_| Hmac::new(&Default::default()));
    mac.update(timestamp_seconds.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_hmac_sha256_of_time_and_body() {
        // printf '1700000000.{}' | openssl dgst -sha256 -hmac key
        let expected = "v1=9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae";
        assert_eq!(sign(b"key", 1_700_000_000, b"{}"), expected);
    }

    #[test]
    fn nothing_else_verifies() {
        let now = 1_700_000_000;
        let signature = sign(b"key", now, b"{}");
        let at = now.to_string();
        assert!(verify(b"key", &at, &signature, b"{}", now));
        assert!(verify(b"key", &at, &signature, b"{}", now + TOLERANCE_SECONDS));
        assert!(!verify(b"key", &at, &signature, b"{}", now + TOLERANCE_SECONDS + 1));
        assert!(!verify(b"key", &at, &signature, b"{}", now - TOLERANCE_SECONDS - 1));
        assert!(!verify(b"other", &at, &signature, b"{}", now));
        assert!(!verify(b"key", &at, &signature, b"{ }", now));
        assert!(!verify(b"key", "1700000001", &signature, b"{}", now));
        assert!(!verify(b"key", &at, signature.trim_start_matches("v1="), b"{}", now));
        assert!(!verify(b"key", &at, "v1=", b"{}", now));
        assert!(!verify(b"key", "", &signature, b"{}", now));
    }
}
