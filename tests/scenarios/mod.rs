//! The conformance suite of the services, as data: what each method does and how it fails, whatever door it is called
//! through. `tests/cases/services/<service>.json` holds the scenarios; whoever has a [`Door`] can run them.
//!
//! A scenario has a namespace of its own and a list of steps. A step calls a method with named parameters and says what
//! must come of it, to the letter, but for matchers:
//!
//! | matcher | matches |
//! |---|---|
//! | `{"$type": "string"}` | any value of that JSON type |
//! | `{"$contains": "text"}` | a string with that text in it |
//! | `{"$partial": {...}}` | an object with at least those members |
//! | `{"$length": 3}` | an array or string of that length |
//! | `{"$saved": "name"}` | what an earlier step has saved; in parameters too |
//!
//! `{"$fixture": "name"}` in parameters is an address that the surroundings provide; `"{name}"` inside a string stands
//! for what was saved or provided under that name; `"{tenant}"` for the id of the scenario's own tenant.
//!
//! What comes of it is told in a transcript, which two doors can be compared by. What goes on by itself meanwhile, and may
//! have got further through one door than through another, a step names as `moves`: JSON pointers into its result.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use doer_core::service::{Code, Method, Service};
use serde::Deserialize;
use serde_json::{Map, Value};

/// A way to call services.
#[async_trait]
pub trait Door: Sync {
    /// Calls a method in a namespace, with parameters by name.
    async fn call(&self, namespace: &str, method: &'static Method, params: &Map<String, Value>) -> Answer;
}

/// A result, or code and message of an error.
pub type Answer = Result<Value, (String, String)>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    name: String,
    /// `tenant` where absent: the namespace is `tenant:<unique>`.
    steps: Vec<Step>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    call: String,
    #[serde(default)]
    params: Map<String, Value>,
    /// Repeats the call until it gives what is expected, for what happens by itself; ten seconds at most.
    #[serde(default)]
    eventually: bool,
    #[serde(default)]
    result: Option<Value>,
    #[serde(default)]
    error: Option<Failure>,
    /// Name to JSON pointer into the result.
    #[serde(default)]
    save: BTreeMap<String, String>,
    /// JSON pointers into the result, to what is left out of the transcript.
    #[serde(default)]
    moves: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Failure {
    code: Code,
    message: Value,
}

/// What all steps came to, in order.
pub type Transcript = Vec<Told>;

/// What one step came to.
#[derive(Debug)]
pub struct Told {
    /// Which step it is.
    #[allow(dead_code, reason = "for those who compare transcripts")]
    pub place: String,
    /// What it called.
    pub method: &'static Method,
    /// What that gave.
    pub answer: Answer,
}

/// Runs every scenario of a service through `door`. Namespaces are named after `run`, so that two runs never meet.
///
/// # Panics
/// Where an answer is not what the scenario says.
pub async fn run(service: Service, door: &dyn Door, fixtures: &BTreeMap<String, String>, run: &str) -> Transcript {
    let mut transcript = Transcript::new();
    for (number, scenario) in scenarios(service).into_iter().enumerate() {
        let tenant = format!("{run}-{service}-{number}");
        let namespace = format!("tenant:{tenant}");
        let mut known: BTreeMap<String, Value> =
            fixtures.iter().map(|(name, text)| (name.clone(), Value::from(text.as_str()))).collect();
        known.insert("tenant".to_owned(), Value::from(tenant));
        for step in scenario.steps {
            let place = format!("{service}: {}: {}", scenario.name, step.call);
            let method = service.method(&step.call).unwrap_or_else(|| panic!("{place}: no such method"));
            let params = fill(&Value::Object(step.params.clone()), &known);
            let params = params.as_object().cloned().unwrap_or_default();
            let mut answer = door.call(&namespace, method, &params).await;
            for _ in 0..200 {
                if !step.eventually || step.problem(&answer, &known).is_none() {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                answer = door.call(&namespace, method, &params).await;
            }
            if let Some(problem) = step.problem(&answer, &known) {
                panic!("{place}: {problem}\nparams: {}\nanswer: {answer:?}", Value::Object(params));
            }
            for (name, pointer) in &step.save {
                let value = answer.as_ref().ok().and_then(|result| result.pointer(pointer));
                known.insert(name.clone(), value.unwrap_or_else(|| panic!("{place}: nothing at {pointer}")).clone());
            }
            for pointer in &step.moves {
                let moving = answer.as_mut().ok().and_then(|result| result.pointer_mut(pointer));
                *moving.unwrap_or_else(|| panic!("{place}: nothing at {pointer}")) = "moves".into();
            }
            transcript.push(Told { place, method, answer });
        }
    }
    transcript
}

/// In a transcript every method of the table has succeeded, and failed in every way that its contract documents.
///
/// # Panics
/// Naming what is missing.
pub fn shows_the_contract(service: Service, transcript: &[Told]) {
    let outcome = |told: &Told| told.answer.as_ref().err().map(|(code, _)| code.clone());
    let seen: BTreeSet<_> = transcript.iter().map(|told| (told.method.name, outcome(told))).collect();
    let mut missing = Vec::new();
    for method in service.methods() {
        let errors = method.errors.iter().map(|code| Some(code.name().to_owned()));
        for outcome in std::iter::once(None).chain(errors).filter(|one| !seen.contains(&(method.name, one.clone()))) {
            missing.push(format!("{} {}", method.path(), outcome.as_deref().unwrap_or("success")));
        }
    }
    assert!(missing.is_empty(), "never seen: {}", missing.join(", "));
}

fn scenarios(service: Service) -> Vec<Scenario> {
    let path = format!("{}/../../tests/cases/services/{service}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

impl Step {
    fn problem(&self, answer: &Answer, known: &BTreeMap<String, Value>) -> Option<String> {
        match (answer, &self.result, &self.error) {
            (Ok(result), Some(expected), None) => mismatch(result, expected, known, ""),
            (Ok(_), None, None) => None,
            (Err((code, message)), None, Some(failure)) if code == failure.code.name() => {
                mismatch(&Value::from(message.as_str()), &failure.message, known, "/message")
            }
            (_, _, Some(failure)) => Some(format!("expected the error {}", failure.code)),
            (Err(_), _, None) => Some("expected success".to_owned()),
        }
    }
}

/// What of `found` is not as expected.
fn mismatch(found: &Value, expected: &Value, known: &BTreeMap<String, Value>, at: &str) -> Option<String> {
    let differs = || Some(format!("at {at:?}: expected {expected}, found {found}"));
    if let Some((matcher, wanted)) = matcher(expected) {
        let matches = match matcher {
            "$type" => wanted == type_name(found),
            "$contains" => found.as_str().zip(wanted.as_str()).is_some_and(|(found, wanted)| found.contains(wanted)),
            "$saved" => known.get(wanted.as_str().unwrap_or_default()) == Some(found),
            "$length" => {
                let length = found.as_array().map(Vec::len).or_else(|| found.as_str().map(str::len));
                length.map(|length| length as u64) == wanted.as_u64()
            }
            "$partial" => {
                let members = wanted.as_object().into_iter().flatten();
                return members
                    .map(|(name, wanted)| (name, found.get(name).unwrap_or(&Value::Null), wanted))
                    .find_map(|(name, found, wanted)| mismatch(found, wanted, known, &format!("{at}/{name}")));
            }
            other => panic!("unknown matcher {other}"),
        };
        return if matches { None } else { differs() };
    }
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) if found.keys().eq(expected.keys()) => found
            .iter()
            .zip(expected.values())
            .find_map(|((name, found), expected)| mismatch(found, expected, known, &format!("{at}/{name}"))),
        (Value::Array(found), Value::Array(expected)) if found.len() == expected.len() => found
            .iter()
            .zip(expected)
            .enumerate()
            .find_map(|(number, (found, expected))| mismatch(found, expected, known, &format!("{at}/{number}"))),
        (found, expected) if *found == fill(expected, known) => None,
        _ => differs(),
    }
}

fn matcher(expected: &Value) -> Option<(&str, &Value)> {
    let members = expected.as_object().filter(|members| members.len() == 1)?;
    members
        .iter()
        .next()
        .map(|(name, value)| (name.as_str(), value))
        .filter(|(name, _)| name.starts_with('$') && *name != "$base64")
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Puts what is known into parameters.
fn fill(value: &Value, known: &BTreeMap<String, Value>) -> Value {
    if let Some(("$saved" | "$fixture", name)) = matcher(value) {
        let name = name.as_str().unwrap_or_default();
        return known.get(name).unwrap_or_else(|| panic!("nothing known as {name}")).clone();
    }
    match value {
        Value::Array(items) => items.iter().map(|item| fill(item, known)).collect(),
        Value::Object(members) => {
            Value::Object(members.iter().map(|(name, member)| (name.clone(), fill(member, known))).collect())
        }
        Value::String(text) if text.contains('{') => {
            let texts = known.iter().filter_map(|(name, value)| Some((name, value.as_str()?)));
            Value::from(texts.fold(text.clone(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value)))
        }
        other => other.clone(),
    }
}
