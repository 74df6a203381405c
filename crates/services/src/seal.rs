//! Secrets at rest: sealed with a key of the installation, and bound to what they are for, so that one row's secret
//! cannot be put into another's place.

use chacha20poly1305::{
    Key, KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};

use crate::Error;

const NONCE_BYTES: usize = 24;

/// Seals and opens.
#[derive(Clone)]
pub struct Sealer(XChaCha20Poly1305);

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer(..)")
    }
}

impl Sealer {
    /// One with a key made from the installation's, which is used for nothing else.
    pub fn new(installation_key: &[u8]) -> Self {
        let key = blake3::derive_key("doer 2026-11 secrets at rest", installation_key);
        Self(XChaCha20Poly1305::new(&Key::from(key)))
    }

    /// Seals `secret`. It opens only for the same `purpose`: name what it belongs to, namespace and id.
    ///
    /// # Errors
    /// [`Error::Random`].
    pub fn seal(&self, secret: &[u8], purpose: &str) -> Result<Vec<u8>, Error> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(Error::Random)?;
        let payload = Payload { msg: secret, aad: purpose.as_bytes() };
        let sealed = self.0.encrypt(&XNonce::from(nonce), payload).map_err(|_| Error::Sealed)?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Opens what was sealed for `purpose`.
    ///
    /// # Errors
    /// [`Error::Sealed`] where it was sealed with another key or for something else.
    pub fn open(&self, sealed: &[u8], purpose: &str) -> Result<Vec<u8>, Error> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(Error::Sealed)?;
        let payload = Payload { msg: sealed, aad: purpose.as_bytes() };
        self.0.decrypt(&XNonce::from(*nonce), payload).map_err(|_| Error::Sealed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_with_its_key_and_for_its_purpose_only() {
        let sealer = Sealer::new(b"installation");
        let sealed = sealer.seal(b"hunter2", "tenant:acme/API").unwrap();
        assert!(!sealed.windows(7).any(|window| window == b"hunter2"));
        assert_eq!(sealer.open(&sealed, "tenant:acme/API").unwrap(), b"hunter2");
        assert!(sealer.open(&sealed, "tenant:other/API").is_err());
        assert!(Sealer::new(b"another").open(&sealed, "tenant:acme/API").is_err());
        assert!(sealer.open(&sealed[..10], "tenant:acme/API").is_err());
    }
}
