//! What workers have become, on disk: images of heaps and native code, one file for each worker.
//!
//! A file's name is its worker's. Behind its content stand the id of what it was made of (the worker's code, and whatever
//! else decides: the engine, the base) and a keyed hash over all of that. So a file counts for nothing where code or base
//! are others by now, or under another worker's name, and only who has the installation's key can have written it. What
//! does not hold is removed, and made again.

use std::{
    cmp::Reverse,
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use doer_core::time::{Clock as _, SystemClock};
use tokio::sync::Semaphore;

use super::{ArtifactId, files};
use crate::Error;

/// Id and keyed hash.
const TRAILER_BYTES: usize = 64;
/// Whoever was writing this has long given up.
const DRAFT_AGE: Duration = Duration::from_secs(60 * 60);

/// The files of all workers, within a bound.
#[derive(Debug)]
pub(crate) struct Shelf {
    dir: PathBuf,
    key: [u8; 32],
    most_bytes: u64,
    listed: Mutex<List>,
    /// One writes at a time: there is no hurry, and others have requests to serve.
    pub(super) writing: Semaphore,
}

/// What is there, as far as this process knows.
#[derive(Debug, Default)]
struct List {
    files: HashMap<Place, Entry>,
    bytes: u64,
}

#[derive(Debug)]
struct Entry {
    bytes: u64,
    used: SystemTime,
}

/// Where a worker's file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    namespace: blake3::Hash,
    worker: blake3::Hash,
}

impl Place {
    /// The worker of that id in that namespace.
    pub(crate) fn of(namespace: &str, id: &str) -> Self {
        Self { namespace: blake3::hash(namespace.as_bytes()), worker: blake3::hash(id.as_bytes()) }
    }
}

impl Shelf {
    /// Opens a directory, or makes it, and looks at what is there.
    ///
    /// # Errors
    /// [`Error::Io`], also where the directory is not the user's alone.
    pub(crate) fn open(dir: &Path, installation_key: &[u8; 32], most_bytes: u64) -> Result<Self, Error> {
        files::private_dir(dir)?;
        let listed = list(dir).map_err(|source| Error::Io { path: dir.display().to_string(), source })?;
        let shelf = Self {
            dir: dir.to_owned(),
            key: blake3::derive_key("doer 2026 workers on disk", installation_key),
            most_bytes,
            listed: Mutex::new(listed),
            writing: Semaphore::new(1),
        };
        shelf.make_room(&mut shelf.lock());
        Ok(shelf)
    }

    /// Removes a directory with all that was ever kept in it.
    pub(crate) fn clear(dir: &Path) {
        told(dir, fs::remove_dir_all(dir));
    }

    /// What was kept there, if it was made of what `id` says.
    pub(crate) fn find(&self, place: Place, id: ArtifactId) -> Option<Vec<u8>> {
        let path = self.path(place);
        match self.verified(place, id, &path) {
            Ok(found) => found,
            Err(reason) => {
                tracing::warn!(path = %path.display(), reason, "a worker's file on disk is not used; it is made again");
                self.remove(place);
                None
            }
        }
    }

    fn verified(&self, place: Place, id: ArtifactId, path: &Path) -> Result<Option<Vec<u8>>, String> {
        let Some((file, mut bytes)) = files::read(path)? else {
            self.lock().forget(place);
            return Ok(None);
        };
        let size = bytes.len() as u64;
        let content = bytes.len().checked_sub(TRAILER_BYTES).ok_or("it is too short")?;
        let (found, seal) = bytes[content..].split_at(TRAILER_BYTES / 2);
        if found != id.as_bytes() {
            // Nothing is wrong with it: it was replaced, or the program was.
            self.remove(place);
            return Ok(None);
        }
        // blake3's hashes compare in constant time.
        if blake3::Hash::from_slice(seal).ok() != Some(self.seal(place, id, &bytes[..content])) {
            return Err("its keyed hash does not verify".into());
        }
        bytes.truncate(content);
        let used = now();
        // Told to those who come after us, if that goes well.
        let _ = file.set_modified(used);
        self.lock().note(place, Entry { bytes: size, used });
        Ok(Some(bytes))
    }

