//! Passwords: hashed with Argon2id, away from the threads that serve requests, and few at once.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use argon2::{Argon2, PasswordHasher, PasswordVerifier, password_hash::phc::PasswordHash};
use doer_core::service::{Code, ServiceError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::SignIn;

/// Hashes and checks passwords. The parameters are those that OWASP recommends: 19 MiB, two passes.
#[derive(Debug, Clone)]
pub struct Passwords {
    /// Hashing now, or waiting to.
    welcome: Arc<Semaphore>,
    hashing: Arc<Semaphore>,
    /// Checked where there is no account: a guess takes as long, whether or not somebody is there.
    nobody: Arc<OnceLock<String>>,
}

/// A place among those who wait for a hash, or are at it.
#[derive(Debug)]
pub struct Place(#[expect(dead_code, reason = "held for as long as it is kept")] OwnedSemaphorePermit);

/// Why a password could not be hashed. What it was is not in there.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("a password could not be hashed: {0}")]
    Hash(argon2::password_hash::Error),
    #[error("the thread that hashed a password is gone")]
    Thread(#[source] tokio::task::JoinError),
    #[error("passwords are no longer hashed")]
    Closed(#[source] tokio::sync::AcquireError),
}

impl Passwords {
    /// As many at once as is configured.
    pub fn new(settings: &SignIn) -> Self {
        let hashes = settings.hashes.max(1);
        Self {
            welcome: Arc::new(Semaphore::new(hashes.saturating_add(settings.queue))),
            hashing: Arc::new(Semaphore::new(hashes)),
            nobody: Arc::default(),
        }
    }

    /// What is stored of a password.
    ///
    /// # Errors
    /// `rate_limit` where too many wait; our own failures.
    pub async fn hash(&self, password: String) -> Result<String, ServiceError> {
        let place = self.place()?;
        self.in_turn(place, move |_| hash(&password)).await
    }

    /// A place among those who wait for a hash.
    ///
    /// # Errors
    /// `rate_limit` where all are taken.
    pub fn place(&self) -> Result<Place, ServiceError> {
        let full = ServiceError::new(Code::RateLimit, "Too many sign-ins at once").after(Duration::from_secs(1));
        self.welcome.clone().try_acquire_owned().map(Place).map_err(|_| full)
    }

    /// Is `password` the one that `stored` was made of? False where nothing is stored, after the same time.
    ///
    /// # Errors
    /// Our own failures.
    pub async fn verify(&self, place: Place, password: String, stored: Option<String>) -> Result<bool, ServiceError> {
        self.in_turn(place, move |nobody| {
            let is_somebody = stored.is_some();
            let stored = match stored {
                Some(stored) => stored,
                None => nobody_hash(nobody)?,
            };
            let stored = PasswordHash::new(&stored).map_err(|error| Failure::Hash(error.into()))?;
            match Argon2::default().verify_password(password.as_bytes(), &stored) {
                Ok(()) => Ok(is_somebody),
                Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
                Err(error) => Err(Failure::Hash(error)),
            }
        })
        .await
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        place: Place,
        work: impl FnOnce(&OnceLock<String>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, ServiceError> {
        // Held by the work itself: whoever gives up waiting does not let another one in beside it.
        let turn = self.hashing.clone().acquire_owned().await;
        let turn = turn.map_err(|closed| ServiceError::internal(Failure::Closed(closed)))?;
        let nobody = self.nobody.clone();
        let done = tokio::task::spawn_blocking(move || {
            let result = work(&nobody);
            drop((turn, place));
            result
        });
        done.await.unwrap_or_else(|gone| Err(Failure::Thread(gone))).map_err(ServiceError::internal)
    }
}

fn hash(password: &str) -> Result<String, Failure> {
    let hash: PasswordHash = Argon2::default().hash_password(password.as_bytes()).map_err(Failure::Hash)?;
    Ok(hash.to_string())
}

/// A hash of something that nobody knows.
fn nobody_hash(known: &OnceLock<String>) -> Result<String, Failure> {
    if let Some(hash) = known.get() {
        return Ok(hash.clone());
    }
    let made = hash(&uuid::Uuid::now_v7().to_string())?;
    Ok(known.get_or_init(|| made).clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_told_from_others_and_from_none() {
        let passwords = Passwords::new(&SignIn::default());
        let stored = passwords.hash("correct horse battery".to_owned()).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        let right = async |password: &str, stored: Option<&String>| {
            let place = passwords.place().unwrap();
            passwords.verify(place, password.to_owned(), stored.cloned()).await.unwrap()
        };
        assert!(right("correct horse battery", Some(&stored)).await);
        assert!(!right("correct horse", Some(&stored)).await);
        assert!(!right("correct horse battery", None).await);
    }

    #[tokio::test]
    async fn one_too_many_is_told_to_come_again() {
        let passwords = Passwords::new(&SignIn { hashes: 1, queue: 1, ..SignIn::default() });
        let both = passwords.welcome.clone().acquire_many_owned(2).await.unwrap();
        let error = passwords.hash("correct horse battery".to_owned()).await.unwrap_err();
        assert_eq!((error.code, error.retry_after.is_some()), (Code::RateLimit, true));
        drop(both);
        assert!(passwords.hash("correct horse battery".to_owned()).await.is_ok());
    }
}
