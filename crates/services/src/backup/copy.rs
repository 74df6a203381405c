//! Files copied and hashed, for their owner only.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

use super::Error;

/// What was read.
#[derive(Debug)]
pub(super) struct Copied {
    pub bytes: u64,
    pub hash: blake3::Hash,
}

/// Copies a file to one that is not there yet. It is on the disk when this returns.
pub(super) fn copy(from: &Path, to: &Path) -> Result<Copied, Error> {
    let source = open(from)?;
    let mut target = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(Error::io(to))?;
    let copied = pass(source, &mut target).map_err(Error::io(to))?;
    target.sync_all().map_err(Error::io(to))?;
    Ok(copied)
}

/// Hashes a file.
pub(super) fn hash(path: &Path) -> Result<Copied, Error> {
    pass(open(path)?, &mut io::sink()).map_err(Error::io(path))
}

/// Opens a file that is one, and not a link to one, by the time that it is open.
fn open(path: &Path) -> Result<File, Error> {
    let named = fs::symlink_metadata(path).map_err(Error::io(path))?;
    if !named.is_file() {
        return Err(Error::damaged(path, "is no file"));
    }
    let file = File::open(path).map_err(Error::io(path))?;
    let opened = file.metadata().map_err(Error::io(path))?;
    if (opened.dev(), opened.ino()) != (named.dev(), named.ino()) {
        return Err(Error::damaged(path, "changed while it was read"));
    }
    Ok(file)
}

fn pass(mut from: File, to: &mut impl Write) -> io::Result<Copied> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 1 << 16];
    let mut bytes = 0;
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => return Ok(Copied { bytes, hash: hasher.finalize() }),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(&buffer[..read]);
        to.write_all(&buffer[..read])?;
        bytes += read as u64;
    }
}
