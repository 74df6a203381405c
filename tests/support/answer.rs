//! One HTTP answer, read to its end.

use reqwest::{StatusCode, header::HeaderMap};
use serde_json::Value;

use super::secrets;

/// Status, headers and body; the body as text and, where it is JSON, as a value.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
    pub json: Value,
}

impl Answer {
    /// Reads the whole body. Credentials in it are secrets from then on.
    pub async fn read(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.unwrap();
        secrets::learn(&text);
        headers.values().filter_map(|value| value.to_str().ok()).for_each(secrets::learn);
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Self { status, headers, text, json }
    }

    /// The value at a JSON pointer; `null` where there is none.
    pub fn at(&self, pointer: &str) -> &Value {
        self.json.pointer(pointer).unwrap_or(&Value::Null)
    }

    /// A header as text; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Fails unless the code ran and returned `expected`.
    #[track_caller]
    pub fn assert_result(&self, expected: impl Into<Value>) {
        assert_eq!(self.status, 200, "{}", self.text);
        assert_eq!(self.json["success"], true, "{}", self.text);
        assert_eq!(self.json["result"], expected.into(), "{}", self.text);
    }

    /// Fails unless there is a result, of this JSON type.
    #[track_caller]
    pub fn assert_result_type(&self, expected: &str) {
        assert_eq!(self.status, 200, "{}", self.text);
        let found = match &self.json["result"] {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        assert_eq!(found, expected, "{}", self.text);
    }

    /// Fails unless a limit with this code ended the run.
    #[track_caller]
    pub fn assert_ended_by(&self, code: &str) {
        assert_eq!(self.status, 200, "{}", self.text);
        assert_eq!(self.json["success"], false, "{}", self.text);
        assert_eq!(self.at("/error/code"), code, "{}", self.text);
    }

    /// Fails unless the code threw, by its own doing, an error of this name.
    #[track_caller]
    pub fn assert_threw(&self, name: &str) {
        assert_eq!(self.status, 200, "{}", self.text);
        assert_eq!(self.json["success"], false, "{}", self.text);
        assert_eq!(self.at("/error/name"), name, "{}", self.text);
        assert_eq!(self.at("/error/code"), &Value::Null, "{}", self.text);
    }

    /// Fails unless this is a refusal in the one form that refusals have.
    #[track_caller]
    pub fn assert_refused(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.json["success"], false, "{}", self.text);
        assert_eq!(self.at("/error/code"), code, "{}", self.text);
        assert!(self.at("/error/message").as_str().is_some_and(|message| !message.is_empty()), "{}", self.text);
        assert_eq!(self.at("/error/requestId"), self.header("x-request-id"), "{}", self.text);
        // Beside these only a place in the caller's own code.
        let place = ["path", "line", "column", "stack"];
        let mut keys: Vec<_> = self.json["error"].as_object().unwrap().keys().collect();
        keys.retain(|key| !place.contains(&key.as_str()));
        keys.sort();
        assert_eq!(keys, ["code", "message", "requestId"], "{}", self.text);
    }
}
