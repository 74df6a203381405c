//! Callers: who asks, and how a request is put together.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::{Answer, data};

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// Role `admin`: the internal tier.
    Admin,
    /// Role `tenant`, tenant `test-tenant`; its key allows workers.
    Tenant,
    /// Role `tenant`, tenant `other-tenant`; likewise.
    OtherTenant,
    /// Role `user`: signed in, public tier.
    User,
    /// As `Tenant`, but its key allows calls of services over HTTP, and no workers.
    RpcTenant,
    /// As `OtherTenant`, likewise.
    OtherRpcTenant,
    /// As `User`, likewise.
    RpcUser,
    /// No credentials.
    Anonymous,
}

/// A client of one server.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
}

impl Client {
    pub fn new(base: String) -> Self {
        // No idle connections: one made by a test would die with that test's runtime, in the hands of another.
        let http = doer_services::tls::http_client().unwrap().no_proxy().pool_max_idle_per_host(0).build().unwrap();
        Self { http, base }
    }

    /// A request that the caller is yet to finish.
    pub fn request(&self, caller: Caller, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match data::key_of(caller) {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    pub async fn get(&self, caller: Caller, path: &str) -> Answer {
        Answer::read(self.request(caller, Method::GET, path).send().await.unwrap()).await
    }

    pub async fn delete(&self, caller: Caller, path: &str) -> Answer {
        Answer::read(self.request(caller, Method::DELETE, path).send().await.unwrap()).await
    }

    pub async fn put(&self, caller: Caller, path: &str, body: &Value) -> Answer {
        Answer::read(self.request(caller, Method::PUT, path).json(body).send().await.unwrap()).await
    }

    pub async fn post(&self, caller: Caller, path: &str, body: &Value) -> Answer {
        Answer::read(self.request(caller, Method::POST, path).json(body).send().await.unwrap()).await
    }

    /// `POST /execute` as an admin.
    pub async fn execute(&self, body: &Value) -> Answer {
        self.post(Caller::Admin, "/execute", body).await
    }

    /// `POST /execute` of a snippet, as an admin.
    pub async fn run(&self, code: &str) -> Answer {
        self.execute(&json!({ "code": code })).await
    }
}
