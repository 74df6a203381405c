//! Values of components as JSON and back, by the types of `doer:platform`.

use std::collections::BTreeMap;

use doer_core::describe::wit::{Case, Definition, Field, Interface, Tag, Type};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use wasmtime::component::Val;

use crate::guest::module::json;

/// Why values are not what a method takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mismatch {
    /// What is to be JSON is none: the member's name.
    Json(String),
    /// The component was built with other types.
    Type,
}

/// Parameters by name, as one JSON object. What is not given is left out.
///
/// # Errors
/// What does not fit.
pub(super) fn to_json(interface: &Interface, fields: &[Field], values: &[Val]) -> Result<Box<RawValue>, Mismatch> {
    if fields.len() != values.len() {
        return Err(Mismatch::Type);
    }
    let mut json = Writer { interface, text: String::new() };
    json.members(fields, values.iter(), None)?;
    RawValue::from_string(json.text).map_err(|_| Mismatch::Type)
}

struct Writer<'a> {
    interface: &'a Interface,
    text: String,
}

impl Writer<'_> {
    /// An object, with the tag that says which case it is.
    fn members<'v>(
        &mut self,
        fields: &[Field],
        values: impl Iterator<Item = &'v Val>,
        tag: Option<(&str, &str)>,
    ) -> Result<(), Mismatch> {
        self.text.push('{');
        if let Some((tag, case)) = tag {
            self.name(tag)?;
            self.string(case)?;
        }
        for (field, value) in fields.iter().zip(values) {
            if matches!(value, Val::Option(None)) {
                continue;
            }
            self.name(&field.json)?;
            self.value(&field.r#type, value, &field.json)?;
        }
        self.text.push('}');
        Ok(())
    }

    /// A member's name, after a comma where it is not the first.
    fn name(&mut self, name: &str) -> Result<(), Mismatch> {
        if !self.text.ends_with('{') {
            self.text.push(',');
        }
        self.string(name)?;
        self.text.push(':');
        Ok(())
    }

    fn string(&mut self, text: &str) -> Result<(), Mismatch> {
        self.text.push_str(&serde_json::to_string(text).map_err(|_| Mismatch::Type)?);
        Ok(())
    }

    /// `name` is the member that it belongs to.
    fn value(&mut self, r#type: &Type, value: &Val, name: &str) -> Result<(), Mismatch> {
        match (r#type, value) {
            (Type::Json, Val::String(text)) => {
                let text = json::value(text).ok_or_else(|| Mismatch::Json(name.to_owned()))?;
                self.text.push_str(text);
                Ok(())
            }
            (Type::Primitive(_), Val::String(text)) => self.string(text),
            (Type::Primitive(_), number) => {
                let text = match number {
                    Val::Bool(value) => value.to_string(),
                    Val::U8(value) => value.to_string(),
                    Val::U16(value) => value.to_string(),
                    Val::U32(value) => value.to_string(),
                    Val::U64(value) => value.to_string(),
                    Val::S8(value) => value.to_string(),
                    Val::S16(value) => value.to_string(),
                    Val::S32(value) => value.to_string(),
                    Val::S64(value) => value.to_string(),
                    // JSON has no infinity, and nothing that is no number.
                    Val::Float64(value) if value.is_finite() => value.to_string(),
                    Val::Float64(_) => "null".to_owned(),
                    _ => return Err(Mismatch::Type),
                };
                self.text.push_str(&text);
                Ok(())
            }
            (Type::Option(_), Val::Option(None)) => {
                self.text.push_str("null");
                Ok(())
            }
            (Type::Option(inner), Val::Option(Some(value))) => self.value(inner, value, name),
            (Type::List(item) | Type::OneOrMany(item), Val::List(items)) => {
                self.items(items.iter().map(|value| (&**item, value)), name)
            }
            (Type::Tuple(types), Val::Tuple(values)) if types.len() == values.len() => {
                self.items(types.iter().zip(values), name)
            }
            (Type::Map(of), Val::List(pairs)) => {
                self.text.push('{');
                for pair in pairs {
                    let Val::Tuple(pair) = pair else { return Err(Mismatch::Type) };
                    let [Val::String(key), value] = pair.as_slice() else { return Err(Mismatch::Type) };
                    self.name(key)?;
                    self.value(of, value, name)?;
                }
                self.text.push('}');
                Ok(())
            }
            (Type::Named(named), value) => {
                let named = self.interface.named(named).ok_or(Mismatch::Type)?;
                self.defined(&named.definition, value, name)
            }
            _ => Err(Mismatch::Type),
        }
    }

    fn items<'v>(&mut self, items: impl Iterator<Item = (&'v Type, &'v Val)>, name: &str) -> Result<(), Mismatch> {
        self.text.push('[');
        for (place, (of, value)) in items.enumerate() {
            if place > 0 {
                self.text.push(',');
            }
            self.value(of, value, name)?;
        }
        self.text.push(']');
        Ok(())
    }

    fn defined(&mut self, definition: &Definition, value: &Val, name: &str) -> Result<(), Mismatch> {
        match (definition, value) {
            (Definition::Alias(other), value) => self.value(other, value, name),
            (Definition::Record(fields), value) => self.record(fields, value, None),
            (Definition::Enum(cases), Val::Enum(word)) => self.string(&case(cases, word)?.json),
            (Definition::Variant(tag, cases), Val::Variant(which, payload)) => {
                let case = case(cases, which)?;
                match (tag, &case.payload, payload) {
                    (Tag::Outside, Some(of), Some(payload)) => {
                        self.text.push('{');
                        self.name(&case.json)?;
                        self.value(of, payload, &case.json)?;
                        self.text.push('}');
                        Ok(())
                    }
                    (Tag::Inside(tag), Some(Type::Named(of)), Some(payload)) => {
                        let fields = match self.interface.named(of).map(|named| &named.definition) {
                            Some(Definition::Record(fields)) => fields,
                            _ => return Err(Mismatch::Type),
                        };
                        self.record(fields, payload, Some((tag, &case.json)))
                    }
                    (Tag::Inside(tag), None, None) => self.members(&[], [].into_iter(), Some((tag, &case.json))),
                    _ => Err(Mismatch::Type),
                }
            }
            _ => Err(Mismatch::Type),
        }
    }

    fn record(&mut self, fields: &[Field], value: &Val, tag: Option<(&str, &str)>) -> Result<(), Mismatch> {
        let Val::Record(values) = value else { return Err(Mismatch::Type) };
        let fits = fields.len() == values.len() && fields.iter().zip(values).all(|(f, (name, _))| f.name == *name);
        if !fits {
            return Err(Mismatch::Type);
        }
        self.members(fields, values.iter().map(|(_, value)| value), tag)
    }
}

