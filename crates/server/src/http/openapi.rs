//! What the API says of itself: `GET /types.d.ts` and `GET /openapi.json`.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::OnceLock,
};

use axum::{
    Json,
    http::header,
    response::{IntoResponse, Response},
};
use doer_core::{
    describe::{Interface, Signature, typescript},
    service::Service,
};
use serde_json::{Map, Value, json};

use super::{error::ErrorCode, info::VERSION, router::ENDPOINTS};
use crate::{
    execute::{Route, schema},
    mcp,
};

/// Stands for one path for each method of each service.
const RPC: &str = "POST /rpc/{service}/{method}";
/// Stands for every method that a document can name.
const FETCH: &str = "ANY /workers/{id}/fetch/{path}";
const METHODS: [&str; 7] = ["GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH"];
/// Any call may give them, beside those of its contract.
const OF_ANY_CALL: [ErrorCode; 7] = [
    ErrorCode::InvalidRequest,
    ErrorCode::Unauthenticated,
    ErrorCode::Forbidden,
    ErrorCode::RateLimit,
    ErrorCode::Overloaded,
    ErrorCode::ServiceUnavailable,
    ErrorCode::Internal,
];

/// `GET /types.d.ts`
pub async fn types() -> Response {
    ([(header::CONTENT_TYPE, "application/typescript; charset=utf-8")], mcp::types()).into_response()
}

/// `GET /openapi.json`
pub async fn document() -> Json<&'static Value> {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    Json(DOCUMENT.get_or_init(describe))
}

fn describe() -> Value {
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for endpoint in ENDPOINTS {
        let Some((method, path)) = endpoint.split_once(' ') else { continue };
        if endpoint == FETCH {
            let operations = paths.entry(path.to_owned()).or_default();
            for method in METHODS {
                let of_method = format!("{method} {path}");
                operations.insert(method.to_lowercase(), operation_of(endpoint, &of_method, path));
            }
        } else if endpoint != RPC {
            paths.entry(path.to_owned()).or_default().insert(method.to_lowercase(), operation(endpoint, path));
        }
    }
    let mut schemas = Map::from_iter([("Error".to_owned(), error_schema())]);
    for service in Service::ALL {
        let Interface { signatures, types, .. } = Interface::of(service);
        for signature in signatures {
            let path = format!("/rpc/{service}/{}", signature.method.name);
            paths.entry(path).or_default().insert("post".to_owned(), call(service, signature));
        }
        for named in types {
            schemas.insert(component(service, &named.name), placed(service, named.schema));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "doer",
            "version": VERSION,
            "description": "Runs code that nobody need trust, and offers the services that such code may use.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        // Without credentials a caller is anonymous, which is enough for some routes.
        "security": [{ "bearer": [] }, { "apiKey": [] }, { "session": [] }, {}],
        "tags": tags(),
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer", "description": "An API key, or a JWT." },
                "apiKey": { "type": "apiKey", "in": "header", "name": "X-API-Key" },
                "session": { "type": "apiKey", "in": "cookie", "name": "session" },
            },
        },
    })
}

fn tags() -> Vec<Value> {
    let own = [json!({ "name": "doer", "description": "The server, code, and what belongs to a caller." })];
    let services = Service::ALL.map(|service| json!({ "name": service, "description": lines(service.docs()) }));
    own.into_iter().chain(services).collect()
}

/// What a route is for, what it takes and what it gives, where that has a shape.
struct About {
    summary: &'static str,
    body: Option<Value>,
    answer: (&'static str, &'static str, Value),
}

