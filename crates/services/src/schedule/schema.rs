//! How tasks, what is to be run of them, and what was run are kept.

/// A row of `occurrences` is a run that is owed: it is there from when a task is due until it has succeeded, or failed
/// for good. While it runs, `run` names the row of `runs` that tells of this attempt, and `due_at` is when whoever runs
/// it must have said that it still does; otherwise `due_at` is when it is to be tried.
pub(super) const MIGRATIONS: &[&str] = &["
CREATE TABLE tasks (
    id         INTEGER PRIMARY KEY,
    namespace  TEXT NOT NULL,
    name       TEXT NOT NULL,
    schedule   TEXT NOT NULL,
    timezone   TEXT NOT NULL,
    target     TEXT NOT NULL,
    enabled    INTEGER NOT NULL,
    overlap    INTEGER NOT NULL,
    timeout_ms INTEGER,
    metadata   TEXT,
    owner      TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    anchor_at  INTEGER NOT NULL,
    last_run   INTEGER,
    next_run   INTEGER,
    UNIQUE (namespace, name)
) STRICT;
CREATE INDEX tasks_due ON tasks (next_run) WHERE next_run IS NOT NULL;

CREATE TABLE occurrences (
    seq          INTEGER PRIMARY KEY,
    namespace    TEXT NOT NULL,
    task         INTEGER NOT NULL,
    scheduled_at INTEGER NOT NULL,
    attempt      INTEGER NOT NULL,
    by_hand      INTEGER NOT NULL,
    due_at       INTEGER NOT NULL,
    run          TEXT
) STRICT;
CREATE INDEX occurrences_waiting ON occurrences (due_at) WHERE run IS NULL;
CREATE INDEX occurrences_running ON occurrences (due_at) WHERE run IS NOT NULL;
CREATE INDEX occurrences_of_task ON occurrences (task, run);
CREATE INDEX occurrences_of_namespace ON occurrences (namespace);

CREATE TABLE runs (
    seq          INTEGER PRIMARY KEY,
    id           TEXT NOT NULL UNIQUE,
    namespace    TEXT NOT NULL,
    task         INTEGER NOT NULL,
    status       TEXT NOT NULL,
    attempt      INTEGER NOT NULL,
    scheduled_at INTEGER NOT NULL,
    started_at   INTEGER NOT NULL,
    duration_ms  INTEGER,
    result       TEXT,
    error        TEXT
) STRICT;
CREATE INDEX runs_of_task ON runs (namespace, task, seq);
"];