fn case<'a>(cases: &'a [Case], name: &str) -> Result<&'a Case, Mismatch> {
    cases.iter().find(|case| case.name == name).ok_or(Mismatch::Type)
}

/// The value that `text` is, as `r#type` has it; nothing where it is something else.
pub(super) fn given(interface: &Interface, r#type: &Type, text: &str) -> Option<Val> {
    Some(match r#type {
        Type::Json => Val::String(text.to_owned()),
        Type::Primitive(name) => match *name {
            "string" => Val::String(read(text)?),
            "bool" => Val::Bool(read(text)?),
            "u8" => Val::U8(read(text)?),
            "u16" => Val::U16(read(text)?),
            "u32" => Val::U32(read(text)?),
            "u64" => Val::U64(read(text)?),
            "s8" => Val::S8(read(text)?),
            "s16" => Val::S16(read(text)?),
            "s32" => Val::S32(read(text)?),
            "s64" => Val::S64(read(text)?),
            "f64" => Val::Float64(read(text)?),
            _ => return None,
        },
        Type::Option(_) if is_null(text) => Val::Option(None),
        Type::Option(inner) => Val::Option(Some(Box::new(given(interface, inner, text)?))),
        Type::List(item) | Type::OneOrMany(item) => {
            let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
            Val::List(items.into_iter().map(|one| given(interface, item, one.get())).collect::<Option<_>>()?)
        }
        Type::Tuple(types) => {
            let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
            let items = types.iter().zip(items).map(|(of, one)| given(interface, of, one.get()));
            Val::Tuple(items.collect::<Option<_>>()?)
        }
        Type::Map(of) => {
            let pairs: BTreeMap<String, &RawValue> = serde_json::from_str(text).ok()?;
            let pair = |(name, value): (String, &RawValue)| {
                Some(Val::Tuple(vec![Val::String(name), given(interface, of, value.get())?]))
            };
            Val::List(pairs.into_iter().map(pair).collect::<Option<_>>()?)
        }
        Type::Named(name) => defined(interface, &interface.named(name)?.definition, text)?,
    })
}

fn defined(interface: &Interface, definition: &Definition, text: &str) -> Option<Val> {
    Some(match definition {
        Definition::Alias(other) => given(interface, other, text)?,
        Definition::Record(fields) => record(interface, fields, text)?,
        Definition::Enum(cases) => {
            let word: String = read(text)?;
            Val::Enum(cases.iter().find(|case| case.json == word)?.name.clone())
        }
        Definition::Variant(tag, cases) => {
            let members: BTreeMap<String, &RawValue> = serde_json::from_str(text).ok()?;
            let (case, payload) = match tag {
                Tag::Outside => {
                    let (name, payload) = members.into_iter().next()?;
                    (cases.iter().find(|case| case.json == name)?, payload.get())
                }
                Tag::Inside(tag) => {
                    let name: String = read(members.get(tag)?.get())?;
                    (cases.iter().find(|case| case.json == name)?, text)
                }
            };
            let payload = match &case.payload {
                Some(of) => Some(Box::new(given(interface, of, payload)?)),
                None => None,
            };
            Val::Variant(case.name.clone(), payload)
        }
    })
}

