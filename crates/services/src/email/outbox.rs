//! The outbox: every mail that was accepted, in SQLite.
//!
//! A mail is waiting for as long as `due_at` is set: that is when it is to be tried next. Whoever tries it first moves
//! `due_at` on, which is its lease: where nothing is heard of it until then, somebody tries again. An attempt that is
//! over tells how it ended under its number, so that one whose lease has passed changes nothing.

use std::{path::Path, time::Duration};

use doer_core::{
    service::{
        Page, Pagination, ServiceError,
        email::{ListEmailsOptions, Mail, MailStatus},
    },
    tier::Namespace,
};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::{
    holds,
    letter::{Body, File, Head, Letter},
};
use crate::{Database, Error};

const MIGRATIONS: &[&str] = &[include_str!("schema.sql"), holds::SCHEMA];

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
/// What a mail takes beside text, HTML and files.
const OVERHEAD_BYTES: usize = 1_024;
/// Mails that one transaction trims.
const TRIM_BATCH: u32 = 200;
/// Mails on a page where the caller does not say.
const DEFAULT_LIMIT: u32 = 100;

/// Namespaces that have a mail which waits, but for those whose mails are held. It jumps from one namespace to the next
/// in the index: how many mails each of them has makes no difference.
macro_rules! of_waiting {
    ($select:literal) => {
        concat!(
            "WITH RECURSIVE waiting (namespace) AS (
                 SELECT min(namespace) FROM mails WHERE due_at IS NOT NULL
                 UNION ALL
                 SELECT (SELECT min(mails.namespace) FROM mails
                         WHERE due_at IS NOT NULL AND mails.namespace > waiting.namespace)
                 FROM waiting WHERE waiting.namespace IS NOT NULL
             ) ",
            $select,
            " FROM waiting WHERE namespace IS NOT NULL
              AND NOT EXISTS (SELECT 1 FROM holds WHERE holds.namespace = waiting.namespace) "
        )
    };
}

const NEXT_DUE: &str = "SELECT min(due_at) FROM mails WHERE due_at IS NOT NULL";
const NEXT_DUE_BESIDE_HOLDS: &str = of_waiting!(
    "SELECT min((SELECT min(due_at) FROM mails WHERE mails.namespace = waiting.namespace AND due_at IS NOT NULL))"
);
/// Namespaces that have a mail which is due.
const WAITING: &str = concat!(
    of_waiting!("SELECT namespace"),
    "AND EXISTS (SELECT 1 FROM mails WHERE mails.namespace = waiting.namespace AND due_at <= ?1) ORDER BY namespace"
);
const TAKE: &str = "UPDATE mails SET due_at = ?3, attempts = attempts + 1, give_up_at = coalesce(give_up_at, ?4)
     WHERE seq = (SELECT seq FROM mails WHERE namespace = ?1 AND due_at <= ?2 ORDER BY due_at, seq LIMIT 1)
     RETURNING seq, id, attempts, give_up_at, created_at";
const DROP_BODIES: &str = "UPDATE mails SET body_bytes = 0 WHERE seq IN
     (SELECT seq FROM mails WHERE body_bytes > 0 AND done_at <= ?1 LIMIT ?2)";
const DROP_RECORDS: &str = "DELETE FROM mails WHERE seq IN (SELECT seq FROM mails WHERE done_at <= ?1 LIMIT ?2)";

/// What a namespace may put into the outbox.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowance {
    pub mails_per_day: u64,
    pub bytes: u64,
}

/// A mail that somebody has taken to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim {
    seq: i64,
    pub id: String,
    pub namespace: String,
    /// The number of this attempt, from 1.
    pub attempt: u32,
    /// No attempt is made after that.
    pub give_up_at: u64,
    pub created_at: u64,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Sent,
    Again { at: u64, error: String },
    Dead { error: String },
}

/// Terms on which mails are claimed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    pub now: u64,
    pub leased_until: u64,
    /// For mails that nobody has tried before.
    pub give_up_at: u64,
}

/// The outbox. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Outbox(Database);

impl Outbox {
    pub fn open(path: &Path) -> Result<Self, Error> {
        Database::open(path, MIGRATIONS).map(Self)
    }

    pub(super) fn database(&self) -> &Database {
        &self.0
    }

