//! Which files there are, below a directory. Symbolic links are not followed, and neither is anything that is no file.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::Error;

/// Compiled code, in the data directory: it is made anew from what the databases hold.
const CACHE: &str = "cache";
/// Directories within directories: more than any data directory has, and fewer than any stack.
const MAX_DEPTH: usize = 32;

/// What a file of a data directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Database,
    Key,
}

/// The databases and keys of a data directory, by their paths in it, in order.
pub(super) fn data_files(data_dir: &Path) -> Result<Vec<(PathBuf, Kind)>, Error> {
    let mut found = Vec::new();
    walk(data_dir, Path::new(""), 0, &mut |path, is_directory| {
        if is_directory {
            return Ok(path != Path::new(CACHE));
        }
        if is_database(path) {
            found.push((path.to_owned(), Kind::Database));
        } else if path.extension().is_some_and(|kind| kind == "key") && path.parent() == Some(Path::new("")) {
            found.push((path.to_owned(), Kind::Key));
        }
        Ok(false)
    })?;
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(found)
}

/// Every file below a directory.
pub(super) fn all_files(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    walk(directory, Path::new(""), 0, &mut |path, is_directory| {
        if !is_directory {
            found.push(path.to_owned());
        }
        Ok(true)
    })?;
    Ok(found)
}

pub(super) fn is_database(path: &Path) -> bool {
    path.extension().is_some_and(|kind| kind == "db")
}

/// Calls `visit` with each file and directory, by its path below `root`; a directory is entered where it says so.
fn walk(
    root: &Path,
    below: &Path,
    depth: usize,
    visit: &mut impl FnMut(&Path, bool) -> Result<bool, Error>,
) -> Result<(), Error> {
    let directory = root.join(below);
    if depth > MAX_DEPTH {
        return Err(Error::damaged(below, "is too deep"));
    }
    let entries = match fs::read_dir(&directory) {
        // Deleted since it was listed.
        Err(error) if error.kind() == io::ErrorKind::NotFound && depth > 0 => return Ok(()),
        entries => entries.map_err(Error::io(&directory))?,
    };
    for entry in entries {
        let entry = entry.map_err(Error::io(&directory))?;
        let path = below.join(entry.file_name());
        // Of the entry itself: a link is neither a file nor a directory.
        let kind = entry.file_type().map_err(Error::io(&directory))?;
        if kind.is_dir() && visit(&path, true)? {
            walk(root, &path, depth + 1, visit)?;
        } else if kind.is_file() {
            visit(&path, false)?;
        }
    }
    Ok(())
}
