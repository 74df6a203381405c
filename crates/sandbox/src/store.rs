//! The store of one execution, and how it ends.

use std::sync::Arc;

use doer_core::{
    fault::Termination,
    time::{Clock, SystemClock},
};
use wasmtime::{Engine, ResourceLimiter, Store, Trap, UpdateDeadline};

use crate::{
    Error, GuestError,
    account::{Account, Ended},
    guest::{component::World, javascript::operations::Operations},
};

/// Epochs until the first interruption: one to two milliseconds, as the first tick may come at once.
const FIRST_SLICE_EPOCHS: u64 = 2;

/// What a store carries for the host functions of every kind of guest.
pub(crate) struct State {
    pub(crate) account: Arc<Account>,
    pub(crate) clock: GuestClock,
    /// The message that the next call of a JavaScript guest takes.
    pub(crate) message: Vec<u8>,
    /// The memory that a JavaScript guest works on.
    pub(crate) memory: Option<wasmtime::Memory>,
    /// What a JavaScript guest waits for; made when it first asks for something.
    pub(crate) operations: Option<Operations>,
    /// What a WASI module sees of the system.
    pub(crate) wasi: Option<wasmtime_wasi::p1::WasiP1Ctx>,
    /// A WASI module is giving memory for an answer to a call; it must not make another meanwhile.
    pub(crate) allocating: bool,
    /// What a component sees of the system and of the network.
    pub(crate) component: Option<World>,
    /// All linear memories together: a component may have several.
    memory_bytes: u64,
    /// Fuel that the store had when that was last looked at.
    fuel: u64,
}

/// The time that a guest is told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum GuestClock {
    /// It stands still, at so many microseconds since the Unix epoch: a top level is running.
    Frozen(f64),
    /// It runs.
    Running,
}

impl GuestClock {
    /// Standing still from now on.
    pub(crate) fn freeze() -> Self {
        Self::Frozen(Self::Running.now_us())
    }

    /// Microseconds since the Unix epoch.
    pub(crate) fn now_us(self) -> f64 {
        match self {
            Self::Frozen(us) => us,
            Self::Running => (SystemClock.now().as_nanos() / 1_000) as f64,
        }
    }
}

/// How an execution ended, other than by an answer.
#[derive(Debug)]
pub(crate) enum End {
    /// The host ended it.
    Terminated(Termination),
    /// The parser refused the text; nothing has run.
    Syntax(GuestError),
    /// The guest failed.
    Guest(GuestError),
    /// We failed.
    Host(Error),
}

impl From<Ended> for End {
    fn from(ended: Ended) -> Self {
        Self::Terminated(ended.0)
    }
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        Self::Host(error)
    }
}

impl End {
    /// An error that the program is told, not its sandbox's.
    pub(crate) fn refusal(message: &str) -> Self {
        Self::Guest(GuestError { name: "Error".into(), message: message.to_owned(), ..GuestError::default() })
    }

    /// What an error out of wasmtime means.
    pub(crate) fn from_wasmtime(error: wasmtime::Error, during: &'static str) -> Self {
        if let Some(ended) = error.downcast_ref::<Ended>() {
            return (*ended).into();
        }
        let trap = match error.downcast_ref::<Trap>() {
            Some(Trap::OutOfFuel) => return Self::Terminated(Termination::FuelExhausted),
            Some(trap) => *trap,
            None => return Self::Host(Error::Engine { during, source: error }),
        };
        let (name, message) = match trap {
            Trap::StackOverflow => ("RangeError", "Maximum call stack size exceeded".to_owned()),
            other => ("RuntimeError", other.to_string()),
        };
        Self::Guest(GuestError { name: name.to_owned(), message, ..GuestError::default() })
    }
}

impl ResourceLimiter for State {
    fn memory_growing(&mut self, current: usize, desired: usize, max: Option<usize>) -> wasmtime::Result<bool> {
        let bytes = self.memory_bytes.saturating_sub(current as u64).saturating_add(desired as u64);
        self.account.grow_memory(bytes)?;
        // What is more than a memory's own maximum it does not get.
        if max.is_none_or(|max| desired <= max) {
            self.memory_bytes = bytes;
        }
        Ok(true)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, max: Option<usize>) -> wasmtime::Result<bool> {
        // The pool bounds tables; beyond that the guest is told no, as the specification has it.
        Ok(max.is_none_or(|max| desired <= max))
    }
}

/// A store with every limit of `account` in force.
///
/// # Errors
/// [`End::Host`] if the engine refuses, which it has no reason to.
pub(crate) fn open(engine: &Engine, account: &Arc<Account>) -> Result<Store<State>, End> {
    let state = State {
        account: account.clone(),
        clock: GuestClock::Running,
        message: Vec::new(),
        memory: None,
        operations: None,
        wasi: None,
        allocating: false,
        component: None,
        memory_bytes: 0,
        fuel: account.fuel_left(),
    };
    let mut store = Store::new(engine, state);
    store.limiter(|state| state);
    let fuel = store.data().fuel;
    store.set_fuel(fuel).map_err(|source| Error::Engine { during: "setting fuel", source })?;
    store.epoch_deadline_callback(|mut store| {
        note_fuel(&mut store);
        store.data().account.tick()?;
        // Even where there is time left, the thread is given back: others wait for it.
        Ok(UpdateDeadline::Yield(1))
    });
    store.set_epoch_deadline(FIRST_SLICE_EPOCHS);
    Ok(store)
}

/// Writes the fuel used so far into the account.
pub(crate) fn note_fuel(mut store: impl wasmtime::AsContextMut<Data = State>) {
    let mut store = store.as_context_mut();
    if let Ok(left) = store.get_fuel() {
        let before = std::mem::replace(&mut store.data_mut().fuel, left);
        store.data().account.use_fuel(before.saturating_sub(left));
    }
}

/// Takes the fuel out of a store that others have used meanwhile. Only between calls of the guest: within one it holds
/// what it has by itself.
pub(crate) fn share_fuel(store: &mut Store<State>) {
    let left = store.data().account.fuel_left();
    if left < store.data().fuel && store.set_fuel(left).is_ok() {
        store.data_mut().fuel = left;
    }
}
