//! `mcp`: tools and resources of other MCP servers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Service;

contract! {
    /// A client of the MCP servers that the installation configures: one `server.tool` for each of their tools.
    trait Mcp for Service::Mcp;

    /// The tools of all servers. Of a server that cannot be reached there are none.
    read list_tools = "listTools"(ListTools {}) -> Vec<Tool>;

    /// Calls a tool, after its arguments were checked against its schema. The result is the tool's structured content,
    /// else its text, else (an image, a link) its content as MCP has it.
    write call_tool = "callTool"(CallTool {
        /// `server.tool`.
        tool_name: String,
        /// Arguments of the tool.
        args: Option<Map<String, Value>>,
    }) -> Value, fails with [NotFound, UpstreamError, Timeout];

    /// The resources of all servers.
    read list_resources = "listResources"(ListResources {}) -> Vec<Resource>;

    /// Reads a resource.
    read read_resource = "readResource"(ReadResource {
        /// The server that has it.
        server: String,
        /// Its URI.
        uri: String,
    }) -> Vec<ResourceContent>, fails with [NotFound, UpstreamError, Timeout];
}

/// A tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tool {
    /// `server.tool`.
    pub name: String,
    /// What it does.
    pub description: Option<String>,
    /// JSON Schema of its arguments.
    pub input_schema: Value,
}

/// A resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Resource {
    /// The server that has it.
    pub server: String,
    /// Its URI.
    pub uri: String,
    /// What it is called.
    pub name: String,
    /// What it is.
    pub description: Option<String>,
    /// Its media type.
    pub mime_type: Option<String>,
}

/// What a resource consists of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceContent {
    /// Its URI.
    pub uri: String,
    /// Its media type.
    pub mime_type: Option<String>,
    /// The content, where it is text.
    pub text: Option<String>,
    /// The content in base64, where it is not.
    pub blob: Option<String>,
}
