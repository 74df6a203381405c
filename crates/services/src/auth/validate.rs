//! The form of what callers write: addresses, names, roles, tenants, metadata, passwords.

use std::collections::BTreeMap;

use doer_core::{service::ServiceError, tier::Namespace};
use serde_json::Value;

const MAX_NAME_BYTES: usize = 256;
const MAX_EMAIL_BYTES: usize = 254;
const MAX_LOCAL_BYTES: usize = 64;
const MAX_METADATA_BYTES: usize = 16 * 1024;
const MIN_PASSWORD_CHARS: usize = 12;
/// More than anyone types, and little enough to hash.
pub const MAX_PASSWORD_BYTES: usize = 1024;

/// An address in lower case, by which it is told from others. Stricter than the standard: what is refused here is
/// hardly ever an address, and often an attack.
///
/// # Errors
/// `invalid_request`.
pub fn email(text: &str) -> Result<String, ServiceError> {
    let refused = || ServiceError::invalid("email: must be an address like ada@example.com");
    let (local, domain) = text.rsplit_once('@').ok_or_else(refused)?;
    let local_ok = (1..=MAX_LOCAL_BYTES).contains(&local.len())
        && local.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&byte))
        && local.split('.').all(|part| !part.is_empty());
    let label_ok = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let domain_ok = domain.contains('.') && domain.split('.').all(label_ok);
    if text.len() > MAX_EMAIL_BYTES || !local_ok || !domain_ok {
        return Err(refused());
    }
    Ok(text.to_ascii_lowercase())
}

/// A display name.
///
/// # Errors
/// `invalid_request`, naming `field`.
pub fn name(field: &str, text: &str) -> Result<(), ServiceError> {
    if text.trim().is_empty() || text.len() > MAX_NAME_BYTES || text.chars().any(char::is_control) {
        return Err(ServiceError::invalid(format!(
            "{field}: must have 1 to {MAX_NAME_BYTES} bytes, without control characters"
        )));
    }
    Ok(())
}

/// An id of a tenant, which becomes part of a namespace.
pub fn is_tenant_id(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte);
    (1..=128).contains(&text.len()) && text.bytes().all(plain)
}

/// A password to be set for an address.
///
/// # Errors
/// `invalid_request`.
pub fn password(text: &str, email: &str) -> Result<(), ServiceError> {
    if text.chars().count() < MIN_PASSWORD_CHARS || text.len() > MAX_PASSWORD_BYTES {
        return Err(ServiceError::invalid(format!(
            "options.password: must have at least {MIN_PASSWORD_CHARS} characters, and {MAX_PASSWORD_BYTES} bytes at most"
        )));
    }
    if text.eq_ignore_ascii_case(email) {
        return Err(ServiceError::invalid("options.password: must not be the address"));
    }
    Ok(())
}

/// The metadata of a new user of a namespace: `tenantId` is what the namespace says.
///
/// # Errors
/// `invalid_request`; `forbidden` where it says another tenant.
pub fn metadata(
    mut metadata: BTreeMap<String, Value>,
    namespace: &Namespace,
) -> Result<BTreeMap<String, Value>, ServiceError> {
    let size: usize = metadata.iter().map(|(key, value)| key.len() + value.to_string().len()).sum();
    if size > MAX_METADATA_BYTES {
        return Err(ServiceError::invalid(format!("options.metadata: has {MAX_METADATA_BYTES} bytes at most")));
    }
    match metadata.get("tenantId") {
        None | Some(Value::Null) => metadata.remove("tenantId"),
        Some(Value::String(id)) if is_tenant_id(id) => None,
        Some(_) => {
            return Err(ServiceError::invalid(
                "options.metadata.tenantId: must have 1 to 128 letters, digits or any of - _ . @",
            ));
        }
    };
    let given = metadata.get("tenantId").and_then(Value::as_str);
    match (namespace.as_str().strip_prefix("tenant:"), given) {
        (Some(own), None) => {
            metadata.insert("tenantId".to_owned(), Value::from(own));
        }
        (Some(own), Some(given)) if own != given => return Err(another_tenant(namespace)),
        (None, Some(_)) if namespace.as_str() != "*" => return Err(another_tenant(namespace)),
        _ => {}
    }
    Ok(metadata)
}

fn another_tenant(namespace: &Namespace) -> ServiceError {
    ServiceError::forbidden(format!(
        "options.metadata.tenantId: users made in {namespace} do not belong to that tenant"
    ))
}

