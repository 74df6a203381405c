//! Writing to GitHub where it changes under our hands, fails, or is not to be had.

use std::time::Duration;

use doer_core::{
    quota::Quota,
    scope::Scope,
    service::{
        Code, ServiceError,
        webhooks::{GitHubOptions, GitHubSync, ResolveConflict, Strategy, SyncStatus, SyncToGitHub, Webhooks},
    },
    tier::Tier,
};
use doer_services::webhooks::{EmbeddedWebhooks, GitHubSettings, Settings};

use crate::{
    door::scope,
    fake_github::GitHub,
    world::{World, serve},
};

const SITE: &str = "acme/site";
const TOKEN: &str = "ghp_secret";

fn acme() -> Scope {
    scope("tenant", Some("acme"))
}

async fn world(token: Option<&str>) -> (World, GitHub) {
    let github = GitHub::new(TOKEN);
    let settings = GitHubSettings {
        base_url: serve(github.router()).await,
        token: token.map(str::to_owned),
        timeout: Duration::from_secs(5),
        repositories: [(SITE.to_owned(), vec!["tenant:acme".to_owned()])].into(),
    };
    let world = World::new(Quota::of(Tier::Tenant), Settings { github: settings, ..Settings::default() });
    (world, github)
}

fn options(content: &str, message: &str) -> GitHubOptions {
    GitHubOptions {
        repository: SITE.to_owned(),
        path: "docs/a b.md".to_owned(),
        content: content.to_owned(),
        message: message.to_owned(),
        branch: None,
        create_pr: None,
        pr_title: None,
        pr_body: None,
    }
}

async fn sync(webhooks: &EmbeddedWebhooks, options: GitHubOptions) -> Result<GitHubSync, ServiceError> {
    webhooks.sync_to_github(&acme(), SyncToGitHub { options }).await
}

async fn resolve(world: &World, conflict: &GitHubSync, strategy: Strategy) -> Result<GitHubSync, ServiceError> {
    let conflict_id = conflict.conflict_id.clone().unwrap();
    world.webhooks.resolve_conflict(&acme(), ResolveConflict { conflict_id, strategy }).await
}

fn file(github: &GitHub) -> Option<String> {
    github.file(SITE, "main", "docs/a b.md")
}

#[tokio::test]
async fn what_was_written_is_known_after_a_restart() {
    let (world, github) = world(Some(TOKEN)).await;
    github.change(SITE, "main", "docs/a b.md", Some("older\n"));
    let first = sync(&world.webhooks, options("one\n", "One")).await.unwrap();
    assert_eq!((first.status, file(&github).as_deref()), (SyncStatus::Committed, Some("one\n")));

    let webhooks = world.reopened();
    assert_eq!(sync(&webhooks, options("two\n", "Two")).await.unwrap().status, SyncStatus::Committed);
    github.change(SITE, "main", "docs/a b.md", Some("theirs\n"));
    let conflict = sync(&webhooks, options("three\n", "Three")).await.unwrap();
    assert_eq!((conflict.status, file(&github).as_deref()), (SyncStatus::Conflict, Some("theirs\n")));
    let resolved = resolve(&world, &conflict, Strategy::Ours).await.unwrap();
    assert_eq!((resolved.status, file(&github).as_deref()), (SyncStatus::Committed, Some("three\n")));
}

#[tokio::test]
async fn our_own_content_from_elsewhere_is_no_conflict() {
    let (world, github) = world(Some(TOKEN)).await;
    sync(&world.webhooks, options("one\n", "One")).await.unwrap();
    // As after a crash between GitHub's commit and our record of it.
    github.change(SITE, "main", "docs/a b.md", Some("two\n"));
    assert_eq!(sync(&world.webhooks, options("two\n", "Two")).await.unwrap().status, SyncStatus::Unchanged);
    assert_eq!(sync(&world.webhooks, options("three\n", "Three")).await.unwrap().status, SyncStatus::Committed);
}

