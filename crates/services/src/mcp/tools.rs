//! The tools of a server, each with the schema that its arguments are held against.

use std::{collections::HashMap, sync::OnceLock};

use doer_core::service::{ServiceError, mcp};
use jsonschema::Validator;
use rmcp::model;
use serde_json::Value;

use crate::wire;

/// The tools of a server.
#[derive(Debug)]
pub(super) struct Tools {
    list: Vec<Tool>,
    by_name: HashMap<String, usize>,
}

/// A tool.
#[derive(Debug)]
pub(super) struct Tool {
    tool: model::Tool,
    /// Made when the tool is first called. `None` where the schema is none: the server judges then.
    validator: OnceLock<Option<Validator>>,
}

impl Tools {
    pub(super) fn new(tools: Vec<model::Tool>) -> Self {
        let by_name = tools.iter().enumerate().map(|(number, tool)| (tool.name.to_string(), number)).collect();
        let list = tools.into_iter().map(|tool| Tool { tool, validator: OnceLock::new() }).collect();
        Self { list, by_name }
    }

    pub(super) fn find(&self, name: &str) -> Option<&Tool> {
        self.by_name.get(name).map(|&number| &self.list[number])
    }

    /// As they are told to callers.
    pub(super) fn described(&self, server: &str) -> Vec<mcp::Tool> {
        let described = |Tool { tool, .. }: &Tool| mcp::Tool {
            name: format!("{server}.{}", tool.name),
            description: tool.description.as_deref().or(tool.title.as_deref()).map(str::to_owned),
            input_schema: Value::Object((*tool.input_schema).clone()),
        };
        self.list.iter().map(described).collect()
    }
}

impl Tool {
    /// Are these arguments what the tool takes?
    ///
    /// # Errors
    /// `invalid_request`, naming the argument by its path.
    pub(super) fn check(&self, arguments: &Value) -> Result<(), ServiceError> {
        let Some(validator) = self.validator.get_or_init(|| self.compile()) else { return Ok(()) };
        validator.validate(arguments).map_err(|error| {
            let path: String = error
                .instance_path()
                .as_str()
                .split('/')
                .skip(1)
                .map(|segment| format!(".{}", unescaped(segment)))
                .collect();
            ServiceError::invalid(format!("args{path}: {}", wire::shorten(&error.to_string())))
        })
    }

    fn compile(&self) -> Option<Validator> {
        let schema = Value::Object((*self.tool.input_schema).clone());
        // A reference to another document is not followed: the crate has no way to fetch one here.
        jsonschema::options()
            .build(&schema)
            .inspect_err(|error| {
                let problem = wire::shorten(&error.to_string());
                tracing::warn!(tool = %self.tool.name, problem, "the schema of an MCP tool cannot be used");
            })
            .ok()
    }
}

/// A segment of a JSON pointer as it was.
fn unescaped(segment: &str) -> String {
    segment.replace("~1", "/").replace("~0", "~")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tool(schema: Value) -> Tools {
        let schema = schema.as_object().unwrap().clone();
        Tools::new(vec![model::Tool::new("t", "does it", schema)])
    }

    #[test]
    fn arguments_are_named_by_their_path() {
        let tools = tool(json!({
            "type": "object",
            "properties": {"a": {"type": "object", "properties": {"b/c": {"type": "array", "items": {"type": "number"}}}}},
            "required": ["a"],
            "additionalProperties": false,
        }));
        let check = |arguments| tools.find("t").unwrap().check(&arguments);
        assert_eq!(check(json!({"a": {"b/c": [1, 2]}})), Ok(()));
        let message = |arguments| check(arguments).unwrap_err().message.into_owned();
        assert_eq!(message(json!({"a": {"b/c": [1, "x"]}})), r#"args.a.b/c.1: "x" is not of type "number""#);
        assert_eq!(message(json!({})), r#"args: "a" is a required property"#);
        assert!(message(json!({"a": {}, "z": 1})).starts_with("args: Additional properties are not allowed"));
    }

    #[test]
    fn a_schema_that_is_none_leaves_it_to_the_server() {
        let tools = tool(json!({"type": "nonsense"}));
        assert_eq!(tools.find("t").unwrap().check(&json!({"x": 1})), Ok(()));
        let elsewhere = tool(json!({"$ref": "https://a.example/schema.json"}));
        assert_eq!(elsewhere.find("t").unwrap().check(&json!({"x": 1})), Ok(()));
    }
}
