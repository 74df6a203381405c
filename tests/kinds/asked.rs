//! A guest that is asked through the door of its kind, and what was seen of it.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{
    guests::source,
    kind::{Door, Kind},
    scenarios::Scenario,
};
use crate::support::{Answer, Caller, Events, Server, eventually};

/// What every guest is asked with.
fn input() -> Value {
    json!({ "n": 7 })
}

/// A guest that can be asked, once.
pub struct Guest<'a> {
    server: &'a Server,
    kind: Kind,
    /// Of the worker, or of the execution.
    id: String,
    /// Of `POST /execute`.
    body: Value,
    /// What workers tell of their runs.
    tail: Option<Events>,
}

/// What was seen of a run.
#[derive(Debug)]
pub struct Seen {
    pub status: u16,
    pub code: Option<String>,
    /// The name of the error.
    pub name: Option<String>,
    /// The result, as text.
    pub result: String,
    pub logs: Vec<String>,
    pub execution: String,
    /// Where the answer has it.
    pub usage: Option<Value>,
}

/// A guest that has written its first line.
pub struct Begun<'a> {
    server: &'a Server,
    kind: Kind,
    pub execution: String,
    logs: Vec<String>,
    answer: Pending,
    tail: Option<Events>,
}

enum Pending {
    Events(Events),
    Answer(JoinHandle<Answer>),
}

impl<'a> Guest<'a> {
    /// Makes one; registers it where it is a worker.
    pub async fn new(server: &'a Server, kind: Kind, scenario: &Scenario) -> Self {
        let id = format!("{}-{kind:?}", scenario.name.replace(' ', "-"));
        let mut guest = Self { server, kind, body: Value::Null, id, tail: None };
        let code = source(kind, scenario);
        let limits = &scenario.limits;
        if kind.door() == Door::Execute {
            guest.body = json!({
                "code": code, "input": input(), "timeout": limits.wall_ms, "executionId": guest.id,
                "limits": { "cpuMs": limits.cpu_ms, "fuel": limits.fuel, "memoryMb": limits.memory_mb,
                            "calls": limits.calls },
            });
            guest.body["language"] = if kind.is_binary() { "wat".into() } else { Value::Null };
            guest.body["bindings"] = if scenario.is_granted { Value::Null } else { json!(["queue"]) };
            return guest;
        }
        let main = if kind.is_binary() { "main.wat" } else { "main.js" };
        let given = [
            ("timeoutMs", Some(limits.wall_ms)),
            ("cpuMs", limits.cpu_ms),
            ("fuel", limits.fuel),
            ("memoryMb", limits.memory_mb),
            ("subRequests", limits.calls.map(u64::from)),
        ];
        let given: Value =
            given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value?)))).collect();
        let mut worker = json!({ "mainModule": main, "modules": { main: code }, "limits": given });
        if !scenario.is_granted {
            worker["env"] = json!({ "QUEUE": { "$service": "queue" } });
        }
        let put = server.client.put(Caller::Tenant, &format!("/workers/{}", guest.id), &worker).await;
        assert_eq!(put.status, 201, "{}: {}", guest.id, put.text);
        let request = server.client.request(Caller::Tenant, Method::GET, &format!("/workers/{}/tail", guest.id));
        guest.tail = Some(Events::of(request.send().await.unwrap()));
        guest
    }

    fn request(&self) -> RequestBuilder {
        let post = |path: &str, body: &Value| self.server.client.request(Caller::Tenant, Method::POST, path).json(body);
        match self.kind.door() {
            Door::Execute => post("/execute", &self.body),
            Door::Rpc => post(&format!("/workers/{}/rpc/act", self.id), &json!({ "params": [input()] })),
            Door::Fetch => post(&format!("/workers/{}/fetch/", self.id), &input()),
        }
    }

    /// Asks it, and waits for the answer.
    pub async fn asked(self) -> Seen {
        let answer = Answer::read(self.request().send().await.unwrap()).await;
        let mut seen = Seen::of(self.kind, &answer);
        if let Some(mut tail) = self.tail {
            seen.execution = called(&mut tail).await;
            seen.logs = rest(&mut tail).await;
        }
        seen
    }

    /// Asks it, and waits for its first line.
    pub async fn begun(mut self) -> Begun<'a> {
        let (server, kind) = (self.server, self.kind);
        let Some(mut tail) = self.tail.take() else {
            let request = self.request().header("accept", "text/event-stream");
            let mut events = Events::of(request.send().await.unwrap());
            assert_eq!(events.next().await.unwrap().name, "start", "{}", self.id);
            let logs = vec![line(&mut events).await];
            return Begun { server, kind, execution: self.id, logs, answer: Pending::Events(events), tail: None };
        };
        let request = self.request();
        let answer = tokio::spawn(async move { Answer::read(request.send().await.unwrap()).await });
        let execution = called(&mut tail).await;
        let logs = vec![line(&mut tail).await];
        Begun { server, kind, execution, logs, answer: Pending::Answer(answer), tail: Some(tail) }
    }

    /// Asks it, and gives the answer when its head is there, with the execution that it is of.
    pub async fn answering(mut self) -> (reqwest::Response, String) {
        let response = self.request().send().await.unwrap();
        let mut tail = self.tail.take().unwrap();
        (response, called(&mut tail).await)
    }
}

