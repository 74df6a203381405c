//! How messages are kept.

/// Where a message stands, as it is stored. Up to [`ACTIVE`] it is not done.
pub(super) const DELAYED: i64 = 0;
pub(super) const READY: i64 = 1;
pub(super) const ACTIVE: i64 = 2;
pub(super) const COMPLETED: i64 = 3;
pub(super) const DEAD: i64 = 4;
pub(super) const CANCELLED: i64 = 5;

/// The numbers of the states stand in the text of statements rather than in parameters: SQLite uses a partial index
/// only where it can see that the condition holds.
///
/// `counts` is kept by triggers: what a quota or `getStats` asks for is there, however many messages there are. Its
/// rows without queue are the namespace's totals. `consumers.waiting` says that a queue has messages which are due: a
/// pass over the consumers looks at those only.
pub(super) const MIGRATIONS: &[&str] = &[
    "
CREATE TABLE messages (
    seq          INTEGER PRIMARY KEY,
    id           TEXT NOT NULL UNIQUE,
    namespace    TEXT NOT NULL,
    queue        TEXT NOT NULL,
    body         TEXT NOT NULL,
    bytes        INTEGER NOT NULL,
    state        INTEGER NOT NULL,
    attempts     INTEGER NOT NULL DEFAULT 0,
    deliveries   INTEGER NOT NULL DEFAULT 0,
    max_attempts INTEGER NOT NULL,
    priority     INTEGER NOT NULL,
    key          TEXT,
    last_error   TEXT,
    created_at   INTEGER NOT NULL,
    due_at       INTEGER NOT NULL,
    finished_at  INTEGER
) STRICT;
CREATE UNIQUE INDEX messages_key ON messages (namespace, queue, key) WHERE key IS NOT NULL AND state < 3;
CREATE INDEX messages_ready ON messages (namespace, queue, priority DESC, seq) WHERE state = 1;
CREATE INDEX messages_delayed ON messages (due_at) WHERE state = 0;
CREATE INDEX messages_active ON messages (due_at) WHERE state = 2;
CREATE INDEX messages_of_queue ON messages (namespace, queue, state, seq);
CREATE INDEX messages_of_state ON messages (namespace, state, seq);
CREATE INDEX messages_finished ON messages (namespace, finished_at) WHERE finished_at IS NOT NULL;

CREATE TABLE counts (
    namespace TEXT NOT NULL,
    queue     TEXT NOT NULL,
    state     INTEGER NOT NULL,
    n         INTEGER NOT NULL,
    bytes     INTEGER NOT NULL,
    PRIMARY KEY (namespace, queue, state)
) STRICT, WITHOUT ROWID;
CREATE INDEX counts_totals ON counts (namespace, state) WHERE queue = '';

CREATE TABLE consumers (
    namespace       TEXT NOT NULL,
    queue           TEXT NOT NULL,
    target          TEXT NOT NULL,
    max_batch       INTEGER NOT NULL,
    max_concurrency INTEGER NOT NULL,
    owner           TEXT NOT NULL,
    created_at      INTEGER NOT NULL,
    waiting         INTEGER NOT NULL,
    PRIMARY KEY (namespace, queue)
) STRICT, WITHOUT ROWID;
CREATE INDEX consumers_waiting ON consumers (namespace, queue) WHERE waiting = 1;

CREATE TRIGGER message_came AFTER INSERT ON messages BEGIN
    INSERT INTO counts VALUES (NEW.namespace, NEW.queue, NEW.state, 1, NEW.bytes),
                              (NEW.namespace, '', NEW.state, 1, NEW.bytes)
        ON CONFLICT DO UPDATE SET n = n + 1, bytes = bytes + excluded.bytes;
END;
CREATE TRIGGER message_moved AFTER UPDATE OF state ON messages WHEN OLD.state <> NEW.state BEGIN
    UPDATE counts SET n = n - 1, bytes = bytes - OLD.bytes
        WHERE namespace = OLD.namespace AND queue IN (OLD.queue, '') AND state = OLD.state;
    DELETE FROM counts
        WHERE namespace = OLD.namespace AND queue IN (OLD.queue, '') AND state = OLD.state AND n = 0;
    INSERT INTO counts VALUES (NEW.namespace, NEW.queue, NEW.state, 1, NEW.bytes),
                              (NEW.namespace, '', NEW.state, 1, NEW.bytes)
        ON CONFLICT DO UPDATE SET n = n + 1, bytes = bytes + excluded.bytes;
END;
CREATE TRIGGER message_went AFTER DELETE ON messages BEGIN
    UPDATE counts SET n = n - 1, bytes = bytes - OLD.bytes
        WHERE namespace = OLD.namespace AND queue IN (OLD.queue, '') AND state = OLD.state;
    DELETE FROM counts
        WHERE namespace = OLD.namespace AND queue IN (OLD.queue, '') AND state = OLD.state AND n = 0;
END;
CREATE TRIGGER queue_filled AFTER INSERT ON counts WHEN NEW.state = 1 BEGIN
    UPDATE consumers SET waiting = 1 WHERE namespace = NEW.namespace AND queue = NEW.queue;
END;
CREATE TRIGGER queue_emptied AFTER DELETE ON counts WHEN OLD.state = 1 BEGIN
    UPDATE consumers SET waiting = 0 WHERE namespace = OLD.namespace AND queue = OLD.queue;
END;
",
    "
-- How often work has led to other work, up to the consumer of the message.
ALTER TABLE messages ADD COLUMN hops INTEGER NOT NULL DEFAULT 1;
",
];
