//! The account of one execution: what it may use, what it has used, and what it wrote.
//!
//! It lives outside the store, so that logs and usage are still there when a timeout drops the store.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use doer_core::{
    fault::Termination,
    ledger::{FetchRecord, Ledger},
    limits::Limits,
    tier::Tier,
};
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::oneshot;

use crate::{Body, Console, Event, Invocation, Surface, Usage, door::Door, links::Links, outcome::Finished};

/// A host's decision to end the guest, on its way through wasmtime as an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("ended by the host: {0}")]
pub(crate) struct Ended(pub(crate) Termination);

/// What a line of console output counts beside its text: an endless loop of empty lines has to end too.
const LINE_BYTES: u64 = 16;

/// One execution's account.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) limits: Limits,
    /// Absent where nothing is granted.
    pub(crate) door: Option<Door>,
    /// The budget of a run that has no door.
    ledger: OnceLock<Arc<Ledger>>,
    /// What it is connected with.
    pub(crate) links: Links,
    /// Whoever waits for its answer.
    responder: Mutex<Option<oneshot::Sender<Finished>>>,
    /// A body that comes in piece by piece, until the guest reads it.
    incoming: Mutex<Option<Body>>,
    started: Instant,
    truncate: bool,
    cpu_ns: AtomicU64,
    /// CPU time of the runs that it has called.
    called_cpu_ns: AtomicU64,
    /// Bytes of its response that went out piece by piece.
    streamed_bytes: AtomicU64,
    /// The thread's CPU clock at the last poll.
    polled_at_ns: AtomicU64,
    /// Nonzero while a top level runs: the CPU time at which it has had enough.
    startup_ends_ns: AtomicU64,
    slice_used: AtomicBool,
    fuel: AtomicU64,
    /// Fuel of the runs that it has called.
    called_fuel: AtomicU64,
    peak_memory_bytes: AtomicU64,
    cold_start: AtomicBool,
    transcript: Mutex<Transcript>,
}

#[derive(Debug)]
struct Transcript {
    console: Console,
    logs: Vec<String>,
    output_bytes: u64,
    truncated: bool,
}

impl Account {
    pub(crate) fn open(invocation: &mut Invocation) -> Self {
        Self::linked(invocation, Links::default(), None)
    }

    /// The account of a worker's run; `responder` is told its answer before its end.
    pub(crate) fn linked(
        invocation: &mut Invocation,
        links: Links,
        responder: Option<oneshot::Sender<Finished>>,
    ) -> Self {
        let incoming = match &mut invocation.event {
            Event::Fetch(_, request) if request.body.whole().is_none() => Some(std::mem::take(&mut request.body)),
            _ => None,
        };
        let services = invocation.services.take().filter(|_| invocation.surface == Surface::Full);
        let console = std::mem::take(&mut invocation.console);
        // Whoever calls pays, and may say that it is for so many calls at most.
        let budget = links.caller.as_ref().map(|caller| match invocation.limits.calls {
            calls if calls < caller.limits.calls => Arc::new(Ledger::within(Arc::clone(caller.ledger()), calls)),
            _ => Arc::clone(caller.ledger()),
        });
        let services = match &budget {
            Some(budget) => services.map(|services| services.charging(Arc::clone(budget))),
            None => services,
        };
        Self {
            door: services.map(Door::open),
            ledger: budget.map(OnceLock::from).unwrap_or_default(),
            links,
            responder: Mutex::new(responder),
            incoming: Mutex::new(incoming),
            ..Self::new(invocation.limits, invocation.started, invocation.truncate, console)
        }
    }

    /// An account for our own code: booting the engine.
    pub(crate) fn unlimited() -> Self {
        let account = Self::new(Limits::of(Tier::Internal), Instant::now(), false, Console::Discard);
        // It is polled by nobody who would say so.
        account.poll_begins();
        account
    }

