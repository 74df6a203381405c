//! Threads for work that blocks, shared fairly. Work is queued in lanes, one for each database; threads go round the
//! lanes and take one piece of work at a time, and no lane ever has more than its share of them. So whoever floods
//! the pool, or fills it with slow statements, is in its own way only.

use std::{
    collections::{HashMap, VecDeque},
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use doer_core::service::{Code, ServiceError};
use tokio::sync::oneshot;

use crate::Error;

/// Work of one lane that may wait.
const MAX_WAITING: usize = 1_000;
/// Threads that have nothing to do end after so long.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// SQLite recurses over nested views, triggers and foreign keys while it compiles a statement. The limits on schemas
/// bound how deep, and this is enough for that; it costs address space only.
const STACK_BYTES: usize = 32 << 20;

/// Whose work it is. Lanes need no set-up: they are there while they have work.
pub(super) type Lane = u64;

/// A piece of work.
pub(super) type Job = Box<dyn FnOnce() + Send>;

/// A bounded set of threads. They end with it, each after the work that it is at.
pub(super) struct Pool(Arc<Shared>);

struct Shared {
    name: &'static str,
    max_threads: usize,
    /// Threads that one lane may have at once.
    share: usize,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    lanes: HashMap<Lane, Queue>,
    /// Lanes that have work and may have another thread, in turn.
    ready: VecDeque<Lane>,
    threads: usize,
    idle: usize,
    /// Threads that were woken and have not noticed yet.
    woken: usize,
    closed: bool,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    running: usize,
    /// Stands among the ready ones.
    listed: bool,
}

impl Pool {
    /// A pool of at most `max_threads`, of which one lane has at most `share`.
    pub(super) fn new(name: &'static str, max_threads: usize, share: usize) -> Self {
        Self(Arc::new(Shared {
            name,
            max_threads: max_threads.max(1),
            share: share.max(1),
            state: Mutex::default(),
            wake: Condvar::new(),
        }))
    }

    /// Runs `work` on one of the threads. Where the caller is gone before it starts, it never starts.
    ///
    /// # Errors
    /// `service_unavailable` where too much waits in the lane; those of `work`.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        lane: Lane,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (sender, receiver) = oneshot::channel();
        let job = move || {
            if !sender.is_closed() {
                // Whoever asked may have gone meanwhile.
                let _ = sender.send(work());
            }
        };
        self.submit(lane, Box::new(job), MAX_WAITING)?;
        receiver.await.unwrap_or(Err(Error::Panicked))
    }

    /// Has `job` done, however much waits, whether or not anybody waits for it.
    ///
    /// # Errors
    /// `service_unavailable` where there is no thread.
    pub(super) fn insist(&self, lane: Lane, job: Job) -> Result<(), ServiceError> {
        self.submit(lane, job, usize::MAX)
    }

    fn submit(&self, lane: Lane, job: Job, max_waiting: usize) -> Result<(), ServiceError> {
        let shared = &self.0;
        let mut state = shared.lock();
        let queue = state.lanes.entry(lane).or_default();
        if queue.jobs.len() >= max_waiting {
            return Err(busy("Too many calls wait for this database"));
        }
        queue.jobs.push_back(job);
        if shared.list(&mut state, lane) { Shared::call_for_help(shared, state) } else { Ok(()) }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.closed = true;
        // What waits is dropped, and its callers are told.
        state.lanes.clear();
        state.ready.clear();
        drop(state);
        self.0.wake.notify_all();
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("name", &self.0.name).finish_non_exhaustive()
    }
}

impl Shared {
    /// Work runs without the lock: a panic in it leaves the state whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lists a lane where it has work and may have another thread. Tells whether it is newly listed.
    fn list(&self, state: &mut State, lane: Lane) -> bool {
        let Some(queue) = state.lanes.get_mut(&lane) else { return false };
        if queue.listed || queue.jobs.is_empty() || queue.running >= self.share {
            return false;
        }
        queue.listed = true;
        state.ready.push_back(lane);
        true
    }

    fn take(&self, state: &mut State) -> Option<(Lane, Job)> {
        let lane = state.ready.pop_front()?;
        let queue = state.lanes.get_mut(&lane)?;
        queue.listed = false;
        let job = queue.jobs.pop_front()?;
        queue.running += 1;
        self.list(state, lane);
        Some((lane, job))
    }

    fn done(&self, state: &mut State, lane: Lane) {
        let Some(queue) = state.lanes.get_mut(&lane) else { return };
        queue.running = queue.running.saturating_sub(1);
        if queue.running == 0 && queue.jobs.is_empty() {
            state.lanes.remove(&lane);
        } else {
            self.list(state, lane);
        }
    }

    /// Has one more thread look at what is ready, where there may be one more.
    fn call_for_help(shared: &Arc<Self>, mut state: MutexGuard<'_, State>) -> Result<(), ServiceError> {
        if state.idle > 0 {
            state.idle -= 1;
            state.woken += 1;
            drop(state);
            shared.wake.notify_one();
        } else if state.threads < shared.max_threads {
            state.threads += 1;
            drop(state);
            let this = shared.clone();
            let thread = thread::Builder::new().name(shared.name.to_owned()).stack_size(STACK_BYTES);
            if let Err(error) = thread.spawn(move || Self::work(&this)) {
                return shared.without_new_thread(&error);
            }
        }
        Ok(())
    }

