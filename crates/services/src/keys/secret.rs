//! The secret text of a key: `sk_live_` and 43 characters of base64url, which are 32 random bytes.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::Error;

const PREFIX: &str = "sk_live_";
const RANDOM_CHARS: usize = 43;
const ID_CHARS: usize = 12;

/// The text of a key. Only [`Secret::reveal`] gives it away; `Debug` does not.
pub struct Secret(String);

impl Secret {
    /// A new one.
    ///
    /// # Errors
    /// [`Error::Random`].
    pub fn generate() -> Result<Self, Error> {
        let mut random = [0; 32];
        getrandom::fill(&mut random).map_err(Error::Random)?;
        Ok(Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random))))
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

/// The part of a key that it is found by, which is no secret; `None` where `text` has not the form of a key.
pub fn id_of(text: &str) -> Option<&str> {
    let random = text.strip_prefix(PREFIX)?;
    let well_formed = random.len() == RANDOM_CHARS
        && random.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if well_formed { random.get(..ID_CHARS) } else { None }
}

/// What is stored of a key. 32 random bytes need no slow hash.
pub fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_its_form_and_no_two_are_alike() {
        let (one, two) = (Secret::generate().unwrap(), Secret::generate().unwrap());
        assert_eq!(one.reveal().len(), PREFIX.len() + RANDOM_CHARS);
        assert_eq!(id_of(one.reveal()).unwrap().len(), ID_CHARS);
        assert_ne!(one.reveal(), two.reveal());
        assert!(!format!("{one:?}").contains(&one.reveal()[12..]));
    }

    #[test]
    fn what_is_no_key_has_no_id() {
        for text in ["", "sk_live_", "sk_live_short", "pk_live_", &format!("sk_live_{}", "é".repeat(21))] {
            assert_eq!(id_of(text), None, "{text}");
        }
    }
}