fn record(interface: &Interface, fields: &[Field], text: &str) -> Option<Val> {
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(text).ok()?;
    let field = |field: &Field| {
        // What is absent is null, and only an option is.
        let text = members.get(&field.json).map_or("null", |value| value.get());
        Some((field.name.clone(), given(interface, &field.r#type, text)?))
    };
    Some(Val::Record(fields.iter().map(field).collect::<Option<_>>()?))
}

fn read<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_str(text).ok()
}

fn is_null(text: &str) -> bool {
    text.trim() == "null"
}

#[cfg(test)]
mod tests {
    use doer_core::{describe::wit::interfaces, service::Service};

    use super::*;

    fn interface(service: Service) -> &'static Interface {
        &interfaces()[service as usize]
    }

    fn text(text: &str) -> Val {
        Val::String(text.to_owned())
    }

    fn some(value: Val) -> Val {
        Val::Option(Some(Box::new(value)))
    }

    /// What a type's value is in JSON, through a value of the component and back.
    fn there_and_back(service: Service, name: &str, json: &str) -> String {
        let interface = interface(service);
        let value = given(interface, &Type::Named(name.to_owned()), json).unwrap_or_else(|| panic!("{name}: {json}"));
        let mut writer = Writer { interface, text: String::new() };
        writer.value(&Type::Named(name.to_owned()), &value, "").unwrap();
        writer.text
    }

    #[test]
    fn parameters_are_an_object_without_what_is_not_given() {
        let db = interface(Service::Db);
        let function = |name: &str| db.functions.iter().find(|function| function.name == name).unwrap();
        let json = |name: &str, values: &[Val]| {
            to_json(db, &function(name).parameters, values).map(|json| json.get().to_owned())
        };
        let values = some(Val::List(vec![text(" 1 "), text("\"a\"")]));
        assert_eq!(
            json("query", &[text("SELECT \"?\""), values]).unwrap(),
            r#"{"sql":"SELECT \"?\"","params":[1,"a"]}"#
        );
        assert_eq!(json("query", &[text("x"), Val::Option(None)]).unwrap(), r#"{"sql":"x"}"#);
        let bad = some(Val::List(vec![text("1"), text("nonsense")]));
        assert_eq!(json("query", &[text("x"), bad]), Err(Mismatch::Json("params".into())));
        assert_eq!(json("query", &[text("x")]), Err(Mismatch::Type));
        assert_eq!(json("query", &[text("x"), text("y")]), Err(Mismatch::Type));
        let deep = text(&("[".repeat(500) + &"]".repeat(500)));
        let upsert = [text("a"), text("b"), deep, Val::Option(None)];
        assert_eq!(json("upsert", &upsert), Err(Mismatch::Json("data".into())));
    }

    #[test]
    fn every_form_of_type_survives() {
        for (service, name, json) in [
            (Service::Db, "count-options", r#"{"type":"a","visibility":"unlisted"}"#),
            (
                Service::Db,
                "rows",
                r#"{"rows":[{"a": 1}],"columns":["a"],"changes":18446744073709551615,"lastInsertRowid":-1}"#,
            ),
            (Service::Db, "operation", r#"{"op":"delete","ns":"a","id":"b"}"#),
            (Service::Db, "operation", r#"{"op":"upsert","ns":"a","id":"b","data":[1],"visibility":"public"}"#),
            (Service::Schedule, "target", r#"{"url":{"url":"https://a.test/","method":"GET"}}"#),
            (Service::Schedule, "target", r#"{"queue":{"queue":"q","message":{"a":null}}}"#),
            (Service::Gateway, "route-response", r#"{"status":200,"headers":{"a":"b","c":"d"},"body":null}"#),
            (Service::Email, "recipients", r#"["a@b.test"]"#),
            (Service::Webhooks, "sync-status", r#""pull_request""#),
        ] {
            assert_eq!(there_and_back(service, name, json), json);
        }
    }

    #[test]
    fn what_the_contract_does_not_say_is_no_value() {
        let db = interface(Service::Db);
        for (name, json) in
            [("visibility", "\"secret\""), ("thing", "{}"), ("operation", "{\"op\":\"drop\"}"), ("rows", "1")]
        {
            assert_eq!(given(db, &Type::Named(name.to_owned()), json), None, "{name}");
        }
        assert_eq!(given(db, &Type::Primitive("u32"), "-1"), None);
    }
}
