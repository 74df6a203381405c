//! What the files say, as values: whoever answers components reads it here, and so does whoever prints the files.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::{
    super::interface::{Interface as Contract, NamedType, referred},
    names::kebab,
};
use crate::service::{Method, Service};

type Members = Map<String, Value>;

/// One service.
#[derive(Debug, Clone, PartialEq)]
pub struct Interface {
    /// Which.
    pub service: Service,
    /// Its methods, in the order of the contract.
    pub functions: Vec<Function>,
    /// The types that they name.
    pub types: Vec<Named>,
}

/// One method.
#[derive(Debug, Clone)]
pub struct Function {
    /// Its name in WIT.
    pub name: String,
    /// What it calls.
    pub method: &'static Method,
    /// Its parameters.
    pub parameters: Vec<Field>,
    /// What it gives, where it gives no error.
    pub result: Type,
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        (self.method.path(), &self.parameters, &self.result) == (other.method.path(), &other.parameters, &other.result)
    }
}

/// A parameter, or a member of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name in WIT.
    pub name: String,
    /// Its name in JSON.
    pub json: String,
    /// What is said of it.
    pub docs: String,
    /// What it is; what need not be there is an option.
    pub r#type: Type,
}

/// A type with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Its name in WIT.
    pub name: String,
    /// What is said of it.
    pub docs: String,
    /// What it is.
    pub definition: Definition,
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Definition {
    /// An object.
    Record(Vec<Field>),
    /// One of several words.
    Enum(Vec<Case>),
    /// One of several things, and how JSON tells which.
    Variant(Tag, Vec<Case>),
    /// Another type.
    Alias(Type),
}

/// How JSON tells which of several things something is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tag {
    /// It is the only member of an object, under its name.
    Outside,
    /// A member of that name says it, beside its own.
    Inside(String),
}

/// One of several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Its name in WIT.
    pub name: String,
    /// Its name in JSON.
    pub json: String,
    /// What is said of it.
    pub docs: String,
    /// What it carries, in a variant.
    pub payload: Option<Type>,
}

/// What something is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// A boolean, a number or a text, by WIT's name for it.
    Primitive(&'static str),
    /// Any JSON, as text.
    Json,
    /// It, or nothing: `null` or absent in JSON.
    Option(Box<Self>),
    /// An array.
    List(Box<Self>),
    /// An array in WIT; JSON takes one by itself, too.
    OneOrMany(Box<Self>),
    /// An object with any members: pairs of name and value.
    Map(Box<Self>),
    /// An array of so many.
    Tuple(Vec<Self>),
    /// A type of the interface.
    Named(String),
}

/// All services, in their usual order.
pub fn interfaces() -> &'static [Interface] {
    static ALL: LazyLock<Vec<Interface>> = LazyLock::new(|| Service::ALL.into_iter().map(Interface::of).collect());
    &ALL
}

impl Interface {
    fn of(service: Service) -> Self {
        let contract = Contract::of(service);
        let functions = contract.signatures.iter().map(|signature| {
            let parameters = signature.method.parameters.iter().zip(&signature.parameters);
            let field = |name: &str, schema, required| Field::of(name, schema, required);
            Function {
                name: kebab(signature.method.name),
                method: signature.method,
                parameters: parameters
                    .map(|(parameter, schema)| field(&parameter.name, schema, parameter.required))
                    .collect(),
                result: Type::of(&signature.result),
            }
        });
        let functions = functions.collect();
        Self { service, functions, types: contract.types.iter().flat_map(Named::of).collect() }
    }

    /// The type of that name.
    pub fn named(&self, name: &str) -> Option<&Named> {
        self.types.iter().find(|named| named.name == name)
    }
}

