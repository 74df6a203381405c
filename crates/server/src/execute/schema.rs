//! The bodies of `/execute` and `/eval` as JSON Schema.

use serde_json::{Value, json};

use super::plan::Route;

/// What is sent.
pub fn request(route: Route) -> Value {
    let mut schema = json!({
        "type": "object",
        "properties": {
            "code": { "type": "string", "description": "The body of an async function, an arrow function, or a module." },
            "language": {
                "enum": ["javascript", "typescript", "wasm", "wat"],
                "description": "What the code is; found out where absent. `wasm` is base64.",
            },
            "modules": {
                "type": "object",
                "description": "Modules by name, instead of `code`: text, or an object with one of js, ts, cjs, text, json, data, wasm.",
            },
            "mainModule": { "type": "string", "description": "The module to start with." },
            "input": { "description": "Any JSON; the code sees it as `input`." },
            "timeout": { "type": "integer", "minimum": 1, "description": "Milliseconds; at most what the tier allows." },
            "limits": {
                "type": "object",
                "description": "Lower limits than those of the tier.",
                "properties": {
                    "cpuMs": { "type": "integer", "minimum": 0 },
                    "fuel": { "type": "integer", "minimum": 0 },
                    "memoryMb": { "type": "integer", "minimum": 0 },
                    "outputBytes": { "type": "integer", "minimum": 0 },
                    "calls": { "type": "integer", "minimum": 0 },
                },
                "additionalProperties": false,
            },
            "executionId": { "type": "string", "description": "The caller's own id for it, so that it can be cancelled." },
            "cacheKey": { "type": "string", "description": "Answer from the result cache, where the same ran under this key." },
            "truncate": { "type": "boolean", "description": "Cut output that is too long rather than fail." },
            "captureConsole": { "type": "boolean", "description": "Collect console lines; true where absent." },
        },
        "additionalProperties": false,
    });
    if let (Route::Execute, Some(Value::Object(properties))) = (route, schema.get_mut("properties")) {
        properties.insert(
            "bindings".to_owned(),
            json!({
                "type": "array",
                "items": { "type": "string" },
                "description": "Services that the code gets; all that the tier has where absent.",
            }),
        );
        properties.insert(
            "captureFetch".to_owned(),
            json!({ "type": "boolean", "description": "Answer with the requests that the code made." }),
        );
        properties.insert("props".to_owned(), json!({ "description": "Any JSON; the code sees it as `ctx.props`." }));
    }
    schema
}

/// What is answered.
pub fn response() -> Value {
    json!({
        "type": "object",
        "properties": {
            "success": { "type": "boolean", "description": "Did the code finish without throwing and within its limits?" },
            "result": { "description": "What it returned, as JSON." },
            "response": {
                "type": "object",
                "description": "Where it returned a Response.",
                "properties": { "status": { "type": "integer" }, "headers": { "type": "object" } },
            },
            "error": {
                "type": "object",
                "properties": {
                    "name": { "type": "string" },
                    "message": { "type": "string" },
                    "stack": { "type": "string" },
                    "line": { "type": "integer" },
                    "column": { "type": "integer" },
                    "code": { "type": "string", "description": "Which limit ended it." },
                },
                "required": ["name", "message"],
            },
            "logs": { "type": "array", "items": { "type": "string" } },
            "truncated": { "type": "boolean" },
            "requests": { "type": "array", "items": { "type": "object" } },
            "executionTime": { "type": "number", "description": "Milliseconds." },
            "executionId": { "type": "string" },
            "cacheHit": { "type": "boolean" },
            "usage": { "type": "object" },
        },
        "required": ["success", "logs", "executionTime", "executionId", "usage"],
    })
}
