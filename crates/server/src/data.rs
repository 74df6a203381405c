//! The data directory: what is durable, and the secrets of the installation.

use std::{
    fs::{self, DirBuilder, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use thiserror::Error;

/// The data directory cannot be used.
#[derive(Debug, Error)]
pub enum DataError {
    /// The file system refused something.
    #[error("cannot use {path}")]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A key file has not the length of a key.
    #[error("{path} is damaged: it must have 32 bytes; remove it, and a new one is made")]
    DamagedKey {
        /// Where.
        path: PathBuf,
    },
    /// The operating system gave no randomness.
    #[error("no randomness from the operating system")]
    Random(#[source] getrandom::Error),
}

/// A data directory that exists.
#[derive(Debug, Clone)]
pub struct DataDir(PathBuf);

impl DataDir {
    /// Makes the directory, for the owner only, where it does not exist.
    ///
    /// # Errors
    /// [`DataError::Io`].
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let failed = |source| DataError::Io { path: path.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
        let mode = fs::metadata(path).map_err(failed)?.mode();
        if mode & 0o077 != 0 {
            tracing::warn!(path = %path.display(), "others can read the data directory; better: chmod 700");
        }
        Ok(Self(path.to_owned()))
    }

    /// Users, keys and tenants: a database that only the owner reads, empty where there was none.
    ///
    /// # Errors
    /// [`DataError::Io`].
    pub fn keys(&self) -> Result<PathBuf, DataError> {
        let path = self.0.join("keys.db");
        let failed = |source| DataError::Io { path: path.clone(), source };
        // SQLite would make it readable for everyone; what it makes beside it gets the mode of the database.
        OpenOptions::new().append(true).create(true).mode(0o600).open(&path).map_err(failed)?;
        for name in ["keys.db", "keys.db-wal", "keys.db-shm"] {
            make_private(&self.0.join(name)).map_err(failed)?;
        }
        Ok(path)
    }

    /// The databases of the services: a directory that only the owner enters.
    ///
    /// # Errors
    /// [`DataError::Io`].
    pub fn services(&self) -> Result<PathBuf, DataError> {
        let path = self.0.join("services");
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&path);
        made.map_err(|source| DataError::Io { path: path.clone(), source })?;
        Ok(path)
    }

    /// Compiled artifacts.
    pub fn cache(&self) -> PathBuf {
        self.0.join("cache")
    }

    /// The secret that authenticates compiled artifacts; made at the first start.
    ///
    /// # Errors
    /// All of [`DataError`].
    pub fn installation_key(&self) -> Result<[u8; 32], DataError> {
        let path = self.0.join("installation.key");
        if !path.exists() {
            let mut key = [0; 32];
            getrandom::fill(&mut key).map_err(DataError::Random)?;
            self.keep_secret("installation.key", &key)?;
        }
        let bytes = fs::read(&path).map_err(|source| DataError::Io { path: path.clone(), source })?;
        bytes.try_into().map_err(|_| DataError::DamagedKey { path })
    }

    /// Writes a file that only the owner reads, in place of one that is there. Whole or not at all.
    ///
    /// # Errors
    /// [`DataError::Io`].
    pub fn replace_secret(&self, name: &str, content: &[u8]) -> Result<PathBuf, DataError> {
        self.write_secret(name, content, |draft, path| fs::rename(draft, path))
    }

    /// The same, but one that is there stays: of two processes that start at once, both use the first's.
    fn keep_secret(&self, name: &str, content: &[u8]) -> Result<PathBuf, DataError> {
        self.write_secret(name, content, |draft, path| match fs::hard_link(draft, path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            Ok(()) | Err(_) => Ok(()),
        })
    }

    fn write_secret(
        &self,
        name: &str,
        content: &[u8],
        publish: impl FnOnce(&Path, &Path) -> io::Result<()>,
    ) -> Result<PathBuf, DataError> {
        let path = self.0.join(name);
        let draft = self.0.join(format!("{name}.{}", std::process::id()));
        let written = write_draft(&draft, content).and_then(|()| publish(&draft, &path));
        // Whatever became of it: a draft that is left would be a secret that nobody watches over.
        let _ = fs::remove_file(&draft);
        written.map_err(|source| DataError::Io { path: path.clone(), source })?;
        Ok(path)
    }
}

/// For files of earlier starts; one that is not there is nobody's to read.
fn make_private(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.mode() & 0o077 != 0 => fs::set_permissions(path, Permissions::from_mode(0o600)),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn write_draft(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_and_its_secrets_are_the_owners() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/data");
        let data = DataDir::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);

        let key = data.installation_key().unwrap();
        assert_eq!(DataDir::open(&path).unwrap().installation_key().unwrap(), key, "made once");
        assert_eq!(fs::metadata(path.join("installation.key")).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(&path).unwrap().count(), 1, "no drafts are left");
    }

    #[test]
    fn a_secret_can_be_replaced() {
        let parent = tempfile::tempdir().unwrap();
        let data = DataDir::open(parent.path()).unwrap();
        data.replace_secret("admin.key", b"old").unwrap();
        let path = data.replace_secret("admin.key", b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn keys_are_the_owners_however_they_were_before() {
        let parent = tempfile::tempdir().unwrap();
        let data = DataDir::open(parent.path()).unwrap();
        let mode = |name: &str| fs::metadata(parent.path().join(name)).unwrap().mode() & 0o777;
        data.keys().unwrap();
        assert_eq!(mode("keys.db"), 0o600);

        for name in ["keys.db", "keys.db-wal"] {
            fs::write(parent.path().join(name), b"kept").unwrap();
            fs::set_permissions(parent.path().join(name), Permissions::from_mode(0o644)).unwrap();
        }
        let path = data.keys().unwrap();
        assert_eq!((mode("keys.db"), mode("keys.db-wal")), (0o600, 0o600));
        assert_eq!(fs::read(path).unwrap(), b"kept");
    }

    #[test]
    fn a_damaged_key_is_told_and_not_replaced() {
        let parent = tempfile::tempdir().unwrap();
        let data = DataDir::open(parent.path()).unwrap();
        fs::write(parent.path().join("installation.key"), b"short").unwrap();
        assert!(matches!(data.installation_key(), Err(DataError::DamagedKey { .. })));
    }
}
