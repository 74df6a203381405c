//! The place of one id: empty, loading, or ready.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures_util::future::{BoxFuture, FutureExt as _, Shared};

use super::worker::{Code, Worker};
use crate::{
    Error, GuestError,
    cache::{Changes, Place, Shelf, Spot},
};

/// Knows the code of a worker.
#[async_trait]
pub trait Factory: Send + Sync + 'static {
    /// The code. Asked when a call needs it and it is not loaded: never twice at a time for one id.
    ///
    /// # Errors
    /// What every caller who waits for it is told.
    async fn code(&self) -> Result<Code, LoadError>;

    /// May what the code has become be kept on disk, code and plain values of `env` included? Not where a run made it up:
    /// it may have put a secret into it.
    fn is_durable(&self) -> bool {
        true
    }
}

#[async_trait]
impl<F, R> Factory for F
where
    F: Fn() -> R + Send + Sync + 'static,
    R: Future<Output = Result<Code, LoadError>> + Send + 'static,
{
    async fn code(&self) -> Result<Code, LoadError> {
        self().await
    }
}

/// Why a worker could not be loaded. Many callers may wait for one load.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LoadError {
    /// There is no such worker.
    #[error("no such worker")]
    NotFound,
    /// The code does not compile.
    #[error("{}: {}", .0.name, .0.message)]
    Code(Arc<GuestError>),
    /// The factory failed.
    #[error("the worker's code cannot be had: {0}")]
    Factory(Arc<str>),
    /// We failed.
    #[error("the worker cannot be loaded")]
    Host(#[source] Arc<Error>),
}

type Loading = Shared<BoxFuture<'static, Result<Arc<Worker>, LoadError>>>;

#[derive(Default)]
enum State {
    #[default]
    Empty,
    /// With the number of the load: one that was given up must not fill the slot later.
    Loading(u64, Loading),
    Ready(Arc<Worker>),
}

/// One id's place.
#[derive(Default)]
pub(super) struct Slot {
    /// Where what its worker has become is kept; nowhere without a name.
    place: Option<Place>,
    changes: Changes,
    state: Mutex<(u64, State)>,
}

impl Slot {
    pub(super) fn named(place: Place) -> Self {
        Self { place: Some(place), ..Self::default() }
    }

    /// The spot of code that is about to be asked for.
    pub(super) fn spot(&self, shelf: &Arc<Shelf>) -> Option<Spot> {
        self.place.map(|place| Spot::new(shelf, place, &self.changes))
    }

    /// Does anybody still look at it, beside those who hold it?
    pub(super) fn is_watched(&self) -> bool {
        self.changes.are_watched()
    }

    /// The worker; loads it by `load` where nobody has, in a task of its own, which calls `settled` when it is there:
    /// whoever wanted it may have gone away meanwhile.
    pub(super) async fn worker<F>(
        self: &Arc<Self>,
        load: impl FnOnce() -> F,
        settled: impl FnOnce() + Send + 'static,
    ) -> Result<Arc<Worker>, LoadError>
    where
        F: Future<Output = Result<Arc<Worker>, LoadError>> + Send + 'static,
    {
        let loading = {
            let mut state = self.lock();
            match &state.1 {
                State::Ready(worker) => return Ok(Arc::clone(worker)),
                State::Loading(_, loading) => loading.clone(),
                State::Empty => {
                    state.0 += 1;
                    let number = state.0;
                    let loading = self.begin(number, load(), settled);
                    state.1 = State::Loading(number, loading.clone());
                    loading
                }
            }
        };
        loading.await
    }

    fn begin<F>(self: &Arc<Self>, number: u64, load: F, settled: impl FnOnce() + Send + 'static) -> Loading
    where
        F: Future<Output = Result<Arc<Worker>, LoadError>> + Send + 'static,
    {
        let slot = Arc::clone(self);
        let task = tokio::spawn(async move {
            let loaded = load.await;
            slot.settle(number, &loaded);
            settled();
            loaded
        });
        let slot = Arc::clone(self);
        let ended = async move {
            match task.await {
                Ok(loaded) => loaded,
                Err(_) => {
                    let panicked = Err(LoadError::Host(Arc::new(Error::Panicked)));
                    slot.settle(number, &panicked);
                    panicked
                }
            }
        };
        ended.boxed().shared()
    }

    /// Notes how a load ended, unless the slot was emptied meanwhile.
    fn settle(&self, number: u64, loaded: &Result<Arc<Worker>, LoadError>) {
        let mut state = self.lock();
        if matches!(&state.1, State::Loading(current, _) if *current == number) {
            state.1 = match loaded {
                Ok(worker) => State::Ready(Arc::clone(worker)),
                // Forgotten: the next call tries again.
                Err(_) => State::Empty,
            };
        }
    }

    /// The worker, where it is loaded.
    pub(super) fn ready(&self) -> Option<Arc<Worker>> {
        match &self.lock().1 {
            State::Ready(worker) => Some(Arc::clone(worker)),
            State::Empty | State::Loading(..) => None,
        }
    }

    /// Is nothing loaded, nor about to be?
    pub(super) fn is_empty(&self) -> bool {
        matches!(self.lock().1, State::Empty)
    }

    /// As [`Slot::empty`], for good: what it was is not to be found again.
    pub(super) fn forget(&self) {
        self.changes.count();
        self.empty();
    }

    /// Lets go of what is loaded or about to be. Who waits for it or runs it already is not disturbed.
    pub(super) fn empty(&self) {
        self.lock().1 = State::Empty;
    }

    /// Lets go of code other than this.
    pub(super) fn empty_unless(&self, hash: &str) {
        let mut state = self.lock();
        let same = matches!(&state.1, State::Ready(worker) if worker.hash == hash);
        if !same {
            self.changes.count();
            state.1 = State::Empty;
        }
    }

    fn lock(&self) -> MutexGuard<'_, (u64, State)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
