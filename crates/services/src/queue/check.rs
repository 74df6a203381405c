//! What callers may ask for: names, sizes and numbers, looked at before any work is done.

use doer_core::{
    scope::Scope,
    service::{ServiceError, queue::SendOptions},
};
use serde_json::Value;

use crate::names;

/// Behind a queue's name: where its messages go that had their last attempt.
pub(super) const DEAD_LETTERS: &str = "-dlq";

const MAX_MESSAGE_BYTES: usize = 256 << 10;
const MAX_KEY_BYTES: usize = 256;
const MAX_DELAY_SECONDS: u64 = 30 * 86_400;
const MAX_ATTEMPTS: u32 = 100;
const MAX_IDS: usize = 1000;
pub(super) const DEFAULT_ATTEMPTS: u32 = 3;

/// A message on its way in, checked.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub body: String,
    pub delay_ms: i64,
    pub key: Option<String>,
    pub max_attempts: u32,
    pub priority: i32,
}

impl Draft {
    pub(super) fn new(parameter: &str, message: &Value, options: SendOptions) -> Result<Self, ServiceError> {
        let body = serde_json::to_string(message).map_err(ServiceError::internal)?;
        if body.len() > MAX_MESSAGE_BYTES {
            let size = body.len();
            return Err(ServiceError::invalid(format!(
                "{parameter}: has {size} bytes as JSON and may have {MAX_MESSAGE_BYTES}: send where it can be found instead"
            )));
        }
        if let Some(key) = &options.key
            && !(1..=MAX_KEY_BYTES).contains(&key.len())
        {
            return Err(ServiceError::invalid(format!("options.key: must have 1 to {MAX_KEY_BYTES} bytes")));
        }
        let max_attempts = options.max_attempts.unwrap_or(DEFAULT_ATTEMPTS);
        within("options.maxAttempts", max_attempts.into(), 1, MAX_ATTEMPTS.into())?;
        Ok(Self {
            body,
            delay_ms: delay_ms(options.delay_seconds.unwrap_or_default())?,
            key: options.key,
            max_attempts,
            priority: options.priority.unwrap_or_default(),
        })
    }
}

/// The delay that was asked for, in milliseconds.
pub(super) fn delay_ms(seconds: u64) -> Result<i64, ServiceError> {
    Ok(within("options.delaySeconds", seconds, 0, MAX_DELAY_SECONDS)? * 1000)
}

/// No message is due later than this.
pub(super) const FARTHEST_DUE_MS: i64 = MAX_DELAY_SECONDS.cast_signed() * 1000;

/// A number between two others.
pub(super) fn within(parameter: &str, number: u64, least: u64, most: u64) -> Result<i64, ServiceError> {
    if !(least..=most).contains(&number) {
        return Err(ServiceError::invalid(format!("{parameter}: must be {least} to {most}")));
    }
    Ok(number.cast_signed())
}

/// Receipts or ids.
pub(super) fn ids(ids: &[String]) -> Result<(), ServiceError> {
    if ids.len() > MAX_IDS {
        return Err(ServiceError::invalid(format!("ids: has {} entries and may have {MAX_IDS}", ids.len())));
    }
    Ok(())
}

/// The name of a queue; `-dlq` may stand behind the longest one.
///
/// # Errors
/// `invalid_request`.
pub(crate) fn queue_name(parameter: &str, name: &str) -> Result<(), ServiceError> {
    let bare = name.strip_suffix(DEAD_LETTERS).filter(|bare| !bare.is_empty());
    names::check(parameter, bare.unwrap_or(name))
}

/// Refuses whoever has nothing that lasts.
pub(super) fn durable(scope: &Scope) -> Result<(), ServiceError> {
    if scope.is_durable() {
        return Ok(());
    }
    Err(ServiceError::forbidden("Anonymous callers have no durable storage: sign in to use queues"))
}
