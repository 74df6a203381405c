//! Why something was not compiled, and whose fault that is.

use thiserror::Error;

use crate::{Error as HostError, GuestError, store::End};

/// The most that a message of an error has. Compilers quote names and lines, which may be as long as the code.
const MAX_MESSAGE_BYTES: usize = 64 << 10;

/// Why something was not compiled.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CompileError {
    /// It is no valid program: the guest's fault.
    #[error("{name}: {message}")]
    Refused {
        /// `SyntaxError` or `CompileError`.
        name: &'static str,
        /// What is wrong with it.
        message: String,
        /// Line in the user's own text, counted from 1.
        line: Option<u32>,
        /// Column in the user's own text, counted from 1 in UTF-16 code units.
        column: Option<u32>,
    },
    /// Compiling it took more than the compiler may use: the guest's fault too.
    #[error("the code cannot be compiled: {0}")]
    Limit(Exhausted),
    /// The compiler could not be started or spoken to: the host's fault.
    #[error("the compiler is not available: {0}")]
    Unavailable(String),
    /// As many compilations run and wait as the configuration allows.
    #[error("the compiler is full: {running} compilations run and {waiting} wait")]
    Full {
        /// Compilations that run.
        running: usize,
        /// Compilations that wait.
        waiting: usize,
    },
}

impl From<CompileError> for End {
    fn from(error: CompileError) -> Self {
        let guest = |name: &str, message| GuestError { name: name.to_owned(), message, ..GuestError::default() };
        match error {
            CompileError::Refused { name, message, line, column } => {
                Self::Guest(GuestError { line, column, ..guest(name, message) })
            }
            CompileError::Limit(_) => Self::Guest(guest("CompileError", error.to_string())),
            CompileError::Unavailable(reason) => Self::Host(HostError::Compiler(reason)),
            CompileError::Full { running, waiting } => Self::Host(HostError::Full { running, waiting }),
        }
    }
}

/// What a compilation used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Exhausted {
    /// Wall-clock or CPU time.
    #[error("it takes too long")]
    Time,
    /// Address space.
    #[error("it takes too much memory")]
    Memory,
    /// The compiler's stack.
    #[error("it is nested too deeply")]
    Depth,
    /// The result is out of all proportion to the code.
    #[error("its result is too large")]
    Size,
    /// The compiler died of it, and left no word of what it was.
    #[error("the compiler crashed on it")]
    Crash,
}

/// A message of a length that can be shown: the rest of a longer one is `…`.
pub(crate) fn cut(mut message: String) -> String {
    if message.len() > MAX_MESSAGE_BYTES {
        message.truncate(message.floor_char_boundary(MAX_MESSAGE_BYTES - '…'.len_utf8()));
        message.push('…');
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_cut_between_characters() {
        let fits = "ö".repeat(MAX_MESSAGE_BYTES / 2);
        assert_eq!(cut(fits.clone()), fits);
        let long = cut(format!("{fits}ö"));
        assert_eq!(long, "ö".repeat(MAX_MESSAGE_BYTES / 2 - 2) + "…");
        assert!(long.len() <= MAX_MESSAGE_BYTES);
    }
}
