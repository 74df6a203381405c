//! Executions that run, and those that ran lately: found by namespace and id, bounded in number.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use dashmap::{DashMap, Entry};
use doer_core::{id::ExecutionId, tier::Namespace};
use doer_sandbox::Usage;
use tokio_util::sync::CancellationToken;

use crate::execute::Verdict;

/// An execution is known by its id within its namespace; nobody else sees it.
pub type Key = (Namespace, ExecutionId);

/// What is known of an execution.
#[derive(Debug, Clone)]
pub enum State {
    /// It runs, or waits for a slot.
    Running {
        /// Since the Unix epoch.
        started_at: Duration,
        /// Ends it.
        cancel: CancellationToken,
    },
    /// It has ended.
    Finished(Receipt),
}

/// What remains of an execution that has ended.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// Since the Unix epoch.
    pub started_at: Duration,
    /// How it ended.
    pub verdict: Verdict,
    /// What it used.
    pub usage: Usage,
}

/// The registry.
#[derive(Debug)]
pub struct Executions {
    states: DashMap<Key, State>,
    /// Finished ones, the oldest first.
    finished: Mutex<VecDeque<Key>>,
    /// How many finished ones are remembered.
    recent: usize,
}

/// The entry of one running execution, for the one who runs it.
#[derive(Debug)]
pub struct Ticket {
    executions: Arc<Executions>,
    key: Key,
}

impl Executions {
    /// A registry that remembers `recent` finished executions.
    pub fn new(recent: usize) -> Self {
        Self { states: DashMap::new(), finished: Mutex::default(), recent }
    }

    /// Enters a running execution; `None` where its id is taken, by a recent one too.
    pub fn begin(self: &Arc<Self>, key: Key, started_at: Duration, cancel: CancellationToken) -> Option<Ticket> {
        match self.states.entry(key.clone()) {
            Entry::Occupied(_) => None,
            Entry::Vacant(entry) => {
                entry.insert(State::Running { started_at, cancel });
                Some(Ticket { executions: Arc::clone(self), key })
            }
        }
    }

    /// What is known of an execution.
    pub fn get(&self, key: &Key) -> Option<State> {
        self.states.get(key).map(|state| state.value().clone())
    }

    /// Cancels an execution, if it still runs, and says what it was doing.
    pub fn cancel(&self, key: &Key) -> Option<State> {
        let state = self.get(key)?;
        if let State::Running { cancel, .. } = &state {
            cancel.cancel();
        }
        Some(state)
    }
}

impl Ticket {
    /// Leaves a receipt, and forgets the oldest one where there are too many.
    pub fn finish(self, receipt: Receipt) {
        let executions = &self.executions;
        executions.states.insert(self.key.clone(), State::Finished(receipt));
        let oldest = {
            let mut finished = executions.finished.lock().unwrap_or_else(PoisonError::into_inner);
            finished.push_back(self.key);
            if finished.len() > executions.recent { finished.pop_front() } else { None }
        };
        if let Some(oldest) = oldest {
            executions.states.remove(&oldest);
        }
    }

    /// Leaves nothing: it never ran.
    pub fn forget(self) {
        self.executions.states.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use doer_core::{auth::AuthContext, id::RequestId};

    use super::*;

    fn key(session: &str, id: &str) -> Key {
        let context = AuthContext::anonymous(RequestId::from_text(session), 0);
        (Namespace::of(&context), ExecutionId::from_text(id))
    }

    fn begin(executions: &Arc<Executions>, key: Key) -> Option<Ticket> {
        executions.begin(key, Duration::ZERO, CancellationToken::new())
    }

    fn receipt() -> Receipt {
        Receipt { started_at: Duration::ZERO, verdict: Verdict::Ok, usage: Usage::default() }
    }

    #[test]
    fn an_id_is_taken_in_its_namespace_only() {
        let executions = Arc::new(Executions::new(10));
        let ticket = begin(&executions, key("a", "1")).unwrap();
        assert!(begin(&executions, key("a", "1")).is_none());
        assert!(begin(&executions, key("b", "1")).is_some());
        ticket.finish(receipt());
        assert!(begin(&executions, key("a", "1")).is_none(), "a recent one counts");
    }

    #[test]
    fn only_so_many_are_remembered() {
        let executions = Arc::new(Executions::new(1));
        for id in ["1", "2"] {
            begin(&executions, key("a", id)).unwrap().finish(receipt());
        }
        assert!(executions.get(&key("a", "1")).is_none());
        assert!(matches!(executions.get(&key("a", "2")), Some(State::Finished(_))));

        let none = Arc::new(Executions::new(0));
        begin(&none, key("a", "1")).unwrap().finish(receipt());
        assert!(none.states.is_empty());
    }

    #[test]
    fn cancelling_reaches_the_one_who_runs_it() {
        let executions = Arc::new(Executions::new(1));
        let token = CancellationToken::new();
        let ticket = executions.begin(key("a", "1"), Duration::ZERO, token.clone()).unwrap();
        assert!(executions.cancel(&key("b", "1")).is_none());
        assert!(!token.is_cancelled());
        assert!(executions.cancel(&key("a", "1")).is_some());
        assert!(token.is_cancelled());
        ticket.forget();
        assert!(executions.get(&key("a", "1")).is_none());
    }
}
