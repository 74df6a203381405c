//! Permissions: how they are written, and which ones a caller may hand on.

use doer_core::{
    auth::{AuthContext, User},
    id::RequestId,
    scope::Scope,
    service::ServiceError,
    tier::Tier,
};

/// Of one user or key.
const MAX_PERMISSIONS: usize = 64;
const MAX_BYTES: usize = 128;

/// Checks a permission's form: `*`, `name`, `resource:action` or `resource:*`.
///
/// # Errors
/// `invalid_request`, naming `field`.
pub fn check(field: &str, permission: &str) -> Result<(), ServiceError> {
    let (resource, action) = permission.split_once(':').unwrap_or((permission, "any"));
    let well_formed = permission == "*" || (is_word(resource) && (action == "*" || is_word(action)));
    if !well_formed || permission.len() > MAX_BYTES {
        return Err(ServiceError::invalid(format!(
            "{field}: must be `*`, `name`, `resource:action` or `resource:*` of letters, digits, `.`, `_` and `-`, \
             {MAX_BYTES} bytes at most"
        )));
    }
    Ok(())
}

/// Checks a list, and brings it into the form in which it is kept: in order, each once.
///
/// # Errors
/// `invalid_request`, naming the entry.
pub fn list(field: &str, mut permissions: Vec<String>) -> Result<Vec<String>, ServiceError> {
    for (at, permission) in permissions.iter().enumerate() {
        check(&format!("{field}[{at}]"), permission)?;
    }
    permissions.sort_unstable();
    permissions.dedup();
    fits(field, &permissions)?;
    Ok(permissions)
}

/// # Errors
/// `invalid_request` where a list has too many.
pub fn fits(field: &str, permissions: &[String]) -> Result<(), ServiceError> {
    if permissions.len() > MAX_PERMISSIONS {
        return Err(ServiceError::invalid(format!("{field}: has {MAX_PERMISSIONS} entries at most")));
    }
    Ok(())
}

/// Does whoever holds `held` hold all of `wanted` too? A wildcard is held only as itself or within a larger one: no
/// list of single actions amounts to `resource:*`, which holds for actions that are yet to come.
pub fn covers(held: &[String], wanted: &str) -> bool {
    doer_core::auth::grants(held, wanted)
}

/// May this caller give a permission to somebody in the namespace that it works in, or take it away?
///
/// # Errors
/// `forbidden`, naming the permission.
pub fn may_hand_on(scope: &Scope, permission: &str) -> Result<(), ServiceError> {
    // What is over all tenants is for users of the installation itself.
    if scope.namespace.as_str() != "*" && (permission == "admin" || permission.starts_with("admin:")) {
        return Err(ServiceError::forbidden(format!("`{permission}` is not for users of {}", scope.namespace)));
    }
    if !scope.context.holds(permission) {
        return Err(ServiceError::forbidden(format!("You do not hold `{permission}` yourself")));
    }
    Ok(())
}

/// Is this caller trusted as far as a user? Of those who are trusted with all namespaces only an admin may handle
/// others.
///
/// # Errors
/// `forbidden`.
pub fn is_trusted_as(scope: &Scope, user: &User) -> Result<(), ServiceError> {
    let caller = scope.context.auth.user.as_ref();
    let is_oneself = caller.is_some_and(|caller| caller.id == user.id);
    let is_admin = caller.is_some_and(|caller| caller.role.as_deref() == Some("admin"));
    let tier = tier_of(user);
    if !is_oneself && (tier > scope.tier || (tier == Tier::Internal && !is_admin)) {
        let role = user.role.as_deref().unwrap_or("user");
        return Err(ServiceError::forbidden(format!("Your role does not allow you to act for a user of role {role}")));
    }
    Ok(())
}

/// May this caller act as someone with that standing: make one, or sign one in? Only who is trusted as far, and holds
/// as much.
///
/// # Errors
/// `forbidden`.
pub fn may_act_for(scope: &Scope, user: &User) -> Result<(), ServiceError> {
    is_trusted_as(scope, user)?;
    // Admins hold everything, whatever their list says: only who holds everything may act for one.
    let all = ["*".to_owned()];
    let held = if user.role.as_deref() == Some("admin") { &all[..] } else { &user.permissions };
    match held.iter().find(|permission| !scope.context.holds(permission)) {
        Some(permission) => Err(ServiceError::forbidden(format!("You do not hold `{permission}` yourself"))),
        None => Ok(()),
    }
}