    /// Keeps a mail. It is durable when this returns.
    pub async fn accept(
        &self,
        namespace: &Namespace,
        id: String,
        letter: Letter,
        now: u64,
        allowance: Allowance,
    ) -> Result<(), Error> {
        let namespace = namespace.to_string();
        self.0
            .write(move |transaction| {
                let bytes = (letter.bytes() + OVERHEAD_BYTES) as u64;
                charge(transaction, &namespace, bytes, now, allowance)?;
                insert(transaction, &namespace, &id, &letter, bytes, now)
            })
            .await
    }

    /// One mail, with its text and HTML where they are kept.
    pub async fn find(&self, namespace: &Namespace, id: String) -> Result<Option<Mail>, Error> {
        let namespace = namespace.to_string();
        self.0
            .read(move |connection| {
                let found = connection
                    .prepare_cached(
                        "SELECT id, head, status, attempts, last_error, created_at, done_at, text, html
                         FROM mails LEFT JOIN bodies USING (seq) WHERE namespace = ?1 AND id = ?2",
                    )?
                    .query_row([&namespace, &id], Stored::read)
                    .optional()?;
                found.map(Stored::into_mail).transpose()
            })
            .await
    }

    /// A page of mails, the newest first.
    pub async fn list(&self, namespace: &Namespace, options: ListEmailsOptions) -> Result<Page<Mail>, Error> {
        let namespace = namespace.to_string();
        self.0.read(move |connection| page(connection, &namespace, &options)).await
    }

    /// When the next mail is due that is not held; it may be long overdue.
    pub async fn next_due(&self) -> Result<Option<u64>, Error> {
        self.0
            .read(|connection| {
                let held = connection
                    .prepare_cached("SELECT EXISTS (SELECT 1 FROM holds)")?
                    .query_row([], |row| row.get::<_, bool>(0))?;
                let sql = if held { NEXT_DUE_BESIDE_HOLDS } else { NEXT_DUE };
                let due = connection.prepare_cached(sql)?.query_row([], |row| row.get::<_, Option<i64>>(0))?;
                Ok(due.map(i64::unsigned_abs))
            })
            .await
    }

