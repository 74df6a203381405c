//! A system elsewhere that has all services: what `kind = "http"` leads to. It speaks the forwarder's wire, holds every
//! call against what that promises, and has a doer behind it answer.

use std::sync::{Arc, Mutex};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State},
    http::{HeaderMap, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
    routing::post,
};
use doer_core::{
    service::Service,
    time::{Clock, SystemClock},
};
use doer_services::forward::signature;
use serde_json::{Map, Value, json};

use super::fixtures::serve::serve;
use crate::support::{Caller, Client, Server, Setup};

const KEY: &str = "shared by both sides";

/// The system. Clones share it.
#[derive(Clone)]
pub struct Elsewhere {
    behind: Client,
    heard: Arc<Mutex<HeaderMap>>,
}

impl Elsewhere {
    /// A doer without services of its own: each is forwarded to a system with `behind` behind it.
    pub async fn ahead_of(behind: &Server) -> (Server, Self) {
        let elsewhere = Self { behind: behind.client.clone(), heard: Arc::default() };
        let router = Router::new().route("/{service}/rpc/{method}", post(receive));
        // Databases are filled through it.
        let router = router.layer(DefaultBodyLimit::disable()).with_state(elsewhere.clone());
        let address = serve(router).await;
        let section = |service: Service| {
            format!("[services.{service}]\nkind = \"http\"\nurl = \"{address}/{service}\"\nsigning_key = \"{KEY}\"\n")
        };
        let config = Service::ALL.map(section).concat();
        (Server::start(Setup::production().config(&config)).await, elsewhere)
    }

    /// Headers of the last call.
    pub fn heard(&self) -> HeaderMap {
        self.heard.lock().unwrap().clone()
    }
}

async fn receive(
    State(elsewhere): State<Elsewhere>,
    Path((service, method)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let params = match parameters(&headers, &body) {
        Ok(params) => params,
        Err(wrong) => return (StatusCode::BAD_REQUEST, wrong).into_response(),
    };
    *elsewhere.heard.lock().unwrap() = headers;
    let path = format!("/rpc/{service}/{method}");
    let answer = elsewhere.behind.post(Caller::Admin, &path, &json!({ "params": params })).await;
    if answer.json["success"] == true {
        return Json(answer.json["result"].clone()).into_response();
    }
    // An error in doer's own form.
    let mut response = (answer.status, answer.text).into_response();
    if let Some(wait) = answer.headers.get(RETRY_AFTER) {
        response.headers_mut().insert(RETRY_AFTER, wait.clone());
    }
    response
}

/// The named parameters of a call, with the namespace that its context tells; or what is wrong with it.
fn parameters(headers: &HeaderMap, body: &[u8]) -> Result<Map<String, Value>, String> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (timestamp, signed) = (header(signature::TIMESTAMP), header(signature::SIGNATURE));
    if !signature::verify(KEY.as_bytes(), timestamp, signed, body, SystemClock.now().as_secs()) {
        return Err("the signature is not doer's".to_owned());
    }
    let mut params: Map<String, Value> = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let context = params.remove("context").unwrap_or_default();
    let told = |pointer: &str| context.pointer(pointer).and_then(Value::as_str).unwrap_or("nothing");
    for (name, expected) in [
        ("content-type", "application/json"),
        ("x-request-id", told("/requestId")),
        ("x-authenticated", "true"),
        ("x-user-id", told("/auth/user/id")),
        ("x-user-email", told("/auth/user/email")),
        ("x-user-role", "admin"),
        ("x-user-permissions", "*"),
    ] {
        if header(name) != expected {
            return Err(format!("{name} is {:?} and must be {expected:?}", header(name)));
        }
    }
    if header("traceparent").split('-').map(str::len).ne([2, 32, 16, 2]) {
        return Err(format!("traceparent is {:?}", header("traceparent")));
    }
    params.insert("namespace".to_owned(), told("/namespace").into());
    Ok(params)
}
