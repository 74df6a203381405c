//! Requests, in the form that both HTTP and the program for Node.js take, and what is said to them.

use reqwest::{Method, RequestBuilder};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::support::{Answer, Caller, Client};

/// A request to a worker.
#[derive(Debug, Clone, Serialize)]
pub struct Ask {
    pub path: String,
    method: &'static str,
    headers: Vec<(String, String)>,
    body: Option<String>,
}

/// What a worker said under Node.js.
#[derive(Debug, Deserialize)]
pub struct Said {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub text: String,
}

impl Ask {
    pub fn new(method: &'static str, path: impl Into<String>) -> Self {
        Self { path: path.into(), method, headers: Vec::new(), body: None }
    }

    pub fn get(path: impl Into<String>) -> Self {
        Self::new("GET", path)
    }

    pub fn post(path: impl Into<String>, body: impl Into<String>) -> Self {
        Self { body: Some(body.into()), ..Self::new("POST", path) }
    }

    /// A `POST` of JSON.
    pub fn json(path: impl Into<String>, body: &Value) -> Self {
        Self::post(path, body.to_string()).header("content-type", "application/json")
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The same over HTTP.
    pub fn request(&self, client: &Client, host: &str) -> RequestBuilder {
        let method = Method::from_bytes(self.method.as_bytes()).unwrap();
        let mut request = client.request(Caller::Anonymous, method, &self.path).header("host", host);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(body) = &self.body {
            request = request.body(body.clone());
        }
        request
    }
}

impl Said {
    pub fn json(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        serde_json::from_str(&self.text).unwrap()
    }

    /// Fails unless the answer over HTTP is this one.
    #[track_caller]
    pub fn assert_is(&self, ask: &Ask, answer: &Answer) {
        assert_eq!((answer.status.as_u16(), &answer.text), (self.status, &self.text), "{ask:?}");
        for (name, value) in &self.headers {
            // Of the connection, which is the server's.
            if name == "connection" || name == "transfer-encoding" {
                continue;
            }
            let there = answer.headers.get_all(name).iter().any(|found| found == value.as_str());
            assert!(there, "{ask:?}: {name}: {value:?} is not among {:?}", answer.headers);
        }
    }
}