    /// Namespaces that have a mail which is due, in order; not those whose mails are held.
    pub async fn waiting(&self, now: u64) -> Result<Vec<String>, Error> {
        self.0
            .read(move |connection| {
                let mut statement = connection.prepare_cached(WAITING)?;
                Ok(statement.query_map([stored(now)], |row| row.get(0))?.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// Takes at most `count` mails of these namespaces that are due: one of each in turn, beginning after `last`, so
    /// that a thousand mails of one do not hold up the one of another. The namespaces are in order.
    pub async fn claim(
        &self,
        mut namespaces: Vec<String>,
        last: String,
        count: usize,
        terms: Terms,
    ) -> Result<Vec<Claim>, Error> {
        self.0
            .write(move |transaction| {
                let after = namespaces.partition_point(|namespace| *namespace <= last);
                namespaces.rotate_left(after);
                let mut claims = Vec::new();
                while claims.len() < count && !namespaces.is_empty() {
                    let mut left = Vec::new();
                    for namespace in namespaces {
                        if claims.len() == count {
                            break;
                        }
                        if let Some(claim) = take(transaction, &namespace, terms)? {
                            claims.push(claim);
                            left.push(namespace);
                        }
                    }
                    namespaces = left;
                }
                Ok(claims)
            })
            .await
    }

    /// The mail that was claimed; `None` where it is gone.
    pub async fn load(&self, claim: &Claim) -> Result<Option<Letter>, Error> {
        let (namespace, seq) = (claim.namespace.clone(), claim.seq);
        self.0.read(move |connection| load(connection, &namespace, seq)).await
    }

    /// Holds on to a mail that takes its time.
    pub async fn renew(&self, claim: &Claim, leased_until: u64) -> Result<(), Error> {
        let claim = claim.clone();
        self.0
            .write(move |transaction| {
                transaction
                    .prepare_cached(
                        "UPDATE mails SET due_at = ?4
                         WHERE namespace = ?1 AND seq = ?2 AND attempts = ?3 AND due_at IS NOT NULL",
                    )?
                    .execute(params![claim.namespace, claim.seq, claim.attempt, stored(leased_until)])?;
                Ok(())
            })
            .await
    }

    /// Tells how an attempt ended. One that somebody else has repeated meanwhile changes nothing.
    pub async fn settle(&self, claim: &Claim, outcome: Outcome, now: u64) -> Result<(), Error> {
        let claim = claim.clone();
        let (status, due_at, done_at, error) = match outcome {
            Outcome::Sent => (MailStatus::Sent, None, Some(now), None),
            Outcome::Again { at, error } => (MailStatus::Failed, Some(at), None, Some(error)),
            Outcome::Dead { error } => (MailStatus::Dead, None, Some(now), Some(error)),
        };
        self.0
            .write(move |transaction| {
                transaction
                    .prepare_cached(
                        "UPDATE mails SET status = ?4, due_at = ?5, done_at = ?6, last_error = ?7
                         WHERE namespace = ?1 AND seq = ?2 AND attempts = ?3 AND due_at IS NOT NULL",
                    )?
                    .execute(params![
                        claim.namespace,
                        claim.seq,
                        claim.attempt,
                        word(status),
                        due_at.map(stored),
                        done_at.map(stored),
                        error,
                    ])?;
                Ok(())
            })
            .await
    }

    /// Drops text, HTML and files of mails that were done before `bodies`, and all that is known of those that were
    /// done before `records`.
    pub async fn trim(&self, bodies: u64, records: u64) -> Result<(), Error> {
        for (sql, before) in [(DROP_BODIES, bodies), (DROP_RECORDS, records)] {
            // In batches, so that nobody who writes waits for all of it.
            let batch =
                || self.0.write(move |transaction| Ok(transaction.execute(sql, params![stored(before), TRIM_BATCH])?));
            while batch().await? > 0 {}
        }
        Ok(())
    }

    /// Deletes everything of a namespace.
    pub async fn forget(&self, namespace: &Namespace) -> Result<(), Error> {
        let namespace = namespace.to_string();
        self.0
            .write(move |transaction| {
                transaction.execute("DELETE FROM mails WHERE namespace = ?1", [&namespace])?;
                transaction.execute("DELETE FROM accounts WHERE namespace = ?1", [&namespace])?;
                transaction.execute("DELETE FROM holds WHERE namespace = ?1", [&namespace])?;
                Ok(())
            })
            .await
    }
}

/// Counts one more mail of today, where there may be one more. Days are those of UTC.
fn charge(
    transaction: &Transaction<'_>,
    namespace: &str,
    bytes: u64,
    now: u64,
    allowance: Allowance,
) -> Result<(), Error> {
    let today = now / DAY_MS;
    let account = transaction
        .prepare_cached("SELECT day, mails, bytes FROM accounts WHERE namespace = ?1")?
        .query_row([namespace], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?)))
        .optional()?
        .map(|(day, mails, bytes)| (day.unsigned_abs(), mails.unsigned_abs(), bytes.unsigned_abs()));
    let (day, mails, kept) = account.unwrap_or_default();
    let mails = if day == today { mails } else { 0 };
    if mails >= allowance.mails_per_day {
        let most = allowance.mails_per_day;
        let wait = Duration::from_millis((today + 1) * DAY_MS - now);
        let refusal = ServiceError::quota(format!("mails per day: {most} may be sent in a day (UTC), and were"));
        return Err(refusal.after(wait).into());
    }
    if kept + bytes > allowance.bytes {
        return Err(ServiceError::quota(format!(
            "outbox: may hold {} bytes, and holds {kept}; text, HTML and files are dropped some days after sending",
            allowance.bytes
        ))
        .into());
    }
    transaction
        .prepare_cached(
            "INSERT INTO accounts (namespace, day, mails, bytes) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (namespace) DO UPDATE SET day = ?2, mails = ?3, bytes = ?4",
        )?
        .execute(params![namespace, stored(today), stored(mails + 1), stored(kept + bytes)])?;
    Ok(())
}

fn insert(
    transaction: &Transaction<'_>,
    namespace: &str,
    id: &str,
    letter: &Letter,
    bytes: u64,
    now: u64,
) -> Result<(), Error> {
    let head = serde_json::to_string(&letter.head).map_err(damaged)?;
    let seq: i64 = transaction
        .prepare_cached(
            "INSERT INTO mails (id, namespace, head, status, due_at, created_at, body_bytes)
             VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6) RETURNING seq",
        )?
        .query_row(params![id, namespace, head, word(MailStatus::Queued), stored(now), stored(bytes)], |row| {
            row.get(0)
        })?;
    transaction.prepare_cached("INSERT INTO bodies (seq, text, html) VALUES (?1, ?2, ?3)")?.execute(params![
        seq,
        letter.body.text,
        letter.body.html
    ])?;
    for file in &letter.files {
        transaction
            .prepare_cached("INSERT INTO files (mail, filename, content_type, content) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![seq, file.filename, file.content_type, file.content])?;
    }
    for tag in &letter.head.tags {
        transaction
            .prepare_cached("INSERT INTO tags (namespace, tag, mail) VALUES (?1, ?2, ?3)")?
            .execute(params![namespace, tag, seq])?;
    }
    Ok(())
}

/// The mail of a namespace that is due the longest.
fn take(transaction: &Transaction<'_>, namespace: &str, terms: Terms) -> Result<Option<Claim>, Error> {
    let times = (stored(terms.now), stored(terms.leased_until), stored(terms.give_up_at));
    let claim = transaction.prepare_cached(TAKE)?.query_row(params![namespace, times.0, times.1, times.2], |row| {
        Ok(Claim {
            seq: row.get(0)?,
            id: row.get(1)?,
            namespace: namespace.to_owned(),
            attempt: row.get(2)?,
            give_up_at: row.get::<_, i64>(3)?.unsigned_abs(),
            created_at: row.get::<_, i64>(4)?.unsigned_abs(),
        })
    });
    Ok(claim.optional()?)
}

fn load(connection: &Connection, namespace: &str, seq: i64) -> Result<Option<Letter>, Error> {
    let found = connection
        .prepare_cached("SELECT head, text, html FROM mails JOIN bodies USING (seq) WHERE namespace = ?1 AND seq = ?2")?
        .query_row(params![namespace, seq], |row| {
            Ok((row.get::<_, String>(0)?, Body { text: row.get(1)?, html: row.get(2)? }))
        })
        .optional()?;
    let Some((head, body)) = found else { return Ok(None) };
    let files = connection
        .prepare_cached("SELECT filename, content_type, content FROM files WHERE mail = ?1 ORDER BY file")?
        .query_map([seq], |row| Ok(File { filename: row.get(0)?, content_type: row.get(1)?, content: row.get(2)? }))?
        .collect::<Result<_, _>>()?;
    Ok(Some(Letter { head: serde_json::from_str(&head).map_err(damaged)?, body, files }))
}

fn page(connection: &Connection, namespace: &str, options: &ListEmailsOptions) -> Result<Page<Mail>, Error> {
    let (limit, offset) = (options.limit.unwrap_or(DEFAULT_LIMIT), options.offset.unwrap_or(0));
    let (status, tag) = (options.status.map(word), options.tag.as_deref());
    let (count, rows) = page_queries(status.is_some(), tag.is_some());
    let total: i64 = connection.prepare_cached(&count)?.query_row(params![namespace, status, tag], |row| row.get(0))?;
    let mails = connection
        .prepare_cached(&rows)?
        .query_map(params![namespace, status, tag, limit, stored(offset)], Stored::read)?
        .collect::<Result<Vec<_>, _>>()?;
    let data = mails.into_iter().map(Stored::into_mail).collect::<Result<_, _>>()?;
    Ok(Page { data, pagination: Pagination { limit, offset, total: total.unsigned_abs() } })
}

/// How many mails there are, and which are on a page. Each way to filter has an index of its own, which has the mails
/// in their order. Every text names all parameters, so that they are bound alike.
fn page_queries(by_status: bool, by_tag: bool) -> (String, String) {
    let (from, order) = match (by_tag, by_status) {
        (false, false) => ("mails WHERE namespace = ?1 AND ?2 IS NULL AND ?3 IS NULL", "seq"),
        (false, true) => ("mails WHERE namespace = ?1 AND status = ?2 AND ?3 IS NULL", "seq"),
        // Cross: the tags come first, as they are in order.
        (true, _) => (
            "tags CROSS JOIN mails ON mails.seq = tags.mail
             WHERE tags.namespace = ?1 AND tags.tag = ?3 AND mails.namespace = ?1 AND (?2 IS NULL OR status = ?2)",
            "tags.mail",
        ),
    };
    let columns = "id, head, status, attempts, last_error, created_at, done_at, NULL AS text, NULL AS html";
    (
        format!("SELECT count(*) FROM {from}"),
        format!("SELECT {columns} FROM {from} ORDER BY {order} DESC LIMIT ?4 OFFSET ?5"),
    )
}

/// A row before its JSON is read.
struct Stored {
    id: String,
    head: String,
    status: String,
    attempts: u32,
    last_error: Option<String>,
    created_at: i64,
    done_at: Option<i64>,
    body: Body,
}

impl Stored {
    fn read(row: &Row<'_>) -> Result<Self, rusqlite::Error> {
        Ok(Self {
            id: row.get(0)?,
            head: row.get(1)?,
            status: row.get(2)?,
            attempts: row.get(3)?,
            last_error: row.get(4)?,
            created_at: row.get(5)?,
            done_at: row.get(6)?,
            body: Body { text: row.get(7)?, html: row.get(8)? },
        })
    }

    fn into_mail(self) -> Result<Mail, Error> {
        let head: Head = serde_json::from_str(&self.head).map_err(damaged)?;
        let status = status(&self.status)?;
        let sent_at = self.done_at.filter(|_| status == MailStatus::Sent).map(i64::unsigned_abs);
        Ok(Mail {
            id: self.id,
            from: head.from,
            to: head.to,
            cc: head.cc,
            bcc: head.bcc,
            subject: head.subject,
            text: self.body.text,
            html: self.body.html,
            tags: head.tags,
            status,
            attempts: self.attempts,
            last_error: self.last_error,
            created_at: self.created_at.unsigned_abs(),
            sent_at,
        })
    }
}

const fn word(status: MailStatus) -> &'static str {
    match status {
        MailStatus::Queued => "queued",
        MailStatus::Sent => "sent",
        MailStatus::Failed => "failed",
        MailStatus::Dead => "dead",
    }
}

fn status(word: &str) -> Result<MailStatus, Error> {
    serde_json::from_value(word.into()).map_err(|source| Error::Damaged { column: "mails.status", source })
}

fn damaged(source: serde_json::Error) -> Error {
    Error::Damaged { column: "mails.head", source }
}

/// SQLite's integers are signed.
pub(super) fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use doer_core::service::email::{Recipients, SendOptions};

