//! Another `auth` that runs elsewhere, and knows users, keys and tokens that are not known here. What it says is
//! believed: the installation's configuration names it. It is asked with each token, and not more often than once in a
//! few seconds with the same.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use doer_core::{
    auth::{ApiKey, AuthContext, Identity, User},
    id::RequestId,
    scope::Scope,
    service::{
        Arguments, Backend, Code, Service, ServiceError,
        auth::{GetUser, ValidateToken, Validation},
    },
    time::Clock,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, value::to_raw_value};

use super::{permission, sessions::millis, validate};

/// For so long an answer counts: what was revoked over there opens nothing for longer.
const FRESH: Duration = Duration::from_secs(10);
/// Answers that are kept.
const MAX_ANSWERS: usize = 10_000;
/// Ids become parts of namespaces, which have 256 bytes at most.
const MAX_ID_BYTES: usize = 200;
const MAX_TEXT_BYTES: usize = 320;

/// The other `auth`, and what it said a moment ago.
pub struct Elsewhere {
    auth: Arc<dyn Backend>,
    clock: Arc<dyn Clock>,
    answers: Mutex<HashMap<[u8; 32], Answer>>,
}

#[derive(Clone)]
struct Answer {
    identity: Option<Identity>,
    until_ms: u64,
}

impl Elsewhere {
    /// One that nobody has asked yet.
    pub fn new(auth: Arc<dyn Backend>, clock: Arc<dyn Clock>) -> Self {
        Self { auth, clock, answers: Mutex::default() }
    }

    /// What a token proves over there.
    ///
    /// # Errors
    /// `service_unavailable` where that cannot be found out.
    pub async fn validate(&self, token: &str) -> Result<Option<Identity>, ServiceError> {
        self.known("token", token, async || {
            let validation: Validation = self.ask("validateToken", &ValidateToken { token: token.to_owned() }).await?;
            Ok(identity(validation))
        })
        .await
    }

    /// A user, as they are over there at present; with the key that they had, whose standing cannot be asked for.
    ///
    /// # Errors
    /// As [`Elsewhere::validate`].
    pub async fn user(&self, id: &str, api_key: Option<ApiKey>) -> Result<Option<Identity>, ServiceError> {
        let found = self.known("user", id, async || {
            let user: Option<User> = self.ask("getUser", &GetUser { id: id.to_owned() }).await?;
            let user = user.filter(|user| user.id == id);
            Ok(identity(Validation { valid: user.is_some(), user, ..Validation::default() }))
        });
        Ok(found.await?.map(|identity| Identity { api_key, ..identity }))
    }

    /// What was said about it a moment ago; else what is said now.
    async fn known(
        &self,
        kind: &str,
        about: &str,
        ask: impl AsyncFnOnce() -> Result<Option<Identity>, ServiceError>,
    ) -> Result<Option<Identity>, ServiceError> {
        // The text itself is a secret, and is not kept.
        let hash = blake3::derive_key("doer 2026-11 tokens of others", format!("{kind} {about}").as_bytes());
        let now_ms = self.clock.now_ms();
        let known = self.answers().get(&hash).filter(|answer| now_ms < answer.until_ms).cloned();
        if let Some(known) = known {
            return Ok(known.identity);
        }
        let identity = ask().await?;
        let session_ends = identity.as_ref().and_then(|identity| identity.session.as_ref()).map(|s| s.expires_at);
        let until_ms = now_ms.saturating_add(millis(FRESH)).min(session_ends.unwrap_or(u64::MAX));
        let mut answers = self.answers();
        if answers.len() >= MAX_ANSWERS {
            answers.retain(|_, answer| now_ms < answer.until_ms);
        }
        if answers.len() < MAX_ANSWERS {
            answers.insert(hash, Answer { identity: identity.clone(), until_ms });
        }
        Ok(identity)
    }

    async fn ask<T: DeserializeOwned>(&self, method: &str, params: &impl Serialize) -> Result<T, ServiceError> {
        let method = Service::Auth.method(method).ok_or_else(|| unavailable("there is no such method"))?;
        let params = to_raw_value(params).map_err(ServiceError::internal)?;
        let arguments = Arguments::decode(method, Some(&params))?;
        let answer = self.auth.call(&doer(self.clock.now_ms()), method, arguments).await;
        let answer = answer.map_err(|error| unavailable(&error.message))?;
        serde_json::from_str(answer.get()).map_err(|_| unavailable("its answer is none"))
    }

    fn answers(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], Answer>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whatever is wrong over there: the token may be good.
fn unavailable(why: &str) -> ServiceError {
    tracing::warn!(why, "the other auth service cannot be asked");
    ServiceError::new(Code::ServiceUnavailable, "The auth service cannot be asked").after(Duration::from_secs(1))
}

/// On whose behalf it is asked: that of the installation itself.
fn doer(now_ms: u64) -> Scope {
    let mut context = AuthContext::anonymous(RequestId::generate(), now_ms);
    context.auth.authenticated = true;
    context.auth.user = Some(User {
        id: "doer".to_owned(),
        email: "doer@localhost".to_owned(),
        name: None,
        role: Some("service".to_owned()),
        permissions: vec!["auth:*".to_owned()],
        metadata: Default::default(),
    });
    Scope::of(context)
}

/// What a validation proves: nothing where whom it speaks of could not be told from others here.
fn identity(validation: Validation) -> Option<Identity> {
    let Validation { valid, user, session, api_key, .. } = validation;
    let user = user.filter(|_| valid)?;
    if let Err(problem) = check(&user, api_key.as_ref()) {
        tracing::warn!(problem, "the other auth service speaks of a user that cannot be");
        return None;
    }
    Some(Identity { authenticated: true, user: Some(user), session, api_key })
}

fn check(user: &User, api_key: Option<&ApiKey>) -> Result<(), &'static str> {
    let is_text = |text: &str, most: usize| text.len() <= most && !text.chars().any(char::is_control);
    if user.id.is_empty() || !is_text(&user.id, MAX_ID_BYTES) {
        return Err("its id is empty, too long, or has control characters");
    }
    let texts = [Some(&user.email), user.name.as_ref(), user.role.as_ref()];
    if !texts.into_iter().flatten().all(|text| is_text(text, MAX_TEXT_BYTES)) {
        return Err("a text about it is too long, or has control characters");
    }
    match user.metadata.get("tenantId") {
        None | Some(Value::Null) => {}
        Some(Value::String(id)) if id.is_empty() || validate::is_tenant_id(id) => {}
        Some(_) => return Err("the id of its tenant has not the form of one"),
    }
    let of_key = api_key.map(|key| &key.permissions).into_iter().flatten();
    for permission in user.permissions.iter().chain(of_key) {
        permission::check("permissions", permission).map_err(|_| "a permission has not the form of one")?;
    }
    Ok(())
}
