//! The answer of `/execute`, written from what came of a run or from the result cache.

use std::{collections::BTreeMap, time::Duration};

use doer_core::{fault::Termination, ledger::FetchRecord};
use doer_sandbox::{GuestError, ResponseHead, Usage};
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::value::RawValue;

use super::done::Done;

impl Done {
    /// The answer's body.
    pub fn response(&self) -> ExecuteResponse<'_> {
        let (logs, truncated) = match &self.outcome {
            Ok(kept) => (&kept.logs, kept.truncated),
            Err(failed) => (&failed.logs, failed.truncated),
        };
        ExecuteResponse {
            success: self.outcome.is_ok(),
            result: self.outcome.as_ref().ok().map(|kept| &*kept.result),
            response: self.outcome.as_ref().ok().and_then(|kept| kept.response.as_ref()).map(Head::of),
            error: self.outcome.as_ref().err().map(|failed| Error::of(&failed.error)),
            logs,
            truncated,
            requests: self.requests.as_deref(),
            execution_time: ms(self.usage.wall),
            execution_id: self.id.as_str(),
            cache_hit: self.cache_hit,
            usage: UsageBody(&self.usage),
        }
    }
}

/// The body of an answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecuteResponse<'a> {
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<Head<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Error<'a>>,
    logs: &'a [String],
    #[serde(skip_serializing_if = "is_false")]
    truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    requests: Option<&'a [FetchRecord]>,
    execution_time: f64,
    execution_id: &'a str,
    #[serde(skip_serializing_if = "is_false")]
    cache_hit: bool,
    usage: UsageBody<'a>,
}

#[derive(Debug, Serialize)]
struct Head<'a> {
    status: u16,
    #[serde(serialize_with = "headers")]
    headers: &'a [(String, String)],
}

impl<'a> Head<'a> {
    fn of(head: &'a ResponseHead) -> Self {
        Self { status: head.status, headers: &head.headers }
    }
}

/// An object by name. Values of a name that comes more than once are joined as HTTP joins them.
fn headers<S: Serializer>(headers: &[(String, String)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut joined: BTreeMap<&str, String> = BTreeMap::new();
    for (name, value) in headers {
        joined
            .entry(name)
            .and_modify(|all| {
                all.push_str(", ");
                all.push_str(value);
            })
            .or_insert_with(|| value.clone());
    }
    let mut map = serializer.serialize_map(Some(joined.len()))?;
    for (name, value) in &joined {
        map.serialize_entry(name, value)?;
    }
    map.end()
}

#[derive(Debug, Serialize)]
struct Error<'a> {
    name: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    stack: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<Termination>,
}

impl<'a> Error<'a> {
    fn of(error: &'a GuestError) -> Self {
        Self {
            name: &error.name,
            message: &error.message,
            stack: error.stack.as_deref(),
            line: error.line,
            column: error.column,
            code: error.code,
        }
    }
}

/// Usage as it is told: in answers, and in receipts.
#[derive(Debug)]
pub struct UsageBody<'a>(pub &'a Usage);

impl Serialize for UsageBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Usage { wall, cpu, fuel, peak_memory_bytes, output_bytes, calls, cold_start } = self.0;
        let mut map = serializer.serialize_map(Some(7))?;
        map.serialize_entry("wallMs", &ms(*wall))?;
        map.serialize_entry("cpuMs", &ms(*cpu))?;
        map.serialize_entry("fuel", fuel)?;
        map.serialize_entry("peakMemoryBytes", peak_memory_bytes)?;
        map.serialize_entry("outputBytes", output_bytes)?;
        map.serialize_entry("calls", calls)?;
        map.serialize_entry("coldStart", cold_start)?;
        map.end()
    }
}

/// Milliseconds, to the microsecond: most executions take less than one.
pub fn ms(duration: Duration) -> f64 {
    let micros = u32::try_from(duration.as_micros()).map_or(duration.as_secs_f64() * 1e6, f64::from);
    micros.round() / 1000.0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests {
    use doer_core::id::ExecutionId;
    use doer_sandbox::{Answer, Outcome};
    use serde_json::{Value, json};

    use super::*;

    fn told(answer: Result<Answer, GuestError>, capture_fetch: bool) -> Value {
        let usage = Usage { wall: Duration::from_nanos(1_235_467), cold_start: true, ..Usage::default() };
        let outcome = Outcome { answer, logs: vec!["a".to_owned()], truncated: false, requests: Vec::new(), usage };
        let done = Done::new(outcome, ExecutionId::from_text("exec_1"), capture_fetch);
        serde_json::to_value(done.response()).unwrap()
    }

    #[test]
    fn a_success_has_a_result_and_no_error() {
        let head = ResponseHead {
            status: 201,
            headers: [("a", "1"), ("b", "2"), ("a", "3")].map(|(n, v)| (n.to_owned(), v.to_owned())).to_vec(),
        };
        let result = RawValue::from_string("null".to_owned()).unwrap();
        let usage = json!({"wallMs": 1.235, "cpuMs": 0.0, "fuel": 0, "peakMemoryBytes": 0, "outputBytes": 0,
                           "calls": {}, "coldStart": true});
        assert_eq!(
            told(Ok(Answer { result, response: Some(head) }), true),
            json!({"success": true, "result": null, "response": {"status": 201, "headers": {"a": "1, 3", "b": "2"}},
                   "logs": ["a"], "requests": [], "executionTime": 1.235, "executionId": "exec_1", "usage": usage})
        );
    }

    #[test]
    fn a_failure_has_an_error_and_no_result() {
        let error = GuestError {
            name: "TimeoutError".to_owned(),
            message: "too slow".to_owned(),
            line: Some(3),
            code: Some(Termination::Timeout),
            ..GuestError::default()
        };
        let body = told(Err(error), false);
        assert_eq!(body["success"], false);
        assert_eq!(body["error"], json!({"name": "TimeoutError", "message": "too slow", "line": 3, "code": "timeout"}));
        for absent in ["result", "requests", "response", "truncated", "cacheHit"] {
            assert!(body.get(absent).is_none(), "{absent}");
        }
    }
}