    use super::*;

    const PLENTY: Allowance = Allowance { mails_per_day: 1_000, bytes: 1 << 30 };

    fn outbox() -> (tempfile::TempDir, Outbox) {
        let dir = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(&dir.path().join("email.db")).unwrap();
        (dir, outbox)
    }

    fn namespace(name: &str) -> Namespace {
        Namespace::parse(&format!("tenant:{name}")).unwrap()
    }

    async fn accept(outbox: &Outbox, tenant: &str, id: &str, now: u64) {
        let to = Recipients::One("ada@example.com".to_owned());
        let from = "noreply@localhost".parse().unwrap();
        let letter = Letter::new(&from, to, id.to_owned(), "Hi", SendOptions::default()).unwrap();
        outbox.accept(&namespace(tenant), id.to_owned(), letter, now, PLENTY).await.unwrap();
    }

    fn terms(now: u64) -> Terms {
        Terms { now, leased_until: now + 60, give_up_at: now + 1_000 }
    }

    async fn claim(outbox: &Outbox, last: &str, count: usize, now: u64) -> Vec<Claim> {
        let waiting = outbox.waiting(now).await.unwrap();
        outbox.claim(waiting, last.to_owned(), count, terms(now)).await.unwrap()
    }

    async fn claimed(outbox: &Outbox, last: &str, count: usize, now: u64) -> Vec<String> {
        claim(outbox, last, count, now).await.into_iter().map(|claim| claim.id).collect()
    }

