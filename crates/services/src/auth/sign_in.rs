//! Signing in with a password.

use std::net::IpAddr;

use doer_core::{
    id::RequestId,
    service::{Code, ServiceError, auth::SessionTokens},
};

use super::{
    Authority,
    attempts::{self, Subjects},
    audit::{Action, Actor},
    authority::enabled,
    sessions::{self, Holder},
    users::{self, By, StoredUser},
    validate,
};

impl Authority {
    /// A session for whoever knows the password of an account. `None` where they do not, after the same time whether
    /// or not there is such an account.
    ///
    /// # Errors
    /// `rate_limit` where that account or that address was wrong too often, or too many sign in at once, saying when to
    /// come again; `forbidden`
    /// where the account's tenant is suspended; our own failures.
    pub async fn sign_in(
        &self,
        email: &str,
        password: String,
        address: IpAddr,
        request_id: &RequestId,
    ) -> Result<Option<SessionTokens>, ServiceError> {
        let email = validate::email(email).unwrap_or_default();
        let subjects = Subjects::new(&email, address);
        // First: whoever finds no place has not tried.
        let place = self.passwords.place()?;
        let found = self.begin_attempt(email, subjects.clone()).await?;
        let stored = found.as_ref().and_then(|found| found.password.clone());
        // Longer ones were never set: they are wrong, and cost as much as any other that is.
        let (password, stored) =
            if password.len() > validate::MAX_PASSWORD_BYTES { (String::new(), None) } else { (password, stored) };
        let right = self.passwords.verify(place, password, stored).await?;
        match enabled(found.clone()).filter(|_| right) {
            Some(user) => {
                self.admit_user(&user.user)?;
                self.succeed(user, subjects, address, request_id).await.map(Some)
            }
            None => self.fail(found, address, request_id).await.map(|()| None),
        }
    }

    /// A session goes on with a new pair of tokens; `None` where the refresh token is none that holds. One that was
    /// used before ends its session.
    ///
    /// # Errors
    /// `forbidden` where the tenant is suspended; our own failures.
    pub async fn refresh(&self, token: String, request_id: &RequestId) -> Result<Option<SessionTokens>, ServiceError> {
        let actor = Actor { request_id: request_id.to_string(), ..nobody() };
        self.refresh_in(None, token, actor).await
    }

    async fn begin_attempt(&self, email: String, subjects: Subjects) -> Result<Option<StoredUser>, ServiceError> {
        let (settings, now_ms) = (self.settings.sign_in.clone(), self.clock.now_ms());
        let begun = self.database.write(move |tx| match attempts::begin(tx, &subjects, &settings, now_ms)? {
            Ok(()) => Ok(Ok(users::find(tx, By::Email(&email))?)),
            Err(wait) => Ok(Err(wait)),
        });
        begun.await?.map_err(|wait| ServiceError::new(Code::RateLimit, "Too many attempts to sign in").after(wait))
    }

    async fn succeed(
        &self,
        user: StoredUser,
        subjects: Subjects,
        address: IpAddr,
        request_id: &RequestId,
    ) -> Result<SessionTokens, ServiceError> {
        let (audit, settings, now_ms) = (self.audit().clone(), self.settings.clone(), self.clock.now_ms());
        let actor = actor(Some(&user), request_id);
        let (id, namespace) = (user.user.id.clone(), user.namespace);
        let made = self.database.write(move |tx| {
            attempts::succeed(tx, &subjects)?;
            let holder = Holder { user_id: &id, namespace: &namespace, key_id: None };
            let made = sessions::create(tx, holder, &settings, now_ms)?;
            audit.append(tx, &actor, Action::SignInSucceeded, &made.0.id, Some(&address.to_string()))?;
            Ok(made)
        });
        let (session, refresh) = made.await?;
        sessions::tokens(&self.signer, &self.settings, session, &user.user.id, &refresh, now_ms)
    }

    async fn fail(
        &self,
        user: Option<StoredUser>,
        address: IpAddr,
        request_id: &RequestId,
    ) -> Result<(), ServiceError> {
        // What was typed is not told: it may have been a password.
        let target = user.as_ref().map_or_else(|| "no such account".to_owned(), |user| user.user.id.clone());
        let actor = Actor { name: "anonymous".to_owned(), ..actor(user.as_ref(), request_id) };
        self.audit().record(actor, Action::SignInFailed, target, Some(address.to_string())).await
    }
}

fn nobody() -> Actor {
    Actor { namespace: "*".to_owned(), name: "anonymous".to_owned(), request_id: String::new() }
}

fn actor(user: Option<&StoredUser>, request_id: &RequestId) -> Actor {
    let request_id = request_id.to_string();
    match user {
        Some(user) => Actor { namespace: user.namespace.clone(), name: user.user.id.clone(), request_id },
        None => Actor { request_id, ..nobody() },
    }
}