impl Begun<'_> {
    pub async fn delete(&self) {
        let deleted = self.server.client.delete(Caller::Tenant, &format!("/executions/{}", self.execution)).await;
        assert_eq!((deleted.status.as_u16(), &deleted.json["state"]), (200, &json!("cancelling")), "{}", deleted.text);
    }

    /// Goes away without waiting for the answer.
    pub fn go_away(self) -> String {
        match self.answer {
            Pending::Events(events) => drop(events),
            Pending::Answer(answer) => answer.abort(),
        }
        self.execution
    }

    /// Waits for the answer.
    pub async fn answered(self) -> Seen {
        match self.answer {
            Pending::Events(mut events) => {
                let last = events.next().await.unwrap();
                assert_eq!(last.name, "result", "{last:?}");
                assert_eq!(events.next().await, None);
                Seen::told(200, &last.data)
            }
            Pending::Answer(answer) => {
                let mut seen = Seen::of(self.kind, &answer.await.unwrap());
                seen.execution = self.execution;
                seen.logs = self.logs;
                seen.logs.extend(rest(&mut self.tail.unwrap()).await);
                seen
            }
        }
    }
}

impl Seen {
    fn of(kind: Kind, answer: &Answer) -> Self {
        let status = answer.status.as_u16();
        if kind.door() != Door::Fetch {
            return Self::told(status, &answer.json);
        }
        let is_answer = status == 200;
        // In one word with the message; a worker's own failure has a code of its own.
        let name = answer.at("/error/message").as_str().and_then(|message| message.split(':').next());
        let code = answer.at("/error/code").as_str().filter(|code| *code != "guest_error");
        Self {
            status,
            code: code.filter(|_| !is_answer).map(ToOwned::to_owned),
            name: name.filter(|_| !is_answer).map(ToOwned::to_owned),
            result: if is_answer { answer.text.clone() } else { String::new() },
            logs: Vec::new(),
            execution: answer.header("x-execution-id").to_owned(),
            usage: None,
        }
    }

    /// What the body of an answer of `/execute` says.
    fn told(status: u16, body: &Value) -> Self {
        let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(ToOwned::to_owned);
        let result = match &body["result"] {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        let logs = body["logs"].as_array().into_iter().flatten();
        Self {
            status,
            code: text("/error/code"),
            name: text("/error/name"),
            result,
            logs: logs.map(|line| line.as_str().unwrap().to_owned()).collect(),
            execution: text("/executionId").unwrap_or_default(),
            usage: body.get("usage").cloned(),
        }
    }
}

/// What remains of an execution when it has ended.
pub async fn receipt(server: &Server, execution: &str) -> Value {
    eventually(&format!("{execution} has ended"), async || {
        let known = server.client.get(Caller::Tenant, &format!("/executions/{execution}")).await;
        (known.json["state"] == "finished").then_some(known.json)
    })
    .await
}

async fn called(tail: &mut Events) -> String {
    let event = tail.next().await.unwrap();
    assert_eq!(event.name, "call", "{event:?}");
    event.data["executionId"].as_str().unwrap().to_owned()
}

/// The next line, from either kind of events.
async fn line(events: &mut Events) -> String {
    let event = events.next().await.unwrap();
    assert_eq!(event.name, "log", "{event:?}");
    let line = event.data.get("line").unwrap_or(&event.data);
    line.as_str().unwrap().to_owned()
}

/// The lines of a run until its end, or that of the server.
async fn rest(tail: &mut Events) -> Vec<String> {
    let mut lines = Vec::new();
    while let Some(event) = tail.next().await.filter(|event| event.name == "log") {
        lines.push(event.data["line"].as_str().unwrap().to_owned());
    }
    lines
}
