//! Calls that run, found by who made them and what they call them. One caller cannot name another's.

use std::sync::Arc;

use dashmap::{DashMap, Entry};
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use crate::auth::Caller;

/// Of a session's id, and of a request's: what is longer is not remembered.
const ID_MAX: usize = 128;

/// The calls that run.
#[derive(Debug, Clone, Default)]
pub struct Calls(Arc<DashMap<Key, CancellationToken>>);

/// What a call is known by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    namespace: String,
    user: String,
    session: String,
    request: String,
}

/// The entry of a call, for as long as it runs.
#[derive(Debug)]
pub struct Running {
    calls: Calls,
    key: Key,
}

impl Key {
    /// That of a call; `None` where nothing tells it from others: without a session two clients of one caller count
    /// their requests alike.
    pub fn of(caller: &Caller, session: Option<&str>, request: &RawValue) -> Option<Self> {
        let session = session.filter(|session| session.len() <= ID_MAX)?;
        let user = caller.context.auth.user.as_ref()?;
        (request.get().len() <= ID_MAX).then(|| Self {
            namespace: caller.namespace.to_string(),
            user: user.id.clone(),
            session: session.to_owned(),
            request: request.get().to_owned(),
        })
    }
}

impl Calls {
    /// Enters a call; `None` where one with this key runs already.
    pub fn enter(&self, key: Key, cancelled: CancellationToken) -> Option<Running> {
        match self.0.entry(key.clone()) {
            Entry::Occupied(_) => None,
            Entry::Vacant(entry) => {
                entry.insert(cancelled);
                Some(Running { calls: self.clone(), key })
            }
        }
    }

    /// Cancels a call, where it still runs.
    pub fn cancel(&self, key: &Key) {
        if let Some(cancelled) = self.0.get(key) {
            cancelled.cancel();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.calls.0.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use doer_core::{
        auth::{AuthContext, User},
        id::RequestId,
    };

    use super::*;

    fn key(user: &str, session: &str, request: &str) -> Key {
        let mut context = AuthContext::anonymous(RequestId::generate(), 0);
        context.auth.authenticated = true;
        context.auth.user = Some(User {
            id: user.to_owned(),
            email: String::new(),
            name: None,
            role: Some("admin".to_owned()),
            permissions: Vec::new(),
            metadata: Default::default(),
        });
        let request = RawValue::from_string(request.to_owned()).unwrap();
        Key::of(&Caller::new(context), Some(session), &request).unwrap()
    }

    #[test]
    fn only_the_caller_itself_cancels_its_call() {
        let calls = Calls::default();
        let token = CancellationToken::new();
        let running = calls.enter(key("ada", "s", "1"), token.clone());
        for other in [key("eve", "s", "1"), key("ada", "t", "1"), key("ada", "s", "\"1\"")] {
            calls.cancel(&other);
        }
        assert!(!token.is_cancelled());
        assert!(calls.enter(key("ada", "s", "1"), CancellationToken::new()).is_none());
        calls.cancel(&key("ada", "s", "1"));
        assert!(token.is_cancelled());
        drop(running);
        assert!(calls.0.is_empty());
    }

    #[test]
    fn what_cannot_be_told_from_others_is_not_entered() {
        let anonymous = Caller::new(AuthContext::anonymous(RequestId::generate(), 0));
        let id = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        assert_eq!(Key::of(&anonymous, Some("s"), &id("1")), None);
        let long = "1".repeat(ID_MAX + 1);
        assert_eq!(Key::of(&anonymous, Some(&long), &id("1")), None);
    }
}
