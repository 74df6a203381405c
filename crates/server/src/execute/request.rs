//! The body of `/execute`, field by field, so that whatever is wrong is told with the field's name.

use doer_sandbox::Language;
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::http::{body::object, error::ApiError};

/// The body as it arrives: every field still JSON text, `null` being as good as absent, except in `input`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Raw<'a> {
    #[serde(borrow)]
    code: Option<&'a RawValue>,
    #[serde(borrow)]
    language: Option<&'a RawValue>,
    #[serde(borrow)]
    modules: Option<&'a RawValue>,
    #[serde(borrow)]
    main_module: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    input: Option<&'a RawValue>,
    #[serde(borrow)]
    bindings: Option<&'a RawValue>,
    #[serde(borrow)]
    timeout: Option<&'a RawValue>,
    #[serde(borrow)]
    limits: Option<&'a RawValue>,
    #[serde(borrow)]
    execution_id: Option<&'a RawValue>,
    #[serde(borrow)]
    cache_key: Option<&'a RawValue>,
    #[serde(borrow)]
    truncate: Option<&'a RawValue>,
    #[serde(borrow)]
    capture_console: Option<&'a RawValue>,
    #[serde(borrow)]
    capture_fetch: Option<&'a RawValue>,
    #[serde(borrow)]
    props: Option<&'a RawValue>,
}

/// Here `null` is a value: code can tell it from no input at all.
fn present<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// The body, decoded. Nothing in it has been held against a tier yet.
#[derive(Debug, Default)]
pub struct ExecuteRequest<'a> {
    /// One text.
    pub code: Option<String>,
    /// What the caller says it is.
    pub language: Option<Language>,
    /// Modules, by name.
    pub modules: Option<&'a RawValue>,
    /// The one to start with.
    pub main_module: Option<String>,
    /// Any JSON.
    pub input: Option<&'a RawValue>,
    /// Services that the code shall get.
    pub bindings: Option<Vec<String>>,
    /// Milliseconds.
    pub timeout_ms: Option<u64>,
    /// Lower limits.
    pub limits: RequestedLimits,
    /// The caller's own id.
    pub execution_id: Option<String>,
    /// Answer from the result cache.
    pub cache_key: Option<String>,
    /// Cut output rather than fail.
    pub truncate: bool,
    /// Collect logs.
    pub capture_console: bool,
    /// Collect requests.
    pub capture_fetch: bool,
    /// `ctx.props`.
    pub props: Option<&'a RawValue>,
}

/// Limits that a request sets for itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RequestedLimits {
    /// Milliseconds of CPU.
    pub cpu_ms: Option<u64>,
    /// Fuel.
    pub fuel: Option<u64>,
    /// MiB of memory.
    pub memory_mb: Option<u64>,
    /// Bytes of result and logs.
    pub output_bytes: Option<u64>,
    /// Service calls and fetches.
    pub calls: Option<u32>,
}

impl<'a> ExecuteRequest<'a> {
    /// Reads a body.
    ///
    /// # Errors
    /// `invalid_request`, with the name of the field.
    pub fn decode(body: &'a [u8]) -> Result<Self, ApiError> {
        let raw: Raw<'a> = object(body)?;
        if raw.limits.is_some_and(|limits| !limits.get().starts_with('{')) {
            return Err(ApiError::invalid("limits: must be an object"));
        }
        Ok(Self {
            code: field("code", raw.code)?,
            language: field("language", raw.language)?,
            modules: raw.modules,
            main_module: field("mainModule", raw.main_module)?,
            input: raw.input,
            bindings: field("bindings", raw.bindings)?,
            timeout_ms: field("timeout", raw.timeout)?,
            limits: field("limits", raw.limits)?.unwrap_or_default(),
            execution_id: field("executionId", raw.execution_id)?,
            cache_key: field("cacheKey", raw.cache_key)?,
            truncate: field("truncate", raw.truncate)?.unwrap_or(false),
            capture_console: field("captureConsole", raw.capture_console)?.unwrap_or(true),
            capture_fetch: field("captureFetch", raw.capture_fetch)?.unwrap_or(false),
            props: raw.props,
        })
    }
}

fn field<T: DeserializeOwned>(name: &str, raw: Option<&RawValue>) -> Result<Option<T>, ApiError> {
    let Some(raw) = raw else { return Ok(None) };
    serde_json::from_str(raw.get()).map(Some).map_err(|error| {
        // The position would count from the field's own beginning, which nobody can see.
        let text = error.to_string();
        let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
        ApiError::invalid(format_args!("{name}: {text}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(body: &str) -> String {
        ExecuteRequest::decode(body.as_bytes()).unwrap_err().message.into_owned()
    }

    #[test]
    fn a_wrong_field_is_named() {
        assert!(message(r#"{"code": "1", "tiemout": 5}"#).starts_with("Invalid request: unknown field `tiemout`"));
        assert_eq!(message(r#"{"code": 42}"#), "Invalid request: code: invalid type: integer `42`, expected a string");
        assert!(message(r#"{"timeout": -1}"#).starts_with("Invalid request: timeout: invalid value: integer `-1`"));
        assert!(message(r#"{"timeout": 1.5}"#).contains("timeout: invalid type"));
        assert!(message(r#"{"limits": {"cpu": 1}}"#).contains("limits: unknown field `cpu`"));
        assert!(message(r#"{"language": "ruby"}"#).contains("language: unknown variant `ruby`"));
        assert!(message(r#"{"code": "a", "code": "b"}"#).contains("duplicate field `code`"));
        assert!(message(r#"{"bindings": "db"}"#).contains("bindings: "));
    }

    #[test]
    fn what_is_not_an_object_is_refused() {
        let by_position = r#"["return 1",null,null,null,null,null,null,null,null,null,null,null,null,null]"#;
        for body in ["", "[]", "null", "1", "{", "{} {}", "\u{feff}{}", by_position] {
            assert!(message(body).starts_with("Invalid request: "), "{body}");
        }
    }

    #[test]
    fn limits_are_an_object() {
        for limits in ["[1, 2, 3, 4, 5]", "1", "\"1\""] {
            let body = format!(r#"{{"code": "1", "limits": {limits}}}"#);
            assert_eq!(message(&body), "Invalid request: limits: must be an object", "{limits}");
        }
        assert!(ExecuteRequest::decode(b" {\"limits\": {\"calls\": 1}} ").is_ok());
    }

    #[test]
    fn null_is_absent_except_as_input() {
        let body = br#"{"code": "1", "timeout": null, "input": null, "props": null}"#;
        let request = ExecuteRequest::decode(body).unwrap();
        assert_eq!(request.timeout_ms, None);
        assert_eq!(request.input.map(RawValue::get), Some("null"));
        assert!(request.props.is_none());
        assert!(ExecuteRequest::decode(b"{}").unwrap().input.is_none());
    }

    #[test]
    fn flags_have_their_defaults() {
        let request = ExecuteRequest::decode(b"{}").unwrap();
        assert!(request.capture_console && !request.capture_fetch && !request.truncate);
    }
}
