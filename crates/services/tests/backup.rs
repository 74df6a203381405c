//! Backups of a directory that is being written to, and what becomes of them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    thread,
};

use doer_services::backup::{self, Error, Report};
use rusqlite::Connection;

/// A data directory with a key, two databases and what is no part of a backup.
struct Installation(tempfile::TempDir);

impl Installation {
    fn new() -> Self {
        let installation = Self(tempfile::tempdir().unwrap());
        fs::create_dir(installation.data()).unwrap();
        fs::write(installation.data().join("installation.key"), [7; 32]).unwrap();
        fs::write(installation.data().join("notes.txt"), "not ours").unwrap();
        fs::create_dir_all(installation.data().join("db/tenants")).unwrap();
        fs::create_dir(installation.data().join("cache")).unwrap();
        fs::write(installation.data().join("cache/code.db"), "compiled").unwrap();
        ledger(&installation.data().join("queue.db"));
        ledger(&installation.data().join("db/tenants/acme.db"));
        installation
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// What is in the directory around data and backups.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn backup(&self) -> PathBuf {
        let path = self.path("backup");
        backup::create(&self.data(), &path, 1_000).unwrap();
        path
    }
}

/// A database with the same money in two tables, whoever looks.
fn ledger(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL;
             CREATE TABLE IF NOT EXISTS debit (amount INTEGER, note TEXT);
             CREATE TABLE IF NOT EXISTS credit (amount INTEGER, note TEXT);",
        )
        .unwrap();
    connection
}

/// How many bookings there are; each is in both tables.
fn bookings(path: &Path) -> i64 {
    let connection = Connection::open(path).unwrap();
    let count = |table: &str| {
        let sql = format!("SELECT count(*), coalesce(sum(amount), 0) FROM {table}");
        connection.query_row(&sql, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))).unwrap()
    };
    assert_eq!(count("debit"), count("credit"));
    count("debit").0
}

fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            found.extend(files(&path).into_iter().map(|(below, bytes)| (format!("{name}/{below}"), bytes)));
        } else {
            found.insert(name, fs::read(path).unwrap());
        }
    }
    found
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

const EXPECTED: [&str; 3] = ["db/tenants/acme.db", "installation.key", "queue.db"];

#[test]
fn a_backup_has_databases_and_keys_for_their_owner_only() {
    let installation = Installation::new();
    symlink("/etc", installation.data().join("etc")).unwrap();
    symlink("queue.db", installation.data().join("link.db")).unwrap();
    let to = installation.path("backup");
    let report = backup::create(&installation.data(), &to, 1_000).unwrap();
    let names: Vec<String> = files(&to).into_keys().collect();
    assert_eq!(names, ["db/tenants/acme.db", "installation.key", "manifest.json", "queue.db"]);
    assert_eq!(report.files, EXPECTED.map(PathBuf::from));
    assert_eq!(report.created_at, 1_000);
    assert_eq!(report.bytes, EXPECTED.iter().map(|name| fs::metadata(to.join(name)).unwrap().len()).sum::<u64>());
    assert_eq!((mode(&to), mode(&to.join("db/tenants"))), (0o700, 0o700));
    for name in names {
        assert_eq!(mode(&to.join(&name)), 0o600, "{name}");
    }
    assert_eq!(backup::verify(&to).unwrap(), report);
    assert_eq!(installation.names(), ["backup", "data"], "nothing else is left");
}

#[test]
fn a_backup_beside_a_busy_writer_restores_to_one_moment() {
    let installation = Installation::new();
    let database = installation.data().join("queue.db");
    let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let writer = thread::spawn({
        let (stop, written, database) = (stop.clone(), written.clone(), database.clone());
        move || {
            let mut connection = ledger(&database);
            while !stop.load(SeqCst) {
                let booking = written.load(SeqCst) + 1;
                let transaction = connection.transaction().unwrap();
                for table in ["debit", "credit"] {
                    let sql = format!("INSERT INTO {table} VALUES (?1, ?2)");
                    transaction.execute(&sql, (booking as i64, "x".repeat(2_000))).unwrap();
                }
                transaction.commit().unwrap();
                written.store(booking, SeqCst);
            }
        }
    });
    let wait_for = |count: u64| {
        while written.load(SeqCst) < count {
            thread::yield_now();
        }
    };
    wait_for(50);
    for round in 0..5 {
        let before = written.load(SeqCst);
        let (to, restored) = (installation.path(&format!("b{round}")), installation.path(&format!("r{round}")));
        backup::create(&installation.data(), &to, 0).unwrap();
        backup::restore(&to, &restored).unwrap();
        let found = bookings(&restored.join("queue.db")) as u64;
        assert!((before..=written.load(SeqCst) + 1).contains(&found), "{found} bookings, {before} before");
        wait_for(before + 20);
    }
    stop.store(true, SeqCst);
    writer.join().unwrap();
    assert!(bookings(&database) > 50, "the writer was not in anybody's way");
}

#[test]
fn what_a_crash_left_in_the_log_is_in_the_backup() {
    let installation = Installation::new();
    let connection = ledger(&installation.data().join("queue.db"));
    connection.execute_batch("INSERT INTO debit VALUES (1, ''); INSERT INTO credit VALUES (1, '')").unwrap();
    // As after a crash: the log is there, and the process that wrote it is not.
    let crashed = installation.path("crashed");
    fs::create_dir(&crashed).unwrap();
    for name in ["queue.db", "queue.db-wal"] {
        fs::copy(installation.data().join(name), crashed.join(name)).unwrap();
    }
    let to = installation.path("backup");
    backup::create(&crashed, &to, 0).unwrap();
    assert_eq!(bookings(&to.join("queue.db")), 1);
}

