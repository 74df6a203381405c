//! What is wrong with code, and where.

use std::fmt;

/// Code that cannot be a worker's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidCode {
    /// The field, like `modules["a.js"]`, `env.DB.$service` or `compatibilityFlags[1]`; empty for the whole.
    pub path: String,
    /// What is wrong with it.
    pub message: String,
}

impl InvalidCode {
    pub(super) fn at(path: &str, what: impl fmt::Display) -> Self {
        Self { path: path.to_owned(), message: what.to_string() }
    }
}

impl fmt::Display for InvalidCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() { f.write_str(&self.message) } else { write!(f, "{}: {}", self.path, self.message) }
    }
}

impl std::error::Error for InvalidCode {}