    /// The system gives no thread. Those that are there will do the work, where there are any.
    fn without_new_thread(&self, error: &io::Error) -> Result<(), ServiceError> {
        tracing::warn!(pool = self.name, %error, "no thread for the pool");
        let mut state = self.lock();
        state.threads -= 1;
        if state.threads > 0 {
            return Ok(());
        }
        state.lanes.clear();
        state.ready.clear();
        Err(busy("No thread for the database"))
    }

    /// What a thread does.
    fn work(shared: &Arc<Self>) {
        let mut state = shared.lock();
        loop {
            if let Some((lane, job)) = shared.take(&mut state) {
                match state.ready.is_empty() {
                    true => drop(state),
                    // This one may be busy for long. Where there is no other thread, this one comes back.
                    false => _ = Self::call_for_help(shared, state),
                }
                // The hook has reported it; the caller learns by the sender that was dropped.
                let _ = catch_unwind(AssertUnwindSafe(job));
                state = shared.lock();
                shared.done(&mut state, lane);
                continue;
            }
            match shared.rest(state) {
                Some(woken) => state = woken,
                None => return,
            }
        }
    }

    /// Waits for work; `None` where the thread is to end.
    fn rest<'a>(&'a self, mut state: MutexGuard<'a, State>) -> Option<MutexGuard<'a, State>> {
        state.idle += 1;
        loop {
            if state.closed {
                state.threads -= 1;
                return None;
            }
            let (next, waited) = self.wake.wait_timeout(state, KEEP_ALIVE).unwrap_or_else(PoisonError::into_inner);
            state = next;
            if state.woken > 0 {
                state.woken -= 1;
                return Some(state);
            }
            if waited.timed_out() {
                state.idle -= 1;
                state.threads -= 1;
                return None;
            }
        }
    }
}

/// Worth another try.
pub(super) fn busy(message: &'static str) -> ServiceError {
    ServiceError::new(Code::ServiceUnavailable, message).after(Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_lane_has_its_share_only() {
        let pool = Arc::new(Pool::new("test", 3, 2));
        let (release, held) = mpsc::channel::<()>();
        let held = Arc::new(Mutex::new(held));
        let (started, mut starts) = tokio::sync::mpsc::unbounded_channel();
        for _ in 0..3 {
            let (pool, held, started) = (pool.clone(), held.clone(), started.clone());
            tokio::spawn(async move {
                let work = move || {
                    started.send(()).unwrap();
                    held.lock().unwrap().recv().unwrap();
                    Ok(())
                };
                pool.run(1, work).await
            });
        }
        starts.recv().await.unwrap();
        starts.recv().await.unwrap();
        // The third thread is for others, though a piece of the first lane still waits.
        assert_eq!(pool.run(2, || Ok(7)).await.unwrap(), 7);
        assert!(starts.try_recv().is_err());
        release.send(()).unwrap();
        starts.recv().await.unwrap();
        release.send(()).unwrap();
        release.send(()).unwrap();
    }

    #[tokio::test]
    async fn lanes_take_turns() {
        let pool = Arc::new(Pool::new("test", 1, 1));
        let (release, held) = mpsc::channel::<()>();
        let (started, starts) = oneshot::channel();
        let first = {
            let pool = pool.clone();
            tokio::spawn(async move {
                let work = move || {
                    started.send(()).unwrap();
                    held.recv().unwrap();
                    Ok(())
                };
                pool.run(0, work).await
            })
        };
        starts.await.unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        for lane in [1, 1, 1, 2] {
            let order = order.clone();
            pool.insist(lane, Box::new(move || order.lock().unwrap().push(lane))).unwrap();
        }
        release.send(()).unwrap();
        first.await.unwrap().unwrap();
        pool.run(1, || Ok(())).await.unwrap();
        assert_eq!(*order.lock().unwrap(), [1, 2, 1, 1]);
    }

    #[tokio::test]
    async fn a_lane_that_is_full_refuses_and_a_panic_ends_nothing_else() {
        let pool = Pool::new("test", 1, 1);
        assert!(matches!(pool.run(1, || -> Result<(), Error> { panic!("on purpose") }).await, Err(Error::Panicked)));
        let (release, held) = mpsc::channel::<()>();
        let (started, starts) = oneshot::channel();
        let hold = move || {
            started.send(()).unwrap();
            held.recv().unwrap();
        };
        pool.insist(1, Box::new(hold)).unwrap();
        starts.await.unwrap();
        for _ in 0..MAX_WAITING {
            pool.submit(1, Box::new(|| ()), MAX_WAITING).unwrap();
        }
        assert_eq!(pool.submit(1, Box::new(|| ()), MAX_WAITING).unwrap_err().code, Code::ServiceUnavailable);
        pool.insist(1, Box::new(|| ())).unwrap();
        release.send(()).unwrap();
        assert_eq!(pool.run(2, || Ok(1)).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn what_nobody_waits_for_never_starts() {
        let pool = Pool::new("test", 1, 1);
        let (release, held) = mpsc::channel::<()>();
        pool.insist(1, Box::new(move || held.recv().unwrap())).unwrap();
        let mut abandoned = Box::pin(pool.run(1, || -> Result<(), Error> { unreachable!("nobody waits") }));
        tokio::select! {
            biased;
            _ = &mut abandoned => unreachable!("the thread is busy"),
            () = std::future::ready(()) => {}
        }
        drop(abandoned);
        release.send(()).unwrap();
        assert_eq!(pool.run(1, || Ok(2)).await.unwrap(), 2);
    }
}