    #[tokio::test]
    async fn namespaces_take_turns() {
        let (_dir, outbox) = outbox();
        for id in ["a1", "a2", "a3", "a4"] {
            accept(&outbox, "a", id, 0).await;
        }
        accept(&outbox, "b", "b1", 5).await;
        accept(&outbox, "c", "c1", 5).await;
        accept(&outbox, "c", "c2", 9).await;
        assert_eq!(outbox.next_due().await.unwrap(), Some(0));
        assert_eq!(claimed(&outbox, "", 2, 5).await, ["a1", "b1"]);
        assert_eq!(claimed(&outbox, "tenant:b", 10, 5).await, ["c1", "a2", "a3", "a4"], "c2 is not due yet");
        assert_eq!(outbox.next_due().await.unwrap(), Some(9));
        assert_eq!(claimed(&outbox, "", 10, 64).await, ["c2"], "the others are somebody's");
        assert_eq!(claimed(&outbox, "", 2, 65).await, ["a1", "b1"], "until their lease has passed");
    }

    #[tokio::test]
    async fn a_lease_is_held_and_an_attempt_that_was_repeated_changes_nothing() {
        let (_dir, outbox) = outbox();
        accept(&outbox, "a", "a1", 0).await;
        let first = claim(&outbox, "", 1, 0).await.remove(0);
        assert_eq!((first.attempt, first.give_up_at, first.created_at), (1, 1_000, 0));
        outbox.renew(&first, 100).await.unwrap();
        assert!(claimed(&outbox, "", 1, 99).await.is_empty());
        let second = claim(&outbox, "", 1, 100).await.remove(0);
        assert_eq!((second.attempt, second.give_up_at), (2, 1_000), "a day from the first attempt");

        outbox.renew(&first, 5_000).await.unwrap();
        outbox.settle(&first, Outcome::Dead { error: "late".to_owned() }, 101).await.unwrap();
        let mail = outbox.find(&namespace("a"), "a1".to_owned()).await.unwrap().unwrap();
        assert_eq!((mail.status, mail.attempts, mail.last_error), (MailStatus::Queued, 2, None));
        assert_eq!(outbox.next_due().await.unwrap(), Some(160));

        outbox.settle(&second, Outcome::Sent, 110).await.unwrap();
        outbox.settle(&second, Outcome::Dead { error: "again".to_owned() }, 111).await.unwrap();
        let mail = outbox.find(&namespace("a"), "a1".to_owned()).await.unwrap().unwrap();
        assert_eq!((mail.status, mail.sent_at), (MailStatus::Sent, Some(110)));
        assert_eq!(outbox.next_due().await.unwrap(), None);
    }

