//! The embedded `auth` service from the outside: credentials, sign-in, issuers, standing and tenants.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "auth/credentials.rs"]
mod credentials;
#[path = "auth/issuers.rs"]
mod issuers;
#[path = "fixtures/oidc.rs"]
mod oidc;
#[path = "auth/setup.rs"]
mod setup;
#[path = "auth/sign_in.rs"]
mod sign_in;
#[path = "auth/standing.rs"]
mod standing;
#[path = "auth/tenants.rs"]
mod tenants;
