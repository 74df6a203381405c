//! The one error that a request can be answered with: a code from one table, a message for the caller, and
//! for our own failures an account that only the log sees.

use std::{any::Any, borrow::Cow, error::Error, fmt::Write, sync::Arc, time::Duration};

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use doer_core::{
    fault::Termination,
    service::{Code, ServiceError},
};
use serde::Serialize;

use super::execute::EXECUTION_ID;

/// What kind of refusal or failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// Malformed JSON; missing, unknown or contradictory fields.
    InvalidRequest,
    /// Credentials that do not verify.
    Unauthenticated,
    /// Known, and not allowed.
    Forbidden,
    /// No such thing, or not the caller's.
    NotFound,
    /// The route exists, with other methods.
    MethodNotAllowed,
    /// The name is taken.
    Conflict,
    /// What is there is not what the caller expects to be there.
    PreconditionFailed,
    /// The code does not parse, does not compile, or cannot be loaded.
    InvalidCode,
    /// The code is larger than the tier allows.
    CodeTooLarge,
    /// The body is larger than the caller may send.
    BodyTooLarge,
    /// The body took too long to arrive.
    RequestTimeout,
    /// The body is not JSON.
    UnsupportedMediaType,
    /// The namespace has as much as it may have.
    Quota,
    /// The namespace asks too often.
    RateLimit,
    /// Too much of the namespace runs and waits.
    ConcurrencyLimit,
    /// A system that a service speaks to refused or failed.
    UpstreamError,
    /// A service took too long.
    Timeout,
    /// As much runs and waits as the server is configured for.
    Overloaded,
    /// Draining.
    ServiceUnavailable,
    /// `execution.enabled = false`.
    LoaderUnavailable,
    /// A worker threw, or answered with what is no response.
    GuestError,
    /// A limit ended a worker before it had answered, or somebody did. Time on the clock is `Timeout`.
    Ended(Ended),
    /// Our fault.
    Internal,
}

/// What ended a worker before it had answered, but for time on the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ended {
    /// CPU time was up.
    CpuLimit,
    /// CPU time of the top level was up.
    StartupLimit,
    /// Fuel was used up.
    FuelExhausted,
    /// Memory was.
    MemoryLimit,
    /// Too much was written.
    OutputLimit,
    /// Too many calls.
    CallLimit,
    /// It was cancelled.
    Cancelled,
}

impl ErrorCode {
    /// Every code there is.
    pub const ALL: [Self; 29] = [
        Self::InvalidRequest,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Conflict,
        Self::PreconditionFailed,
        Self::InvalidCode,
        Self::CodeTooLarge,
        Self::BodyTooLarge,
        Self::RequestTimeout,
        Self::UnsupportedMediaType,
        Self::Quota,
        Self::RateLimit,
        Self::ConcurrencyLimit,
        Self::UpstreamError,
        Self::Timeout,
        Self::Overloaded,
        Self::ServiceUnavailable,
        Self::LoaderUnavailable,
        Self::GuestError,
        Self::Ended(Ended::CpuLimit),
        Self::Ended(Ended::StartupLimit),
        Self::Ended(Ended::FuelExhausted),
        Self::Ended(Ended::MemoryLimit),
        Self::Ended(Ended::OutputLimit),
        Self::Ended(Ended::CallLimit),
        Self::Ended(Ended::Cancelled),
        Self::Internal,
    ];

    /// The table: status and code as they stand in answers.
    pub const fn row(self) -> (StatusCode, &'static str) {
        match self {
            Self::InvalidRequest => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::Unauthenticated => (StatusCode::UNAUTHORIZED, "unauthenticated"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::Conflict => (StatusCode::CONFLICT, "conflict"),
            Self::PreconditionFailed => (StatusCode::PRECONDITION_FAILED, "precondition_failed"),
            Self::InvalidCode => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_code"),
            Self::CodeTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "code_too_large"),
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            Self::RequestTimeout => (StatusCode::REQUEST_TIMEOUT, "request_timeout"),
            Self::UnsupportedMediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type"),
            Self::Quota => (StatusCode::FORBIDDEN, "quota"),
            Self::RateLimit => (StatusCode::TOO_MANY_REQUESTS, "rate_limit"),
            Self::ConcurrencyLimit => (StatusCode::TOO_MANY_REQUESTS, "concurrency_limit"),
            Self::UpstreamError => (StatusCode::BAD_GATEWAY, "upstream_error"),
            Self::Timeout => (StatusCode::GATEWAY_TIMEOUT, "timeout"),
            Self::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, "overloaded"),
            Self::ServiceUnavailable => (StatusCode::SERVICE_UNAVAILABLE, "service_unavailable"),
            Self::LoaderUnavailable => (StatusCode::SERVICE_UNAVAILABLE, "loader_unavailable"),
            Self::GuestError => (StatusCode::BAD_GATEWAY, "guest_error"),
            Self::Ended(ended) => ended.row(),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }

