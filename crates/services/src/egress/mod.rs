//! The way out: which requests may leave, and where they may go.
//!
//! A request passes two gates. The [`Policy`] of the caller says which hosts, paths and methods it may ask for; the
//! [`address`] rules say which addresses a name may lead to, after it was resolved and at every redirect. The address
//! that was checked is the one that is connected to: the check stands inside the client's own resolver, so there is no
//! second look-up that could answer differently.

pub mod address;
mod clients;
mod policy;
mod request;
mod resolve;
mod send;

pub use policy::{HostPattern, Policy, PrivateRange, Rule, Scheme, Settings};
pub use resolve::{Resolve, SystemResolver};
pub use send::HttpEgress;
