//! Executions that run, and those that ran lately: found by namespace and id, bounded in number, for each namespace
//! too, so that one that runs many makes the server forget its own and not the others'.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
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

/// Of all that is remembered, a namespace has one part in so many.
const SHARES: usize = 16;

/// The registry.
#[derive(Debug)]
pub struct Executions {
    states: DashMap<Key, State>,
    finished: Mutex<Finished>,
}

/// The finished ones that are remembered, by number: the oldest has the lowest.
#[derive(Debug)]
struct Finished {
    all: BTreeMap<u64, Key>,
    /// The same numbers; no namespace is here without any.
    of_owner: HashMap<String, VecDeque<u64>>,
    next: u64,
    /// How many there may be.
    most: usize,
    /// How many there may be of one owner.
    most_of_owner: usize,
}

impl Finished {
    /// Remembers one more; gives the one to forget for it.
    fn push(&mut self, key: Key) -> Option<Key> {
        let number = self.next;
        self.next += 1;
        let own = self.of_owner.entry(owner(&key.0).to_owned()).or_default();
        own.push_back(number);
        let too_many_own = own.len() > self.most_of_owner;
        let oldest_own = own.front().copied();
        self.all.insert(number, key);
        if too_many_own {
            return self.forget(oldest_own?);
        }
        if self.all.len() > self.most {
            return self.forget(*self.all.first_key_value()?.0);
        }
        None
    }

    /// Forgets the one with this number, the oldest of its owner's.
    fn forget(&mut self, number: u64) -> Option<Key> {
        let key = self.all.remove(&number)?;
        let owner = owner(&key.0);
        if let Some(own) = self.of_owner.get_mut(owner) {
            own.pop_front();
            if own.is_empty() {
                self.of_owner.remove(owner);
            }
        }
        Some(key)
    }
}

/// Who has a share: a namespace. Callers without credentials have a new one with each request, and share one share.
fn owner(namespace: &Namespace) -> &str {
    const ANONYMOUS: &str = "session:";
    if namespace.as_str().starts_with(ANONYMOUS) { ANONYMOUS } else { namespace.as_str() }
}

/// The entry of one running execution, for the one who runs it.
#[derive(Debug)]
pub struct Ticket {
    executions: Arc<Executions>,
    key: Key,
}

impl Executions {
    /// A registry that remembers `recent` finished executions, a sixteenth of them of one namespace.
    pub fn new(recent: usize) -> Self {
        let finished = Finished {
            all: BTreeMap::new(),
            of_owner: HashMap::new(),
            next: 0,
            most: recent,
            most_of_owner: recent.div_ceil(SHARES),
        };
        Self { states: DashMap::new(), finished: Mutex::new(finished) }
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
    /// Leaves a receipt, and forgets the oldest one of its namespace, or of all, where there are too many.
    pub fn finish(self, receipt: Receipt) {
        let executions = &self.executions;
        executions.states.insert(self.key.clone(), State::Finished(receipt));
        let oldest = {
            let mut finished = executions.finished.lock().unwrap_or_else(PoisonError::into_inner);
            finished.push(self.key)
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

    /// Executions that are remembered, of those numbered from 0 that ran in a namespace.
    fn remembered(executions: &Arc<Executions>, namespace: &Namespace, ran: usize) -> Vec<usize> {
        let known = |id: &usize| executions.get(&numbered(namespace, *id)).is_some();
        (0..ran).filter(known).collect()
    }

    fn numbered(namespace: &Namespace, id: usize) -> Key {
        (namespace.clone(), ExecutionId::from_text(id.to_string()))
    }

    fn run(executions: &Arc<Executions>, namespace: &Namespace, times: usize) {
        for id in 0..times {
            begin(executions, numbered(namespace, id)).unwrap().finish(receipt());
        }
    }

    fn tenant(name: &str) -> Namespace {
        serde_json::from_value(format!("tenant:{name}").into()).unwrap()
    }

    #[test]
    fn a_flood_makes_its_own_namespace_be_forgotten() {
        let executions = Arc::new(Executions::new(32));
        run(&executions, &tenant("quiet"), 2);
        run(&executions, &tenant("loud"), 100);
        for id in 0..100 {
            begin(&executions, key(&format!("req_{id}"), "1")).unwrap().finish(receipt());
        }
        assert_eq!(remembered(&executions, &tenant("quiet"), 2), [0, 1]);
        assert_eq!(remembered(&executions, &tenant("loud"), 100), [98, 99]);
        assert!(executions.get(&key("req_97", "1")).is_none(), "callers without credentials share one share");
        assert!(executions.get(&key("req_98", "1")).is_some());
        assert_eq!(executions.states.len(), 6);
    }

    #[test]
    fn of_many_namespaces_the_oldest_is_forgotten() {
        let executions = Arc::new(Executions::new(32));
        for number in 0..17 {
            run(&executions, &tenant(&number.to_string()), 2);
        }
        assert!(remembered(&executions, &tenant("0"), 2).is_empty());
        assert_eq!(remembered(&executions, &tenant("1"), 2), [0, 1]);
        let finished = executions.finished.lock().unwrap();
        assert_eq!((finished.all.len(), finished.of_owner.len(), executions.states.len()), (32, 16, 32));
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