impl Field {
    fn of(name: &str, schema: &Value, required: bool) -> Self {
        let r#type = Type::of(schema);
        let is_option = required || matches!(r#type, Type::Option(_));
        let r#type = if is_option { r#type } else { Type::Option(Box::new(r#type)) };
        Self { name: kebab(name), json: name.to_owned(), docs: description(schema), r#type }
    }
}

impl Named {
    /// The type, and those of its cases before it.
    fn of(named: &NamedType) -> Vec<Self> {
        let name = kebab(&named.name);
        let mut cases = Vec::new();
        let definition = Definition::of(&name, &named.schema, &mut cases);
        cases.push(Self { name, docs: description(&named.schema), definition });
        cases
    }
}

impl Definition {
    /// Types that its cases need are put into `others`.
    fn of(name: &str, schema: &Value, others: &mut Vec<Named>) -> Self {
        let alias = || Self::Alias(Type::of(schema));
        let Some(members) = schema.as_object() else { return alias() };
        if let Some(words) = list(members, "enum") {
            return Self::Enum(words.iter().filter_map(|word| Case::word(word, "")).collect());
        }
        if let Some(alternatives) = list(members, "oneOf").filter(|_| !members.contains_key("properties")) {
            return Self::alternatives(name, alternatives, others).unwrap_or_else(alias);
        }
        let closed = !members.get("additionalProperties").is_some_and(|others| *others != Value::Bool(false));
        if members.contains_key("properties") && closed && !members.contains_key("oneOf") {
            return Self::Record(fields(members, None));
        }
        alias()
    }

    fn alternatives(name: &str, alternatives: &[Value], others: &mut Vec<Named>) -> Option<Self> {
        let words: Option<Vec<Case>> =
            alternatives.iter().map(|one| Case::word(one.get("const")?, &description(one))).collect();
        if let Some(words) = words {
            return Some(Self::Enum(words));
        }
        let objects: Option<Vec<&Members>> =
            alternatives.iter().map(|one| one.as_object().filter(|one| one.contains_key("properties"))).collect();
        let objects = objects?;
        if objects.iter().all(|object| fields(object, None).len() == 1) {
            let cases =
                objects.iter().flat_map(|object| fields(object, None).into_iter().map(move |field| (object, field)));
            let case = |(object, field): (&&Members, Field)| Case {
                name: field.name,
                json: field.json,
                docs: description(&Value::Object((*object).clone())),
                payload: Some(field.r#type),
            };
            return Some(Self::Variant(Tag::Outside, cases.map(case).collect()));
        }
        let tag = objects.first()?.get("properties")?.as_object()?;
        let tag = tag.iter().find(|(_, schema)| schema.get("const").is_some()).map(|(name, _)| name.clone())?;
        let mut cases = Vec::new();
        for object in objects {
            let json = object.get("properties")?.get(&tag)?.get("const")?.as_str()?.to_owned();
            let docs = description(&Value::Object(object.clone()));
            let members = fields(object, Some(&tag));
            let payload = (!members.is_empty()).then(|| format!("{name}-{}", kebab(&json)));
            if let Some(name) = &payload {
                let (name, docs) = (name.clone(), docs.clone());
                others.push(Named { name, docs, definition: Self::Record(members) });
            }
            cases.push(Case { name: kebab(&json), json, docs, payload: payload.map(Type::Named) });
        }
        Some(Self::Variant(Tag::Inside(tag), cases))
    }
}

impl Case {
    fn word(word: &Value, docs: &str) -> Option<Self> {
        let json = word.as_str()?.to_owned();
        Some(Self { name: kebab(&json), json, docs: docs.to_owned(), payload: None })
    }
}

impl Type {
    fn of(schema: &Value) -> Self {
        let Some(members) = schema.as_object() else { return Self::Json };
        if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
            return Self::Named(kebab(referred(reference)));
        }
        if let Some(alternatives) = list(members, "anyOf").or_else(|| list(members, "oneOf")) {
            return Self::alternatives(alternatives);
        }
        match members.get("type") {
            Some(Value::String(name)) => Self::of_type(name, members),
            Some(Value::Array(names)) => match names.iter().filter_map(Value::as_str).collect::<Vec<_>>().as_slice() {
                [name, "null"] | ["null", name] => Self::Option(Box::new(Self::of_type(name, members))),
                _ => Self::Json,
            },
            _ => Self::Json,
        }
    }

    fn alternatives(alternatives: &[Value]) -> Self {
        let is_null = |schema: &&Value| schema.get("type").is_some_and(|name| name == "null");
        let things: Vec<Self> = alternatives.iter().filter(|one| !is_null(one)).map(Self::of).collect();
        let nullable = things.len() < alternatives.len();
        let thing = match things.as_slice() {
            [thing] => thing.clone(),
            [one, Self::List(item)] if *one == **item => Self::OneOrMany(item.clone()),
            _ => return Self::Json,
        };
        if nullable { Self::Option(Box::new(thing)) } else { thing }
    }

    fn of_type(name: &str, members: &Members) -> Self {
        match name {
            "string" => Self::Primitive("string"),
            "boolean" => Self::Primitive("bool"),
            "number" => Self::Primitive("f64"),
            "integer" => Self::Primitive(integer(members)),
            "array" => match (list(members, "prefixItems"), members.get("items")) {
                (Some(places), _) => Self::Tuple(places.iter().map(Self::of).collect()),
                (None, Some(item)) => Self::List(Box::new(Self::of(item))),
                (None, None) => Self::Json,
            },
            // Values that may be anything are part of the text that the whole object is.
            "object" => match members.get("additionalProperties").map(Self::of) {
                Some(value) if value != Self::Json && !members.contains_key("properties") => Self::Map(Box::new(value)),
                _ => Self::Json,
            },
            _ => Self::Json,
        }
    }
}

fn integer(members: &Members) -> &'static str {
    match members.get("format").and_then(Value::as_str) {
        Some("uint8") => "u8",
        Some("uint16") => "u16",
        Some("uint32") => "u32",
        Some("int8") => "s8",
        Some("int16") => "s16",
        Some("int32") => "s32",
        Some("uint" | "uint64") => "u64",
        _ => "s64",
    }
}

/// The members of an object but for its tag, those first that must be there.
fn fields(members: &Members, tag: Option<&str>) -> Vec<Field> {
    let Some(properties) = members.get("properties").and_then(Value::as_object) else { return Vec::new() };
    let required: Vec<&str> = list(members, "required").into_iter().flatten().filter_map(Value::as_str).collect();
    let others = properties.keys().map(String::as_str).filter(|name| !required.contains(name));
    let names = required.iter().copied().chain(others).filter(|name| Some(*name) != tag);
    names
        .filter_map(|name| properties.get(name).map(|schema| Field::of(name, schema, required.contains(&name))))
        .collect()
}

fn description(schema: &Value) -> String {
    schema.get("description").and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn list<'a>(members: &'a Members, key: &str) -> Option<&'a Vec<Value>> {
    members.get(key).and_then(Value::as_array)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(service: Service, name: &str) -> &'static Definition {
        &interfaces()[service as usize].named(name).unwrap().definition
    }

    fn types(fields: &[Field]) -> Vec<(&str, &Type)> {
        fields.iter().map(|field| (&*field.name, &field.r#type)).collect()
    }

    #[test]
    fn every_method_is_a_function_and_every_name_has_a_type() {
        for interface in interfaces() {
            assert_eq!(interface.functions.len(), interface.service.methods().len());
            let mut names: Vec<&str> = interface.types.iter().map(|named| &*named.name).collect();
            names.extend(interface.functions.iter().map(|function| &*function.name));
            names.sort_unstable();
            let count = names.len();
            names.dedup();
            assert_eq!(names.len(), count, "{}: two things of one name", interface.service);
        }
    }

    #[test]
    fn objects_are_records_and_anything_is_json() {
        let text = Type::Primitive("string");
        let Definition::Record(members) = definition(Service::Db, "thing") else { panic!() };
        let number = Type::Primitive("u64");
        assert_eq!(
            types(members),
            [
                ("ns", &text),
                ("id", &text),
                ("type", &Type::Option(Box::new(text.clone()))),
                ("data", &Type::Json),
                ("visibility", &Type::Named("visibility".into())),
                ("created-at", &number),
                ("updated-at", &number),
            ]
        );
        let query = &interfaces()[Service::Db as usize].functions[0];
        let list = Type::Option(Box::new(Type::List(Box::new(Type::Json))));
        assert_eq!(types(&query.parameters), [("sql", &text), ("params", &list)]);
        assert_eq!(query.result, Type::Named("rows".into()));
    }

    #[test]
    fn alternatives_are_variants() {
        let Definition::Variant(Tag::Inside(tag), cases) = definition(Service::Db, "operation") else { panic!() };
        assert_eq!((tag.as_str(), cases[0].name.as_str()), ("op", "upsert"));
        assert_eq!(cases[0].payload, Some(Type::Named("operation-upsert".into())));
        let Definition::Variant(Tag::Outside, cases) = definition(Service::Schedule, "target") else { panic!() };
        let names: Vec<&str> = cases.iter().map(|case| &*case.name).collect();
        assert_eq!(names, ["snippet", "queue", "url"]);
        assert_eq!(
            *definition(Service::Email, "recipients"),
            Definition::Alias(Type::OneOrMany(Box::new(Type::Primitive("string"))))
        );
    }
}
