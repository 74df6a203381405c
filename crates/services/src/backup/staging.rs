//! Where a directory is put together before it is put in its place: all of it at once, or nothing.

use std::{
    fs::{self, DirBuilder, File},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use super::Error;

/// A directory that is gone when this is dropped, unless it was published.
#[derive(Debug)]
pub(super) struct Staging {
    parent: PathBuf,
    path: PathBuf,
}

impl Staging {
    /// One beside `target`, so that it can be moved there in one step.
    pub fn beside(target: &Path) -> Result<Self, Error> {
        let parent = match target.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let parent = fs::canonicalize(parent).map_err(Error::io(parent))?;
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        // Random: what a killed process has left behind is in nobody's way.
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|error| Error::io(target)(error.into()))?;
        let path = parent.join(format!(".{name}.{}", hex::encode(random)));
        DirBuilder::new().mode(0o700).create(&path).map_err(Error::io(&path))?;
        Ok(Self { parent, path })
    }

    /// The directory that it is in.
    pub fn parent(&self) -> &Path {
        &self.parent
    }

    /// Where a file is to be written; its directories are made.
    pub fn file(&self, path: &Path) -> Result<PathBuf, Error> {
        let file = self.path.join(path);
        if let Some(directory) = file.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(Error::io(directory))?;
        }
        Ok(file)
    }

    /// Takes back what was written for a file.
    pub fn discard(&self, path: &Path) -> Result<(), Error> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        for suffix in ["", "-journal", "-wal", "-shm"] {
            let file = self.path.join(path).with_file_name(format!("{name}{suffix}"));
            match fs::remove_file(&file) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(Error::io(&file)(error)),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// Moves it to `target`, where nothing may be but an empty directory. It is on the disk when this returns.
    pub fn publish(self, target: &Path) -> Result<(), Error> {
        sync_directories(&self.path)?;
        fs::rename(&self.path, target).map_err(|source| match source.kind() {
            std::io::ErrorKind::DirectoryNotEmpty | std::io::ErrorKind::AlreadyExists => {
                Error::Occupied { path: target.to_owned() }
            }
            _ => Error::io(target)(source),
        })?;
        sync(&self.parent)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // After it was published there is nothing there any more.
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn sync_directories(directory: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(directory).map_err(Error::io(directory))? {
        let entry = entry.map_err(Error::io(directory))?;
        if entry.file_type().map_err(Error::io(directory))?.is_dir() {
            sync_directories(&entry.path())?;
        }
    }
    sync(directory)
}

fn sync(directory: &Path) -> Result<(), Error> {
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(Error::io(directory))
}
