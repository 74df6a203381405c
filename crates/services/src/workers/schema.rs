//! The tables of workers.

/// What was stored is counted as it is written: a quota is one row to look at.
pub(super) const MIGRATIONS: &[&str] = &["
    CREATE TABLE workers (
        namespace  TEXT NOT NULL,
        id         TEXT NOT NULL,
        current    INTEGER NOT NULL,
        last       INTEGER NOT NULL,
        owner      TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        PRIMARY KEY (namespace, id)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE versions (
        namespace   TEXT NOT NULL,
        worker      TEXT NOT NULL,
        version     INTEGER NOT NULL,
        hash        TEXT NOT NULL,
        size        INTEGER NOT NULL,
        packed      BLOB NOT NULL,
        entrypoints TEXT NOT NULL,
        created_at  INTEGER NOT NULL,
        created_by  TEXT,
        PRIMARY KEY (namespace, worker, version)
    ) STRICT;

    CREATE TABLE totals (
        namespace TEXT PRIMARY KEY,
        workers   INTEGER NOT NULL,
        bytes     INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TRIGGER worker_made AFTER INSERT ON workers BEGIN
        INSERT INTO totals VALUES (new.namespace, 1, 0)
        ON CONFLICT (namespace) DO UPDATE SET workers = workers + 1;
    END;
    CREATE TRIGGER worker_gone AFTER DELETE ON workers BEGIN
        UPDATE totals SET workers = workers - 1 WHERE namespace = old.namespace;
    END;
    CREATE TRIGGER version_made AFTER INSERT ON versions BEGIN
        INSERT INTO totals VALUES (new.namespace, 0, length(new.packed))
        ON CONFLICT (namespace) DO UPDATE SET bytes = bytes + length(new.packed);
    END;
    CREATE TRIGGER version_gone AFTER DELETE ON versions BEGIN
        UPDATE totals SET bytes = bytes - length(old.packed) WHERE namespace = old.namespace;
    END;
"];
