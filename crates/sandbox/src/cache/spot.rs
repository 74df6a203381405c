//! A worker's place on disk, as one load of it sees it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::SeqCst},
};

use tokio::task::spawn_blocking;

use super::{ArtifactId, Place, Shelf};

/// Counts how often a worker was removed or replaced.
#[derive(Debug, Clone, Default)]
pub(crate) struct Changes(Arc<AtomicU64>);

impl Changes {
    /// It was removed or replaced.
    pub(crate) fn count(&self) {
        self.0.fetch_add(1, SeqCst);
    }

    /// Does anybody have it in mind to write a file of the worker?
    pub(crate) fn are_watched(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }
}

/// Where to look for what a worker's code has become, and to keep it.
#[derive(Debug, Clone)]
pub(crate) struct Spot {
    shelf: Arc<Shelf>,
    place: Place,
    changes: Changes,
    changes_then: u64,
    code: blake3::Hash,
}

impl Spot {
    /// The place of a worker, to be asked for before its code is.
    pub(crate) fn new(shelf: &Arc<Shelf>, place: Place, changes: &Changes) -> Self {
        let (shelf, changes, code) = (Arc::clone(shelf), changes.clone(), blake3::Hash::from_bytes([0; 32]));
        let changes_then = changes.0.load(SeqCst);
        Self { shelf, place, changes, changes_then, code }
    }

    /// The same, with all that its code is.
    pub(crate) fn of_code(self, code: blake3::Hash) -> Self {
        Self { code, ..self }
    }

    /// Tells the code apart from any other.
    pub(crate) const fn code(&self) -> &[u8; 32] {
        self.code.as_bytes()
    }

    /// What `read` makes of the file that was made of `id`.
    pub(crate) async fn find<T: Send + 'static>(
        &self,
        id: ArtifactId,
        read: impl FnOnce(Vec<u8>) -> Option<T> + Send + 'static,
    ) -> Option<T> {
        let spot = self.clone();
        spawn_blocking(move || spot.shelf.find(spot.place, id).and_then(read)).await.ok().flatten()
    }

    /// Keeps what `write` gives, unless the worker was removed or replaced meanwhile. For a task of its own.
    pub(crate) async fn keep(&self, id: ArtifactId, write: impl FnOnce() -> Vec<u8> + Send + 'static) {
        let Ok(_turn) = self.shelf.writing.acquire().await else { return };
        let spot = self.clone();
        let kept = spawn_blocking(move || {
            if spot.is_outdated() {
                return;
            }
            spot.shelf.keep(spot.place, id, &write());
            // Whoever removed the worker meanwhile may have found no file yet.
            if spot.is_outdated() {
                spot.shelf.remove(spot.place);
            }
        });
        // It ends early where the runtime does, and then there is no file, or a draft.
        let _ = kept.await;
    }

    fn is_outdated(&self) -> bool {
        self.changes.0.load(SeqCst) != self.changes_then
    }
}
