//! What is in a backup, in its `manifest.json`.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Component, Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    Error,
    copy::{self, Copied},
};

/// The format of backups that is written here.
pub const FORMAT: u32 = 1;
/// Its file.
pub(super) const NAME: &str = "manifest.json";
/// A manifest of a hundred thousand files.
const MAX_BYTES: u64 = 32 << 20;

/// A manifest.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Manifest {
    pub format: u32,
    /// The doer that made it, for people.
    pub version: String,
    pub created_at: u64,
    pub files: Vec<Entry>,
}

/// One file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub path: PathBuf,
    pub bytes: u64,
    pub blake3: String,
}

impl Manifest {
    pub fn new(created_at: u64) -> Self {
        Self { format: FORMAT, version: env!("CARGO_PKG_VERSION").to_owned(), created_at, files: Vec::new() }
    }

    pub fn read(path: &Path) -> Result<Self, Error> {
        let metadata = fs::symlink_metadata(path).map_err(Error::io(path))?;
        if !metadata.is_file() || metadata.len() > MAX_BYTES {
            return Err(Error::damaged(path, "is no manifest"));
        }
        let text = fs::read_to_string(path).map_err(Error::io(path))?;
        let wrong = |source| Error::Manifest { path: path.to_owned(), source };
        // The format first: what a newer one has in it need not be known here.
        let Format { format } = serde_json::from_str(&text).map_err(wrong)?;
        if format > FORMAT {
            return Err(Error::Newer { found: format });
        }
        let manifest: Self = serde_json::from_str(&text).map_err(wrong)?;
        for entry in &manifest.files {
            if !is_below(&entry.path) || entry.path == Path::new(NAME) {
                return Err(Error::damaged(&entry.path, "leads out of the backup"));
            }
        }
        Ok(manifest)
    }

    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let text = serde_json::to_vec_pretty(self).map_err(|source| Error::Manifest { path: path.into(), source })?;
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(Error::io(path))?;
        file.write_all(&text).and_then(|()| file.sync_all()).map_err(Error::io(path))
    }
}

#[derive(Deserialize)]
struct Format {
    format: u32,
}

impl Entry {
    /// The entry for a file that was just written, and that is `path` in the data directory.
    pub fn of(file: &Path, path: PathBuf) -> Result<Self, Error> {
        let Copied { bytes, hash } = copy::hash(file)?;
        Ok(Self { path, bytes, blake3: hash.to_hex().to_string() })
    }

    /// Is that the file?
    pub fn expect(&self, found: &Copied) -> Result<(), Error> {
        if found.bytes != self.bytes {
            let what = format!("has {} bytes rather than {}", found.bytes, self.bytes);
            return Err(Error::damaged(&self.path, what));
        }
        if found.hash.to_hex().as_str() != self.blake3 {
            return Err(Error::damaged(&self.path, "is not what was written: its hash differs"));
        }
        Ok(())
    }
}

/// A path of plain names: nothing of it leads up, or to the root.
fn is_below(path: &Path) -> bool {
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    plain && path.components().next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_below() {
        for path in ["a.db", "tenants/a/b.db"] {
            assert!(is_below(Path::new(path)), "{path}");
        }
        for path in ["", "/etc/passwd", "../a.db", "a/../../b.db", "."] {
            assert!(!is_below(Path::new(path)), "{path}");
        }
    }
}
