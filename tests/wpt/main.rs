//! Runs files of web-platform-tests inside the sandbox: what the platform in JavaScript is judged by.
//!
//! `WPT=/path/to/checkout cargo test --release -p doer-sandbox --test wpt` runs the directories that
//! docs/web-platform.md states, or those in `WPT_ONLY` (comma-separated: a directory, or the beginning of a file's path).
//! Prints passed and failed per directory; `WPT_JSON` names a file for every single result, `WPT_VERBOSE=1` prints what
//! failed. Without `WPT` it is skipped.

#![allow(clippy::expect_used, clippy::print_stdout, reason = "a runner that prints")]

mod checkout;
mod handlers;
mod left_out;
mod report;
mod run;
mod server;

use std::{env, path::PathBuf, process::ExitCode, sync::Arc};

use futures_util::StreamExt;

/// The directories that docs/web-platform.md states.
const DIRECTORIES: [&str; 20] = [
    "url",
    "encoding",
    "fetch/api/headers",
    "fetch/api/request",
    "fetch/api/response",
    "fetch/api/body",
    "fetch/api/abort",
    "fetch/api/basic",
    "streams",
    "dom/events",
    "dom/abort",
    "html/webappapis/structured-clone",
    "html/webappapis/timers",
    "html/webappapis/atob",
    "html/webappapis/microtask-queuing",
    "WebCryptoAPI",
    "compression",
    "urlpattern",
    "FileAPI/blob",
    "FileAPI/file",
];

#[expect(clippy::disallowed_methods, reason = "a runner is set up by its environment")]
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn main() -> ExitCode {
    let Some(root) = variable("WPT").map(PathBuf::from) else {
        println!("skipped: wpt: WPT does not name a checkout of web-platform-tests");
        return ExitCode::SUCCESS;
    };
    let only = variable("WPT_ONLY");
    let wanted: Vec<&str> = only.as_deref().map_or(DIRECTORIES.to_vec(), |only| only.split(',').collect());
    let (tests, skipped) = checkout::find(&root, &wanted);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("runtime");
    let results = runtime.block_on(async {
        let runner = Arc::new(run::Runner::start(root).await);
        futures_util::stream::iter(tests)
            .map(|test| {
                let runner = Arc::clone(&runner);
                async move { runner.run(test).await }
            })
            .buffered(2)
            .collect::<Vec<_>>()
            .await
    });
    report::print(&wanted, &results, &skipped, variable("WPT_VERBOSE").is_some());
    if let Some(path) = variable("WPT_JSON") {
        report::write_json(&path, &results);
    }
    ExitCode::SUCCESS
}
