//! Methods as JSON Schema, each on its own: nothing in it refers to anything outside, or to definitions.

use schemars::{Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::service::Method;

/// The parameters of a method by name, as one object.
pub fn input(method: &Method) -> Map<String, Value> {
    let mut schema = standalone(SchemaSettings::draft2020_12().for_deserialize(), method.input);
    let members = schema.as_object_mut().map(std::mem::take).unwrap_or_default();
    // The docs of the parameters' type speak of Rust. Some programs want `properties` even where there are none.
    let mut members: Map<String, Value> = members.into_iter().filter(|(key, _)| key != "description").collect();
    members.entry("properties").or_insert_with(|| json!({}));
    members
}

/// The same, for those who may name the namespace to work in.
pub fn input_in_namespace(method: &Method) -> Map<String, Value> {
    let mut schema = input(method);
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        let description = "The namespace to work in: `*`, `tenant:<id>` or `user:<id>`; the caller's own where absent.";
        properties.insert("namespace".to_owned(), json!({ "type": "string", "description": description }));
    }
    schema
}

/// The result of a method. Anything at all is `{}` rather than `true`: clients of MCP want objects.
pub fn result(method: &Method) -> Value {
    match standalone(SchemaSettings::draft2020_12().for_serialize(), method.output) {
        Value::Bool(true) => json!({}),
        schema => schema,
    }
}

fn standalone(settings: SchemaSettings, make: fn(&mut SchemaGenerator) -> Schema) -> Value {
    let mut generator = settings.with(|settings| settings.inline_subschemas = true).into_generator();
    let mut schema = make(&mut generator).to_value();
    tidy(&mut schema);
    schema
}

/// Takes out what only Rust knows: formats like `uint32`, which validators warn about, and `null` as the default of
/// what need not be there.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            let is_number = members.get("type").is_some_and(is_number);
            members.retain(|key, member| !(key == "format" && is_number || key == "default" && member.is_null()));
            members.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

fn is_number(r#type: &Value) -> bool {
    match r#type {
        Value::Array(types) => types.iter().any(is_number),
        name => name == "integer" || name == "number",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::Service;

    fn of(service: Service, name: &str) -> &'static Method {
        service.method(name).unwrap()
    }

    /// Without what is said about it: the words are the contract's, and change.
    fn shape(schema: Value) -> Value {
        match schema {
            Value::Object(members) => {
                let shapes = members.into_iter().filter(|(key, member)| key != "description" || !member.is_string());
                shapes.map(|(key, member)| (key, shape(member))).collect()
            }
            other => other,
        }
    }

    #[test]
    fn an_input_is_an_object_that_stands_on_its_own() {
        let schema = input(of(Service::Queue, "retry"));
        let documented = |property: &str| schema["properties"][property]["description"].is_string();
        assert!(documented("ids") && documented("options"));
        assert_eq!(
            shape(Value::Object(schema)),
            json!({
                "type": "object",
                "properties": {
                    "ids": { "type": "array", "items": { "type": "string" } },
                    "options": {
                        "type": ["object", "null"],
                        "properties": { "delaySeconds": { "type": ["integer", "null"], "minimum": 0 } },
                        "additionalProperties": false,
                    },
                },
                "required": ["ids"],
                "additionalProperties": false,
            })
        );
    }

    #[test]
    fn a_method_without_parameters_has_an_empty_object() {
        let expected = json!({ "type": "object", "properties": {}, "additionalProperties": false });
        assert_eq!(Value::Object(input(of(Service::Email, "getTemplates"))), expected);
    }

    #[test]
    fn the_namespace_stands_beside_the_parameters() {
        let schema = input_in_namespace(of(Service::Db, "query"));
        assert_eq!(schema["properties"]["namespace"]["type"], "string");
        assert_eq!(schema["required"], json!(["sql"]));
    }

    #[test]
    fn a_result_is_what_comes_out() {
        assert_eq!(result(of(Service::Db, "count")), json!({ "type": "integer", "minimum": 0 }));
        let thing = result(of(Service::Db, "get"));
        assert_eq!(thing["type"], json!(["object", "null"]));
        assert_eq!(thing["properties"]["visibility"]["oneOf"][0]["const"], "public");
    }

    #[test]
    fn any_json_is_an_object_too() {
        assert_eq!(result(of(Service::Mcp, "callTool")), json!({}));
        for method in Service::ALL.into_iter().flat_map(Service::methods) {
            let properties = input(method)["properties"].clone();
            assert!(properties.as_object().unwrap().values().all(Value::is_object), "{}", method.path());
        }
    }

    #[test]
    fn nothing_refers_to_what_is_elsewhere() {
        for method in Service::ALL.into_iter().flat_map(Service::methods) {
            let text = format!("{}{}", Value::Object(input(method)), result(method));
            for word in ["$ref", "$defs", "[`", "uint"] {
                assert!(!text.contains(word), "{}: {word}", method.path());
            }
        }
    }
}
