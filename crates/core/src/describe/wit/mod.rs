//! The services as WIT, the language in which components describe what they import: the package `doer:platform`, with
//! one interface per service and one function per method.
//!
//! Where a schema says what something consists of, so does the type in WIT: objects are records, words are enums,
//! alternatives are variants. What may be anything is text in JSON, under the name `json`: the data of a document, the
//! rows of a query, the body of a message.

mod model;
mod names;
mod print;

pub use model::{Case, Definition, Field, Function, Interface, Named, Tag, Type, interfaces};
pub use print::files;

/// The package.
pub const PACKAGE: &str = "doer:platform";

/// Its version. Whatever changes a type of it is another version: components ask for the one they were built with.
pub const VERSION: &str = "0.1.0";

/// The interface that says what `json` and `error` are.
pub const COMMON: &str = "common";

/// The version of WASI that the world of workers includes. Hosts and components of any 0.2 understand each other.
pub const WASI: &str = "0.2.10";
