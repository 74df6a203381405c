//! Secret texts that open something: a prefix that says what, and 43 characters of base64url, which are 32 random
//! bytes. The first 12 are what it is found by; of the rest only a hash is kept.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::Error;

/// An API key.
pub const KEY: &str = "sk_live_";
/// A refresh token.
pub const REFRESH: &str = "rt_live_";

const RANDOM_CHARS: usize = 43;
const ID_CHARS: usize = 12;

/// The text. Only [`Secret::reveal`] gives it away; `Debug` does not.
pub struct Secret(String);

impl Secret {
    /// A new one, of the kind that `prefix` names.
    ///
    /// # Errors
    /// [`Error::Random`].
    pub fn generate(prefix: &str) -> Result<Self, Error> {
        let mut random = [0; 32];
        getrandom::fill(&mut random).map_err(Error::Random)?;
        Ok(Self(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(random))))
    }

    /// The text, for the one time it is shown.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The part that it is found by, which is no secret; `None` where `text` has not the form.
pub fn id_of<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let random = text.strip_prefix(prefix)?;
    let well_formed = random.len() == RANDOM_CHARS
        && random.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if well_formed { random.get(..ID_CHARS) } else { None }
}

/// What is stored of it. 32 random bytes need no slow hash.
pub fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// Is `text` what `hash` was made of? In constant time: how far a guess agrees must not be seen from how long the
/// answer takes.
pub fn matches(text: &str, hash: &[u8]) -> bool {
    self::hash(text).as_slice().ct_eq(hash).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_its_form_and_no_two_are_alike() {
        let (one, two) = (Secret::generate(KEY).unwrap(), Secret::generate(KEY).unwrap());
        assert_eq!(one.reveal().len(), KEY.len() + RANDOM_CHARS);
        assert_eq!(id_of(one.reveal(), KEY).unwrap().len(), ID_CHARS);
        assert_ne!(one.reveal(), two.reveal());
        assert_eq!(id_of(one.reveal(), REFRESH), None);
        assert!(matches(one.reveal(), &hash(one.reveal())) && !matches(two.reveal(), &hash(one.reveal())));
        assert!(!format!("{one:?}").contains(&one.reveal()[12..]));
    }

    #[test]
    fn what_is_no_key_has_no_id() {
        for text in ["", "sk_live_", "sk_live_short", "pk_live_", &format!("sk_live_{}", "é".repeat(21))] {
            assert_eq!(id_of(text, KEY), None, "{text}");
        }
    }
}