/// The role of a new user of a namespace.
///
/// # Errors
/// `invalid_request` for what is no role; `forbidden` for one that the namespace does not have.
pub fn role(role: Option<String>, namespace: &Namespace) -> Result<String, ServiceError> {
    let role = role.unwrap_or_else(|| "user".to_owned());
    if !["admin", "service", "tenant", "user"].contains(&role.as_str()) {
        return Err(ServiceError::invalid("options.role: must be `admin`, `service`, `tenant` or `user`"));
    }
    // Whoever is trusted with all namespaces is not a user of one.
    let allowed = match namespace.as_str() {
        "*" => true,
        text if text.starts_with("tenant:") => role == "tenant" || role == "user",
        _ => role == "user",
    };
    if !allowed {
        return Err(ServiceError::forbidden(format!(
            "options.role: users made in {namespace} are never of role {role}"
        )));
    }
    Ok(role)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn namespace(text: &str) -> Namespace {
        Namespace::parse(text).unwrap()
    }

    #[test]
    fn addresses() {
        assert_eq!(email("Ada.Lovelace+x@Example.COM").unwrap(), "ada.lovelace+x@example.com");
        let long = format!("{}@example.com", "a".repeat(65));
        for bad in [
            "",
            "ada",
            "@example.com",
            "ada@",
            "ada@localhost",
            "a b@example.com",
            "a@b@example.com",
            "a@exa_mple.com",
            "a@-x.com",
            "a@x-.com",
            "a@x..com",
            ".a@x.com",
            "a..b@x.com",
            "ä@x.com",
            "a@x.com\r\nBcc: b@x.com",
            &long,
        ] {
            assert!(email(bad).is_err(), "{bad:?}");
        }
        assert!(email(&long[1..]).is_ok());
    }

    #[test]
    fn passwords_and_names_have_edges() {
        assert!(password(&"a".repeat(11), "").is_err());
        assert!(password(&"a".repeat(12), "").is_ok());
        assert!(password(&"a".repeat(MAX_PASSWORD_BYTES), "").is_ok());
        assert!(password(&"a".repeat(MAX_PASSWORD_BYTES + 1), "").is_err());
        assert!(password("Ada@example.com", "ada@example.com").is_err());
        assert!(name("name", &"n".repeat(MAX_NAME_BYTES)).is_ok());
        for bad in ["", " ", "a\nb", &"n".repeat(MAX_NAME_BYTES + 1)] {
            assert!(name("name", bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_tenants_user_belongs_to_it_and_to_no_other() {
        let given = |value: Value| BTreeMap::from([("tenantId".to_owned(), value)]);
        let acme = namespace("tenant:acme");
        assert_eq!(metadata(BTreeMap::new(), &acme).unwrap(), given(json!("acme")));
        assert_eq!(metadata(given(json!("acme")), &acme).unwrap(), given(json!("acme")));
        assert_eq!(metadata(given(json!("other")), &namespace("*")).unwrap(), given(json!("other")));
        assert_eq!(metadata(given(Value::Null), &namespace("*")).unwrap(), BTreeMap::new());
        for (value, place) in [(json!("other"), "tenant:acme"), (json!("acme"), "user:ada")] {
            assert_eq!(metadata(given(value), &namespace(place)).unwrap_err().code.name(), "forbidden");
        }
        for value in [json!(1), json!(""), json!("a b"), json!("a".repeat(129))] {
            assert_eq!(metadata(given(value), &namespace("*")).unwrap_err().code.name(), "invalid_request");
        }
        let large = BTreeMap::from([("k".to_owned(), json!("v".repeat(MAX_METADATA_BYTES - 3)))]);
        assert!(metadata(large.clone(), &namespace("*")).is_ok());
        let larger = BTreeMap::from([("kk".to_owned(), large["k"].clone())]);
        assert!(metadata(larger, &namespace("*")).is_err());
    }

    #[test]
    fn roles_by_namespace() {
        let code =
            |name: &str, place| role(Some(name.to_owned()), &namespace(place)).map_err(|error| error.code.name());
        assert_eq!(role(None, &namespace("*")).unwrap(), "user");
        assert_eq!(code("admin", "*"), Ok("admin".to_owned()));
        assert_eq!(code("tenant", "tenant:acme"), Ok("tenant".to_owned()));
        assert_eq!(code("service", "tenant:acme"), Err("forbidden"));
        assert_eq!(code("tenant", "user:ada"), Err("forbidden"));
        assert_eq!(code("root", "*"), Err("invalid_request"));
    }
}
