//! What tools and resources give, as callers get it.

use doer_core::service::{
    Code, ServiceError,
    mcp::{Resource, ResourceContent},
};
use rmcp::model::{self, CallToolResult, ContentBlock, ResourceContents};
use serde_json::Value;

use crate::wire;

/// The result of a tool: its structured content, else its text, else (an image, a link) its content as MCP has it.
///
/// # Errors
/// `upstream_error` where the tool says that it failed.
pub(super) fn value(tool: &str, result: CallToolResult) -> Result<Value, ServiceError> {
    let texts: Vec<&str> = result.content.iter().filter_map(text).collect();
    if result.is_error == Some(true) {
        let why = match wire::shorten(&texts.join("\n")) {
            empty if empty.is_empty() => "the tool failed".to_owned(),
            text => text,
        };
        return Err(ServiceError::new(Code::UpstreamError, format!("{tool}: {why}")));
    }
    if !texts.is_empty() && result.structured_content.is_none() {
        return Ok(Value::from(texts.join("\n")));
    }
    match result.structured_content {
        Some(structured) => Ok(structured),
        None if result.content.is_empty() => Ok(Value::Null),
        None => serde_json::to_value(&result.content).map_err(ServiceError::internal),
    }
}

fn text(block: &ContentBlock) -> Option<&str> {
    match block {
        ContentBlock::Text(text) => Some(&text.text),
        _ => None,
    }
}

/// A resource in a list.
pub(super) fn resource(server: &str, resource: model::Resource) -> Resource {
    Resource {
        server: server.to_owned(),
        uri: resource.uri,
        name: resource.name,
        description: resource.description.or(resource.title),
        mime_type: resource.mime_type,
    }
}

/// A part of what a resource consists of. `None` for kinds that came after us.
pub(super) fn content(contents: ResourceContents) -> Option<ResourceContent> {
    match contents {
        ResourceContents::TextResourceContents { uri, mime_type, text, .. } => {
            Some(ResourceContent { uri, mime_type, text: Some(text), blob: None })
        }
        ResourceContents::BlobResourceContents { uri, mime_type, blob, .. } => {
            Some(ResourceContent { uri, mime_type, text: None, blob: Some(blob) })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn result(json: Value) -> Result<Value, ServiceError> {
        value("s.t", serde_json::from_value(json).unwrap())
    }

    #[test]
    fn structured_content_comes_before_text_and_text_before_the_rest() {
        let text = json!([{"type": "text", "text": "{\"a\":"}, {"type": "text", "text": "1}"}]);
        assert_eq!(result(json!({"content": text, "structuredContent": {"a": 1}})), Ok(json!({"a": 1})));
        assert_eq!(result(json!({"content": text})), Ok(json!("{\"a\":\n1}")));
        assert_eq!(result(json!({"content": []})), Ok(Value::Null));
        let image = json!([{"type": "image", "data": "AA==", "mimeType": "image/png"}]);
        assert_eq!(result(json!({"content": image})), Ok(image));
    }

    #[test]
    fn a_tools_failure_says_what_it_says_shortened() {
        let long = "x".repeat(1000);
        let failed = result(json!({"content": [{"type": "text", "text": long}], "isError": true})).unwrap_err();
        assert_eq!((failed.code, failed.message.len()), (Code::UpstreamError, "s.t: ".len() + 303));
        let silent = result(json!({"content": [], "isError": true})).unwrap_err();
        assert_eq!(silent.message, "s.t: the tool failed");
    }
}
