//! Writing a file, unless somebody else has changed it since we last did.
//!
//! GitHub and our own record cannot change in one step. Where we stop between the two, the same call later finds the
//! content in place and brings the record up to it.

use doer_core::{
    scope::Scope,
    service::{
        Code, ServiceError,
        webhooks::{GitHubOptions, GitHubSync, SyncStatus},
    },
    tier::Namespace,
};

use super::{
    super::{State, durable},
    Place, Plan, Pull,
    client::Put,
    permits,
};
use crate::Error;

/// Attempts where the file changes between reading and writing it.
const TRIES: usize = 3;

impl State {
    pub(in super::super) async fn sync_to_github(
        &self,
        scope: &Scope,
        options: GitHubOptions,
    ) -> Result<GitHubSync, ServiceError> {
        durable(scope)?;
        let plan = Plan::of(&options)?;
        let (namespace, place) = (&scope.namespace, &plan.place);
        self.may_write(namespace, place)?;
        for _ in 0..TRIES {
            let theirs = self.github.file(place).await?;
            let known = self.known_file(namespace, place).await?;
            if let Some(file) = theirs.as_ref().filter(|file| file.content == plan.content.as_bytes()) {
                self.note_file(namespace, place, Some(file.sha.clone()), None).await?;
                return Ok(GitHubSync { sha: Some(file.sha.clone()), ..answer(SyncStatus::Unchanged) });
            }
            let theirs_sha = theirs.as_ref().map(|file| file.sha.clone());
            if let Some(known) = known.filter(|known| known.moved(theirs.as_ref())) {
                let id = self.note_conflict(namespace, place, &options, known.sha, theirs_sha.clone()).await?;
                return Ok(GitHubSync { sha: theirs_sha, conflict_id: Some(id), ..answer(SyncStatus::Conflict) });
            }
            if let Some(written) = self.write_file(namespace, &plan, theirs_sha).await? {
                return Ok(written);
            }
        }
        Err(ServiceError::new(Code::UpstreamError, "The file on GitHub changes all the time; try again later"))
    }

    pub(super) fn may_write(&self, namespace: &Namespace, place: &Place) -> Result<(), ServiceError> {
        if permits(&self.settings.github, namespace, &place.repository) {
            return Ok(());
        }
        let message = format!("options.repository: {namespace} may not write to {}", place.repository);
        Err(ServiceError::forbidden(message))
    }

    /// Writes in place of version `sha`, and remembers it; `None` where that is no longer there.
    pub(super) async fn write_file(
        &self,
        namespace: &Namespace,
        plan: &Plan,
        sha: Option<String>,
    ) -> Result<Option<GitHubSync>, ServiceError> {
        if let Some(pull) = &plan.pull {
            return self.propose_file(namespace, plan, pull, sha).await;
        }
        let Put::Written { commit, sha } = self.github.put(plan, &plan.place.branch, sha.as_deref()).await? else {
            return Ok(None);
        };
        self.note_file(namespace, &plan.place, Some(sha.clone()), None).await?;
        let written = answer(SyncStatus::Committed);
        Ok(Some(GitHubSync { commit_sha: Some(commit), sha: Some(sha), ..written }))
    }

    /// The same in a branch of its own, with a pull request.
    async fn propose_file(
        &self,
        namespace: &Namespace,
        plan: &Plan,
        pull: &Pull,
        sha: Option<String>,
    ) -> Result<Option<GitHubSync>, ServiceError> {
        let repository = &plan.place.repository;
        let head = self.github.head(repository, &plan.place.branch).await?;
        let branch = new_branch()?;
        self.github.create_branch(repository, &branch, &head).await?;
        let proposed = async {
            let Put::Written { commit, sha } = self.github.put(plan, &branch, sha.as_deref()).await? else {
                return Ok(None);
            };
            let pull_request = self.github.open_pull(&plan.place, &branch, pull).await?;
            Ok(Some((commit, sha, pull_request)))
        }
        .await;
        let Ok(Some((commit, proposed, pull_request))) = proposed else {
            // A branch that nobody asked for; it harms nothing where it stays.
            if let Err(error) = self.github.delete_branch(repository, &branch).await {
                tracing::warn!(repository, branch, %error, "a branch stays behind");
            }
            return proposed.map(|_| None);
        };
        self.note_file(namespace, &plan.place, sha, Some(proposed.clone())).await?;
        Ok(Some(GitHubSync {
            commit_sha: Some(commit),
            sha: Some(proposed),
            pull_request: Some(pull_request),
            ..answer(SyncStatus::PullRequest)
        }))
    }
}

pub(super) fn answer(status: SyncStatus) -> GitHubSync {
    GitHubSync { status, commit_sha: None, sha: None, pull_request: None, conflict_id: None }
}

fn new_branch() -> Result<String, ServiceError> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(Error::Random)?;
    Ok(format!("doer/{}", hex::encode(bytes)))
}
