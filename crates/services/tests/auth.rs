//! The embedded `auth` service from the outside: credentials, sign-in, sessions, issuers, another `auth`, standing and
//! tenants.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "auth/credentials.rs"]
mod credentials;
#[path = "auth/elsewhere.rs"]
mod elsewhere;
#[path = "auth/exchange.rs"]
mod exchange;
#[path = "fixtures/forwarded.rs"]
mod forwarded;
#[path = "auth/issuers.rs"]
mod issuers;
#[path = "fixtures/oidc.rs"]
mod oidc;
#[path = "fixtures/serve.rs"]
mod serve;
#[path = "auth/setup.rs"]
mod setup;
#[path = "auth/sign_in.rs"]
mod sign_in;
#[path = "auth/standing.rs"]
mod standing;
#[path = "auth/tenants.rs"]
mod tenants;