    fn new(limits: Limits, started: Instant, truncate: bool, console: Console) -> Self {
        Self {
            limits,
            door: None,
            ledger: OnceLock::new(),
            links: Links::default(),
            responder: Mutex::default(),
            incoming: Mutex::default(),
            started,
            truncate,
            cpu_ns: AtomicU64::new(0),
            called_cpu_ns: AtomicU64::new(0),
            streamed_bytes: AtomicU64::new(0),
            polled_at_ns: AtomicU64::new(0),
            startup_ends_ns: AtomicU64::new(0),
            slice_used: AtomicBool::new(false),
            fuel: AtomicU64::new(0),
            called_fuel: AtomicU64::new(0),
            peak_memory_bytes: AtomicU64::new(0),
            cold_start: AtomicBool::new(false),
            transcript: Mutex::new(Transcript { console, logs: Vec::new(), output_bytes: 0, truncated: false }),
        }
    }

    /// A thread begins to work for this execution.
    pub(crate) fn poll_begins(&self) {
        self.polled_at_ns.store(thread_cpu_ns(), Relaxed);
    }

    /// It stops for now.
    pub(crate) fn poll_ends(&self) {
        let now = self.cpu_now_ns();
        let used = now - self.cpu_ns.swap(now, Relaxed);
        // Whoever called pays too, or calls would multiply what one request may use.
        for caller in self.callers() {
            caller.called_cpu_ns.fetch_add(used, Relaxed);
        }
    }

    /// Those on whose behalf it runs, the nearest first.
    pub(crate) fn callers(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(self.links.caller.as_deref(), |account| account.links.caller.as_deref())
    }

    fn cpu_now_ns(&self) -> u64 {
        self.cpu_ns.load(Relaxed) + thread_cpu_ns().saturating_sub(self.polled_at_ns.load(Relaxed))
    }

    /// Called from the epoch callback, on the thread that runs the guest.
    ///
    /// # Errors
    /// [`Ended`] where CPU time is up, or the fuel of those who wait for it.
    pub(crate) fn tick(&self) -> Result<(), Ended> {
        self.slice_used.store(true, Relaxed);
        let now = self.cpu_now_ns();
        let startup_ends = self.startup_ends_ns.load(Relaxed);
        if startup_ends != 0 && now > startup_ends {
            return Err(Ended(Termination::StartupLimit));
        }
        let over = |account: &Self, now: u64| now + account.called_cpu_ns.load(Relaxed) > as_ns(account.limits.cpu);
        if over(self, now) || self.callers().any(|caller| over(caller, caller.cpu_ns.load(Relaxed))) {
            return Err(Ended(Termination::CpuLimit));
        }
        self.check_fuel()
    }

    /// Is there fuel left, here and where it was called from? A store has what was left when it was filled: others that
    /// were called meanwhile use of the same.
    ///
    /// # Errors
    /// [`Ended`] where there is none.
    pub(crate) fn check_fuel(&self) -> Result<(), Ended> {
        let over = |account: &Self| account.fuel_used() > account.limits.fuel;
        if over(self) || self.callers().any(over) {
            return Err(Ended(Termination::FuelExhausted));
        }
        Ok(())
    }

    /// Has it been interrupted since it began?
    pub(crate) fn has_used_slice(&self) -> bool {
        self.slice_used.load(Relaxed)
    }

    /// A top level begins: it has CPU time of its own. Counted from the last poll, which was a moment ago; asking
    /// the kernel again would cost more than that moment.
    pub(crate) fn startup_begins(&self) {
        let now = self.cpu_ns.load(Relaxed);
        self.startup_ends_ns.store(now.saturating_add(as_ns(self.limits.startup_cpu)).max(1), Relaxed);
    }

    pub(crate) fn startup_ends(&self) {
        self.startup_ends_ns.store(0, Relaxed);
    }

    pub(crate) fn mark_cold_start(&self) {
        self.cold_start.store(true, Relaxed);
    }

    /// Fuel that is left, for the next store or for this one: a second attempt gets what the first one left, and what is
    /// called uses of the same.
    pub(crate) fn fuel_left(&self) -> u64 {
        self.limits.fuel.saturating_sub(self.fuel_used())
    }

    /// Fuel that a store has used.
    pub(crate) fn use_fuel(&self, fuel: u64) {
        self.fuel.fetch_add(fuel, Relaxed);
        for caller in self.callers() {
            caller.called_fuel.fetch_add(fuel, Relaxed);
        }
    }