    /// When it is worth trying again, where nothing more is known.
    const fn retry_after(self) -> Option<Duration> {
        match self {
            Self::Overloaded | Self::ServiceUnavailable | Self::RateLimit | Self::ConcurrencyLimit => {
                Some(Duration::from_secs(1))
            }
            Self::InvalidRequest
            | Self::Unauthenticated
            | Self::Forbidden
            | Self::NotFound
            | Self::MethodNotAllowed
            | Self::Conflict
            | Self::PreconditionFailed
            | Self::InvalidCode
            | Self::CodeTooLarge
            | Self::BodyTooLarge
            | Self::RequestTimeout
            | Self::UnsupportedMediaType
            | Self::Quota
            | Self::UpstreamError
            | Self::Timeout
            | Self::LoaderUnavailable
            | Self::GuestError
            | Self::Ended(_)
            | Self::Internal => None,
        }
    }
}

impl Ended {
    const fn row(self) -> (StatusCode, &'static str) {
        match self {
            Self::CpuLimit => (StatusCode::GATEWAY_TIMEOUT, "cpu_limit"),
            Self::StartupLimit => (StatusCode::BAD_GATEWAY, "startup_limit"),
            Self::FuelExhausted => (StatusCode::GATEWAY_TIMEOUT, "fuel_exhausted"),
            Self::MemoryLimit => (StatusCode::BAD_GATEWAY, "memory_limit"),
            Self::OutputLimit => (StatusCode::BAD_GATEWAY, "output_limit"),
            Self::CallLimit => (StatusCode::BAD_GATEWAY, "call_limit"),
            Self::Cancelled => (StatusCode::SERVICE_UNAVAILABLE, "cancelled"),
        }
    }
}

impl From<Termination> for ErrorCode {
    /// Of a worker that has not answered.
    fn from(termination: Termination) -> Self {
        Self::Ended(match termination {
            Termination::Timeout => return Self::Timeout,
            Termination::CpuLimit => Ended::CpuLimit,
            Termination::StartupLimit => Ended::StartupLimit,
            Termination::FuelExhausted => Ended::FuelExhausted,
            Termination::MemoryLimit => Ended::MemoryLimit,
            Termination::OutputLimit => Ended::OutputLimit,
            Termination::CallLimit => Ended::CallLimit,
            Termination::Cancelled => Ended::Cancelled,
        })
    }
}

impl From<Code> for ErrorCode {
    fn from(code: Code) -> Self {
        match code {
            Code::InvalidRequest => Self::InvalidRequest,
            Code::Forbidden => Self::Forbidden,
            Code::NotFound => Self::NotFound,
            Code::Conflict => Self::Conflict,
            Code::Quota => Self::Quota,
            Code::RateLimit => Self::RateLimit,
            Code::ServiceUnavailable => Self::ServiceUnavailable,
            Code::UpstreamError => Self::UpstreamError,
            Code::Timeout => Self::Timeout,
            Code::Internal => Self::Internal,
        }
    }
}

impl From<ServiceError> for ApiError {
    fn from(error: ServiceError) -> Self {
        let account = match error.code {
            Code::Internal => Some(chain(&error).into()),
            _ => None,
        };
        Self {
            code: error.code.into(),
            retry_after: error.retry_after,
            message: error.message,
            account,
            place: None,
            execution: None,
        }
    }
}

/// A refusal or failure. As a response it has no body yet: the envelope around the router writes it, because
/// only the envelope knows the request's id.
#[derive(Debug, Clone)]
pub struct ApiError {
    /// What kind.
    pub code: ErrorCode,
    /// For the caller.
    pub message: Cow<'static, str>,
    /// When it is worth trying again, where that is known.
    pub retry_after: Option<Duration>,
    /// For the log.
    pub account: Option<Arc<str>>,
    /// Where in the caller's own code it is, where it is there.
    pub place: Option<Box<Place>>,
    /// The execution that has failed, where one has.
    pub execution: Option<Arc<str>>,
}

