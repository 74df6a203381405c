//! GitHub's REST interface, as far as files, branches and pull requests go.

use std::{error::Error as _, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use doer_core::service::{Code, ServiceError, webhooks::PullRequest};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use url::Url;

use super::{GitHubSettings, Place, Plan, Pull};
use crate::Error;

/// Requests at once, of the whole installation.
const MAX_REQUESTS: usize = 16;
/// Bytes of an answer: a file of 1 MiB in base64, and what is around it.
const MAX_ANSWER_BYTES: usize = 3 << 20;
/// Characters of GitHub's own words in an error.
const MAX_WORDS: usize = 200;

/// GitHub.
pub(in super::super) struct Api {
    client: reqwest::Client,
    base: Url,
    token: Option<String>,
    timeout: Duration,
    permits: Semaphore,
}

/// A version of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    pub(super) sha: String,
    pub(super) content: Vec<u8>,
}

/// What came of writing a file.
#[derive(Debug)]
pub(super) enum Put {
    Written {
        commit: String,
        sha: String,
    },
    /// The file is not the one that it was to replace.
    Stale,
}

struct Answer {
    status: u16,
    body: Value,
}

impl Api {
    /// # Errors
    /// [`Error::Refused`] where the base URL is none.
    pub(in super::super) fn new(client: reqwest::Client, settings: &GitHubSettings) -> Result<Self, Error> {
        let base = Url::parse(&settings.base_url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| ServiceError::invalid("github.base_url: must be an http or https URL"))?;
        Ok(Self {
            client,
            base,
            token: settings.token.clone(),
            timeout: settings.timeout,
            permits: Semaphore::new(MAX_REQUESTS),
        })
    }

    /// The file as it is now; `None` where the branch has none.
    pub(super) async fn file(&self, place: &Place) -> Result<Option<File>, ServiceError> {
        let mut url = self.contents(place);
        url.query_pairs_mut().append_pair("ref", &place.branch);
        let answer = self.call(Method::GET, url, None).await?;
        if answer.status == 404 {
            // Repository, branch and file are the same 404.
            self.head(&place.repository, &place.branch).await?;
            return Ok(None);
        }
        let body = self.expect(answer, 200)?;
        if body.is_array() || text(&body, "/type").is_some_and(|kind| kind != "file") {
            return Err(ServiceError::invalid("options.path: is a directory or a link in the repository"));
        }
        let (Some(sha), Some(content)) = (text(&body, "/sha"), content(&body)) else {
            return Err(strange());
        };
        Ok(Some(File { sha: sha.to_owned(), content }))
    }

    /// An older version of a file; `None` where it is gone.
    pub(super) async fn blob(&self, repository: &str, sha: &str) -> Result<Option<Vec<u8>>, ServiceError> {
        let answer = self.call(Method::GET, self.url(repository, ["git", "blobs", sha]), None).await?;
        if answer.status == 404 {
            return Ok(None);
        }
        content(&self.expect(answer, 200)?).ok_or_else(strange).map(Some)
    }

    /// The commit that a branch stands at.
    pub(super) async fn head(&self, repository: &str, branch: &str) -> Result<String, ServiceError> {
        let url = self.url(repository, ["git", "ref", "heads"].into_iter().chain(branch.split('/')));
        let answer = self.call(Method::GET, url, None).await?;
        if answer.status == 404 {
            let message =
                format!("GitHub has no branch {branch} in {repository}, or does not show it to this installation");
            return Err(ServiceError::not_found(message));
        }
        let body = self.expect(answer, 200)?;
        text(&body, "/object/sha").map(str::to_owned).ok_or_else(strange)
    }

    /// Writes the file of a plan to `branch`, in place of version `sha`.
    pub(super) async fn put(&self, plan: &Plan, branch: &str, sha: Option<&str>) -> Result<Put, ServiceError> {
        let mut body = json!({
            "message": plan.message,
            "content": BASE64_STANDARD.encode(&plan.content),
            "branch": branch,
        });
        if let Some(sha) = sha {
            body["sha"] = sha.into();
        }
        let answer = self.call(Method::PUT, self.contents(&plan.place), Some(body)).await?;
        let names_sha = text(&answer.body, "/message").is_some_and(|message| message.contains("sha"));
        // 409: another version than ours is there; 422: there is one, and we thought there was none.
        if answer.status == 409 || (answer.status == 422 && sha.is_none() && names_sha) {
            return Ok(Put::Stale);
        }
        let status = answer.status;
        let body = self.expect(answer, if status == 201 { 201 } else { 200 })?;
        match (text(&body, "/commit/sha"), text(&body, "/content/sha")) {
            (Some(commit), Some(sha)) => Ok(Put::Written { commit: commit.to_owned(), sha: sha.to_owned() }),
            _ => Err(strange()),
        }
    }

