//! What can be configured.

use std::{collections::BTreeMap, time::Duration};

use doer_core::auth::User;
use serde::Deserialize;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How the service behaves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long an access token holds. An hour.
    pub access_token: Duration,
    /// How long a session lasts after it was begun or refreshed. 7 days.
    pub session: Duration,
    /// How long a refresh token holds. 30 days.
    pub refresh_token: Duration,
    /// Sessions that a user may have at once; the oldest ends for one more. 100.
    pub sessions_per_user: u32,
    /// How long ended keys stay listed. 90 days.
    pub ended_keys: Duration,
    /// Others whose tokens count. None.
    pub issuers: Vec<Issuer>,
    /// Signing in with a password.
    pub sign_in: SignIn,
    /// Audit records that are kept. A million.
    pub audit_records: u64,
    /// How long they are kept. 365 days.
    pub audit_age: Duration,
    /// Someone who exists without being stored: the admin of development mode. Nobody.
    pub built_in: Option<User>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            access_token: 60 * MINUTE,
            session: 7 * DAY,
            refresh_token: 30 * DAY,
            sessions_per_user: 100,
            ended_keys: 90 * DAY,
            issuers: Vec::new(),
            sign_in: SignIn::default(),
            audit_records: 1_000_000,
            audit_age: 365 * DAY,
            built_in: None,
        }
    }
}

/// Signing in with a password, and how guessing is slowed down.
#[derive(Debug, Clone)]
pub struct SignIn {
    /// Wrong passwords for one account, before the next must wait. 5.
    pub account_failures: u32,
    /// Wrong passwords from one address, before the next must wait. 20: many people may share an address.
    pub address_failures: u32,
    /// The first wait; each further failure doubles it. A second.
    pub first_wait: Duration,
    /// The longest wait. 15 minutes.
    pub longest_wait: Duration,
    /// After so long without a failure, earlier ones count no more. 6 hours.
    pub forgiven_after: Duration,
    /// Passwords that are hashed at once; each takes 19 MiB and some 20 ms of CPU. 2.
    pub hashes: usize,
    /// Sign-ins that may wait for that; one more is told to come again. 64.
    pub queue: usize,
}

impl Default for SignIn {
    fn default() -> Self {
        Self {
            account_failures: 5,
            address_failures: 20,
            first_wait: Duration::from_secs(1),
            longest_wait: 15 * MINUTE,
            forgiven_after: DAY / 4,
            hashes: 2,
            queue: 64,
        }
    }
}

/// Another system whose tokens count here, and what it may say of those that it vouches for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// What its users are called after: 1 to 32 lower-case letters, digits and `-`. Their ids are `<name>|<sub>`.
    pub name: String,
    /// The `iss` of its tokens: a URL.
    pub issuer: String,
    /// One of these must be in the `aud` of its tokens.
    pub audience: Vec<String>,
    /// Where its keys are. Absent: its OpenID configuration says it.
    #[serde(default)]
    pub jwks_url: Option<String>,
    /// How its tokens may be signed.
    #[serde(default = "Signature::all")]
    pub algorithms: Vec<Signature>,
    /// The roles that it may give its users. None: then they are plain users.
    #[serde(default)]
    pub roles: Vec<String>,
    /// The tenants that it may put its users into: what the claim says, and the id of the tenant here. None.
    #[serde(default)]
    pub tenants: BTreeMap<String, String>,
    /// What each of its users may do. Nothing.
    #[serde(default)]
    pub permissions: Vec<String>,
    /// The claim that names roles, as text or list: a name, or a JSON pointer where it begins with `/`.
    #[serde(default = "role_claim")]
    pub role_claim: String,
    /// The claim that names the tenant, written likewise.
    #[serde(default = "tenant_claim")]
    pub tenant_claim: String,
}

fn role_claim() -> String {
    "role".to_owned()
}

fn tenant_claim() -> String {
    "tenant".to_owned()
}

impl Issuer {
    /// One that may say nothing of its users but who they are.
    pub fn new(name: impl Into<String>, issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            issuer: issuer.into(),
            audience: vec![audience.into()],
            jwks_url: None,
            algorithms: Signature::all(),
            roles: Vec::new(),
            tenants: BTreeMap::new(),
            permissions: Vec::new(),
            role_claim: role_claim(),
            tenant_claim: tenant_claim(),
        }
    }
}

/// Signatures with a public key. Others are not among them: with a secret that both sides know, or with none at all,
/// whoever can check a token could make one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Signature {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// Ed25519.
    EdDSA,
}

impl Signature {
    /// All of them.
    pub fn all() -> Vec<Self> {
        vec![Self::RS256, Self::ES256, Self::EdDSA]
    }
}
