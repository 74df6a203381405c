//! `gateway`: the way to systems outside, along configured routes.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Service;

contract! {
    /// Requests to systems outside, along routes that the installation configures: a path prefix leads to an upstream,
    /// with methods that are allowed, headers that are added (credentials that callers never see), a rate limit and a
    /// time limit.
    trait Gateway for Service::Gateway;

    /// Sends a request along the route that its path belongs to. The upstream's answer is the result, whatever its
    /// status; `not_found` where no route has the path, `upstream_error` where the upstream cannot be reached.
    write route(Route {
        /// Path with query, beginning with `/`.
        path: String,
        /// The rest of the request.
        options: Option<RouteOptions>,
    }) -> RouteResponse, fails with [NotFound, Forbidden, RateLimit, UpstreamError, Timeout];

    /// The routes that the caller may use.
    read list_routes = "listRoutes"(ListRoutes {}) -> Vec<RouteInfo>;
}

/// The rest of a request.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RouteOptions {
    /// `GET` where absent.
    pub method: Option<String>,
    /// Headers by name. Those that the route adds win; those of the connection (`Host`, `Content-Length`) are dropped.
    pub headers: BTreeMap<String, String>,
    /// Added to the path's query.
    pub query: BTreeMap<String, String>,
    /// A string goes as it is, `{"$base64": "..."}` as bytes, anything else as JSON.
    pub body: Option<Value>,
    /// Milliseconds; the route's own limit is the most.
    pub timeout: Option<u64>,
}

/// What an upstream answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RouteResponse {
    /// HTTP status.
    pub status: u16,
    /// Headers by name, in lower case; of several with one name the values are joined by `, `.
    pub headers: BTreeMap<String, String>,
    /// Parsed where it is JSON, a string where it is text, else `{"$base64": "..."}`; `null` where there is none.
    pub body: Value,
}

/// A route, without what callers may not see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RouteInfo {
    /// Path prefix.
    pub prefix: String,
    /// Methods that are allowed.
    pub methods: Vec<String>,
}
