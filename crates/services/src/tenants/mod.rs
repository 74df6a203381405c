//! Tenants: suspension, deletion, and what they were given beyond their tier.
//!
//! A tenant needs no row to exist: it is there as soon as somebody belongs to it. A row says what is special about it.

mod deletion;
mod overrides;
mod snapshot;
mod store;

pub use overrides::{OverrideError, TenantOverrides};
pub use store::{State, Tenant, Tenants};
