//! Files that nobody but this user can have written.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::Path,
};

use crate::Error;

/// Ends the name of a file that is being written.
pub(super) const DRAFT: &str = "tmp";

/// Makes a directory with mode 0700, where there is none.
///
/// # Errors
/// [`Error::Io`], also where somebody else owns it or others may write to it.
pub(super) fn private_dir(dir: &Path) -> Result<(), Error> {
    let io = |source| Error::Io { path: dir.display().to_string(), source };
    make_dir(dir).map_err(io)?;
    let meta = fs::metadata(dir).map_err(io)?;
    if meta.uid() != rustix::process::geteuid().as_raw() || meta.mode() & 0o077 != 0 {
        let reason = "the directory of compiled code must be owned by this user and have mode 0700";
        return Err(io(io::Error::other(reason)));
    }
    Ok(())
}

/// Makes a directory with mode 0700 where there is none, whoever owns one that is there.
pub(super) fn make_dir(dir: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// A file and its content; nothing where it does not exist.
///
/// # Errors
/// Why it cannot be read, or must not be.
pub(super) fn read(path: &Path) -> Result<Option<(File, Vec<u8>)>, String> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let meta = file.metadata().map_err(|error| error.to_string())?;
    if meta.uid() != rustix::process::geteuid().as_raw() || meta.mode() & 0o022 != 0 {
        return Err("somebody else owns it or may write to it".into());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(meta.len()).unwrap_or(0));
    file.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    Ok(Some((file, bytes)))
}

/// Writes a file of these parts: as a whole, or not at all.
///
/// # Errors
/// Those of the system.
pub(super) fn write(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    // A name of its own: processes that share a directory may well share a process id, in containers.
    let mut salt = [0; 8];
    getrandom::fill(&mut salt).map_err(io::Error::other)?;
    let draft = path.with_extension(format!("{:016x}.{DRAFT}", u64::from_le_bytes(salt)));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    let written = parts.iter().try_for_each(|part| file.write_all(part)).and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&draft);
    }
    written
}