    fn fuel_used(&self) -> u64 {
        self.fuel.load(Relaxed).saturating_add(self.called_fuel.load(Relaxed))
    }

    /// Asks for linear memory.
    ///
    /// # Errors
    /// [`Ended`] where it is more than the limit. An error rather than a refusal: the guest cannot catch it.
    pub(crate) fn grow_memory(&self, bytes: u64) -> Result<(), Ended> {
        if bytes > self.limits.memory_bytes {
            return Err(Ended(Termination::MemoryLimit));
        }
        self.peak_memory_bytes.fetch_max(bytes, Relaxed);
        Ok(())
    }

    /// Takes one line of console output.
    ///
    /// # Errors
    /// [`Ended`] where there has been too much; what fits of the line is kept.
    pub(crate) fn log(&self, prefix: &str, line: &str) -> Result<(), Ended> {
        let mut transcript = self.transcript();
        if matches!(transcript.console, Console::Discard) || transcript.truncated {
            return Ok(());
        }
        let room = self.limits.output_bytes.saturating_sub(transcript.output_bytes + LINE_BYTES);
        // Nothing is copied that has no room.
        let kept = json_prefix(line, room.saturating_sub(prefix.len() as u64));
        let fits = kept.len() == line.len()
            && transcript.output_bytes + LINE_BYTES + prefix.len() as u64 <= self.limits.output_bytes;
        if fits || !kept.is_empty() {
            let text = format!("{prefix}{kept}");
            transcript.output_bytes += json_len(&text) + LINE_BYTES;
            if let Console::Stream(sender) = &transcript.console {
                // Nobody listens any more: the run itself is about to be dropped.
                let _ = sender.send(text.clone());
            }
            transcript.logs.push(text);
        }
        if fits {
            return Ok(());
        }
        transcript.truncated = self.truncate;
        if self.truncate { Ok(()) } else { Err(Ended(Termination::OutputLimit)) }
    }

    /// Takes the result, JSON text, and the headers that go with it.
    ///
    /// # Errors
    /// [`Ended`] where they do not fit beside the logs, and must. A result that is cut is no JSON any more: it is
    /// passed on as the text that is left of it. Headers are never cut.
    pub(crate) fn take_result(&self, result: &str, header_bytes: u64) -> Result<String, Ended> {
        let mut transcript = self.transcript();
        let room = (self.limits.output_bytes - transcript.output_bytes)
            .checked_sub(header_bytes)
            .ok_or(Ended(Termination::OutputLimit))?;
        transcript.output_bytes += header_bytes;
        if result.len() as u64 <= room {
            transcript.output_bytes += result.len() as u64;
            return Ok(result.to_owned());
        }
        if !self.truncate {
            return Err(Ended(Termination::OutputLimit));
        }
        transcript.truncated = true;
        transcript.output_bytes = self.limits.output_bytes;
        Ok(serde_json::Value::from(json_prefix(result, room)).to_string())
    }

    /// Takes the body of a response, and the headers that go with it: they are never cut.
    ///
    /// # Errors
    /// [`Ended`] where they do not fit beside the logs.
    pub(crate) fn take_response(&self, body: &[u8], header_bytes: u64) -> Result<Bytes, Ended> {
        let mut transcript = self.transcript();
        let bytes = header_bytes.saturating_add(body.len() as u64);
        let room = self.limits.output_bytes - transcript.output_bytes;
        if bytes > room {
            return Err(Ended(Termination::OutputLimit));
        }
        transcript.output_bytes += bytes;
        Ok(Bytes::copy_from_slice(body))
    }

    /// What is left of the budget for calls.
    pub(crate) fn ledger(&self) -> &Arc<Ledger> {
        let own = || Arc::new(Ledger::new(self.limits.calls, self.limits.transfer_bytes, false));
        match &self.door {
            Some(door) => door.ledger(),
            None => self.ledger.get_or_init(own),
        }
    }

