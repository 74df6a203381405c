//! The tools: code by two routes, and every method of every service, as far as the caller may use them.

use std::sync::Arc;

use doer_core::{
    describe::{schema, typescript},
    scoped::Grants,
    service::{Effect, Method, Service},
    tier::Tier,
};
use rmcp::model::{self, CallToolResult, ContentBlock, JsonObject, ToolAnnotations};
use serde_json::{Value, json, value::to_raw_value};

use crate::{
    admission::Counted,
    app::App,
    auth::{Caller, MayExecute},
    execute::{self, Route},
    http::{error::ApiError, rpc},
};

const EXECUTE: &str = "execute";
const EVAL: &str = "eval";

/// One tool.
#[derive(Debug, Clone, Copy)]
pub enum Tool {
    /// `execute` or `eval`.
    Code(Route),
    /// `db_query` and the like.
    Method(&'static Method),
}

impl Tool {
    /// The tool of that name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            EXECUTE => Some(Self::Code(Route::Execute)),
            EVAL => Some(Self::Code(Route::Eval)),
            _ => {
                let (service, method) = name.split_once('_')?;
                Service::from_name(service)?.method(method).map(Self::Method)
            }
        }
    }
}

/// The tools that a caller may use.
pub fn of(app: &App, caller: &Caller) -> Vec<model::Tool> {
    let mut tools = Vec::new();
    if MayExecute::check(caller.clone(), app.config.auth.anonymous_execution).is_ok() && app.runner.sandbox.is_some() {
        tools.extend([Route::Execute, Route::Eval].map(|route| code(route, caller)));
    }
    let allowed = caller.tier.services().iter().filter(|service| caller.require(&format!("rpc:{service}")).is_ok());
    tools.extend(allowed.flat_map(|service| service.methods()).map(|method| service(method, caller.tier)));
    tools
}

fn code(route: Route, caller: &Caller) -> model::Tool {
    let (name, description) = match route {
        Route::Execute => (EXECUTE, describe_execute(caller)),
        Route::Eval => (EVAL, DESCRIBE_EVAL.to_owned()),
    };
    model::Tool::new(name, description, object(execute::schema::request(route)))
}

const DESCRIBE_EVAL: &str = "\
Runs JavaScript or TypeScript that only computes: `code` is the body of an async function with `input` in scope, and its \
`return` gives the result. There are no services, no network and no state.";

fn describe_execute(caller: &Caller) -> String {
    let grants = Grants::of(caller.tier.services().iter().copied());
    format!(
        "Runs JavaScript or TypeScript in a fresh sandbox. `code` is the body of an async function; its `return` gives \
         the result, as JSON. In scope are `input`, `env`, `ctx`, `console`, and the web platform (fetch, URL, crypto, \
         ...). Nothing is kept between runs but by services. Do many things in one program rather than in many calls.\n\n\
         ```ts\n{}```\n",
        typescript::summary(grants)
    )
}

fn service(method: &'static Method, tier: Tier) -> model::Tool {
    let input = match tier {
        Tier::Internal => schema::input_in_namespace(method),
        Tier::Tenant | Tier::Public => schema::input(method),
    };
    let docs: Vec<&str> = method.docs.lines().map(str::trim).collect();
    let mut tool = model::Tool::new(method.flat_name(), docs.join("\n"), Arc::new(input));
    tool.output_schema = Some(object(answer(method)));
    tool.annotations = Some(ToolAnnotations::new().read_only(method.effect == Effect::Read));
    tool
}

/// The body of an answer, refusals too: clients hold those against it as well.
fn answer(method: &Method) -> Value {
    let text = json!({ "type": "string" });
    json!({
        "type": "object",
        "properties": {
            "success": { "type": "boolean" },
            "result": schema::result(method),
            "error": { "type": "object", "properties": { "code": text, "message": text, "requestId": text } },
        },
        "required": ["success"],
    })
}

fn object(schema: Value) -> Arc<JsonObject> {
    match schema {
        Value::Object(members) => Arc::new(members),
        _ => Arc::default(),
    }
}

/// Calls a method, as `POST /rpc/{service}/{method}` does: its body is the structured content.
///
/// # Errors
/// Those of the route.
pub async fn call(
    app: &App,
    caller: &Caller,
    method: &'static Method,
    arguments: JsonObject,
) -> Result<CallToolResult, ApiError> {
    let rates = app.runner.allowances.of(caller).rates;
    app.runner.admission.count(caller, &rates, Counted::Calls(1))?;
    let method = rpc::authorised(caller, method.service.name(), method.name)?;
    let arguments = to_raw_value(&arguments).map_err(|error| ApiError::internal(&error))?;
    let result = rpc::services(app, caller).dispatch(method, Some(&arguments)).await?;
    // The protocol wants it as values, which are read only so deep.
    let values: Value = serde_json::from_str(result.get()).map_err(|_| {
        ApiError::invalid("the result is nested too deeply for a tool; POST /rpc gives results as they are")
    })?;
    let mut answer = CallToolResult::success(vec![ContentBlock::text(result.get())]);
    answer.structured_content = Some(json!({ "success": true, "result": values }));
    Ok(answer)
}
