//! The tables. Deliveries and events are the same kind of thing, work that stands in a lane until it is done, and have
//! the same columns for it:
//!
//! - `lane`: the endpoint or source; the lane's own `due_at` is the earliest of its work, `served_at` when it last had
//!   its turn;
//! - `due_at`: when it may be claimed, which for claimed work is the end of its lease; null when it is done;
//! - `leased`: somebody is at it. With `attempts` it fences off whoever has lost the lease.
//!
//! What a namespace has of them is counted in `usage` by triggers: counting a million rows would make calls slow.

/// What counts a table's rows.
macro_rules! counted {
    ($table:literal) => {
        concat!(
            "CREATE TRIGGER ", $table, "_added AFTER INSERT ON ", $table, " BEGIN
                INSERT INTO usage (namespace, kind, open, open_bytes, finished, finished_bytes)
                VALUES (new.namespace, '", $table, "', new.due_at IS NOT NULL, iif(new.due_at IS NULL, 0, new.bytes),
                        new.due_at IS NULL, iif(new.due_at IS NULL, new.bytes, 0))
                ON CONFLICT (namespace, kind) DO UPDATE SET
                    open = open + excluded.open, open_bytes = open_bytes + excluded.open_bytes,
                    finished = finished + excluded.finished, finished_bytes = finished_bytes + excluded.finished_bytes;
             END;
             CREATE TRIGGER ", $table, "_changed AFTER UPDATE OF due_at, bytes ON ", $table, "
             WHEN (old.due_at IS NULL) <> (new.due_at IS NULL) OR old.bytes <> new.bytes BEGIN
                UPDATE usage SET
                    open = open - (old.due_at IS NOT NULL) + (new.due_at IS NOT NULL),
                    open_bytes = open_bytes - iif(old.due_at IS NULL, 0, old.bytes) + iif(new.due_at IS NULL, 0, new.bytes),
                    finished = finished - (old.due_at IS NULL) + (new.due_at IS NULL),
                    finished_bytes =
                        finished_bytes - iif(old.due_at IS NULL, old.bytes, 0) + iif(new.due_at IS NULL, new.bytes, 0)
                WHERE namespace = new.namespace AND kind = '", $table, "';
             END;
             CREATE TRIGGER ", $table, "_removed AFTER DELETE ON ", $table, " BEGIN
                UPDATE usage SET
                    open = open - (old.due_at IS NOT NULL), open_bytes = open_bytes - iif(old.due_at IS NULL, 0, old.bytes),
                    finished = finished - (old.due_at IS NULL),
                    finished_bytes = finished_bytes - iif(old.due_at IS NULL, old.bytes, 0)
                WHERE namespace = old.namespace AND kind = '", $table, "';
             END;
             CREATE INDEX ", $table, "_due ON ", $table, " (lane, due_at) WHERE due_at IS NOT NULL;
             CREATE INDEX ", $table, "_finished ON ", $table, " (namespace, finished_at) WHERE due_at IS NULL;
             CREATE INDEX ", $table, "_by_namespace ON ", $table, " (namespace, id);
             CREATE INDEX ", $table, "_by_status ON ", $table, " (namespace, status, id);
             CREATE INDEX ", $table, "_by_lane ON ", $table, " (namespace, lane, id);
             CREATE INDEX ", $table, "_by_lane_and_status ON ", $table, " (namespace, lane, status, id);
            "
        )
    };
}

pub(super) const MIGRATIONS: &[&str] = &[concat!(
    "CREATE TABLE usage (
        namespace      TEXT NOT NULL,
        kind           TEXT NOT NULL,
        open           INTEGER NOT NULL,
        open_bytes     INTEGER NOT NULL,
        finished       INTEGER NOT NULL,
        finished_bytes INTEGER NOT NULL,
        PRIMARY KEY (namespace, kind)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE endpoints (
        id         TEXT PRIMARY KEY NOT NULL,
        namespace  TEXT NOT NULL,
        url        TEXT NOT NULL,
        events     TEXT NOT NULL,
        owner      TEXT NOT NULL,
        secret     BLOB NOT NULL,
        created_at INTEGER NOT NULL,
        due_at     INTEGER,
        served_at  INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE INDEX endpoints_by_namespace ON endpoints (namespace, id);
    CREATE INDEX endpoints_due ON endpoints (due_at) WHERE due_at IS NOT NULL;

    CREATE TABLE deliveries (
        id          TEXT PRIMARY KEY NOT NULL,
        namespace   TEXT NOT NULL,
        lane        TEXT NOT NULL,
        event       TEXT NOT NULL,
        status      TEXT NOT NULL,
        attempts    INTEGER NOT NULL DEFAULT 0,
        leased      INTEGER NOT NULL DEFAULT 0,
        due_at      INTEGER,
        last_status INTEGER,
        last_error  TEXT,
        created_at  INTEGER NOT NULL,
        finished_at INTEGER,
        bytes       INTEGER NOT NULL,
        body        BLOB NOT NULL
    ) STRICT;",
    counted!("deliveries"),
    "CREATE TABLE sources (
        id         TEXT PRIMARY KEY NOT NULL,
        namespace  TEXT NOT NULL,
        provider   TEXT NOT NULL,
        endpoint   TEXT NOT NULL,
        target     TEXT,
        owner      TEXT NOT NULL,
        secret     BLOB NOT NULL,
        created_at INTEGER NOT NULL,
        due_at     INTEGER,
        served_at  INTEGER NOT NULL DEFAULT 0,
        UNIQUE (provider, endpoint)
    ) STRICT;
    CREATE INDEX sources_by_namespace ON sources (namespace, id);
    CREATE INDEX sources_due ON sources (due_at) WHERE due_at IS NOT NULL;

    CREATE TABLE events (
        id          TEXT PRIMARY KEY NOT NULL,
        namespace   TEXT NOT NULL,
        lane        TEXT NOT NULL,
        provider    TEXT NOT NULL,
        event_id    TEXT NOT NULL,
        event       TEXT,
        status      TEXT NOT NULL,
        attempts    INTEGER NOT NULL DEFAULT 0,
        leased      INTEGER NOT NULL DEFAULT 0,
        due_at      INTEGER,
        last_status INTEGER,
        last_error  TEXT,
        created_at  INTEGER NOT NULL,
        finished_at INTEGER,
        bytes       INTEGER NOT NULL,
        body        BLOB NOT NULL,
        UNIQUE (lane, event_id)
    ) STRICT;",
    counted!("events"),
    "CREATE TABLE files (
        namespace  TEXT NOT NULL,
        repository TEXT NOT NULL,
        branch     TEXT NOT NULL,
        path       TEXT NOT NULL,
        sha        TEXT,
        proposed   TEXT,
        written_at INTEGER NOT NULL,
        PRIMARY KEY (namespace, repository, branch, path)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX files_by_age ON files (namespace, written_at);

    CREATE TABLE conflicts (
        id         TEXT PRIMARY KEY NOT NULL,
        namespace  TEXT NOT NULL,
        repository TEXT NOT NULL,
        branch     TEXT NOT NULL,
        path       TEXT NOT NULL,
        options    TEXT NOT NULL,
        base_sha   TEXT,
        theirs_sha TEXT,
        settled_at INTEGER
    ) STRICT;
    CREATE INDEX conflicts_settled ON conflicts (settled_at) WHERE settled_at IS NOT NULL;
    CREATE INDEX conflicts_by_namespace ON conflicts (namespace, id);
    CREATE UNIQUE INDEX conflicts_open ON conflicts (namespace, repository, branch, path) WHERE settled_at IS NULL;"
)];