/// How far a user is trusted.
pub fn tier_of(user: &User) -> Tier {
    let mut context = AuthContext::anonymous(RequestId::from_text(""), 0);
    context.auth.authenticated = true;
    context.auth.user = Some(user.clone());
    Tier::of(&context)
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use doer_core::{
        auth::{ApiKey, Identity},
        tier::Namespace,
    };

    use super::*;

    fn owned(list: &[&str]) -> Vec<String> {
        list.iter().map(|item| (*item).to_owned()).collect()
    }

    fn user(role: &str, permissions: &[&str]) -> User {
        User {
            id: role.to_owned(),
            email: String::new(),
            name: None,
            role: Some(role.to_owned()),
            permissions: owned(permissions),
            metadata: Default::default(),
        }
    }

    fn caller(role: &str, permissions: &[&str], key: Option<&[&str]>) -> Scope {
        let mut context = AuthContext::anonymous(RequestId::from_text("req_1"), 0);
        context.auth = Identity {
            authenticated: true,
            user: Some(user(role, permissions)),
            session: None,
            api_key: key.map(|list| ApiKey { id: "k".into(), name: "k".into(), permissions: owned(list) }),
        };
        Scope::of(context)
    }

    #[test]
    fn forms() {
        for good in ["*", "execute", "rpc:db", "rpc:*", "a.b_c-d:e"] {
            assert!(check("permission", good).is_ok(), "{good}");
        }
        let long = "a".repeat(MAX_BYTES + 1);
        for bad in ["", ":", "a:", ":a", "**", "a*", "a:b*", "a:b:c", "*:a", "a b", "ä", &long] {
            assert!(check("permission", bad).is_err(), "{bad}");
        }
        assert!(check("permission", &long[1..]).is_ok());
        assert_eq!(list("p", owned(&["b", "a", "b"])).unwrap(), ["a", "b"]);
        let many: Vec<String> = (0..=MAX_PERMISSIONS).map(|n| format!("p{n}")).collect();
        assert!(list("p", many[1..].to_vec()).is_ok());
        assert!(list("p", many).is_err());
    }

    #[test]
    fn a_wildcard_is_covered_by_nothing_smaller() {
        for (held, wanted, covered) in [
            (&["*"][..], "*", true),
            (&["*"], "rpc:*", true),
            (&["rpc:*"], "rpc:*", true),
            (&["rpc:*"], "rpc:db", true),
            (&["rpc:*"], "rpc", false),
            (&["rpc:*"], "*", false),
            (&["rpc:db"], "rpc:*", false),
            (&["rpc:db", "rpc:queue"], "rpc:*", false),
            (&["rpc"], "rpc:db", false),
            (&[], "execute", false),
        ] {
            assert_eq!(covers(&owned(held), wanted), covered, "{held:?} {wanted}");
        }
    }

    #[test]
    fn nobody_hands_on_more_than_they_hold() {
        let admin = caller("admin", &[], None);
        assert!(may_hand_on(&admin, "*").is_ok());
        assert!(may_hand_on(&admin, "admin").is_ok());
        let elsewhere = admin.within(Namespace::parse("tenant:acme").unwrap());
        assert!(may_hand_on(&elsewhere, "rpc:*").is_ok());
        assert!(may_hand_on(&elsewhere, "admin").is_err());
        assert!(may_hand_on(&caller("admin", &[], Some(&["rpc:db"])), "rpc:*").is_err(), "a lesser key of an admin");
        assert!(may_hand_on(&caller("service", &["rpc:*"], None), "rpc:db").is_ok());
        assert!(may_hand_on(&caller("service", &["rpc:*"], None), "execute").is_err());
    }

    #[test]
    fn nobody_acts_for_somebody_greater() {
        let limited = caller("admin", &["*"], Some(&["rpc:auth"]));
        assert!(may_act_for(&limited, &user("admin", &[])).is_err(), "an admin holds everything");
        assert!(may_act_for(&limited, &user("user", &["execute"])).is_err());
        assert!(may_act_for(&limited, &user("user", &["rpc:auth"])).is_ok());
        assert!(may_act_for(&caller("admin", &[], None), &user("admin", &[])).is_ok());
        let other = User { id: "another".to_owned(), ..user("service", &[]) };
        assert!(may_act_for(&caller("service", &["*"], None), &other).is_err());
        assert!(may_act_for(&caller("service", &["*"], None), &user("service", &["*"])).is_ok(), "oneself");
        assert!(may_act_for(&caller("service", &["*"], Some(&["a"])), &user("service", &["*"])).is_err());
        assert!(may_act_for(&caller("service", &["*"], None), &user("tenant", &["execute"])).is_ok());
        assert!(may_act_for(&caller("tenant", &["*"], None), &user("service", &[])).is_err());
        assert!(
            may_act_for(
                &caller("user", &["*"], None),
                &User { id: "another".to_owned(), ..user("user", &["tenant:x"]) }
            )
            .is_err()
        );
    }
}