fn about(endpoint: &str) -> Option<About> {
    let object = || json!({ "type": "object" });
    let told = |summary| About { summary, body: None, answer: ("200", "application/json", object()) };
    let takes = |summary, body| About { body: Some(body), ..told(summary) };
    let runs = |summary, route| About {
        answer: ("200", "application/json", schema::response()),
        ..takes(summary, schema::request(route))
    };
    Some(match endpoint {
        "GET /" => told("Name, version, and what there is"),
        "GET /health" => told("How the server and its services are"),
        "GET /livez" => told("The process answers"),
        "GET /readyz" => told("New work is welcome"),
        "GET /auth" => told("Who is asking, and what they may do"),
        "GET /limits" => told("Every limit that holds for the caller"),
        "POST /execute" => runs("Runs code once", Route::Execute),
        "POST /eval" => runs("Runs code that only computes", Route::Eval),
        "GET /executions/{id}" => told("State and receipt of a recent execution"),
        "DELETE /executions/{id}" => told("Cancels a running execution"),
        "POST /rpc" => About {
            answer: ("200", "application/json", json!({ "type": "array", "items": object() })),
            ..takes("Many service calls at once, answered in order", batch())
        },
        "POST /session" => takes("Exchanges credentials for a cookie session", object()),
        "DELETE /session" => told("Ends the session"),
        "GET /secrets" => told("Names of the namespace's secrets"),
        "PUT /secrets/{name}" => takes("Writes a secret, which is never shown again", object()),
        "DELETE /secrets/{name}" => told("Removes a secret"),
        "GET /workers" => told("The namespace's workers, by id; `?limit=` and `?offset=` page"),
        "GET /workers/{id}" => told("A worker and its versions; with `?code=true` its code too"),
        "PUT /workers/{id}" => {
            takes("Registers code under an id; in place of other code with If-Match or `?replace=true`", code())
        }
        "DELETE /workers/{id}" => told("Removes a worker with all its versions"),
        "GET /workers/{id}/tail" => About {
            answer: ("200", "text/event-stream", json!({ "type": "string" })),
            ..told("A worker's calls and logs as they happen: events `call`, `log`, `end`")
        },
        "POST /workers/{id}/rollback" => takes("Makes an earlier version current again", rollback()),
        "POST /workers/{id}/rpc/{method}" => About {
            answer: ("200", "application/json", schema::response()),
            ..takes("Calls a method of a worker's entrypoint", worker_call())
        },
        FETCH => About { answer: ("default", "*/*", json!({})), ..told("Has a worker answer a request of any method") },
        "POST /webhooks/{provider}/{endpoint}" => {
            takes("Takes an event of a provider, once, where its signature holds", json!({}))
        }
        "POST /mcp" => takes("doer as an MCP server, by streamable HTTP", object()),
        "GET /types.d.ts" => About {
            answer: ("200", "application/typescript", json!({ "type": "string" })),
            ..told("TypeScript declarations of everything that code sees")
        },
        "GET /openapi.json" => told("This document"),
        _ => return None,
    })
}

fn operation(endpoint: &str, path: &str) -> Value {
    operation_of(endpoint, endpoint, path)
}

fn operation_of(endpoint: &str, name: &str, path: &str) -> Value {
    let Some(About { summary, body, answer: (status, media, schema) }) = about(endpoint) else { return json!({}) };
    let mut operation = json!({
        "operationId": operation_id(name),
        "tags": ["doer"],
        "summary": summary,
        "responses": {
            status: { "description": "It worked.", "content": { media: { "schema": schema } } },
            "default": error("Refused, or failed."),
        },
    });
    let parameters = parameters(path);
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    if let Some(schema) = body {
        operation["requestBody"] = json!({ "required": true, "content": { "application/json": { "schema": schema } } });
    }
    operation
}

/// `deleteExecutionsId`, and the like.
fn operation_id(endpoint: &str) -> String {
    let words = endpoint.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut words = words.map(str::to_lowercase);
    let first = words.next().unwrap_or_default();
    words.fold(first, |id, word| {
        let (head, rest) = word.split_at(1);
        id + &head.to_uppercase() + rest
    })
}

fn parameters(path: &str) -> Vec<Value> {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    names.map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } })).collect()
}