#[tokio::test]
async fn a_file_that_was_deleted_there_is_a_conflict() {
    let (world, github) = world(Some(TOKEN)).await;
    sync(&world.webhooks, options("one\n", "One")).await.unwrap();
    github.change(SITE, "main", "docs/a b.md", None);
    let conflict = sync(&world.webhooks, options("two\n", "Two")).await.unwrap();
    assert_eq!((conflict.status, &conflict.sha), (SyncStatus::Conflict, &None));
    let refused = resolve(&world, &conflict, Strategy::Merge).await.unwrap_err();
    assert_eq!(refused.code, Code::Conflict);
    assert_eq!(resolve(&world, &conflict, Strategy::Ours).await.unwrap().status, SyncStatus::Committed);
    assert_eq!(file(&github).as_deref(), Some("two\n"));
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_written_is_looked_at_again() {
    let (world, github) = world(Some(TOKEN)).await;
    // The first write takes over whatever is there.
    let first = sync(&world.webhooks, options("one\n", "One [race: theirs]")).await.unwrap();
    assert_eq!((first.status, file(&github).as_deref()), (SyncStatus::Committed, Some("one\n")));
    let second = sync(&world.webhooks, options("two\n", "Two [race: theirs again]")).await.unwrap();
    assert_eq!((second.status, file(&github).as_deref()), (SyncStatus::Conflict, Some("theirs again")));
}

#[tokio::test]
async fn a_conflict_that_moves_on_is_looked_at_again() {
    let (world, github) = world(Some(TOKEN)).await;
    sync(&world.webhooks, options("a\nb\nc\n", "One")).await.unwrap();
    github.change(SITE, "main", "docs/a b.md", Some("A\nb\nc\n"));
    let conflict = sync(&world.webhooks, options("a\nb\nC\n", "Two")).await.unwrap();
    github.change(SITE, "main", "docs/a b.md", Some("AA\nb\nc\n"));
    let refused = resolve(&world, &conflict, Strategy::Merge).await.unwrap_err();
    assert_eq!(refused.code, Code::Conflict);
    assert!(refused.message.contains("changed once more"), "{refused}");
    assert_eq!(resolve(&world, &conflict, Strategy::Merge).await.unwrap().status, SyncStatus::Committed);
    assert_eq!(file(&github).as_deref(), Some("AA\nb\nC\n"));
}

#[tokio::test]
async fn a_pull_request_stands_in_a_branch_of_its_own_and_its_merge_is_no_conflict() {
    let (world, github) = world(Some(TOKEN)).await;
    sync(&world.webhooks, options("one\n", "One")).await.unwrap();
    let pull = |content: &str, title: &str| GitHubOptions {
        create_pr: Some(true),
        pr_title: Some(title.to_owned()),
        pr_body: Some("Please.".to_owned()),
        ..options(content, "Two")
    };
    let proposed = sync(&world.webhooks, pull("two\n", "A second")).await.unwrap();
    assert_eq!(proposed.status, SyncStatus::PullRequest);
    assert_eq!(proposed.pull_request.as_ref().unwrap().number, 1);
    assert_eq!(file(&github).as_deref(), Some("one\n"), "nothing on the branch itself");
    let asked = github.pulls(SITE).remove(0);
    assert_eq!((asked["title"].as_str(), asked["body"].as_str()), (Some("A second"), Some("Please.")));
    assert_eq!(asked["base"], "main");
    let branch = asked["head"].as_str().unwrap().to_owned();
    assert_eq!(github.file(SITE, &branch, "docs/a b.md").as_deref(), Some("two\n"));

    github.change(SITE, "main", "docs/a b.md", Some("two\n"));
    assert_eq!(sync(&world.webhooks, options("three\n", "Three")).await.unwrap().status, SyncStatus::Committed);

    let refused = sync(&world.webhooks, pull("four\n", "[fail]")).await.unwrap_err();
    assert_eq!(refused.message, "GitHub answered 422: Validation Failed");
    assert_eq!(github.branches(SITE), [branch, "main".to_owned()], "no branch stays behind");
}

#[tokio::test]
async fn repositories_belong_to_namespaces() {
    let (world, _github) = world(Some(TOKEN)).await;
    let other = scope("tenant", Some("other"));
    let params = SyncToGitHub { options: options("one\n", "One") };
    let refused = world.webhooks.sync_to_github(&other, params.clone()).await.unwrap_err();
    assert_eq!(refused.code, Code::Forbidden);
    assert_eq!(refused.message, "options.repository: tenant:other may not write to acme/site");
    let installation = scope("admin", None);
    assert_eq!(world.webhooks.sync_to_github(&installation, params).await.unwrap().status, SyncStatus::Committed);

    sync(&world.webhooks, options("two\n", "Two [then: theirs]")).await.unwrap();
    let conflict = sync(&world.webhooks, options("three\n", "Three")).await.unwrap();
    let params = ResolveConflict { conflict_id: conflict.conflict_id.unwrap(), strategy: Strategy::Theirs };
    let refused = world.webhooks.resolve_conflict(&other, params).await.unwrap_err();
    assert_eq!(refused.code, Code::NotFound);
}

#[tokio::test]
async fn without_a_token_or_with_a_wrong_one_nothing_is_written() {
    let (world, _github) = self::world(None).await;
    let refused = sync(&world.webhooks, options("one\n", "One")).await.unwrap_err();
    assert_eq!(refused.code, Code::ServiceUnavailable);
    let (world, _github) = self::world(Some("ghp_wrong")).await;
    let refused = sync(&world.webhooks, options("one\n", "One")).await.unwrap_err();
    assert_eq!((refused.code, refused.message.as_ref()), (Code::UpstreamError, "GitHub answered 401: Bad credentials"));
}

#[tokio::test]
async fn settings_do_not_show_the_token_and_name_a_usable_address() {
    let settings = GitHubSettings { token: Some(TOKEN.to_owned()), ..GitHubSettings::default() };
    assert!(!format!("{settings:?}").contains(TOKEN));
    let (world, _github) = world(Some(TOKEN)).await;
    let github = GitHubSettings { base_url: "github".to_owned(), ..GitHubSettings::default() };
    let refused = world.opened_with(Settings { github, ..Settings::default() });
    assert!(refused.is_err());
}
