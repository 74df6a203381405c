//! A call as it goes over the wire: body, headers and signature.

use bytes::Bytes;
use doer_core::{
    auth::{AuthContext, Identity, grants},
    scope::Scope,
    service::{Arguments, Method, ServiceError},
    tier::{Namespace, Tier},
    time::Clock,
};
use reqwest::{
    Client, RequestBuilder,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use serde::Serialize;
use url::Url;

use super::{Settings, signature};

/// Of one header that tells who the caller is; the context in the body has all of it.
const MAX_HEADER_BYTES: usize = 4 << 10;

/// A call, ready to be sent more than once.
pub(super) struct Call<'a> {
    url: Url,
    headers: HeaderMap,
    body: Bytes,
    key: Option<&'a [u8]>,
}

/// The context with what follows from it: where the receiver is doer too, it need not find that out again.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Context<'a> {
    #[serde(flatten)]
    context: &'a AuthContext,
    namespace: &'a Namespace,
    tier: Tier,
}

impl<'a> Call<'a> {
    pub(super) fn new(
        settings: &'a Settings,
        scope: &Scope,
        method: &Method,
        arguments: &Arguments,
    ) -> Result<Self, ServiceError> {
        let mut url = settings.url.clone();
        url.set_path(&format!("{}/rpc/{}", url.path().trim_end_matches('/'), method.name));
        Ok(Self {
            url,
            headers: headers(scope)?,
            body: body(scope, method, arguments)?.into(),
            key: settings.key.as_deref(),
        })
    }

    /// The request. Each attempt is signed anew, with its own time.
    pub(super) fn request(&self, client: &Client, clock: &dyn Clock) -> RequestBuilder {
        let mut request = client.post(self.url.clone()).headers(self.headers.clone());
        if let Some(key) = self.key {
            let timestamp = clock.now().as_secs();
            request = request
                .header(signature::TIMESTAMP, timestamp)
                .header(signature::SIGNATURE, signature::sign(key, timestamp, &self.body));
        }
        request.body(self.body.clone())
    }
}

/// The named parameters, and `context`.
fn body(scope: &Scope, method: &Method, arguments: &Arguments) -> Result<String, ServiceError> {
    let context = Context { context: &scope.context, namespace: &scope.namespace, tier: scope.tier };
    let context = serde_json::to_string(&context).map_err(ServiceError::internal)?;
    let mut body = arguments.to_json(method);
    // It ends with a brace, and is never larger than what the caller sent.
    body.pop();
    if body.len() > 1 {
        body.push(',');
    }
    body.push_str("\"context\":");
    body.push_str(&context);
    body.push('}');
    Ok(body)
}

fn headers(scope: &Scope) -> Result<HeaderMap, ServiceError> {
    let identity = &scope.context.auth;
    let mut headers = HeaderMap::new();
    let mut set = |name: &'static str, value: String| {
        // Sanitised, so that it is a header whatever it is made from.
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    set("content-type", "application/json".to_owned());
    set("x-request-id", sanitised(scope.request_id()));
    set("x-authenticated", identity.authenticated.to_string());
    set("traceparent", traceparent(&scope.context)?);
    let user = identity.user.as_ref();
    set("x-user-id", user.map_or_else(|| "anonymous".to_owned(), |user| sanitised(&user.id)));
    if let Some(user) = user {
        set("x-user-email", sanitised(&user.email));
        if let Some(role) = &user.role {
            set("x-user-role", sanitised(role));
        }
        let permissions = permissions(identity);
        if !permissions.is_empty() {
            set("x-user-permissions", joined(&permissions));
        }
    }
    Ok(headers)
}

/// What the caller holds: a key holds what its own list and its owner's both hold.
fn permissions(identity: &Identity) -> Vec<&str> {
    let Some(user) = &identity.user else { return Vec::new() };
    let owned = &user.permissions;
    let Some(key) = &identity.api_key else { return owned.iter().map(String::as_str).collect() };
    let is_admin = user.role.as_deref() == Some("admin");
    let of_key = key.permissions.iter().filter(|permission| is_admin || grants(owned, permission));
    let of_owner = owned.iter().filter(|permission| grants(&key.permissions, permission));
    let mut held: Vec<&str> = of_key.chain(of_owner).map(String::as_str).collect();
    held.sort_unstable();
    held.dedup();
    held
}