    #[tokio::test]
    async fn what_is_held_is_not_due_and_loses_no_time() {
        let (_dir, outbox) = outbox();
        for (tenant, id) in [("a", "a1"), ("a", "a2"), ("b", "b1")] {
            accept(&outbox, tenant, id, 0).await;
        }
        let tried = claim(&outbox, "", 1, 0).await.remove(0);
        outbox.settle(&tried, Outcome::Again { at: 50, error: "later".to_owned() }, 10).await.unwrap();
        outbox.hold(vec!["tenant:a".to_owned()], 100).await.unwrap();
        outbox.hold(vec!["tenant:a".to_owned()], 200).await.unwrap();
        assert_eq!(outbox.held().await.unwrap(), ["tenant:a"]);
        assert_eq!(claimed(&outbox, "", 10, 300).await, ["b1"]);
        assert_eq!(outbox.next_due().await.unwrap(), Some(360), "that of b1");

        outbox.release(vec!["tenant:a".to_owned(), "tenant:nobody".to_owned()], 500).await.unwrap();
        assert_eq!(outbox.next_due().await.unwrap(), Some(0));
        let claims = claim(&outbox, "", 10, 500).await;
        let told: Vec<_> = claims.iter().map(|claim| (claim.id.as_str(), claim.attempt, claim.give_up_at)).collect();
        assert_eq!(told, [("a2", 1, 1_500), ("b1", 2, 1_300), ("a1", 2, 1_400)], "a1 was held for 400");
    }

    #[tokio::test]
    async fn no_call_reads_all_mails() {
        let (_dir, outbox) = outbox();
        let mut queries: Vec<String> = [NEXT_DUE, NEXT_DUE_BESIDE_HOLDS, WAITING, TAKE, DROP_BODIES, DROP_RECORDS]
            .into_iter()
            .map(str::to_owned)
            .collect();
        for (by_status, by_tag) in [(false, false), (true, false), (false, true), (true, true)] {
            let (count, rows) = page_queries(by_status, by_tag);
            queries.extend([count, rows]);
        }
        let plans = outbox.0.read(move |connection| {
            let mut plans = Vec::new();
            for sql in queries {
                let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
                let nothing = rusqlite::params_from_iter(vec![0; statement.parameter_count()]);
                let steps: Vec<String> = statement.query_map(nothing, |row| row.get(3))?.collect::<Result<_, _>>()?;
                plans.push((sql, steps.join("; ")));
            }
            Ok(plans)
        });
        for (sql, plan) in plans.await.unwrap() {
            let reads_all = plan.contains("SCAN mails") || plan.contains("SCAN tags");
            // The few namespaces that wait may be sorted; mails must come in order.
            let sorts = plan.contains("TEMP B-TREE") && sql != WAITING;
            assert!(plan.contains("SEARCH") && !reads_all && !sorts, "{sql}: {plan}");
        }
    }
}
