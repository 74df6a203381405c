//! How a service refuses or fails: a code that programs look at, a message for the caller, and an account of what
//! really happened that only the log sees.

use std::{borrow::Cow, error::Error, fmt, sync::Arc, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What kind of refusal or failure it is. The same word reaches every caller, through whichever door it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// A parameter is missing, unknown, mistyped or out of range.
    InvalidRequest,
    /// Known, and not allowed.
    Forbidden,
    /// No such thing, or not the caller's.
    NotFound,
    /// It contradicts what is there.
    Conflict,
    /// The namespace has as much as it may have.
    Quota,
    /// Too often.
    RateLimit,
    /// The service is switched off, or not ready.
    ServiceUnavailable,
    /// Another system, which the service speaks to, refused or failed.
    UpstreamError,
    /// It took too long.
    Timeout,
    /// Our own failure.
    Internal,
}

impl Code {
    /// Every code there is.
    pub const ALL: [Self; 10] = [
        Self::InvalidRequest,
        Self::Forbidden,
        Self::NotFound,
        Self::Conflict,
        Self::Quota,
        Self::RateLimit,
        Self::ServiceUnavailable,
        Self::UpstreamError,
        Self::Timeout,
        Self::Internal,
    ];

    /// The word in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Quota => "quota",
            Self::RateLimit => "rate_limit",
            Self::ServiceUnavailable => "service_unavailable",
            Self::UpstreamError => "upstream_error",
            Self::Timeout => "timeout",
            Self::Internal => "internal",
        }
    }

    /// The HTTP status that goes with it.
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidRequest => 400,
            Self::Forbidden | Self::Quota => 403,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::RateLimit => 429,
            Self::ServiceUnavailable => 503,
            Self::UpstreamError => 502,
            Self::Timeout => 504,
            Self::Internal => 500,
        }
    }

    /// The code of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.name() == name)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A service's refusal or failure.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct ServiceError {
    /// What kind.
    pub code: Code,
    /// For the caller. Of our own failures it says nothing.
    pub message: Cow<'static, str>,
    /// When it is worth trying again, where that is known.
    pub retry_after: Option<Duration>,
    /// For the log.
    #[source]
    account: Option<Account>,
}

/// What really happened.
#[derive(Debug, Clone)]
struct Account(Arc<dyn Error + Send + Sync>);

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for Account {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

impl ServiceError {
    /// One with a message for the caller.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), retry_after: None, account: None }
    }

    /// A call that makes no sense; the message names the parameter and says what would be right.
    pub fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::InvalidRequest, message)
    }

    /// Known, and not allowed.
    pub fn forbidden(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Forbidden, message)
    }

    /// No such thing.
    pub fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::NotFound, message)
    }

    /// The namespace has as much as it may have.
    pub fn quota(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Quota, message)
    }

    /// Our own failure: the caller learns nothing of it, the log all.
    pub fn internal(error: impl Error + Send + Sync + 'static) -> Self {
        Self { account: Some(Account(Arc::new(error))), ..Self::new(Code::Internal, "Internal error") }
    }

    /// The same, worth trying again after a while.
    pub fn after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..self }
    }
}

impl PartialEq for ServiceError {
    /// As callers see it.
    fn eq(&self, other: &Self) -> bool {
        (self.code, &self.message, self.retry_after) == (other.code, &other.message, other.retry_after)
    }
}
