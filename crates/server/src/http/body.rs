//! Bodies of the API: JSON and nothing else, up to the server's limit.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{StatusCode, header},
};

use super::error::{ApiError, ErrorCode};

/// A body that said it is JSON. Also what keeps a web form from being one.
#[derive(Debug)]
pub struct JsonBody(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for JsonBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if !content_type.is_some_and(is_json) {
            let message = "The body must be JSON, with Content-Type: application/json";
            return Err(ApiError::new(ErrorCode::UnsupportedMediaType, message));
        }
        match Bytes::from_request(request, state).await {
            Ok(bytes) => Ok(Self(bytes)),
            Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                Err(ApiError::new(ErrorCode::BodyTooLarge, "The body is larger than this server allows"))
            }
            Err(rejection) => Err(ApiError::invalid(rejection.body_text())),
        }
    }
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_is_json() {
        for yes in ["application/json", "Application/JSON; charset=utf-8"] {
            assert!(is_json(yes), "{yes}");
        }
        for no in ["", "text/plain", "application/jsonp", "text/plain; application/json", "application/ld+json"] {
            assert!(!is_json(no), "{no}");
        }
    }
}
