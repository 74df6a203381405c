//! The parameters of a call, by position or by name, told apart and held against the method's declaration.

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::{Method, ServiceError, members::Members};

/// In options (or beside the named parameters of a method that has none) an internal caller may name the namespace
/// to work in.
const NAMESPACE: &str = "namespace";
const OPTIONS: &str = "options";

/// Parameters, each as JSON text, in the order of the declaration.
#[derive(Debug, Clone)]
pub struct Arguments {
    values: Vec<Option<Box<RawValue>>>,
    /// The namespace that was asked for.
    pub namespace: Option<String>,
}

impl Arguments {
    /// Tells parameters apart: an array holds them by position, an object by name, nothing is none at all. After the
    /// last positional one an object `{"namespace": ...}` may follow where the method has no options of its own.
    ///
    /// # Errors
    /// `invalid_request`, naming the parameter.
    pub fn decode(method: &Method, given: Option<&RawValue>) -> Result<Self, ServiceError> {
        let text = given.map_or("[]", |given| given.get().trim_start());
        let mut arguments = Self { values: vec![None; method.parameters.len()], namespace: None };
        match text.as_bytes().first() {
            Some(b'[') => arguments.take_positional(method, text)?,
            Some(b'{') => arguments.take_named(method, text)?,
            _ if text.trim_end() == "null" => {}
            _ => return Err(ServiceError::invalid("params: must be an array or an object")),
        }
        arguments.take_namespace_of_options(method)?;
        for (parameter, value) in method.parameters.iter().zip(&arguments.values) {
            if parameter.required && value.is_none() {
                return Err(ServiceError::invalid(format!("{}: is required", parameter.name)));
            }
        }
        Ok(arguments)
    }

    /// The parameters as the method's own type.
    ///
    /// # Errors
    /// `invalid_request`, naming what is wrong by its path.
    pub fn read<T: DeserializeOwned>(&self, method: &Method) -> Result<T, ServiceError> {
        let text = self.to_json(method);
        let mut json = serde_json::Deserializer::from_str(&text);
        serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let path = error.path().to_string();
            let message = without_place(&error.into_inner());
            ServiceError::invalid(if path == "." { message } else { format!("{path}: {message}") })
        })
    }

    /// The parameters by name, as one JSON object.
    pub fn to_json(&self, method: &Method) -> String {
        let mut json = String::from("{");
        for (parameter, value) in method.parameters.iter().zip(&self.values) {
            let Some(value) = value else { continue };
            if json.len() > 1 {
                json.push(',');
            }
            json.push('"');
            // Names of ours: nothing in them needs an escape.
            json.push_str(&parameter.name);
            json.push_str("\":");
            json.push_str(value.get());
        }
        json.push('}');
        json
    }

    fn take_positional(&mut self, method: &Method, text: &str) -> Result<(), ServiceError> {
        let values: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| unreadable(&error))?;
        let count = method.parameters.len();
        if values.len() > count {
            let last = values[count..].len() == 1 && !has_options(method);
            if !last {
                return Err(ServiceError::invalid(format!("params: {} takes at most {count}", method.path())));
            }
            let mut rest: Members<'_> = serde_json::from_str(values[count].get()).map_err(|_| no_object())?;
            self.namespace = take_namespace(&mut rest)?;
            if let Some(name) = rest.first() {
                return Err(ServiceError::invalid(format!("options.{name}: unknown option; known: {NAMESPACE}")));
            }
        }
        for (slot, value) in self.values.iter_mut().zip(values) {
            *slot = present(value);
        }
        Ok(())
    }

    fn take_named(&mut self, method: &Method, text: &str) -> Result<(), ServiceError> {
        let mut values: Members<'_> = serde_json::from_str(text).map_err(|error| unreadable(&error))?;
        for (parameter, slot) in method.parameters.iter().zip(&mut self.values) {
            *slot = values.take(&parameter.name).and_then(present);
        }
        self.namespace = take_namespace(&mut values)?;
        match values.first() {
            None => Ok(()),
            Some(name) => {
                let known: Vec<&str> = method.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
                Err(ServiceError::invalid(format!("{name}: unknown parameter; known: {}", known.join(", "))))
            }
        }
    }

    fn take_namespace_of_options(&mut self, method: &Method) -> Result<(), ServiceError> {
        let Some(at) = method.parameters.iter().position(|parameter| parameter.name == OPTIONS) else { return Ok(()) };
        let Some(options) = &self.values[at] else { return Ok(()) };
        let text = options.get();
        if !text.starts_with('{') {
            return Err(no_object());
        }
        // Looked for as text first: nearly no call has it. Escapes may spell it too.
        if !text.contains(NAMESPACE) && !text.contains('\\') {
            return Ok(());
        }
        let mut members: Members<'_> = serde_json::from_str(text).map_err(|error| unreadable_as(OPTIONS, &error))?;
        if let Some(namespace) = take_namespace(&mut members)? {
            self.namespace = Some(namespace);
            let rest = serde_json::value::to_raw_value(&members).map_err(ServiceError::internal)?;
            self.values[at] = Some(rest);
        }
        Ok(())
    }
}

