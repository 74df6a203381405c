//! Conflicts: files that somebody else has changed since we last wrote them, and how they are settled.

use doer_core::{
    scope::Scope,
    service::{
        Code, ServiceError,
        webhooks::{GitHubOptions, GitHubSync, Strategy, SyncStatus},
    },
    tier::Namespace,
};
use rusqlite::{OptionalExtension, params};

use super::{
    super::{State, durable, from_json, new_id, stored, to_json},
    Place, Plan,
    client::File,
    sync::answer,
};
use crate::Error;

/// Conflicts of a namespace that are not settled; the oldest gives way.
const MAX_CONFLICTS: u64 = 100;

/// A conflict that is not settled. The versions are blobs in the repository.
struct Conflict {
    id: String,
    options: GitHubOptions,
    /// What both come from.
    base_sha: Option<String>,
    theirs_sha: Option<String>,
}

impl State {
    /// Keeps a conflict; a file has one at most that is not settled, which keeps its id.
    pub(super) async fn note_conflict(
        &self,
        namespace: &Namespace,
        place: &Place,
        options: &GitHubOptions,
        base_sha: Option<String>,
        theirs_sha: Option<String>,
    ) -> Result<String, Error> {
        let (namespace, place) = (namespace.clone(), place.clone());
        let options = to_json(options, "conflicts.options")?;
        let noted = self.database.write(move |transaction| {
            let id = transaction.query_row(
                "INSERT INTO conflicts (id, namespace, repository, branch, path, options, base_sha, theirs_sha)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                 ON CONFLICT (namespace, repository, branch, path) WHERE settled_at IS NULL DO UPDATE SET
                     options = excluded.options, base_sha = excluded.base_sha, theirs_sha = excluded.theirs_sha
                 RETURNING id",
                params![
                    new_id("cfl"),
                    namespace.as_str(),
                    place.repository,
                    place.branch,
                    place.path,
                    options,
                    base_sha,
                    theirs_sha
                ],
                |row| row.get(0),
            )?;
            transaction.execute(
                "DELETE FROM conflicts WHERE id IN
                 (SELECT id FROM conflicts WHERE namespace = ?1 AND settled_at IS NULL
                  ORDER BY id DESC LIMIT -1 OFFSET ?2)",
                params![namespace.as_str(), stored(MAX_CONFLICTS)],
            )?;
            Ok(id)
        });
        self.watched(noted.await)
    }

    pub(in super::super) async fn resolve_conflict(
        &self,
        scope: &Scope,
        id: String,
        strategy: Strategy,
    ) -> Result<GitHubSync, ServiceError> {
        durable(scope)?;
        let namespace = &scope.namespace;
        let conflict = self.open_conflict(namespace, id).await?;
        let mut plan = Plan::of(&conflict.options)?;
        self.may_write(namespace, &plan.place)?;
        let theirs = self.github.file(&plan.place).await?;
        plan.content = match strategy {
            Strategy::Theirs | Strategy::Manual => {
                return self.settle_conflict(namespace, &conflict, &plan.place, theirs).await;
            }
            Strategy::Ours => plan.content,
            Strategy::Merge => self.merged(&conflict, &plan, theirs.as_ref()).await?,
        };
        if theirs.as_ref().is_some_and(|file| file.content == plan.content.as_bytes()) {
            return self.settle_conflict(namespace, &conflict, &plan.place, theirs).await;
        }

        let theirs_sha = theirs.map(|file| file.sha);
        let written = match theirs_sha == conflict.theirs_sha {
            true => self.write_file(namespace, &plan, theirs_sha.clone()).await?,
            false => None,
        };
        let Some(written) = written else {
            // Nobody has seen what stands there now: it is told, and the caller decides again.
            self.note_conflict(namespace, &plan.place, &conflict.options, conflict.base_sha, theirs_sha).await?;
            return Err(refused("The file has changed once more; look at it, and resolve the conflict again"));
        };
        self.mark_settled(conflict.id).await?;
        Ok(written)
    }

    async fn open_conflict(&self, namespace: &Namespace, id: String) -> Result<Conflict, ServiceError> {
        let namespace = namespace.clone();
        let found = self.database.read(move |connection| {
            let sql = "SELECT options, base_sha, theirs_sha, settled_at IS NOT NULL FROM conflicts
                       WHERE id = ?1 AND namespace = ?2";
            let found = connection
                .prepare_cached(sql)?
                .query_row([&id, namespace.as_str()], |row| {
                    Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?, row.get::<_, bool>(3)?))
                })
                .optional()?;
            match found {
                None => Err(ServiceError::not_found("conflictId: there is no such conflict").into()),
                Some((.., true)) => Err(refused("conflictId: the conflict is settled already").into()),
                Some((options, base_sha, theirs_sha, false)) => {
                    Ok(Conflict { id, options: from_json(&options, "conflicts.options")?, base_sha, theirs_sha })
                }
            }
        });
        Ok(found.await?)
    }

    /// Takes what stands in the file as the version that we know.
    async fn settle_conflict(
        &self,
        namespace: &Namespace,
        conflict: &Conflict,
        place: &Place,
        theirs: Option<File>,
    ) -> Result<GitHubSync, ServiceError> {
        let sha = theirs.map(|file| file.sha);
        self.note_file(namespace, place, sha.clone(), None).await?;
        self.mark_settled(conflict.id.clone()).await?;
        Ok(GitHubSync { sha, ..answer(SyncStatus::Resolved) })
    }

    async fn mark_settled(&self, id: String) -> Result<(), Error> {
        let now = self.clock.now_ms();
        let marked = self.database.write(move |transaction| {
            // What was to be written is of no use any more, and may be large.
            let sql = "UPDATE conflicts SET settled_at = ?2, options = '{}' WHERE id = ?1";
            transaction.execute(sql, params![id, stored(now)])?;
            Ok(())
        });
        self.watched(marked.await)
    }

    /// Their changes and ours together.
    async fn merged(&self, conflict: &Conflict, plan: &Plan, theirs: Option<&File>) -> Result<String, ServiceError> {
        let Some(theirs) = theirs else {
            return Err(refused("The file was deleted there, which cannot be merged; resolve with ours or theirs"));
        };
        let base = match &conflict.base_sha {
            Some(sha) => self.github.blob(&plan.place.repository, sha).await?.ok_or_else(|| {
                refused("The version that both come from is gone from GitHub; resolve with ours, theirs or manual")
            })?,
            None => Vec::new(),
        };
        let (Ok(base), Ok(theirs)) = (str::from_utf8(&base), str::from_utf8(&theirs.content)) else {
            return Err(refused("The file is no text there, which cannot be merged; resolve with ours or theirs"));
        };
        diffy::merge(base, &plan.content, theirs)
            .map_err(|_| refused("The changes overlap; resolve with ours, theirs or manual"))
    }
}

fn refused(message: &'static str) -> ServiceError {
    ServiceError::new(Code::Conflict, message)
}