/// `WorkerCode`.
fn code() -> Value {
    json!({
        "type": "object",
        "properties": {
            "mainModule": { "type": "string", "description": "The module to start with." },
            "modules": {
                "type": "object",
                "description": "Modules by name: text, or an object with one of js, ts, cjs, text, json, data, wasm.",
            },
            "env": {
                "type": "object",
                "description": "Values, and bindings like {\"$service\": \"db\"}; all services of the tier where absent.",
            },
            "compatibilityDate": { "type": "string", "format": "date" },
            "compatibilityFlags": { "type": "array", "items": { "type": "string" } },
            "globalOutbound": { "description": "`null`: no request goes out." },
            "tails": { "type": "array" },
            "limits": limits(),
        },
        "required": ["mainModule", "modules"],
        "additionalProperties": false,
    })
}

fn limits() -> Value {
    let names = ["cpuMs", "subRequests", "memoryMb", "timeoutMs", "fuel"];
    let limit = || json!({ "type": "integer", "minimum": 1 });
    let properties: Map<String, Value> = names.into_iter().map(|name| (name.to_owned(), limit())).collect();
    json!({
        "type": "object",
        "description": "Lower limits than those of the caller.",
        "properties": properties,
        "additionalProperties": false,
    })
}

fn rollback() -> Value {
    json!({
        "type": "object",
        "properties": { "version": { "type": "integer", "minimum": 1, "description": "The one before, where absent." } },
        "additionalProperties": false,
    })
}

fn worker_call() -> Value {
    json!({
        "type": "object",
        "properties": {
            "params": { "type": "array", "description": "Arguments by position." },
            "entrypoint": { "type": "string", "description": "An export; the default one where absent." },
            "props": { "description": "Any JSON; the method sees it as `ctx.props`." },
            "limits": limits(),
        },
        "additionalProperties": false,
    })
}

fn batch() -> Value {
    json!({
        "type": "array",
        "maxItems": 100,
        "items": {
            "type": "object",
            "properties": {
                "id": {},
                "service": { "enum": Service::ALL },
                "method": { "type": "string" },
                "params": { "type": ["object", "array"] },
            },
            "required": ["service", "method"],
            "additionalProperties": false,
        },
    })
}

/// A method of a service.
fn call(service: Service, signature: Signature) -> Value {
    let method = signature.method;
    let declared = method.parameters.iter().zip(signature.parameters);
    let properties: Map<String, Value> =
        declared.map(|(parameter, schema)| (parameter.name.clone(), placed(service, schema))).collect();
    let required: Vec<&str> =
        method.parameters.iter().filter(|parameter| parameter.required).map(|parameter| &*parameter.name).collect();
    let none_required = required.is_empty();
    let mut params = json!({
        "type": "object",
        "description": "By name; an array holds them by position.",
        "properties": properties,
    });
    if !none_required {
        params["required"] = required.clone().into();
    }
    let body = json!({
        "type": "object",
        "properties": { "params": { "anyOf": [params, { "type": "array" }] } },
        "required": if none_required { json!([]) } else { json!(["params"]) },
        "additionalProperties": false,
    });
    let answer = json!({
        "type": "object",
        "properties": { "success": { "const": true }, "result": placed(service, signature.result) },
        "required": ["success", "result"],
    });
    let mut responses = Map::from_iter([(
        "200".to_owned(),
        json!({ "description": "The result.", "content": { "application/json": { "schema": answer } } }),
    )]);
    for (status, codes) in codes_by_status(method.errors.iter().copied().map(ErrorCode::from).chain(OF_ANY_CALL)) {
        let codes: Vec<&str> = codes.into_iter().collect();
        responses.insert(status, error(&codes.join(", ")));
    }
    json!({
        "operationId": method.flat_name(),
        "tags": [service],
        "summary": lines(method.summary()),
        "description": lines(method.docs),
        "requestBody": { "required": !none_required, "content": { "application/json": { "schema": body } } },
        "responses": responses,
    })
}

fn codes_by_status(codes: impl Iterator<Item = ErrorCode>) -> BTreeMap<String, BTreeSet<&'static str>> {
    let mut by_status: BTreeMap<String, BTreeSet<&'static str>> = BTreeMap::new();
    for code in codes {
        let (status, name) = code.row();
        by_status.entry(status.as_u16().to_string()).or_default().insert(name);
    }
    by_status
}

