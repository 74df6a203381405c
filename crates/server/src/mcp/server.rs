//! What the server answers to each kind of request. rmcp speaks the protocol.

#![allow(deprecated, reason = "the clients of today know logging, and nothing in its place")]

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, OnceLock},
};

use axum::http::request::Parts;
use doer_core::{describe::typescript, scoped::Grants, service::Service};
use futures_util::FutureExt as _;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, Implementation, ListResourcesResult, ListToolsResult,
        PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, Resource,
        ResourceContents, ServerCapabilities, ServerConfig, SetLevelRequestParams,
    },
    service::RequestContext,
};

use super::{
    Call, code,
    tools::{self, Tool},
};
use crate::{
    app::App,
    http::{
        error::{ApiError, panicked},
        info::VERSION,
    },
};

const TYPES: &str = "doer://types.d.ts";
/// The media type of TypeScript that programs agree on most.
const TYPESCRIPT: &str = "application/typescript";

/// Answers one message.
#[derive(Debug, Clone)]
pub struct Server {
    /// What it answers from.
    pub app: Arc<App>,
}

/// `types.d.ts`, with all services.
pub fn types() -> &'static str {
    static TYPES: OnceLock<String> = OnceLock::new();
    TYPES.get_or_init(|| typescript::declarations(Grants::of(Service::ALL)))
}

fn call(context: &RequestContext<RoleServer>) -> Result<Arc<Call>, ErrorData> {
    let call = context.extensions.get::<Parts>().and_then(|parts| parts.extensions.get::<Arc<Call>>());
    call.cloned().ok_or_else(|| ErrorData::internal_error("Internal error", None))
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().enable_resources().enable_logging().build();
        let mut info = ServerConfig::new(capabilities);
        info.server_info = Implementation::new("doer", VERSION);
        info.instructions = Some(format!(
            "Runs code that nobody need trust, with services it may use. `execute` is the tool for everything that takes \
             more than one call: it takes a program. {TYPES} declares what programs see."
        ));
        info
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let call = call(&context)?;
        Ok(ListToolsResult::with_all_items(tools::of(&self.app, &call.caller)))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let call = call(&context)?;
        let Some(tool) = Tool::named(&request.name) else {
            return Err(ErrorData::invalid_params(format!("Unknown tool: {}", request.name), None));
        };
        let arguments = request.arguments.unwrap_or_default();
        let work = async {
            match tool {
                Tool::Code(route) => code::run(&self.app, &call, route, arguments, &context).await,
                Tool::Method(method) => tools::call(&self.app, &call.caller, method, arguments).await,
            }
        };
        // The transport waits for an answer for as long as the client does, and a panic gives none.
        let result = AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|panic| Err(panicked(&*panic)));
        let id = call.caller.request_id();
        Ok(result.unwrap_or_else(|error| refused(error.logged(id), id)).into())
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let mut resource = Resource::new(TYPES, "types.d.ts");
        resource.description = Some("TypeScript declarations of everything that code sees.".to_owned());
        resource.mime_type = Some(TYPESCRIPT.to_owned());
        Ok(ListResourcesResult::with_all_items(vec![resource]))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        if request.uri != TYPES {
            return Err(ErrorData::resource_not_found(format!("No resource {}", request.uri), None));
        }
        let contents = ResourceContents::TextResourceContents {
            uri: request.uri,
            mime_type: Some(TYPESCRIPT.to_owned()),
            text: types().to_owned(),
            meta: None,
        };
        Ok(ReadResourceResult::new(vec![contents]).into())
    }

    /// Every line is sent, whatever its level: there is no session to remember a level in.
    async fn set_level(&self, _: SetLevelRequestParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        Ok(())
    }
}

/// A refusal as a tool's error: models read those, and not errors of the protocol.
fn refused(error: ApiError, request_id: &str) -> CallToolResult {
    let body = serde_json::to_value(error.body(request_id)).unwrap_or_default();
    let code = body.pointer("/error/code").and_then(serde_json::Value::as_str).unwrap_or_default();
    let mut result = CallToolResult::error(vec![rmcp::model::ContentBlock::text(format!("{code}: {}", error.message))]);
    result.structured_content = Some(body);
    result
}