/// A place in code, or in its description.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The field that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Line, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Column, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// Frames in the code's own lines and columns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stack: Option<String>,
}

/// What a panic leaves.
pub fn panicked(panic: &(dyn Any + Send)) -> ApiError {
    let message = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    ApiError::internal_account(format!("panic: {}", message.unwrap_or("without a message")))
}

/// An error as it is told to callers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorBody<'a> {
    success: bool,
    error: ErrorFields<'a>,
}

/// Code, message and id of the request.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorFields<'a> {
    code: &'static str,
    message: Cow<'a, str>,
    request_id: Cow<'a, str>,
    #[serde(flatten)]
    place: Option<Cow<'a, Place>>,
}

impl ApiError {
    /// One with a message.
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), retry_after: None, account: None, place: None, execution: None }
    }

    /// A request that makes no sense; `what` says why.
    pub fn invalid(what: impl std::fmt::Display) -> Self {
        Self::new(ErrorCode::InvalidRequest, format!("Invalid request: {what}"))
    }

    /// Our own failure. The caller learns nothing of it, the log all: this is where the chain is printed.
    pub fn internal(error: &dyn Error) -> Self {
        Self::internal_account(chain(error))
    }

    /// The same, worth trying again after a while.
    pub fn after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..self }
    }

    /// The same, with its place.
    pub fn at(self, place: Place) -> Self {
        Self { place: Some(Box::new(place)), ..self }
    }

    /// The same, of an execution that has a receipt.
    pub fn ran(self, execution: &str) -> Self {
        Self { execution: Some(execution.into()), ..self }
    }

    /// Our own failure, told in words.
    pub fn internal_account(account: impl Into<Arc<str>>) -> Self {
        let message = Cow::Borrowed("Internal error");
        Self {
            code: ErrorCode::Internal,
            message,
            retry_after: None,
            account: Some(account.into()),
            place: None,
            execution: None,
        }
    }

    /// What the caller reads.
    pub fn body<'a>(&'a self, request_id: &'a str) -> ErrorBody<'a> {
        let (_, code) = self.code.row();
        let fields = ErrorFields {
            code,
            message: Cow::Borrowed(&*self.message),
            request_id: request_id.into(),
            place: self.place.as_deref().map(Cow::Borrowed),
        };
        ErrorBody { success: false, error: fields }
    }

    /// The same as one part of a larger answer.
    pub fn into_fields(self, request_id: &str) -> ErrorFields<'static> {
        let (_, code) = self.code.row();
        ErrorFields {
            code,
            message: self.message,
            request_id: request_id.to_owned().into(),
            place: self.place.map(|place| Cow::Owned(*place)),
        }
    }

    /// Writes our own failure to the log, where it is one: this is the one place for that.
    pub fn logged(self, request_id: &str) -> Self {
        if let Some(account) = &self.account {
            tracing::error!(request = request_id, error = &**account, "request failed");
        }
        self
    }
}

/// An error with everything that caused it, for the log.
fn chain(error: &dyn Error) -> String {
    let mut account = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        // Writing to a string does not fail.
        let _ = write!(account, ": {error}");
        source = error.source();
    }
    account
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, _) = self.code.row();
        let mut response = status.into_response();
        if let Some(wait) = self.retry_after.or(self.code.retry_after()) {
            // Whole seconds, and not a moment too early.
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.code == ErrorCode::Unauthenticated {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.code == ErrorCode::RequestTimeout {
            // The rest of the body may still come: nothing after it can be told from it.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(Ok(id)) = self.execution.as_deref().map(HeaderValue::from_str) {
            response.headers_mut().insert(EXECUTION_ID, id);
        }
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_is_a_refusal_or_a_failure_and_stands_once() {
        let mut codes = BTreeSet::new();
        for code in ErrorCode::ALL {
            let (status, text) = code.row();
            assert!(status.is_client_error() || status.is_server_error(), "{text}");
            assert!(codes.insert(text), "{text} stands twice");
        }
    }

    #[test]
    fn the_chain_goes_to_the_log_and_not_to_the_caller() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer")]
        struct Outer(#[source] std::fmt::Error);

        let error = ApiError::internal(&Outer(std::fmt::Error));
        assert!(error.account.as_deref().unwrap().starts_with("outer: "));
        assert!(!error.message.contains("outer"));
    }
}