fn error(description: &str) -> Value {
    let schema = json!({ "$ref": "#/components/schemas/Error" });
    json!({ "description": description, "content": { "application/json": { "schema": schema } } })
}

fn error_schema() -> Value {
    let codes: Vec<&str> = ErrorCode::ALL.into_iter().map(|code| code.row().1).collect();
    json!({
        "type": "object",
        "properties": {
            "success": { "const": false },
            "error": {
                "type": "object",
                "properties": {
                    "code": { "enum": codes },
                    "message": { "type": "string" },
                    "requestId": { "type": "string" },
                    "path": { "type": "string", "description": "The field of a worker's code that is wrong." },
                    "line": { "type": "integer", "description": "Of the code." },
                    "column": { "type": "integer", "description": "Of the code." },
                    "stack": { "type": "string", "description": "Of what the code has thrown." },
                },
                "required": ["code", "message", "requestId"],
            },
        },
        "required": ["success", "error"],
    })
}

fn component(service: Service, name: &str) -> String {
    format!("{}.{name}", typescript::type_name(service))
}

/// A service's schema with its references where the document has the types.
fn placed(service: Service, schema: Value) -> Value {
    match schema {
        Value::Object(members) => members
            .into_iter()
            .map(|(key, member)| match member {
                Value::String(reference) if key == "$ref" => {
                    let name = reference.rsplit('/').next().unwrap_or_default();
                    (key, format!("#/components/schemas/{}", component(service, name)).into())
                }
                member => (key, placed(service, member)),
            })
            .collect(),
        Value::Array(items) => items.into_iter().map(|item| placed(service, item)).collect(),
        other => other,
    }
}

/// Docs, whose lines begin with a space.
fn lines(docs: &str) -> String {
    docs.lines().map(str::trim).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_endpoint_is_described_and_nothing_else() {
        let document = describe();
        let mut described = BTreeSet::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for method in methods.as_object().unwrap().keys() {
                described.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
        let methods = Service::ALL.into_iter().flat_map(Service::methods);
        let calls = methods.map(|method| format!("POST /rpc/{}/{}", method.service, method.name));
        let (_, of_fetch) = FETCH.split_once(' ').unwrap();
        let fetches = METHODS.iter().map(|method| format!("{method} {of_fetch}"));
        let plain = |endpoint: &&&str| ![RPC, FETCH].contains(*endpoint);
        let endpoints = ENDPOINTS.iter().filter(plain).map(|endpoint| (*endpoint).to_owned());
        assert_eq!(described, endpoints.chain(calls).chain(fetches).collect());
        for endpoint in ENDPOINTS.iter().filter(|endpoint| **endpoint != RPC) {
            assert!(about(endpoint).is_some(), "{endpoint}");
        }
    }

    #[test]
    fn references_lead_to_types() {
        let document = describe();
        let text = document.to_string();
        for reference in text.split("\"$ref\":\"#").skip(1) {
            let pointer = reference.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
        assert!(document.pointer("/components/schemas/Queue.SendOptions/properties/delaySeconds").is_some());
        assert!(document.pointer("/components/schemas/Email.SendOptions/properties/replyTo").is_some());
    }

    #[test]
    fn codes_are_all_there_is() {
        let document = describe();
        let codes = document.pointer("/components/schemas/Error/properties/error/properties/code/enum").unwrap();
        assert_eq!(codes.as_array().unwrap().len(), ErrorCode::ALL.len());
        let quota = document.pointer("/paths/~1rpc~1queue~1send/post/responses/403/description").unwrap();
        assert_eq!(quota, "forbidden, quota");
    }

    #[test]
    fn operations_have_names() {
        assert_eq!(operation_id("DELETE /executions/{id}"), "deleteExecutionsId");
        assert_eq!(operation_id("GET /"), "get");
        let document = describe();
        let mut seen = BTreeSet::new();
        for operation in
            document["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values())
        {
            assert!(seen.insert(operation["operationId"].as_str().unwrap().to_owned()), "{operation}");
        }
    }
}
