//! What came back from a forwarded call: a result, an error in doer's own form, or something else.

use std::time::Duration;

use bytes::Bytes;
use doer_core::service::{Code, Method, ServiceError};
use reqwest::{
    Response, StatusCode,
    header::{HeaderMap, RETRY_AFTER},
};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::wire::{self, BodyError};

/// Of a body that says why something failed.
const MAX_ERROR_BYTES: u64 = 64 << 10;

/// What became of one attempt.
pub(super) enum Answer {
    /// 2xx, with JSON.
    Result(Box<RawValue>),
    /// The service's own refusal or failure, to be passed on as it is.
    Own(ServiceError),
    /// Anything else.
    Failed(ServiceError, Blame),
}

/// Whose fault a failure was.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Blame {
    /// The service is not well.
    Service,
    /// The call was refused (4xx): the service is well.
    Call,
}

#[derive(Deserialize)]
struct ErrorBody {
    error: ErrorFields,
}

#[derive(Deserialize)]
struct ErrorFields {
    code: Code,
    message: String,
}

impl Answer {
    pub(super) async fn read(
        method: &Method,
        outcome: Result<Response, reqwest::Error>,
        max_result_bytes: u64,
    ) -> Self {
        let response = match outcome {
            Ok(response) => response,
            Err(error) if error.is_connect() => return Self::failed(method, "it cannot be reached", Blame::Service),
            Err(_) => return Self::failed(method, "the exchange broke off", Blame::Service),
        };
        let (status, headers) = (response.status(), response.headers().clone());
        let most = if status.is_success() { max_result_bytes } else { MAX_ERROR_BYTES };
        match wire::read_body(response, most).await {
            Ok(body) if status.is_success() => Self::result(method, &body),
            Ok(body) => Self::error(method, status, &headers, &body),
            Err(BodyError::TooLarge) => {
                Self::failed(method, &format!("its answer is larger than {most} bytes"), blame(status))
            }
            Err(BodyError::Broken) => Self::failed(method, "its answer broke off", Blame::Service),
        }
    }

    /// A body of nothing is `null`.
    fn result(method: &Method, body: &Bytes) -> Self {
        let text = match body.trim_ascii() {
            [] => b"null",
            text => text,
        };
        match serde_json::from_slice(text) {
            Ok(result) => Self::Result(result),
            Err(_) => Self::failed(method, "its answer is not JSON", Blame::Service),
        }
    }

    fn error(method: &Method, status: StatusCode, headers: &HeaderMap, body: &Bytes) -> Self {
        let own = serde_json::from_slice::<ErrorBody>(body).ok().map(|body| body.error);
        // A code that contradicts the status was not written by doer.
        if let Some(own) = own.filter(|own| own.code.status() == status.as_u16()) {
            let error = ServiceError::new(own.code, own.message);
            return Self::Own(match retry_after(headers) {
                Some(wait) => error.after(wait),
                None => error,
            });
        }
        let text = String::from_utf8_lossy(body);
        let why = match wire::shorten(&text) {
            empty if empty.is_empty() => format!("it answered {}", status.as_u16()),
            text => text,
        };
        Self::failed(method, &why, blame(status))
    }

    fn failed(method: &Method, why: &str, blame: Blame) -> Self {
        let message = format!("Service {} failed: {why}", method.path());
        Self::Failed(ServiceError::new(Code::UpstreamError, message), blame)
    }

    /// Did the service form it itself?
    pub(super) const fn is_its_own(&self) -> bool {
        !matches!(self, Self::Failed(..))
    }

    /// Does it show that the service is well? One that passes on what others have failed at is.
    pub(super) fn is_well(&self) -> bool {
        match self {
            Self::Result(_) => true,
            Self::Own(error) => !matches!(error.code, Code::Internal | Code::ServiceUnavailable),
            Self::Failed(_, blame) => *blame == Blame::Call,
        }
    }

    pub(super) fn into_result(self) -> Result<Box<RawValue>, ServiceError> {
        match self {
            Self::Result(result) => Ok(result),
            Self::Own(error) | Self::Failed(error, _) => Err(error),
        }
    }
}

fn blame(status: StatusCode) -> Blame {
    if status.is_client_error() { Blame::Call } else { Blame::Service }
}

/// In seconds; a date is nothing that doer sends.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok().map(Duration::from_secs)
}
