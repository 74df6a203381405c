//! A service as programs see it: its methods, and the named types that those speak of.
//!
//! Every service has a generator of schemas to itself. Types of two services may have one name (`SendOptions` of mail
//! and of queues), and what is made from them keeps them apart by the service.

use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::Value;

use crate::service::{Method, Service};

const DEFINITIONS: &str = "#/$defs/";
const OPTIONS: &str = "options";

/// A service's methods and types.
#[derive(Debug, Clone, PartialEq)]
pub struct Interface {
    /// Which service.
    pub service: Service,
    /// Its methods, in the order of the contract.
    pub signatures: Vec<Signature>,
    /// The types that the methods name, each before those that it names itself, in the order of the methods.
    pub types: Vec<NamedType>,
}

/// A method with the schemas of what goes in and what comes out. They refer to named types as `#/$defs/<name>`.
#[derive(Debug, Clone)]
pub struct Signature {
    /// The method.
    pub method: &'static Method,
    /// One schema for each of the method's parameters.
    pub parameters: Vec<Value>,
    /// The schema of the result.
    pub result: Value,
}

impl PartialEq for Signature {
    fn eq(&self, other: &Self) -> bool {
        (self.method.path(), &self.parameters, &self.result) == (other.method.path(), &other.parameters, &other.result)
    }
}

/// A type with a name, which no other type of its service has.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedType {
    /// The name.
    pub name: String,
    /// What it is.
    pub schema: Value,
    /// Do results consist of it, be it parameters too?
    pub of_results: bool,
    /// Is it a method's `options`?
    pub of_options: bool,
}

impl Interface {
    /// What a service has.
    pub fn of(service: Service) -> Self {
        let mut given = SchemaSettings::draft2020_12().for_deserialize().into_generator();
        let mut made = SchemaSettings::draft2020_12().for_serialize().into_generator();
        let signatures: Vec<Signature> =
            service.methods().iter().map(|method| Signature::of(method, &mut given, &mut made)).collect();
        let mut types = Types { given, made, named: Vec::new() };
        for signature in &signatures {
            for (parameter, schema) in signature.method.parameters.iter().zip(&signature.parameters) {
                types.name(schema, parameter.name == OPTIONS);
            }
            types.name(&signature.result, false);
        }
        let mut named = types.named;
        for signature in &signatures {
            mark_results(&signature.result, &mut named);
        }
        Self { service, signatures, types: named }
    }
}

impl Signature {
    fn of(method: &'static Method, given: &mut SchemaGenerator, made: &mut SchemaGenerator) -> Self {
        let input = (method.input)(given).to_value();
        let schema = |name: &str| input.pointer(&format!("/properties/{name}")).cloned().unwrap_or(Value::Bool(true));
        Self {
            method,
            parameters: method.parameters.iter().map(|parameter| schema(&parameter.name)).collect(),
            result: (method.output)(made).to_value(),
        }
    }
}

/// The types that were named so far, and where those that are named next are found.
struct Types {
    given: SchemaGenerator,
    made: SchemaGenerator,
    named: Vec<NamedType>,
}

impl Types {
    /// Takes up what `schema` names, and what that names in turn.
    fn name(&mut self, schema: &Value, of_options: bool) {
        for name in references(schema) {
            if self.named.iter().any(|known| known.name == name) {
                continue;
            }
            let found = self.given.definitions().get(name).or_else(|| self.made.definitions().get(name));
            let schema = found.cloned().unwrap_or(Value::Bool(true));
            self.named.push(NamedType { name: name.to_owned(), schema: schema.clone(), of_results: false, of_options });
            self.name(&schema, false);
        }
    }
}

fn mark_results(schema: &Value, named: &mut [NamedType]) {
    for name in references(schema) {
        let found = named.iter_mut().find(|known| known.name == name && !known.of_results);
        let Some(found) = found else { continue };
        found.of_results = true;
        let schema = found.schema.clone();
        mark_results(&schema, named);
    }
}

/// The name at the end of a reference.
pub fn referred(reference: &str) -> &str {
    reference.strip_prefix(DEFINITIONS).unwrap_or(reference)
}

/// Names of the types that a schema refers to.
fn references(schema: &Value) -> Vec<&str> {
    match schema {
        Value::Object(members) => members
            .iter()
            .flat_map(|(key, member)| match member {
                Value::String(reference) if key == "$ref" => vec![referred(reference)],
                member => references(member),
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_type_is_the_same_whether_it_goes_in_or_comes_out() {
        for service in Service::ALL {
            let mut given = SchemaSettings::draft2020_12().for_deserialize().into_generator();
            let mut made = SchemaSettings::draft2020_12().for_serialize().into_generator();
            for method in service.methods() {
                Signature::of(method, &mut given, &mut made);
            }
            for (name, schema) in given.definitions() {
                let other = made.definitions().get(name);
                assert!(other.is_none_or(|other| other == schema), "{service}: {name} differs; give it two names");
            }
        }
    }

    #[test]
    fn every_reference_has_a_type_and_every_type_its_own_name() {
        for service in Service::ALL {
            let interface = Interface::of(service);
            let names: BTreeSet<&str> = interface.types.iter().map(|named| &*named.name).collect();
            assert_eq!(names.len(), interface.types.len(), "{service}");
            let schemas = interface.types.iter().map(|named| &named.schema);
            let used = interface
                .signatures
                .iter()
                .flat_map(|signature| signature.parameters.iter().chain([&signature.result]).collect::<Vec<_>>());
            for name in schemas.chain(used).flat_map(references) {
                assert!(names.contains(name), "{service}: {name}");
            }
            // schemars numbers types of one name; two of one service need names of their own.
            for name in names {
                assert!(!name.ends_with(|last: char| last.is_ascii_digit()), "{service}: {name}");
            }
        }
    }

    #[test]
    fn types_know_what_they_are_for() {
        let webhooks = Interface::of(Service::Webhooks);
        let of = |name: &str| {
            let found = webhooks.types.iter().find(|named| named.name == name);
            found.map(|named| (named.of_results, named.of_options))
        };
        assert_eq!(of("NewSource"), Some((false, false)));
        assert_eq!(of("GitHubOptions"), Some((false, true)));
        assert_eq!(of("Event"), Some((true, false)));
        assert_eq!(of("Snippet"), Some((true, false)), "through a source's target");
        assert_eq!(of("EventPage"), Some((true, false)));
        assert_eq!(of("Page"), None);
    }

    #[test]
    fn required_parameters_come_first() {
        for method in Service::ALL.into_iter().flat_map(Service::methods) {
            let mut optional = method.parameters.iter().skip_while(|parameter| parameter.required);
            assert!(optional.all(|parameter| !parameter.required), "{}", method.path());
        }
    }
}
