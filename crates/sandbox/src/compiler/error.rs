//! Why something was not compiled, and whose fault that is.

use thiserror::Error;

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
    #[error("too many compilations are waiting")]
    Full,
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
