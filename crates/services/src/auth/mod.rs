//! `auth`, embedded: users, sessions, API keys and permissions, in one SQLite file.
//!
//! [`Authority`] says whose credentials these are, and where owners of later work stand; [`EmbeddedAuth`] is the
//! service that callers see; [`audit::Audit`] is the record of what changed.

mod attempts;
pub mod audit;
mod authority;
mod elsewhere;
mod embedded;
mod exchange;
mod foreign;
mod housekeeping;
mod issuers;
mod passwords;
pub(crate) mod permission;
pub(crate) mod schema;
mod sessions;
mod settings;
mod sign_in;
mod standing;
mod tokens;
pub(crate) mod users;
pub(crate) mod validate;

pub use authority::{Authority, ListedUser, OpenError};
pub use embedded::EmbeddedAuth;
pub(crate) use embedded::forget;
pub use issuers::IssuerError;
pub use settings::{Issuer, Settings, SignIn, Signature};
