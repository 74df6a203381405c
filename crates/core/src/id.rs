//! Identifiers: made by doer, ordered by time, prefixed with what they name; and names that callers give.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The longest name of a secret.
pub const MAX_SECRET_NAME_BYTES: usize = 128;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// A new one, never used before.
            pub fn generate() -> Self {
                Self(format!(concat!($prefix, "{}"), Uuid::now_v7().simple()))
            }

            /// One that came from outside; the caller has checked its form.
            pub fn from_text(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// As text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(
    /// One HTTP request: `req_` and a UUID (version 7).
    RequestId,
    "req_"
);
id!(
    /// One execution: `exec_` and a UUID (version 7), or the caller's own text.
    ExecutionId,
    "exec_"
);
id!(
    /// A user: `usr_` and a UUID (version 7), or text from elsewhere.
    UserId,
    "usr_"
);

/// A worker of a namespace: 1 to 128 letters, digits or any of `.`, `_`, `-`. It stands in paths, so it is neither `.`
/// nor `..`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WorkerId(String);

/// A text is no worker's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a worker's id has 1 to 128 letters, digits or any of . _ - and is neither . nor ..")]
pub struct NoWorkerId;

impl WorkerId {
    /// The longest one.
    pub const MAX_BYTES: usize = 128;

    /// An id as callers write it.
    ///
    /// # Errors
    /// [`NoWorkerId`], which says what one looks like.
    pub fn parse(text: &str) -> Result<Self, NoWorkerId> {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let fits = (1..=Self::MAX_BYTES).contains(&text.len()) && text.bytes().all(known);
        if fits && !matches!(text, "." | "..") { Ok(Self(text.to_owned())) } else { Err(NoWorkerId) }
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for WorkerId {
    type Error = NoWorkerId;

    fn try_from(text: String) -> Result<Self, NoWorkerId> {
        Self::parse(&text)
    }
}

impl From<WorkerId> for String {
    fn from(id: WorkerId) -> Self {
        id.0
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a worker's code is, in 64 hexadecimal digits: code of the same hash does the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CodeHash(String);

impl CodeHash {
    /// Of a SHA-256.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// One in its text form. `None` where it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        (text.len() == 64 && text.bytes().all(digit)).then(|| Self(text.to_owned()))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CodeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// May a secret have this name? It is one as of a variable: letters, digits and `_`, not beginning with a digit.
pub fn is_secret_name(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    let rest = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    first && rest && name.len() <= MAX_SECRET_NAME_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_ids_stand_in_paths() {
        for good in ["a", "shop", "a-b_c.9", "...", ".a", &"x".repeat(128)] {
            assert_eq!(WorkerId::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", ".", "..", "a/b", "a b", "a:b", "\u{e4}", "a\0", &"x".repeat(129)] {
            assert_eq!(WorkerId::parse(bad), Err(NoWorkerId), "{bad}");
            assert!(serde_json::from_value::<WorkerId>(bad.into()).is_err(), "{bad}");
        }
    }

    #[test]
    fn hashes_are_written_in_one_way() {
        let hash = CodeHash::from_bytes([0xab; 32]);
        assert_eq!(hash.as_str(), "ab".repeat(32));
        assert_eq!(CodeHash::parse(hash.as_str()), Some(hash));
        for bad in [String::new(), "ab".repeat(31), "AB".repeat(32), "zz".repeat(32)] {
            assert_eq!(CodeHash::parse(&bad), None, "{bad}");
        }
    }

    #[test]
    fn secrets_have_the_names_of_variables() {
        for name in ["A", "_", "stripe_key_2", &"x".repeat(128)] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["", "2A", "a-b", "a/b", "\u{e4}", "a\n", &"x".repeat(129)] {
            assert!(!is_secret_name(name), "{name}");
        }
    }
}