/// Comma-joined. One that does not fit is left out, and so are those after it: fewer permissions, never others.
fn joined(permissions: &[&str]) -> String {
    let mut joined = String::new();
    for permission in permissions {
        let permission = sanitised(permission).replace(',', "%2C");
        if joined.len() + 1 + permission.len() > MAX_HEADER_BYTES {
            break;
        }
        if !joined.is_empty() {
            joined.push(',');
        }
        joined.push_str(&permission);
    }
    joined
}

/// Visible ASCII; whatever else there is, percent-encoded. No line break gets into a header.
fn sanitised(text: &str) -> String {
    let mut sanitised = String::with_capacity(text.len());
    for byte in text.trim().bytes() {
        match byte {
            b' '..=b'~' => sanitised.push(char::from(byte)),
            byte => sanitised.push_str(&format!("%{byte:02X}")),
        }
        if sanitised.len() >= MAX_HEADER_BYTES {
            break;
        }
    }
    sanitised
}

/// The trace that the caller's request belongs to (W3C Trace Context); a new one where it belongs to none.
fn traceparent(context: &AuthContext) -> Result<String, ServiceError> {
    let given = context.metadata.get("traceparent").and_then(serde_json::Value::as_str);
    if let Some(given) = given.filter(|given| is_traceparent(given)) {
        return Ok(given.to_owned());
    }
    let mut random = [0; 24];
    getrandom::fill(&mut random).map_err(|error| ServiceError::internal(crate::Error::Random(error)))?;
    Ok(format!("00-{}-{}-01", hex::encode(&random[..16]), hex::encode(&random[16..])))
}

fn is_traceparent(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [version, trace, parent, flags] = parts.as_slice() else { return false };
    let is_hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    is_hex(version, 2) && is_hex(trace, 32) && is_hex(parent, 16) && is_hex(flags, 2)
}

#[cfg(test)]
mod tests {
    use doer_core::{
        auth::{ApiKey, User},
        id::RequestId,
    };

    use super::*;

    fn identity(role: &str, owned: &[&str], key: Option<&[&str]>) -> Identity {
        let list = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>();
        Identity {
            authenticated: true,
            user: Some(User {
                id: "u1".to_owned(),
                email: "a@b\r\nX-Evil: 1".to_owned(),
                name: None,
                role: Some(role.to_owned()),
                permissions: list(owned),
                metadata: Default::default(),
            }),
            session: None,
            api_key: key.map(|key| ApiKey { id: "k".to_owned(), name: "k".to_owned(), permissions: list(key) }),
        }
    }

    #[test]
    fn a_key_holds_what_it_and_its_owner_both_hold() {
        assert_eq!(permissions(&identity("user", &["a:b", "c:*"], None)), ["a:b", "c:*"]);
        assert_eq!(permissions(&identity("user", &["a:b", "c:*"], Some(&["*"]))), ["a:b", "c:*"]);
        assert_eq!(permissions(&identity("user", &["a:b", "c:*"], Some(&["c:d", "e:f"]))), ["c:d"]);
        assert_eq!(permissions(&identity("admin", &[], Some(&["c:d"]))), ["c:d"]);
        assert_eq!(permissions(&Identity::default()), Vec::<&str>::new());
    }

    #[test]
    fn nobody_gets_a_header_of_their_own_in() {
        let mut context = AuthContext::anonymous(RequestId::generate(), 0);
        context.auth = identity("admin", &["a,b", "c\nd"], None);
        let headers = headers(&Scope::of(context)).unwrap();
        assert_eq!(headers["x-user-email"], "a@b%0D%0AX-Evil: 1");
        assert_eq!(headers["x-user-permissions"], "a%2Cb,c%0Ad");
        assert_eq!(headers["x-user-id"], "u1");
        assert_eq!(headers["x-authenticated"], "true");
        assert!(is_traceparent(headers["traceparent"].to_str().unwrap()));
    }

    #[test]
    fn permissions_that_do_not_fit_are_left_out_whole() {
        let long = "x".repeat(2000);
        assert_eq!(joined(&[&long, &long, &long]), format!("{long},{long}"));
    }

    #[test]
    fn traces_go_on() {
        let mut context = AuthContext::anonymous(RequestId::generate(), 0);
        let given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        context.metadata.insert("traceparent".to_owned(), given.into());
        assert_eq!(traceparent(&context).unwrap(), given);
        context.metadata.insert("traceparent".to_owned(), "00-XY".into());
        assert!(is_traceparent(&traceparent(&context).unwrap()));
    }
}
