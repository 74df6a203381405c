//! Others whose tokens count: their signatures, what they claim, and how much of that is believed.

mod claims;
mod keys;

use std::{sync::Arc, time::Duration};

use doer_core::{
    auth::{Identity, User},
    service::{Code, ServiceError},
    time::Clock,
};
use jsonwebtoken::Validation;
use url::Url;

use self::{
    claims::{Claims, believed},
    keys::KeySet,
};
use super::{Issuer, Signature};
use crate::tls;

/// Ids of an issuer's users: `<name>|<sub>`. No id of ours has this in it.
const SEPARATOR: char = '|';
/// How far clocks may differ.
const SKEW_MS: u64 = 30_000;
/// One answer of an issuer must come within this time.
const TIMEOUT: Duration = Duration::from_secs(5);

/// An issuer cannot be configured like this.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// Something is wrong with one of its fields.
    #[error("issuer {name}: {problem}")]
    Invalid {
        /// Which issuer.
        name: String,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// The client for its keys cannot be made.
    #[error("the client that fetches issuers' keys cannot be made")]
    Client(#[source] tls::Error),
}

/// All that are configured.
#[derive(Debug, Default)]
pub struct Issuers(Vec<Known>);

#[derive(Debug)]
struct Known {
    config: Issuer,
    keys: Arc<KeySet>,
    validation: Validation,
}

impl Issuers {
    /// Those of the configuration.
    ///
    /// # Errors
    /// [`IssuerError`].
    pub fn new(configured: Vec<Issuer>, clock: &Arc<dyn Clock>) -> Result<Self, IssuerError> {
        if configured.is_empty() {
            return Ok(Self::default());
        }
        let client = client().map_err(IssuerError::Client)?;
        let mut known: Vec<Known> = Vec::with_capacity(configured.len());
        for config in configured {
            let invalid = |problem: String| IssuerError::Invalid { name: config.name.clone(), problem };
            check(&config).map_err(invalid)?;
            if known.iter().any(|other| other.config.name == config.name || other.config.issuer == config.issuer) {
                return Err(invalid("another issuer has the same name or the same URL".to_owned()));
            }
            let keys = Arc::new(KeySet::new(&config, client.clone(), clock.clone()));
            known.push(Known { validation: validation(&config), keys, config });
        }
        Ok(Self(known))
    }

    /// What a token of one of them proves.
    ///
    /// # Errors
    /// `service_unavailable` where its keys cannot be had.
    pub async fn verify(&self, token: &str, now_ms: u64) -> Result<Option<Identity>, ServiceError> {
        let Ok(header) = jsonwebtoken::decode_header(token) else { return Ok(None) };
        // What it says of itself is looked at only to choose whose keys it is held against.
        let Ok(Claimed { iss }) = jsonwebtoken::dangerous::insecure_decode_claims(token) else { return Ok(None) };
        let Some(known) = self.0.iter().find(|known| known.config.issuer == iss) else { return Ok(None) };
        let signature = known.config.algorithms.iter().copied().find(|signature| signature.algorithm() == header.alg);
        let Some(signature) = signature.filter(|_| header.crit.is_none()) else { return Ok(None) };

        let Some(keys) = known.keys.holding(header.kid.as_deref(), signature).await else {
            let name = &known.config.name;
            return Err(ServiceError::new(
                Code::ServiceUnavailable,
                format!("The keys of issuer {name} cannot be had"),
            ));
        };
        let Some(key) = keys.find(header.kid.as_deref(), signature) else { return Ok(None) };
        let validation = Validation { algorithms: vec![signature.algorithm()], ..known.validation.clone() };
        let Ok(token) = jsonwebtoken::decode::<Claims>(token, key, &validation) else { return Ok(None) };
        if !token.claims.holds_at(now_ms, SKEW_MS) {
            return Ok(None);
        }
        let identity = believed(&known.config, &token.claims).map(|user| Identity {
            authenticated: true,
            user: Some(user),
            session: None,
            api_key: None,
        });
        Ok(identity)
    }

    /// Is this the id of an issuer's user?
    pub fn is_foreign(id: &str) -> bool {
        id.contains(SEPARATOR)
    }

    /// A user of an issuer, as far as that issuer is still believed; nobody where it is no longer configured.
    pub fn still(&self, mut user: User) -> Option<User> {
        let name = user.id.split(SEPARATOR).next()?;
        let config = &self.0.iter().find(|known| known.config.name == name)?.config;
        if !user.role.as_ref().is_some_and(|role| config.roles.contains(role)) {
            user.role = Some("user".to_owned());
        }
        let tenant = super::users::tenant(&user).map(str::to_owned);
        if tenant.is_some_and(|tenant| !config.tenants.values().any(|allowed| *allowed == tenant)) {
            user.metadata.remove("tenantId");
        }
        user.permissions.clone_from(&config.permissions);
        Some(user)
    }
}

/// Whose token it says it is.
#[derive(serde::Deserialize)]
struct Claimed {
    iss: String,
}

impl Signature {
    /// As the library calls it.
    pub(super) const fn algorithm(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::RS256 => jsonwebtoken::Algorithm::RS256,
            Self::ES256 => jsonwebtoken::Algorithm::ES256,
            Self::EdDSA => jsonwebtoken::Algorithm::EdDSA,
        }
    }
}

