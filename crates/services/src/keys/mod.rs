//! API keys: made once, shown once, kept as a hash.

mod record;
pub(crate) mod rows;
pub(crate) mod secret;
mod store;

pub use record::{KeyRecord, NewKey};
pub use secret::Secret;
pub use store::KeyStore;