    /// A piece of the response goes out. It is not kept, so it counts as what is moved by calls, and not as output that is.
    ///
    /// # Errors
    /// [`Ended`] where it is more than may be moved.
    pub(crate) fn stream(&self, bytes: usize) -> Result<(), Ended> {
        self.ledger().charge_bytes(bytes).map_err(Ended)?;
        self.streamed_bytes.fetch_add(bytes as u64, Relaxed);
        Ok(())
    }

    /// Takes headers alone: the body goes out piece by piece.
    ///
    /// # Errors
    /// As [`Account::take_response`].
    pub(crate) fn take_head(&self, header_bytes: u64) -> Result<(), Ended> {
        self.take_response(&[], header_bytes).map(|_| ())
    }

    /// Takes a value for another guest.
    ///
    /// # Errors
    /// [`Ended`] where it is more than may be moved.
    pub(crate) fn take_cloned(&self, text: &str) -> Result<String, Ended> {
        self.ledger().charge_bytes(text.len()).map_err(Ended)?;
        Ok(text.to_owned())
    }

    /// Gives the answer to whoever waits for it; back, where nobody does.
    pub(crate) fn respond(&self, answer: Finished) -> Option<Finished> {
        match locked(&self.responder).take() {
            // Where it has gone away, the run is about to be dropped.
            Some(responder) => {
                let _ = responder.send(answer);
                None
            }
            None => Some(answer),
        }
    }

    /// The body of the request, where it comes piece by piece.
    pub(crate) fn take_incoming(&self) -> Option<Body> {
        locked(&self.incoming).take()
    }

    /// Is there one?
    pub(crate) fn has_incoming(&self) -> bool {
        locked(&self.incoming).is_some()
    }

    /// Time on the clock that is left.
    pub(crate) fn wall_left(&self) -> Duration {
        self.limits.wall.saturating_sub(self.started.elapsed())
    }

    /// Closes the account: logs, whether they were cut, and usage.
    pub(crate) fn close(&self) -> (Vec<String>, bool, Usage) {
        let mut transcript = self.transcript();
        let logs = std::mem::take(&mut transcript.logs);
        // Ends a stream of logs.
        transcript.console = Console::Discard;
        let usage = Usage {
            wall: self.started.elapsed(),
            cpu: Duration::from_nanos(self.cpu_ns.load(Relaxed) + self.called_cpu_ns.load(Relaxed)),
            fuel: self.fuel_used().min(self.limits.fuel),
            peak_memory_bytes: self.peak_memory_bytes.load(Relaxed),
            output_bytes: transcript.output_bytes + self.streamed_bytes.load(Relaxed),
            calls: self.counts(),
            cold_start: self.cold_start.load(Relaxed),
        };
        (logs, transcript.truncated, usage)
    }

    /// The requests that were sent, where they are noted.
    pub(crate) fn requests(&self) -> Vec<FetchRecord> {
        self.door.as_ref().map(|door| door.ledger().requests()).unwrap_or_default()
    }

    fn counts(&self) -> BTreeMap<String, u32> {
        let ledger = self.door.as_ref().map(Door::ledger).or_else(|| self.ledger.get());
        ledger.into_iter().flat_map(|ledger| ledger.counts()).map(|(name, n)| (name.to_owned(), n)).collect()
    }

    fn transcript(&self) -> MutexGuard<'_, Transcript> {
        // A panic elsewhere leaves a transcript that is merely shorter.
        locked(&self.transcript)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes that a text takes inside a JSON string: what is counted is what is sent.
fn json_len(text: &str) -> u64 {
    text.bytes().map(json_byte_len).sum()
}

fn json_byte_len(byte: u8) -> u64 {
    match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0C => 2,
        0x00..=0x1F => 6,
        _ => 1,
    }
}

/// As much of a text as takes `room` bytes inside a JSON string.
fn json_prefix(text: &str, room: u64) -> &str {
    let mut taken = 0;
    let end = text.bytes().position(|byte| {
        taken += json_byte_len(byte);
        taken > room
    });
    &text[..text.floor_char_boundary(end.unwrap_or(text.len()))]
}

fn as_ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn thread_cpu_ns() -> u64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
}