    pub(super) async fn create_branch(&self, repository: &str, branch: &str, at: &str) -> Result<(), ServiceError> {
        let body = json!({ "ref": format!("refs/heads/{branch}"), "sha": at });
        let answer = self.call(Method::POST, self.url(repository, ["git", "refs"]), Some(body)).await?;
        self.expect(answer, 201).map(drop)
    }

    pub(super) async fn delete_branch(&self, repository: &str, branch: &str) -> Result<(), ServiceError> {
        let url = self.url(repository, ["git", "refs", "heads"].into_iter().chain(branch.split('/')));
        let answer = self.call(Method::DELETE, url, None).await?;
        self.expect(answer, 204).map(drop)
    }

    pub(super) async fn open_pull(&self, place: &Place, head: &str, pull: &Pull) -> Result<PullRequest, ServiceError> {
        let body = json!({ "title": pull.title, "body": pull.body, "head": head, "base": place.branch });
        let answer = self.call(Method::POST, self.url(&place.repository, ["pulls"]), Some(body)).await?;
        let body = self.expect(answer, 201)?;
        match (body.pointer("/number").and_then(Value::as_u64), text(&body, "/html_url")) {
            (Some(number), Some(url)) => Ok(PullRequest { number, url: url.to_owned() }),
            _ => Err(strange()),
        }
    }

    fn contents(&self, place: &Place) -> Url {
        self.url(&place.repository, ["contents"].into_iter().chain(place.path.split('/')))
    }

    /// Each part is encoded; none of them is a dot, which [`Plan::of`] has seen to.
    fn url<'a>(&self, repository: &'a str, parts: impl IntoIterator<Item = &'a str>) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("repos").extend(repository.split('/')).extend(parts);
        }
        url
    }

    async fn call(&self, method: Method, url: Url, body: Option<Value>) -> Result<Answer, ServiceError> {
        let Some(token) = &self.token else {
            let message = "Writing to GitHub is not available: the installation has no token for it";
            return Err(ServiceError::new(Code::ServiceUnavailable, message));
        };
        let request = self
            .client
            .request(method, url)
            .bearer_auth(token)
            .header("accept", "application/vnd.github+json")
            .header("x-github-api-version", "2022-11-28")
            .header("user-agent", concat!("doer/", env!("CARGO_PKG_VERSION")));
        let request = match &body {
            Some(body) => request.json(body),
            None => request,
        };
        let answered = async {
            // Never closed.
            let _permit = self.permits.acquire().await;
            read(request.send().await?).await
        };
        match tokio::time::timeout(self.timeout, answered).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, source = error.source(), "GitHub");
                Err(ServiceError::new(Code::UpstreamError, "GitHub cannot be reached"))
            }
            Err(_) => {
                let message = format!("GitHub did not answer within {} ms", self.timeout.as_millis());
                Err(ServiceError::new(Code::Timeout, message))
            }
        }
    }

    /// The body of an answer with the right status.
    fn expect(&self, answer: Answer, status: u16) -> Result<Value, ServiceError> {
        if answer.status == status {
            return Ok(answer.body);
        }
        let words = text(&answer.body, "/message").unwrap_or("no reason given");
        // GitHub has no reason to say our token back, and whatever stands between might.
        let words = words.replace(self.token.as_deref().unwrap_or("\0"), "(hidden)");
        let words: String = words.chars().take(MAX_WORDS).collect();
        let code = if answer.status == 404 { Code::NotFound } else { Code::UpstreamError };
        Err(ServiceError::new(code, format!("GitHub answered {}: {words}", answer.status)))
    }
}

async fn read(mut response: Response) -> Result<Answer, reqwest::Error> {
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            body.clear();
            break;
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, body: serde_json::from_slice(&body).unwrap_or_default() })
}

fn text<'a>(body: &'a Value, pointer: &str) -> Option<&'a str> {
    body.pointer(pointer)?.as_str()
}

/// Content is base64 with line breaks. Of files that are too large GitHub gives none.
fn content(body: &Value) -> Option<Vec<u8>> {
    text(body, "/encoding").filter(|encoding| *encoding == "base64")?;
    let packed: String = text(body, "/content")?.split_ascii_whitespace().collect();
    BASE64_STANDARD.decode(packed).ok()
}

fn strange() -> ServiceError {
    ServiceError::new(
        Code::UpstreamError,
        "GitHub's answer is not what its interface describes, or the file is too large",
    )
}
