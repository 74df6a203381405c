//! What an issuer says of its user, and what of that is believed: who it is, always; role and tenant only as far as
//! the configuration lists them.

use std::collections::BTreeMap;

use doer_core::auth::User;
use serde::Deserialize;
use serde_json::Value;

use super::SEPARATOR;
use crate::auth::Issuer;

/// From the least to the greatest.
pub const ROLES: [&str; 4] = ["user", "tenant", "service", "admin"];
/// Ids become parts of namespaces, which have 256 bytes at most.
const MAX_SUBJECT_BYTES: usize = 200;

/// The claims of a token.
#[derive(Debug, Deserialize)]
pub struct Claims {
    sub: String,
    exp: f64,
    nbf: Option<f64>,
    iat: Option<f64>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

impl Claims {
    /// Does the token hold at that time, give or take?
    pub fn holds_at(&self, now_ms: u64, skew_ms: u64) -> bool {
        let (now, skew) = (seconds(now_ms), seconds(skew_ms));
        let begun = |time: Option<f64>| time.is_none_or(|time| time <= now + skew);
        // A number that is none compares as false.
        self.exp > now - skew && begun(self.nbf) && begun(self.iat)
    }

    fn named(&self, claim: &str) -> Option<&Value> {
        match claim.strip_prefix('/') {
            None => self.rest.get(claim),
            Some(path) => {
                let (first, below) = path.split_once('/').map_or((path, None), |(first, below)| (first, Some(below)));
                let value = self.rest.get(&first.replace("~1", "/").replace("~0", "~"))?;
                below.map_or(Some(value), |below| value.pointer(&format!("/{below}")))
            }
        }
    }
}

/// The user that a token of `issuer` speaks of. Nobody where its subject cannot be an id.
pub fn believed(issuer: &Issuer, claims: &Claims) -> Option<User> {
    if claims.sub.is_empty() || claims.sub.len() > MAX_SUBJECT_BYTES || claims.sub.chars().any(char::is_control) {
        return None;
    }
    let id = format!("{}{SEPARATOR}{}", issuer.name, claims.sub);
    let text = |claim: &str| claims.rest.get(claim).and_then(Value::as_str).filter(|text| text.len() <= 256);
    // Addresses that nobody has checked are whatever their owners have typed.
    let is_verified = claims.rest.get("email_verified") == Some(&Value::Bool(true));
    let email = text("email").filter(|_| is_verified);
    let tenant = claims.named(&issuer.tenant_claim).and_then(Value::as_str).and_then(|said| issuer.tenants.get(said));
    Some(User {
        email: email.unwrap_or(&id).to_owned(),
        name: text("name").map(str::to_owned),
        role: Some(role(issuer, claims).to_owned()),
        permissions: issuer.permissions.clone(),
        metadata: tenant.map(|id| ("tenantId".to_owned(), Value::from(id.as_str()))).into_iter().collect(),
        id,
    })
}

/// The greatest of the roles that it says and may say.
fn role(issuer: &Issuer, claims: &Claims) -> &'static str {
    let said = claims.named(&issuer.role_claim);
    let says = |role: &str| match said {
        Some(Value::String(said)) => said == role,
        Some(Value::Array(said)) => said.iter().any(|said| said == role),
        _ => false,
    };
    let mut allowed = ROLES.into_iter().rev().filter(|role| issuer.roles.iter().any(|allowed| allowed == role));
    allowed.find(|role| says(role)).unwrap_or("user")
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 have 41 bits")]
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn user(issuer: &Issuer, claims: Value) -> Option<User> {
        let mut all = json!({"sub": "ada", "exp": 100});
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        believed(issuer, &serde_json::from_value(all).unwrap())
    }

    fn issuer() -> Issuer {
        Issuer::new("okta", "https://id.example.com", "doer")
    }

    #[test]
    fn an_issuer_says_who_it_is_and_no_more() {
        let said = json!({"role": "admin", "tenant": "acme", "permissions": ["*"], "name": "Ada",
                          "email": "ada@example.com", "email_verified": true});
        let user = user(&issuer(), said).unwrap();
        assert_eq!(
            (user.id.as_str(), user.email.as_str(), user.name.as_deref()),
            ("okta|ada", "ada@example.com", Some("Ada"))
        );
        assert_eq!((user.role.as_deref(), user.permissions.len(), user.metadata.len()), (Some("user"), 0, 0));
    }

    #[test]
    fn an_address_counts_where_it_was_checked() {
        for verified in [json!(false), json!("true"), json!(null)] {
            let said = json!({"email": "admin@example.com", "email_verified": verified});
            assert_eq!(user(&issuer(), said).unwrap().email, "okta|ada");
        }
    }

    #[test]
    fn the_roles_and_tenants_that_are_listed_are_believed() {
        let issuer = Issuer {
            roles: vec!["tenant".to_owned(), "service".to_owned()],
            tenants: [("org_1".to_owned(), "acme".to_owned())].into(),
            role_claim: "/realm/roles".to_owned(),
            tenant_claim: "https://example.com/org".to_owned(),
            ..issuer()
        };
        let role = |roles: Value| user(&issuer, json!({"realm": {"roles": roles}})).unwrap().role.unwrap();
        assert_eq!(role(json!(["user", "tenant", "service", "admin"])), "service");
        assert_eq!(role(json!("tenant")), "tenant");
        assert_eq!(role(json!("admin")), "user");
        assert_eq!(role(json!(7)), "user");
        let tenant = |org: &str| user(&issuer, json!({"https://example.com/org": org})).unwrap().metadata;
        assert_eq!(tenant("org_1")["tenantId"], "acme");
        assert!(tenant("acme").is_empty(), "an id of ours is not what it says");
    }

    #[test]
    fn times_and_subjects_have_edges() {
        let holds = |claims: Value| {
            serde_json::from_value::<Claims>(claims).is_ok_and(|claims| claims.holds_at(100_000, 30_000))
        };
        assert!(holds(json!({"sub": "a", "exp": 70.5})));
        assert!(!holds(json!({"sub": "a", "exp": 70})));
        assert!(holds(json!({"sub": "a", "exp": 200, "nbf": 130, "iat": 130})));
        assert!(!holds(json!({"sub": "a", "exp": 200, "nbf": 131})));
        assert!(!holds(json!({"sub": "a", "exp": 200, "iat": 131})));
        assert!(!holds(json!({"sub": "a"})));
        assert!(!holds(json!({"sub": "a", "exp": "200"})));
        let subject = |sub: &str| user(&issuer(), json!({"sub": sub})).is_some();
        assert!(subject(&"a".repeat(MAX_SUBJECT_BYTES)));
        assert!(!subject(&"a".repeat(MAX_SUBJECT_BYTES + 1)));
        assert!(!subject("") && !subject("a\nb"));
    }
}
