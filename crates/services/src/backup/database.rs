//! Databases: copied while others write to them, and looked through for damage.

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    thread,
    time::Duration,
};

use rusqlite::{
    Connection, OpenFlags,
    backup::{Backup, StepResult},
};

use super::Error;

/// How long somebody who holds the whole database is waited for: a checkpoint, a recovery.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);
const BUSY_PAUSE: Duration = Duration::from_millis(50);
/// All pages in one step, and so in one transaction: who writes meanwhile neither waits nor makes it begin again.
const ALL_PAGES: i32 = -1;

/// Copies a database as it is at one moment, to a file that is not there yet. The copy is one file with nothing beside
/// it, and on the disk when this returns.
pub(super) fn snapshot(from: &Path, to: &Path) -> Result<(), Error> {
    let failed = |source| Error::Database { path: from.to_owned(), source };
    // Made here, for its owner only: SQLite would let everyone read it.
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(Error::io(to))?;
    let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    // For writing too, as what a crash left in the write-ahead log is put in order by whoever opens it first.
    let source = Connection::open_with_flags(from, flags | OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(failed)?;
    source.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    let mut target = Connection::open_with_flags(to, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(failed)?;
    let mut waited = Duration::ZERO;
    {
        let backup = Backup::new(&source, &mut target).map_err(failed)?;
        while !matches!(backup.step(ALL_PAGES).map_err(failed)?, StepResult::Done) {
            if waited >= BUSY_TIMEOUT {
                return Err(failed(rusqlite::Error::SqliteFailure(
                    rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY),
                    None,
                )));
            }
            thread::sleep(BUSY_PAUSE);
            waited += BUSY_PAUSE;
        }
    }
    // It has come along from the original, and would make files beside the copy.
    target.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(())).map_err(failed)?;
    target.close().map_err(|(_, source)| failed(source))?;
    File::open(to).and_then(|file| file.sync_all()).map_err(Error::io(to))
}

/// What is wrong with a database that nobody else has open; `None` where nothing is. Writes nothing.
pub(super) fn problem(path: &Path) -> Result<Option<String>, Error> {
    let failed = |source| Error::Database { path: path.to_owned(), source };
    let path = std::path::absolute(path).map_err(Error::io(path))?;
    let mut uri =
        url::Url::from_file_path(&path).map_err(|()| Error::damaged(&path, "has a name that SQLite cannot open"))?;
    // Immutable: neither locks nor a log beside it are looked for.
    uri.set_query(Some("immutable=1"));
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(uri.as_str(), flags).map_err(failed)?;
    let told = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get::<_, String>(0));
    match told {
        Ok(told) if told == "ok" => Ok(None),
        Ok(told) => Ok(Some(told)),
        // So damaged that it cannot even be looked through.
        Err(error) => Ok(Some(error.to_string())),
    }
}
