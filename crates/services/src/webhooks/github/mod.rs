//! Writing files to GitHub with the installation's token: who may write where, and what is to be written.

mod client;
mod conflicts;
mod files;
mod sync;

use doer_core::{
    service::{ServiceError, webhooks::GitHubOptions},
    tier::Namespace,
};

pub(super) use client::Api;

use super::GitHubSettings;

/// Bytes of a file: GitHub's contents interface tells no larger ones.
const MAX_CONTENT_BYTES: usize = 1 << 20;
const MAX_MESSAGE_BYTES: usize = 64 << 10;
const MAX_TITLE_BYTES: usize = 256;
const MAX_PATH_BYTES: usize = 1024;
const MAX_BRANCH_BYTES: usize = 200;

/// A file on GitHub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) repository: String,
    pub(super) branch: String,
    pub(super) path: String,
}

/// What is to be written, checked.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) place: Place,
    pub(super) content: String,
    pub(super) message: String,
    /// As a pull request rather than a commit.
    pub(super) pull: Option<Pull>,
}

/// A pull request to open.
#[derive(Debug, Clone)]
pub(super) struct Pull {
    pub(super) title: String,
    pub(super) body: String,
}

impl Plan {
    /// Checks what a caller wants.
    pub(super) fn of(options: &GitHubOptions) -> Result<Self, ServiceError> {
        let invalid = |message: &'static str| Err(ServiceError::invalid(message));
        if !is_repository(&options.repository) {
            return invalid("options.repository: must be owner/name");
        }
        if !is_path(&options.path) {
            return invalid("options.path: must be a path in the repository, without ., .. and empty parts");
        }
        let branch = options.branch.clone().unwrap_or_else(|| "main".to_owned());
        if !is_branch(&branch) {
            return invalid("options.branch: must be a branch's name of letters, digits, ., _, - and /");
        }
        if options.content.len() > MAX_CONTENT_BYTES {
            return invalid("options.content: must be at most 1048576 bytes");
        }
        if options.message.is_empty() || options.message.len() > MAX_MESSAGE_BYTES {
            return invalid("options.message: must have 1 to 65536 bytes");
        }
        let pull = match options.create_pr {
            Some(true) => Some(Pull::of(options)?),
            _ => None,
        };
        Ok(Self {
            place: Place { repository: options.repository.clone(), branch, path: options.path.clone() },
            content: options.content.clone(),
            message: options.message.clone(),
            pull,
        })
    }
}

impl Pull {
    fn of(options: &GitHubOptions) -> Result<Self, ServiceError> {
        let first_line = || options.message.lines().next().unwrap_or_default().chars().take(100).collect();
        let title: String = options.pr_title.clone().unwrap_or_else(first_line);
        if title.trim().is_empty() || title.len() > MAX_TITLE_BYTES {
            return Err(ServiceError::invalid("options.prTitle: must have 1 to 256 bytes"));
        }
        let body = options.pr_body.clone().unwrap_or_default();
        if body.len() > MAX_MESSAGE_BYTES {
            return Err(ServiceError::invalid("options.prBody: must be at most 65536 bytes"));
        }
        Ok(Self { title, body })
    }
}

/// May a namespace write to a repository with the installation's token?
pub(super) fn permits(settings: &GitHubSettings, namespace: &Namespace, repository: &str) -> bool {
    let covers = |pattern: &str, text: &str| match pattern.strip_suffix('*') {
        Some(start) => text.starts_with(start),
        None => pattern == text,
    };
    // Names on GitHub have no case.
    let repository = repository.to_ascii_lowercase();
    namespace.as_str() == "*"
        || settings.repositories.iter().any(|(pattern, namespaces)| {
            covers(&pattern.to_ascii_lowercase(), &repository)
                && namespaces.iter().any(|pattern| covers(pattern, namespace.as_str()))
        })
}

fn is_repository(text: &str) -> bool {
    let Some((owner, name)) = text.split_once('/') else { return false };
    let plain = |text: &str, also: &[u8]| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || also.contains(&byte));
    (1..=39).contains(&owner.len())
        && plain(owner, b"-")
        && (1..=100).contains(&name.len())
        && plain(name, b"-_.")
        && !matches!(name, "." | "..")
}

fn is_path(text: &str) -> bool {
    text.len() <= MAX_PATH_BYTES
        && !text.chars().any(|char| char.is_control() || char == '\\')
        && text.split('/').all(|part| !matches!(part, "" | "." | "..") && !part.eq_ignore_ascii_case(".git"))
}

fn is_branch(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'/');
    text.len() <= MAX_BRANCH_BYTES
        && text.bytes().all(plain)
        && !text.starts_with('-')
        && !text.contains("..")
        && text
            .split('/')
            .all(|part| !part.is_empty() && !part.starts_with('.') && !part.ends_with('.') && !part.ends_with(".lock"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_are_open_to_the_namespaces_they_are_listed_for() {
        let settings = GitHubSettings {
            repositories: [
                ("acme/site".to_owned(), vec!["tenant:acme".to_owned()]),
                ("shared/*".to_owned(), vec!["tenant:*".to_owned()]),
            ]
            .into(),
            ..GitHubSettings::default()
        };
        let may = |namespace, repository| permits(&settings, &Namespace::parse(namespace).unwrap(), repository);
        assert!(may("tenant:acme", "acme/site") && may("tenant:acme", "Acme/Site"));
        assert!(!may("tenant:acme", "acme/site2") && !may("tenant:acme2", "acme/site"));
        assert!(may("tenant:x", "shared/docs") && !may("user:x", "shared/docs") && !may("tenant:x", "shared2/docs"));
        assert!(may("*", "anyone/anything"));
    }

    #[test]
    fn names_lead_nowhere_else() {
        assert!(is_repository("acme/my.site_1-x"));
        for wrong in ["acme", "acme/", "/site", "acme/..", "acme/a/b", "acme/a?b", "a_b/site", "acme/a%2fb"] {
            assert!(!is_repository(wrong), "{wrong}");
        }
        assert!(is_path("docs/a file ü.md") && is_path(".github/x.yml"));
        for wrong in ["", "/a", "a/", "a//b", "../a", "a/./b", "a\\b", "a\nb", ".git/config", &"a".repeat(1025)] {
            assert!(!is_path(wrong), "{wrong}");
        }
        assert!(is_branch("main") && is_branch("feature/v1.2_x-y"));
        for wrong in ["", "-x", "a..b", "a//b", "/a", "a/", "a.lock", "a b", "a~1", ".a", "a?ref=b"] {
            assert!(!is_branch(wrong), "{wrong}");
        }
    }
}