fn validation(config: &Issuer) -> Validation {
    let mut validation = Validation::default();
    validation.set_issuer(&[&config.issuer]);
    validation.set_audience(&config.audience);
    validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
    // Times are checked against our clock, where the library would read the system's.
    validation.validate_exp = false;
    validation
}

/// One that follows no redirects: an issuer that redirects its keys could be made to redirect them anywhere.
fn client() -> Result<reqwest::Client, tls::Error> {
    Ok(tls::http_client()?.timeout(TIMEOUT).build()?)
}

fn check(config: &Issuer) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !(1..=32).contains(&config.name.len()) || !config.name.bytes().all(plain) {
        return Err("name: must have 1 to 32 lower-case letters, digits and `-`".to_owned());
    }
    if config.issuer == super::tokens::ISSUER || !is_safe(&config.issuer) {
        return Err("issuer: must be an https URL".to_owned());
    }
    if config.jwks_url.as_ref().is_some_and(|url| !is_safe(url)) {
        return Err("jwks_url: must be an https URL".to_owned());
    }
    if config.audience.is_empty() || config.audience.iter().any(String::is_empty) {
        return Err("audience: must name whom tokens for this installation are for".to_owned());
    }
    if config.algorithms.is_empty() {
        return Err("algorithms: must name at least one".to_owned());
    }
    if let Some(role) = config.roles.iter().find(|role| !claims::ROLES.contains(&role.as_str())) {
        return Err(format!("roles: {role} is none; known: {}", claims::ROLES.join(", ")));
    }
    if let Some(tenant) = config.tenants.values().find(|tenant| !super::validate::is_tenant_id(tenant)) {
        return Err(format!("tenants: {tenant:?} is no id of a tenant: letters, digits or any of - _ . @"));
    }
    super::permission::list("permissions", config.permissions.clone())
        .map(|_| ())
        .map_err(|error| error.message.into_owned())
}

/// Keys that came in the clear could be anyone's; on this computer nobody stands between.
fn is_safe(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    let loopback = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && loopback)
}

#[cfg(test)]
mod tests {
    use doer_core::time::ManualClock;

    use super::*;

    fn configure(issuers: Vec<Issuer>) -> Result<Issuers, String> {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::default());
        Issuers::new(issuers, &clock).map_err(|error| error.to_string())
    }

    fn issuer() -> Issuer {
        Issuer::new("okta", "https://id.example.com", "doer")
    }

    #[test]
    fn a_nonsensical_issuer_is_refused_with_its_field() {
        assert!(configure(vec![issuer()]).is_ok());
        for (wrong, field) in [
            (Issuer { name: "a|b".to_owned(), ..issuer() }, "name"),
            (Issuer { name: "a".repeat(33), ..issuer() }, "name"),
            (Issuer { issuer: "doer".to_owned(), ..issuer() }, "issuer"),
            (Issuer { issuer: "http://id.example.com".to_owned(), ..issuer() }, "issuer"),
            (Issuer { jwks_url: Some("http://10.0.0.1/keys".to_owned()), ..issuer() }, "jwks_url"),
            (Issuer { audience: Vec::new(), ..issuer() }, "audience"),
            (Issuer { algorithms: Vec::new(), ..issuer() }, "algorithms"),
            (Issuer { roles: vec!["root".to_owned()], ..issuer() }, "roles"),
            (Issuer { tenants: [("a".to_owned(), "a b".to_owned())].into(), ..issuer() }, "tenants"),
            (Issuer { permissions: vec!["a b".to_owned()], ..issuer() }, "permissions"),
        ] {
            let error = configure(vec![wrong]).unwrap_err();
            assert!(error.contains(&format!(": {field}")), "{error}");
        }
        assert!(configure(vec![issuer(), issuer()]).unwrap_err().contains("another issuer"));
    }

    #[test]
    fn what_an_issuer_may_no_longer_say_is_taken_back() {
        let user = User {
            id: "okta|ada".to_owned(),
            email: "ada@example.com".to_owned(),
            name: None,
            role: Some("tenant".to_owned()),
            permissions: vec!["execute".to_owned()],
            metadata: [("tenantId".to_owned(), "acme".into())].into(),
        };
        let may = Issuer {
            roles: vec!["tenant".to_owned()],
            tenants: [("org_1".to_owned(), "acme".to_owned())].into(),
            permissions: vec!["execute".to_owned()],
            ..issuer()
        };
        assert_eq!(configure(vec![may]).unwrap().still(user.clone()), Some(user.clone()));
        let left = configure(vec![issuer()]).unwrap().still(user.clone()).unwrap();
        assert_eq!((left.role.as_deref(), left.permissions.len(), left.metadata.len()), (Some("user"), 0, 0));
        assert_eq!(configure(vec![]).unwrap().still(user), None);
    }
}
