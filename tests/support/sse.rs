//! Reading server-sent events as they arrive.

use futures_util::StreamExt as _;
use serde_json::Value;

use super::within;

/// One event.
#[derive(Debug, PartialEq)]
pub struct Event {
    pub name: String,
    pub data: Value,
}

/// The events of one answer.
pub struct Events {
    body: futures_util::stream::BoxStream<'static, reqwest::Result<bytes::Bytes>>,
    buffer: Vec<u8>,
}

impl Events {
    pub fn of(response: reqwest::Response) -> Self {
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.bytes_stream().boxed(), buffer: Vec::new() }
    }

    /// The next event; `None` at the end. Comments are skipped.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            while let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = self.buffer.drain(..end + 2).collect();
                if let Some(event) = parse(std::str::from_utf8(&block).unwrap()) {
                    return Some(event);
                }
            }
            let chunk = within(std::time::Duration::from_secs(30), "an event", self.body.next()).await?.unwrap();
            self.buffer.extend_from_slice(&chunk);
        }
    }

    /// All events until the end.
    pub async fn rest(mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}

fn parse(block: &str) -> Option<Event> {
    let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::trim_start);
    let data = serde_json::from_str(field("data:")?).unwrap();
    Some(Event { name: field("event:")?.to_owned(), data })
}
