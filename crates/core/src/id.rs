//! Identifiers: made by doer, ordered by time, prefixed with what they name.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

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
