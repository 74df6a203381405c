//! Bodies of the API: JSON and nothing else, up to the caller's limit, by a deadline, out of one budget. A caller
//! that declares too much is refused before anything is read, and one that stalls holds memory only so long.

use std::time::Duration;

use axum::{
    body::{Body, BodyDataStream, HttpBody},
    extract::{FromRequest, Request},
    http::header,
};
use futures_util::StreamExt;
use serde::Deserialize;

use super::error::{ApiError, ErrorCode};
use crate::{
    budget::{Budget, Held},
    lifecycle::Lifecycle,
};

/// How long a refused body is still read, and thrown away: closing a connection on a caller that sends makes its
/// system forget the answer.
const LINGER: Duration = Duration::from_secs(2);

/// A body that said it is JSON, of which nothing was read. Also what keeps a web form from being one.
#[derive(Debug)]
pub struct UnreadBody(Body);

/// A body that was read, with its part of the budget.
#[derive(Debug)]
pub struct JsonBody {
    /// The text.
    pub bytes: Vec<u8>,
    /// To be kept as long as the text, or what was made of it.
    pub held: Held,
}

/// Reads bodies.
#[derive(Debug)]
pub struct Intake {
    /// For all bodies together.
    pub budget: Budget,
    /// For one whole body.
    pub read_timeout: Duration,
    /// Where refused bodies are thrown away.
    pub lifecycle: Lifecycle,
}

impl<S: Sync> FromRequest<S> for UnreadBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if !content_type.is_some_and(is_json) {
            let message = "The body must be JSON, with Content-Type: application/json";
            return Err(ApiError::new(ErrorCode::UnsupportedMediaType, message));
        }
        // Nothing is unpacked: a few bytes could stand for the whole memory.
        if request.headers().get_all(header::CONTENT_ENCODING).iter().any(|coding| coding != "identity") {
            let message = "The body must be sent as it is, without Content-Encoding";
            return Err(ApiError::new(ErrorCode::UnsupportedMediaType, message));
        }
        Ok(Self(request.into_body()))
    }
}

/// Reads a JSON object. serde alone would take an array for it, field by field.
///
/// # Errors
/// `invalid_request`.
pub fn object<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, ApiError> {
    if !json.trim_ascii_start().starts_with(b"{") {
        return Err(ApiError::invalid("the body must be a JSON object"));
    }
    serde_json::from_slice(json).map_err(ApiError::invalid)
}

impl Intake {
    /// Reads a body of up to `max_bytes`.
    ///
    /// # Errors
    /// `body_too_large`, by its declared length before anything is read; `request_timeout`; `overloaded`;
    /// `invalid_request` where it breaks off.
    pub async fn read(&self, UnreadBody(body): UnreadBody, max_bytes: usize) -> Result<JsonBody, ApiError> {
        self.read_any(body, max_bytes).await
    }

    /// The same for a body of any kind.
    ///
    /// # Errors
    /// As [`Intake::read`].
    pub async fn read_any(&self, body: Body, max_bytes: usize) -> Result<JsonBody, ApiError> {
        // What `Content-Length` says; 0 where it says nothing.
        let declared = body.size_hint().lower();
        let mut chunks = body.into_data_stream();
        if declared > u64::try_from(max_bytes).unwrap_or(u64::MAX) {
            self.throw_away(chunks);
            return Err(too_large(max_bytes));
        }
        match tokio::time::timeout(self.read_timeout, self.collect(&mut chunks, max_bytes)).await {
            Ok(Ok(body)) => Ok(body),
            Ok(Err(error)) => {
                self.throw_away(chunks);
                Err(error)
            }
            Err(_) => Err(ApiError::new(
                ErrorCode::RequestTimeout,
                format!("The body did not arrive within {:?}", self.read_timeout),
            )),
        }
    }

    async fn collect(&self, chunks: &mut BodyDataStream, max_bytes: usize) -> Result<JsonBody, ApiError> {
        // Grows with what arrives: a declared length is only a promise.
        let (mut bytes, mut held) = (Vec::new(), Held::default());
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|error| ApiError::invalid(format_args!("the body broke off: {error}")))?;
            if chunk.len() > max_bytes - bytes.len() {
                return Err(too_large(max_bytes));
            }
            if !self.budget.take(chunk.len(), &mut held) {
                return Err(ApiError::new(
                    ErrorCode::Overloaded,
                    "The server holds too many request bodies, try again",
                ));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(JsonBody { bytes, held })
    }

    fn throw_away(&self, mut chunks: BodyDataStream) {
        self.lifecycle.spawn(async move {
            let rest = async { while let Some(Ok(_)) = chunks.next().await {} };
            // Whoever sends for longer is cut off.
            let _ = tokio::time::timeout(LINGER, rest).await;
        });
    }
}

fn too_large(max_bytes: usize) -> ApiError {
    ApiError::new(ErrorCode::BodyTooLarge, format!("The body is larger than the {max_bytes} bytes that you may send"))
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    fn intake(budget: usize) -> Intake {
        Intake { budget: Budget::new(budget), read_timeout: Duration::from_secs(30), lifecycle: Lifecycle::default() }
    }

    /// Without a declared length.
    fn chunks(chunks: &[&'static str]) -> UnreadBody {
        let chunks: Vec<Result<&'static str, std::io::Error>> = chunks.iter().map(|chunk| Ok(*chunk)).collect();
        UnreadBody(Body::from_stream(stream::iter(chunks)))
    }

    async fn refusal(intake: &Intake, body: UnreadBody, max_bytes: usize) -> ErrorCode {
        intake.read(body, max_bytes).await.unwrap_err().code
    }

    #[test]
    fn only_json_is_json() {
        for yes in ["application/json", "Application/JSON; charset=utf-8"] {
            assert!(is_json(yes), "{yes}");
        }
        for no in ["", "text/plain", "application/jsonp", "text/plain; application/json", "application/ld+json"] {
            assert!(!is_json(no), "{no}");
        }
    }

    #[tokio::test]
    async fn a_body_has_a_limit_declared_or_not() {
        let intake = intake(100);
        assert_eq!(intake.read(chunks(&["ab", "cd"]), 4).await.unwrap().bytes, b"abcd");
        assert_eq!(refusal(&intake, chunks(&["ab", "cde"]), 4).await, ErrorCode::BodyTooLarge);
        assert_eq!(refusal(&intake, UnreadBody(Body::from("abcde")), 4).await, ErrorCode::BodyTooLarge);
    }

    #[tokio::test]
    async fn bodies_share_a_budget() {
        let intake = intake(5);
        let first = intake.read(chunks(&["ab", "cd"]), 9).await.unwrap();
        assert_eq!(refusal(&intake, chunks(&["a", "b"]), 9).await, ErrorCode::Overloaded);
        assert!(intake.read(chunks(&["a"]), 9).await.is_ok(), "what was refused gave its part back");
        drop(first);
        assert!(intake.read(chunks(&["abcde"]), 9).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stalls_is_given_up() {
        let intake = intake(5);
        let never = stream::iter([Ok::<_, std::io::Error>("abcd")]).chain(stream::pending());
        assert_eq!(refusal(&intake, UnreadBody(Body::from_stream(never)), 9).await, ErrorCode::RequestTimeout);
        assert!(intake.read(chunks(&["abcde"]), 9).await.is_ok(), "its part was given back");
    }
}