#[test]
fn a_backup_is_restored_as_it_was_and_only_where_nothing_is() {
    let installation = Installation::new();
    let from = installation.backup();
    let target = installation.path("restored");
    let report = backup::restore(&from, &target).unwrap();
    assert_eq!(report.files, EXPECTED.map(PathBuf::from));
    let mut expected = files(&from);
    expected.remove("manifest.json");
    assert_eq!(files(&target), expected);
    assert_eq!((mode(&target), mode(&target.join("installation.key"))), (0o700, 0o600));

    assert!(matches!(backup::restore(&from, &target), Err(Error::Occupied { .. })), "it is there now");
    assert!(matches!(backup::restore(&from, &installation.data()), Err(Error::Occupied { .. })));
    fs::create_dir(installation.path("empty")).unwrap();
    backup::restore(&from, &installation.path("empty")).unwrap();
    assert_eq!(files(&installation.path("empty")), expected);
    assert_eq!(installation.names(), ["backup", "data", "empty", "restored"]);
}

#[test]
fn a_backup_overwrites_nothing_and_is_no_part_of_itself() {
    let installation = Installation::new();
    let from = installation.backup();
    let before = files(&from);
    assert!(matches!(backup::create(&installation.data(), &from, 0), Err(Error::Occupied { .. })));
    assert_eq!(files(&from), before);
    symlink("nowhere", installation.path("dangling")).unwrap();
    let dangling = installation.path("dangling");
    assert!(matches!(backup::create(&installation.data(), &dangling, 0), Err(Error::Occupied { .. })));
    let inside = installation.data().join("db/backup");
    assert!(matches!(backup::create(&installation.data(), &inside, 0), Err(Error::Inside { .. })));
    assert_eq!(fs::read_dir(installation.data().join("db")).unwrap().count(), 1);
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(backup::create(empty.path(), &installation.path("b"), 0), Err(Error::Nothing { .. })));
    assert!(matches!(backup::create(&installation.path("none"), &installation.path("b"), 0), Err(Error::Io { .. })));
    assert_eq!(installation.names(), ["backup", "dangling", "data"]);
}

#[test]
fn a_database_that_cannot_be_copied_leaves_no_half_of_a_backup() {
    let installation = Installation::new();
    fs::write(installation.data().join("zz.db"), "this is no database at all, and long enough to be read").unwrap();
    let failed = backup::create(&installation.data(), &installation.path("backup"), 0);
    assert!(matches!(failed, Err(Error::Database { path, .. }) if path.ends_with("zz.db")));
    assert_eq!(installation.names(), ["data"]);
}

/// What `tamper` does to a backup is found, by a check and by a restore, which leaves nothing behind.
#[track_caller]
fn is_found(told: &str, tamper: impl FnOnce(&Path)) {
    let installation = Installation::new();
    let from = installation.backup();
    tamper(&from);
    for found in [backup::verify(&from), backup::restore(&from, &installation.path("restored"))] {
        let error = found.map(|Report { files, .. }| files).unwrap_err();
        assert!(error.to_string().contains(told), "{error}");
    }
    assert_eq!(installation.names(), ["backup", "data"]);
}

fn in_manifest(from: &Path, change: impl FnOnce(String) -> String) {
    let path = from.join("manifest.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(path, change(text)).unwrap();
}

#[test]
fn tampered_backups_are_refused() {
    is_found("installation.key is not what was written", |from| {
        fs::write(from.join("installation.key"), [8; 32]).unwrap();
    });
    is_found("queue.db has", |from| {
        let mut bytes = fs::read(from.join("queue.db")).unwrap();
        bytes.truncate(bytes.len() - 1);
        fs::write(from.join("queue.db"), bytes).unwrap();
    });
    is_found("queue.db is missing", |from| fs::remove_file(from.join("queue.db")).unwrap());
    is_found("extra.db is not in its manifest", |from| fs::write(from.join("extra.db"), "").unwrap());
    is_found("installation.key is missing", |from| {
        fs::rename(from.join("installation.key"), from.parent().unwrap().join("data/elsewhere")).unwrap();
        symlink("../data/elsewhere", from.join("installation.key")).unwrap();
    });
    is_found("leads out of the backup", |from| {
        in_manifest(from, |text| text.replace("installation.key", "../data/installation.key"));
    });
    is_found("does not read", |from| in_manifest(from, |text| text[..text.len() / 2].to_owned()));
    is_found("has format 2, and this doer knows 1", |from| {
        in_manifest(from, |text| text.replace("\"format\": 1", "\"format\": 2"));
    });
    is_found("manifest.json", |from| fs::remove_file(from.join("manifest.json")).unwrap());
}

#[test]
fn a_database_that_is_damaged_under_a_true_hash_is_refused() {
    is_found("queue.db is no whole database", |from| {
        let path = from.join("queue.db");
        let bytes = fs::read(&path).unwrap();
        let mut damaged = bytes.clone();
        let header = 100;
        damaged[header..header + 8].fill(0xff);
        fs::write(&path, &damaged).unwrap();
        let hash = |bytes: &[u8]| blake3::hash(bytes).to_hex().to_string();
        // The two ledgers are the same, hash and all: the last one in the manifest is this one.
        in_manifest(from, |text| {
            let at = text.rfind(&hash(&bytes)).unwrap();
            format!("{}{}{}", &text[..at], hash(&damaged), &text[at + 64..])
        });
    });
}

#[test]
fn permissions_of_a_backup_do_not_matter_to_what_is_restored() {
    let installation = Installation::new();
    let from = installation.backup();
    fs::set_permissions(from.join("installation.key"), fs::Permissions::from_mode(0o644)).unwrap();
    backup::restore(&from, &installation.path("restored")).unwrap();
    assert_eq!(mode(&installation.path("restored/installation.key")), 0o600);
}
