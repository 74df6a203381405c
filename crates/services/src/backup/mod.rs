//! Backup and restore of a data directory.
//!
//! A backup is a directory of its own: every database as it was at one moment, the keys of the installation, and a
//! manifest with the hash of each file. It is made while the server runs: each database is read within one
//! transaction, beside whoever writes to it. Databases are not of the same moment as each other, only each is of one.
//!
//! Whoever has a backup has the installation's key and with it every secret: it is for its owner's eyes only, like the
//! data directory. The hashes find damage; they do not hold off somebody who can write the manifest too.
//!
//! Left out are compiled code, which is made anew, and whatever is neither a database (`*.db`) nor a key (`*.key` of
//! the data directory itself). Symbolic links are not followed. All functions here block.

mod copy;
mod database;
mod manifest;
mod staging;
mod walk;

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use thiserror::Error;

pub use self::manifest::FORMAT;
use self::{
    manifest::{Entry, Manifest},
    staging::Staging,
};

/// A backup cannot be made, or is not to be used.
#[derive(Debug, Error)]
pub enum Error {
    /// The file system refused something.
    #[error("cannot use {path}")]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// SQLite refused something.
    #[error("cannot read the database {path}")]
    Database {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// Something is where the backup, or the restored data directory, was to be made.
    #[error("{path} is there already: name a directory that is not, or that is empty when restoring")]
    Occupied {
        /// What is there.
        path: PathBuf,
    },
    /// The backup would be part of what it is a backup of.
    #[error("{path} is inside the data directory: a backup must be elsewhere")]
    Inside {
        /// Where it was to be made.
        path: PathBuf,
    },
    /// There is nothing to back up.
    #[error("{path} is no data directory: it has neither databases nor keys")]
    Nothing {
        /// What was named.
        path: PathBuf,
    },
    /// The manifest is not one.
    #[error("the manifest {path} does not read")]
    Manifest {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The backup was made by a newer doer.
    #[error("the backup has format {found}, and this doer knows {known}: use a newer doer", known = FORMAT)]
    Newer {
        /// The format of the backup.
        found: u32,
    },
    /// The backup is not as it was made.
    #[error("the backup is damaged: {path} {what}")]
    Damaged {
        /// Which of its files.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

impl Error {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_owned(), source }
    }

    fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), what: what.into() }
    }
}

/// What was copied or checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// When the backup was made; milliseconds since the Unix epoch.
    pub created_at: u64,
    /// Files in the backup, by their paths in the data directory.
    pub files: Vec<PathBuf>,
    /// Bytes of all of them.
    pub bytes: u64,
}

impl Report {
    fn of(manifest: &Manifest) -> Self {
        Self {
            created_at: manifest.created_at,
            files: manifest.files.iter().map(|entry| entry.path.clone()).collect(),
            bytes: manifest.files.iter().map(|entry| entry.bytes).sum(),
        }
    }
}

/// Makes a backup of `data_dir` in the new directory `to`, whose parent exists. A server may be running meanwhile.
/// Where it fails nothing is left behind.
///
/// # Errors
/// [`Error::Occupied`], [`Error::Inside`], [`Error::Nothing`], [`Error::Io`], [`Error::Database`].
pub fn create(data_dir: &Path, to: &Path, now_ms: u64) -> Result<Report, Error> {
    let data_dir = fs::canonicalize(data_dir).map_err(Error::io(data_dir))?;
    if fs::symlink_metadata(to).is_ok() {
        return Err(Error::Occupied { path: to.to_owned() });
    }
    let staging = Staging::beside(to)?;
    if staging.parent().starts_with(&data_dir) {
        return Err(Error::Inside { path: to.to_owned() });
    }
    let found = walk::data_files(&data_dir)?;
    if found.is_empty() {
        return Err(Error::Nothing { path: data_dir });
    }
    let mut manifest = Manifest::new(now_ms);
    for (path, kind) in found {
        let target = staging.file(&path)?;
        let copied = match kind {
            walk::Kind::Database => database::snapshot(&data_dir.join(&path), &target),
            walk::Kind::Key => copy::copy(&data_dir.join(&path), &target).map(drop),
        };
        match copied {
            // Deleted since it was listed, with the tenant that it belonged to.
            Err(_) if !data_dir.join(&path).exists() => staging.discard(&path)?,
            copied => {
                copied?;
                manifest.files.push(Entry::of(&target, path)?);
            }
        }
    }
    manifest.write(&staging.file(Path::new(manifest::NAME))?)?;
    staging.publish(to)?;
    Ok(Report::of(&manifest))
}

/// Checks a backup: that each of its files is there and as it was, that there are no others, and that each database is
/// whole. Changes nothing.
///
/// # Errors
/// [`Error::Damaged`], [`Error::Manifest`], [`Error::Newer`], [`Error::Io`], [`Error::Database`].
pub fn verify(from: &Path) -> Result<Report, Error> {
    let manifest = read_manifest(from)?;
    for entry in &manifest.files {
        let found = copy::hash(&from.join(&entry.path))?;
        entry.expect(&found)?;
        check_database(&from.join(&entry.path), entry)?;
    }
    Ok(Report::of(&manifest))
}

/// Makes the data directory `data_dir` of a backup: all of it, or nothing. It must not be there yet, or be empty; the
/// directory of a running server never is. (Where it is a mount point, name a directory in it: one that is mounted
/// cannot be put in place at once.) Files are checked as they are written.
///
/// # Errors
/// [`Error::Occupied`], and those of [`verify`].
pub fn restore(from: &Path, data_dir: &Path) -> Result<Report, Error> {
    if !is_vacant(data_dir)? {
        return Err(Error::Occupied { path: data_dir.to_owned() });
    }
    let manifest = read_manifest(from)?;
    let staging = Staging::beside(data_dir)?;
    for entry in &manifest.files {
        let target = staging.file(&entry.path)?;
        let copied = copy::copy(&from.join(&entry.path), &target)?;
        entry.expect(&copied)?;
        check_database(&target, entry)?;
    }
    staging.publish(data_dir)?;
    Ok(Report::of(&manifest))
}

/// The manifest, where it and the directory agree on which files there are.
fn read_manifest(from: &Path) -> Result<Manifest, Error> {
    let manifest = Manifest::read(&from.join(manifest::NAME))?;
    let mut listed: BTreeSet<PathBuf> = manifest.files.iter().map(|entry| entry.path.clone()).collect();
    listed.insert(PathBuf::from(manifest::NAME));
    for found in walk::all_files(from)? {
        if !listed.remove(&found) {
            return Err(Error::damaged(&found, "is not in its manifest"));
        }
    }
    match listed.into_iter().next() {
        Some(missing) => Err(Error::damaged(&missing, "is missing")),
        None => Ok(manifest),
    }
}

fn check_database(path: &Path, entry: &Entry) -> Result<(), Error> {
    match walk::is_database(&entry.path).then(|| database::problem(path)).transpose()?.flatten() {
        Some(problem) => Err(Error::damaged(&entry.path, format!("is no whole database: {problem}"))),
        None => Ok(()),
    }
}

fn is_vacant(path: &Path) -> Result<bool, Error> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(Error::io(path)(error)),
        Ok(metadata) if metadata.is_dir() => Ok(fs::read_dir(path).map_err(Error::io(path))?.next().is_none()),
        Ok(_) => Ok(false),
    }
}
