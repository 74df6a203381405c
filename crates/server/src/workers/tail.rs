//! Who listens to workers: calls and logs as they happen. Without a listener nothing is noted.

use std::sync::Arc;

use dashmap::DashMap;
use doer_core::id::ExecutionId;
use doer_sandbox::{Console, GuestError, Usage, loader::Key};
use serde_json::{Value, json};
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::execute::ms;

/// Events that a listener may be behind; one that is further behind misses some.
const BACKLOG: usize = 1024;
/// Listeners of one worker.
const MAX_LISTENERS: usize = 10;

/// Something that happened.
#[derive(Debug, Clone)]
pub struct TailEvent {
    /// `call`, `log` or `end`.
    pub name: &'static str,
    /// What is told of it.
    pub data: Arc<Value>,
}

type Channel = broadcast::Sender<TailEvent>;

/// The listeners of all workers.
#[derive(Debug, Default)]
pub struct Tails(DashMap<Key, Channel>);

/// The listeners of one worker, and one call that they hear of.
#[derive(Debug)]
pub struct Tail {
    channel: Channel,
    what: Value,
}

/// One call that is listened to. Where this is dropped, the call was cancelled.
#[derive(Debug)]
pub struct Tailing(oneshot::Sender<Value>);

impl Tails {
    /// Listens to a worker; `None` where as many do as may.
    pub fn listen(&self, key: Key) -> Option<broadcast::Receiver<TailEvent>> {
        let channel = self.0.entry(key).or_insert_with(|| broadcast::channel(BACKLOG).0);
        (channel.receiver_count() < MAX_LISTENERS).then(|| channel.subscribe())
    }

    /// Those who listen to a call; `None` where nobody does.
    pub fn of(&self, key: &Key, what: Value) -> Option<Tail> {
        let channel = self.0.get(key)?.value().clone();
        if channel.receiver_count() > 0 {
            return Some(Tail { channel, what });
        }
        // Under the entry's lock: nobody comes meanwhile.
        self.0.remove_if(key, |_, channel| channel.receiver_count() == 0);
        None
    }
}

impl Tail {
    /// Follows a call: where its lines go, whom to tell of its end, and what does the telling.
    pub fn follow(self, id: &ExecutionId, now_ms: u64) -> (Console, Tailing, impl Future<Output = ()> + Send + use<>) {
        let (sender, mut lines) = mpsc::unbounded_channel::<String>();
        let (end, ended) = oneshot::channel::<Value>();
        let (id, Self { channel, what }) = (id.to_string(), self);
        // Nobody may be left to hear it.
        let tell = move |name, data: Value| drop(channel.send(TailEvent { name, data: Arc::new(data) }));
        tell("call", json!({ "executionId": id, "timestamp": now_ms, "event": what }));
        let listener = async move {
            while let Some(line) = lines.recv().await {
                tell("log", json!({ "executionId": id, "line": line }));
            }
            let mut end = ended.await.unwrap_or_else(|_| json!({ "outcome": "cancelled" }));
            end["executionId"] = id.into();
            tell("end", end);
        };
        (Console::Stream(sender), Tailing(end), listener)
    }
}

impl Tailing {
    /// It came to an end.
    pub fn ended(self, outcome: &str, error: Option<&GuestError>, usage: &Usage) {
        let mut told = json!({ "outcome": outcome, "wallMs": ms(usage.wall), "cpuMs": ms(usage.cpu) });
        if let Some(error) = error {
            told["exception"] = json!({ "name": error.name, "message": error.message, "stack": error.stack });
        }
        // Whoever tells it ends only with this.
        let _ = self.0.send(told);
    }
}

#[cfg(test)]
mod tests {
    use doer_core::tier::Namespace;

    use super::*;

    fn key(id: &str) -> Key {
        Key { namespace: Namespace::parse("tenant:acme").unwrap(), id: id.to_owned() }
    }

    #[tokio::test]
    async fn whoever_listens_hears_a_call_its_lines_and_its_end() {
        let tails = Tails::default();
        assert!(tails.of(&key("a"), json!(1)).is_none());
        let mut heard = tails.listen(key("a")).unwrap();
        assert!(tails.of(&key("b"), json!(1)).is_none());
        let id = ExecutionId::from_text("exec_1");
        let (console, tailing, listener) = tails.of(&key("a"), json!("what")).unwrap().follow(&id, 5);
        let Console::Stream(lines) = console else { panic!() };
        lines.send("line".to_owned()).unwrap();
        drop(lines);
        tailing.ended("ok", None, &Usage::default());
        listener.await;
        let mut next = async || {
            let TailEvent { name, data } = heard.recv().await.unwrap();
            (name, data)
        };
        let call = json!({"executionId": "exec_1", "timestamp": 5, "event": "what"});
        assert_eq!(next().await, ("call", Arc::new(call)));
        assert_eq!(next().await, ("log", Arc::new(json!({"executionId": "exec_1", "line": "line"}))));
        let end = json!({"executionId": "exec_1", "outcome": "ok", "wallMs": 0.0, "cpuMs": 0.0});
        assert_eq!(next().await, ("end", Arc::new(end)));
    }

    #[tokio::test]
    async fn a_call_that_is_dropped_was_cancelled() {
        let tails = Tails::default();
        let mut heard = tails.listen(key("a")).unwrap();
        let id = ExecutionId::from_text("exec_1");
        let (console, tailing, listener) = tails.of(&key("a"), json!(1)).unwrap().follow(&id, 5);
        drop((console, tailing));
        listener.await;
        heard.recv().await.unwrap();
        assert_eq!(*heard.recv().await.unwrap().data, json!({"executionId": "exec_1", "outcome": "cancelled"}));
    }

    #[test]
    fn so_many_listen_and_those_who_went_are_forgotten() {
        let tails = Tails::default();
        let listeners: Vec<_> = (0..MAX_LISTENERS).map(|_| tails.listen(key("a")).unwrap()).collect();
        assert!(tails.listen(key("a")).is_none());
        assert!(tails.listen(key("b")).is_some());
        drop(listeners);
        assert!(tails.of(&key("a"), json!(1)).is_none());
        assert!(!tails.0.contains_key(&key("a")));
    }
}
