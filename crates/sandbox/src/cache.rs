//! Compiled modules on disk.
//!
//! An artifact is native code that this process will jump into. So the directory is the user's alone, the file's
//! owner is checked, and a keyed hash under the installation's key stands beside each file; what does not verify
//! is compiled again and replaced. The same goes for what workers have become (`shelf`), whose files may be removed at any
//! time for want of room.

#![expect(unsafe_code, reason = "loading artifacts that doer compiled itself")]

mod files;
mod shelf;
mod spot;

use std::{
    fs::{self, File},
    hash::{Hash, Hasher},
    path::{Path, PathBuf},
};

use wasmtime::{Engine, Module, Precompiled, component::Component};

use crate::Error;
pub(crate) use shelf::{Place, Shelf};
pub(crate) use spot::{Changes, Spot};

/// What a compiler process answered, ready to be linked.
pub(crate) enum Loaded {
    Module(Module),
    Component(Component),
}

/// Loads what a compiler process of ours answered, now or before: then it lay on a [`Shelf`], and verified.
///
/// # Errors
/// wasmtime's, where the artifact was made with other settings than `engine` has.
pub(crate) fn load_compiled(engine: &Engine, artifact: &[u8]) -> wasmtime::Result<Loaded> {
    if Engine::detect_precompiled(artifact) == Some(Precompiled::Component) {
        // SAFETY: as below.
        return unsafe { Component::deserialize(engine, artifact) }.map(Loaded::Component);
    }
    // SAFETY: it came through a pipe from a process that this one started, ran our own compiler in, and lets
    // compile one module only; the compiler module says what that trust amounts to. On disk it was kept under a key that only
    // this installation has.
    unsafe { Module::deserialize(engine, artifact) }.map(Loaded::Module)
}

/// Artifacts of one installation.
#[derive(Debug)]
pub(crate) struct Cache {
    dir: PathBuf,
    key: [u8; 32],
}

/// What an artifact is the result of: everything that decides about its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ArtifactId(blake3::Hash);

impl ArtifactId {
    /// The id of what `engine` makes of `parts`.
    pub(crate) fn of(engine: &Engine, kind: &str, parts: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new();
        engine.precompile_compatibility_hash().hash(&mut Absorb(&mut hasher));
        for part in [kind.as_bytes(), env!("CARGO_PKG_VERSION").as_bytes()].iter().chain(parts) {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        Self(hasher.finalize())
    }

    /// To make another id of.
    pub(crate) const fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

struct Absorb<'a>(&'a mut blake3::Hasher);

impl Hasher for Absorb<'_> {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
    fn finish(&self) -> u64 {
        0
    }
}

impl Cache {
    /// Opens the directory, or makes it with mode 0700.
    ///
    /// # Errors
    /// [`Error::Io`], also where somebody else owns it or others may write to it.
    pub(crate) fn open(dir: &Path, installation_key: &[u8; 32]) -> Result<Self, Error> {
        files::private_dir(dir)?;
        Ok(Self { dir: dir.to_owned(), key: blake3::derive_key("doer 2026 compiled artifacts", installation_key) })
    }

    /// The artifact, if it is there and verifies.
    pub(crate) fn load(&self, engine: &Engine, id: ArtifactId) -> Option<Module> {
        let path = self.path(id);
        let (file, _) = self.told(&path, self.open_verified(id, &path))?;
        // SAFETY: the bytes behind this handle are what `keep` wrote, under a key that only this installation
        // has; nobody else may write to the file or replace it while it is mapped.
        let module = unsafe { Module::deserialize_open_file(engine, file) };
        self.told(&path, module.map(Some).map_err(|error| error.to_string()))
    }

    fn told<T>(&self, path: &Path, found: Result<Option<T>, String>) -> Option<T> {
        found.unwrap_or_else(|reason| {
            tracing::warn!(path = %path.display(), reason, "an artifact on disk is not used; it is made again");
            None
        })
    }

    /// What was kept under this id, if it is there and verifies.
    pub(crate) fn load_bytes(&self, id: ArtifactId) -> Option<Vec<u8>> {
        let path = self.path(id);
        self.told(&path, self.open_verified(id, &path)).map(|(_, bytes)| bytes)
    }

    /// The file and its content.
    fn open_verified(&self, id: ArtifactId, path: &Path) -> Result<Option<(File, Vec<u8>)>, String> {
        let Some((file, bytes)) = files::read(path)? else { return Ok(None) };
        let recorded = fs::read(seal_path(path)).map_err(|error| error.to_string())?;
        // blake3's hashes compare in constant time.
        if blake3::Hash::from_slice(&recorded).ok() != Some(self.seal(id, &bytes)) {
            return Err("its keyed hash does not verify".into());
        }
        Ok(Some((file, bytes)))
    }

    /// Compiles `binary`, keeps the artifact, and loads it from the file, which shares its pages with the cache.
    ///
    /// # Errors
    /// [`Error::Engine`] where it does not compile. A file that cannot be written is only logged.
    pub(crate) fn compile(&self, engine: &Engine, id: ArtifactId, binary: &[u8]) -> Result<Module, Error> {
        let refused = |source| Error::Engine { during: "compiling", source };
        let artifact = engine.precompile_module(binary).map_err(refused)?;
        self.keep(id, &artifact);
        if let Some(module) = self.load(engine, id) {
            return Ok(module);
        }
        // SAFETY: compiled by this process a moment ago.
        unsafe { Module::deserialize(engine, &artifact) }.map_err(refused)
    }

    /// Keeps an artifact. One that cannot be written is only logged.
    pub(crate) fn keep(&self, id: ArtifactId, artifact: &[u8]) {
        let path = self.path(id);
        let sealed = files::write(&seal_path(&path), &[self.seal(id, artifact).as_bytes()]);
        if let Err(error) = sealed.and_then(|()| files::write(&path, &[artifact])) {
            tracing::warn!(path = %path.display(), %error, "an artifact could not be kept");
        }
    }

    fn seal(&self, id: ArtifactId, artifact: &[u8]) -> blake3::Hash {
        blake3::Hasher::new_keyed(&self.key).update(id.0.as_bytes()).update(artifact).finalize()
    }

    fn path(&self, id: ArtifactId) -> PathBuf {
        self.dir.join(format!("{}.cwasm", id.0.to_hex()))
    }
}

fn seal_path(artifact: &Path) -> PathBuf {
    artifact.with_extension("seal")
}
