//! Which version of a file a namespace has last written, or offered in a pull request.

use doer_core::tier::Namespace;
use rusqlite::{OptionalExtension, Transaction, params};

use super::{super::State, super::stored, Place, client::File};
use crate::Error;

/// Files that a namespace is remembered to have written. One that was forgotten is written as if for the first time.
const MAX_FILES: u64 = 10_000;

/// What is known of a file.
#[derive(Debug)]
pub(super) struct Known {
    /// The version last written or replaced; `None` where there was no file.
    pub(super) sha: Option<String>,
    /// The version last offered: the file becomes it when the pull request is merged.
    proposed: Option<String>,
}

impl Known {
    /// Has somebody else changed it?
    pub(super) fn moved(&self, now: Option<&File>) -> bool {
        let now = now.map(|file| file.sha.as_str());
        now != self.sha.as_deref() && (now.is_none() || now != self.proposed.as_deref())
    }
}

impl State {
    pub(super) async fn known_file(&self, namespace: &Namespace, place: &Place) -> Result<Option<Known>, Error> {
        let (namespace, place) = (namespace.clone(), place.clone());
        self.database
            .read(move |connection| {
                let mut statement = connection.prepare_cached(
                    "SELECT sha, proposed FROM files
                     WHERE namespace = ?1 AND repository = ?2 AND branch = ?3 AND path = ?4",
                )?;
                let key = [namespace.as_str(), &place.repository, &place.branch, &place.path];
                let read = |row: &rusqlite::Row<'_>| Ok(Known { sha: row.get(0)?, proposed: row.get(1)? });
                Ok(statement.query_row(key, read).optional()?)
            })
            .await
    }

    /// Remembers what stands in a file now, and what was offered for it.
    pub(super) async fn note_file(
        &self,
        namespace: &Namespace,
        place: &Place,
        sha: Option<String>,
        proposed: Option<String>,
    ) -> Result<(), Error> {
        let (namespace, place, now) = (namespace.clone(), place.clone(), self.clock.now_ms());
        let noted = self
            .database
            .write(move |transaction| note(transaction, &namespace, &place, sha.as_deref(), proposed.as_deref(), now));
        self.watched(noted.await)
    }
}

fn note(
    transaction: &Transaction<'_>,
    namespace: &Namespace,
    place: &Place,
    sha: Option<&str>,
    proposed: Option<&str>,
    now_ms: u64,
) -> Result<(), Error> {
    transaction.execute(
        "INSERT INTO files (namespace, repository, branch, path, sha, proposed, written_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT DO UPDATE SET sha = excluded.sha, proposed = coalesce(excluded.proposed, proposed),
                                   written_at = excluded.written_at",
        params![namespace.as_str(), place.repository, place.branch, place.path, sha, proposed, stored(now_ms)],
    )?;
    transaction.execute(
        "DELETE FROM files WHERE (namespace, repository, branch, path) IN
         (SELECT namespace, repository, branch, path FROM files WHERE namespace = ?1
          ORDER BY written_at DESC LIMIT -1 OFFSET ?2)",
        params![namespace.as_str(), stored(MAX_FILES)],
    )?;
    Ok(())
}