fn has_options(method: &Method) -> bool {
    method.parameters.iter().any(|parameter| parameter.name == OPTIONS)
}

fn take_namespace(members: &mut Members<'_>) -> Result<Option<String>, ServiceError> {
    let Some(value) = members.take(NAMESPACE).and_then(present) else { return Ok(None) };
    serde_json::from_str(value.get())
        .map(Some)
        .map_err(|_| ServiceError::invalid("options.namespace: must be a string"))
}

/// `null` is as good as absent.
fn present(value: &RawValue) -> Option<Box<RawValue>> {
    (value.get() != "null").then(|| value.to_owned())
}

fn no_object() -> ServiceError {
    ServiceError::invalid("options: must be an object")
}

fn unreadable(error: &serde_json::Error) -> ServiceError {
    unreadable_as("params", error)
}

fn unreadable_as(what: &str, error: &serde_json::Error) -> ServiceError {
    ServiceError::invalid(format!("{what}: {}", without_place(error)))
}

/// Lines and columns of a text that the caller never wrote help nobody.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::Service;

    fn decode(service: Service, method: &str, params: &str) -> Result<(Option<String>, String), String> {
        let method = service.method(method).unwrap();
        let params = RawValue::from_string(params.to_owned()).unwrap();
        let arguments = Arguments::decode(method, Some(&params)).map_err(|error| error.message.into_owned())?;
        Ok((arguments.namespace.clone(), arguments.to_json(method)))
    }

    fn send(params: &str) -> Result<(Option<String>, String), String> {
        decode(Service::Queue, "send", params)
    }

    #[test]
    fn a_namespace_is_found_however_it_is_spelt() {
        for name in ["namespace", r"n\u0061mespace", r"\u006eamespac\u0065"] {
            let options = format!(r#"{{"delaySeconds":1,"{name}":"tenant:b"}}"#);
            for params in
                [format!(r#"["jobs",1,{options}]"#), format!(r#"{{"queue":"jobs","message":1,"options":{options}}}"#)]
            {
                let (namespace, rest) = send(&params).unwrap();
                assert_eq!(namespace.as_deref(), Some("tenant:b"), "{params}");
                assert!(rest.ends_with(r#""options":{"delaySeconds":1}}"#), "{rest}");
            }
            let last = format!(r#"["select 1",[],{{"{name}":"tenant:b"}}]"#);
            assert_eq!(decode(Service::Db, "query", &last).unwrap().0.as_deref(), Some("tenant:b"), "{last}");
            let beside = format!(r#"{{"sql":"select 1","{name}":"tenant:b"}}"#);
            assert_eq!(decode(Service::Db, "query", &beside).unwrap().0.as_deref(), Some("tenant:b"), "{beside}");
        }
    }

    #[test]
    fn a_name_counts_once() {
        for (params, name) in [
            (r#"{"queue":"a","queue":"b","message":1}"#, "queue"),
            (r#"{"queue":"a","message":1,"qu\u0065ue":"b"}"#, "queue"),
            (r#"["a",1,{"namespace":"tenant:a","namespace":"tenant:b"}]"#, "namespace"),
            (r#"["a",1,{"namespace":"tenant:a","n\u0061mespace":"tenant:b"}]"#, "namespace"),
        ] {
            let message = send(params).unwrap_err();
            assert!(message.ends_with(&format!(": {name}: is given twice")), "{params}: {message}");
        }
    }

    #[test]
    fn a_list_is_no_options() {
        assert_eq!(send(r#"["a",1,[60]]"#).unwrap_err(), "options: must be an object");
        assert_eq!(decode(Service::Db, "query", r#"["select 1",[],[60]]"#).unwrap_err(), "options: must be an object");
    }
}
