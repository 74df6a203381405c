//! JSON in and out, without a built-in that user code can replace.

mod read;
mod write;

pub use read::{close, parse, parse_read_only};
pub use write::{Unserializable, arguments, quote, stringify};
