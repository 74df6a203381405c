//! What doer says of itself to programs: the contracts of the services as TypeScript, as WIT and as JSON Schema. All of
//! it is made from the method table, so that it cannot say anything else than what is called.

mod interface;
pub mod schema;
pub mod typescript;
pub mod wit;

pub use interface::{Interface, NamedType, Signature};