    /// Keeps content there, in place of what is there. What cannot be written is only logged.
    pub(crate) fn keep(&self, place: Place, id: ArtifactId, content: &[u8]) {
        let bytes = (content.len() + TRAILER_BYTES) as u64;
        if bytes > self.most_bytes {
            return;
        }
        let path = self.path(place);
        let seal = self.seal(place, id, content);
        let written = files::make_dir(&self.namespace(&place.namespace))
            .and_then(|()| files::write(&path, &[content, id.as_bytes(), seal.as_bytes()]));
        match written {
            Ok(()) => {
                let mut listed = self.lock();
                listed.note(place, Entry { bytes, used: now() });
                self.make_room(&mut listed);
            }
            Err(error) => tracing::warn!(path = %path.display(), %error, "a worker's file could not be kept"),
        }
    }

    /// Removes what is there.
    pub(crate) fn remove(&self, place: Place) {
        self.delete(place);
        self.lock().forget(place);
    }

    /// Removes all that is of a namespace.
    pub(crate) fn remove_namespace(&self, namespace: &str) {
        let namespace = blake3::hash(namespace.as_bytes());
        let dir = self.namespace(&namespace);
        told(&dir, fs::remove_dir_all(&dir));
        let mut listed = self.lock();
        let gone: Vec<Place> = listed.files.keys().filter(|place| place.namespace == namespace).copied().collect();
        for place in gone {
            listed.forget(place);
        }
    }

    /// How many files there are, and their bytes.
    pub(crate) fn stats(&self) -> (usize, u64) {
        let listed = self.lock();
        (listed.files.len(), listed.bytes)
    }

    /// Removes the least recently used until the rest fits, with a little to spare: not for every file are all others
    /// looked at. The newest has to go only where it alone is too much.
    fn make_room(&self, listed: &mut List) {
        if listed.bytes <= self.most_bytes {
            return;
        }
        let mut newest_first: Vec<(SystemTime, Place)> =
            listed.files.iter().map(|(place, entry)| (entry.used, *place)).collect();
        newest_first.sort_unstable_by_key(|(used, _)| Reverse(*used));
        let with_spare = self.most_bytes - self.most_bytes / 16;
        while let Some((_, oldest)) = newest_first.pop() {
            let fits = if newest_first.is_empty() { self.most_bytes } else { with_spare };
            if listed.bytes <= fits {
                return;
            }
            self.delete(oldest);
            listed.forget(oldest);
        }
    }

    fn delete(&self, place: Place) {
        let path = self.path(place);
        told(&path, fs::remove_file(&path));
    }

    fn seal(&self, place: Place, id: ArtifactId, content: &[u8]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        for hash in [&place.namespace, &place.worker] {
            hasher.update(hash.as_bytes());
        }
        hasher.update(id.as_bytes()).update(content).finalize()
    }

    fn namespace(&self, namespace: &blake3::Hash) -> PathBuf {
        self.dir.join(namespace.to_hex().as_str())
    }

    fn path(&self, place: Place) -> PathBuf {
        self.namespace(&place.namespace).join(place.worker.to_hex().as_str())
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl List {
    fn note(&mut self, place: Place, entry: Entry) {
        self.forget(place);
        self.bytes += entry.bytes;
        self.files.insert(place, entry);
    }

    fn forget(&mut self, place: Place) {
        if let Some(entry) = self.files.remove(&place) {
            self.bytes -= entry.bytes;
        }
    }
}

fn now() -> SystemTime {
    UNIX_EPOCH + SystemClock.now()
}

/// What lies in a directory of ours. Drafts that were given up are removed, and directories with nothing in them.
fn list(dir: &Path) -> io::Result<List> {
    let mut listed = List::default();
    let hash = |name: &std::ffi::OsStr| name.to_str().and_then(|name| blake3::Hash::from_hex(name).ok());
    for namespace in fs::read_dir(dir)? {
        let namespace = namespace?;
        let Some(of) = hash(&namespace.file_name()) else { continue };
        for file in fs::read_dir(namespace.path())? {
            let file = file?;
            // Another process may be at work here.
            let Ok(meta) = file.metadata() else { continue };
            let used = meta.modified()?;
            match hash(&file.file_name()) {
                Some(worker) => {
                    listed.note(Place { namespace: of, worker }, Entry { bytes: meta.len(), used });
                }
                None if used + DRAFT_AGE < now() => {
                    told(&file.path(), fs::remove_file(file.path()));
                }
                None => {}
            }
        }
        // Refused where there is something in it.
        let _ = fs::remove_dir(namespace.path());
    }
    Ok(listed)
}

fn told(path: &Path, removed: io::Result<()>) {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "what workers have become could not be removed from disk");
        }
        Ok(()) | Err(_) => {}
    }
}

#[cfg(test)]
mod tests;
