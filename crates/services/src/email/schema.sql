-- What is known of a mail for as long as anything is.
CREATE TABLE mails (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    id         TEXT NOT NULL UNIQUE,
    namespace  TEXT NOT NULL,
    -- Sender, recipients, subject, headers and tags, as JSON.
    head       TEXT NOT NULL,
    status     TEXT NOT NULL,
    attempts   INTEGER NOT NULL DEFAULT 0,
    last_error TEXT,
    -- When it is to be tried next, or its lease ends; null once it was sent or given up.
    due_at     INTEGER,
    give_up_at INTEGER,
    created_at INTEGER NOT NULL,
    -- When it was sent or given up.
    done_at    INTEGER,
    -- What it takes; 0 once its text, HTML and files were dropped.
    body_bytes INTEGER NOT NULL
) STRICT;

CREATE INDEX mails_of_namespace ON mails (namespace, seq);
CREATE INDEX mails_by_status ON mails (namespace, status, seq);
CREATE INDEX mails_waiting ON mails (namespace, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX mails_due ON mails (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX mails_done ON mails (done_at) WHERE done_at IS NOT NULL;
CREATE INDEX mails_with_body ON mails (done_at) WHERE done_at IS NOT NULL AND body_bytes > 0;

CREATE TABLE bodies (
    seq  INTEGER PRIMARY KEY,
    text TEXT,
    html TEXT
) STRICT;

CREATE TABLE files (
    file         INTEGER PRIMARY KEY,
    mail         INTEGER NOT NULL,
    filename     TEXT NOT NULL,
    content_type TEXT NOT NULL,
    content      BLOB NOT NULL
) STRICT;

CREATE INDEX files_of_mail ON files (mail);

CREATE TABLE tags (
    namespace TEXT NOT NULL,
    tag       TEXT NOT NULL,
    mail      INTEGER NOT NULL,
    PRIMARY KEY (namespace, tag, mail)
) STRICT, WITHOUT ROWID;

CREATE INDEX tags_of_mail ON tags (mail);

-- What a namespace has used: mails of one day, bytes of all that is kept.
CREATE TABLE accounts (
    namespace TEXT PRIMARY KEY NOT NULL,
    day       INTEGER NOT NULL,
    mails     INTEGER NOT NULL,
    bytes     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER body_dropped AFTER UPDATE OF body_bytes ON mails BEGIN
    DELETE FROM bodies WHERE seq = OLD.seq;
    DELETE FROM files WHERE mail = OLD.seq;
    UPDATE accounts SET bytes = bytes - (OLD.body_bytes - NEW.body_bytes) WHERE namespace = OLD.namespace;
END;

CREATE TRIGGER mail_deleted AFTER DELETE ON mails BEGIN
    DELETE FROM bodies WHERE seq = OLD.seq;
    DELETE FROM files WHERE mail = OLD.seq;
    DELETE FROM tags WHERE mail = OLD.seq;
    UPDATE accounts SET bytes = bytes - OLD.body_bytes WHERE namespace = OLD.namespace;
END;
