//! `doer tail`: a worker's calls and logs, line by line.

use std::{io::Write, process::ExitCode};

use clap::Args;
use doer_core::id::WorkerId;
use reqwest::{Method, header::ACCEPT};
use serde_json::Value;

use super::{
    Ending, block_on,
    remote::{Remote, accepted},
};

#[derive(Debug, Args)]
pub struct Tail {
    /// The worker's id
    #[arg(value_name = "ID", value_parser = |id: &str| WorkerId::parse(id))]
    id: WorkerId,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

impl Tail {
    /// Prints until the server ends, or whoever reads does.
    pub fn run(self) -> Ending {
        let server = self.remote.server()?;
        let path = format!("/workers/{}/tail", self.id);
        block_on(async move {
            let request = server.request(Method::GET, &path).header(ACCEPT, "text/event-stream");
            let mut answer = accepted(request.send().await?).await?;
            let mut events = Events::default();
            while let Some(chunk) = answer.chunk().await? {
                for (name, data) in events.of(&chunk) {
                    let line = if self.json { data } else { told(&name, &data) };
                    writeln!(std::io::stdout().lock(), "{line}")?;
                }
            }
            Ok(ExitCode::SUCCESS)
        })
    }
}

/// Server-sent events out of the bytes of a stream.
#[derive(Default)]
struct Events {
    unread: Vec<u8>,
    name: String,
    data: String,
}

impl Events {
    /// Those that are complete with this.
    fn of(&mut self, chunk: &[u8]) -> Vec<(String, String)> {
        self.unread.extend_from_slice(chunk);
        let mut complete = Vec::new();
        while let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.unread.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            match line.trim_end().split_once(": ") {
                Some(("event", name)) => name.clone_into(&mut self.name),
                Some(("data", data)) => self.data.push_str(data),
                Some(_) => {}
                None if line.trim_end().is_empty() && !self.data.is_empty() => {
                    complete.push((std::mem::take(&mut self.name), std::mem::take(&mut self.data)));
                }
                None => {}
            }
        }
        complete
    }
}

/// An event, for people.
fn told(name: &str, data: &str) -> String {
    let data: Value = serde_json::from_str(data).unwrap_or_default();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    let id = text(&data["executionId"]);
    match name {
        "call" => {
            let event = &data["event"];
            let what = match event["kind"].as_str() {
                Some("fetch") => format!("{} {}", text(&event["method"]), text(&event["url"])),
                Some("rpc") => format!("call of {}", text(&event["method"])),
                _ => text(&event["kind"]),
            };
            format!("{id} {what}")
        }
        "log" => format!("{id}   {}", text(&data["line"])),
        "end" => {
            let error = &data["exception"];
            let error = match error.is_null() {
                true => String::new(),
                false => format!(": {}: {}", text(&error["name"]), text(&error["message"])),
            };
            format!("{id} {} after {} ms{error}", text(&data["outcome"]), data["wallMs"])
        }
        _ => format!("{name} {data}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_complete_wherever_they_are_cut() {
        let text = b"event: log\ndata: {\"line\":\"a: b\"}\n\n:\n\nevent: end\ndata: {}\n\n";
        let pair = |(name, data): (&str, &str)| (name.to_owned(), data.to_owned());
        let expected = [("log", "{\"line\":\"a: b\"}"), ("end", "{}")].map(pair);
        for size in 1..text.len() {
            let mut events = Events::default();
            let found: Vec<_> = text.chunks(size).flat_map(|chunk| events.of(chunk)).collect();
            assert_eq!(found, expected, "in pieces of {size}");
        }
    }

    #[test]
    fn events_are_told_in_a_line() {
        let call = r#"{"executionId":"e","event":{"kind":"fetch","method":"GET","url":"http://a/"}}"#;
        assert_eq!(told("call", call), "e GET http://a/");
        assert_eq!(told("log", r#"{"executionId":"e","line":"x"}"#), "e   x");
        let end = r#"{"executionId":"e","outcome":"guest_error","wallMs":1.5,"exception":{"name":"A","message":"b"}}"#;
        assert_eq!(told("end", end), "e guest_error after 1.5 ms: A: b");
    }
}
