//! The command line beside a running server: workers from files, and what they write.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Output, Stdio},
};

use serde_json::json;

use super::{called, code, fetched, register, says};
use crate::support::{Caller, Events, Server, Setup, doer, key_of};

fn deploy(server: &Server, arguments: &[&str]) -> Output {
    let mut command = doer();
    command.arg("deploy").args(arguments).args(["--server", &format!("http://127.0.0.1:{}", server.port)]);
    command.env("DOER_KEY", key_of(Caller::Tenant).unwrap()).output().unwrap()
}

#[tokio::test]
async fn a_directory_becomes_a_worker_and_its_next_version() {
    let server = Server::start(Setup::production()).await;
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    write("worker.toml", "id = 'from-files'\n[env]\nGREETING = 'hello'\n");
    write(
        "index.ts",
        "import { who } from './who.js'; import page from './page.html';
        export default { fetch: (r: Request, env: any): Response => new Response(`${env.GREETING} ${who}${page}`) }",
    );
    write("who.js", "export const who = 'Ada'");
    write("page.html", "<p>");
    let path = directory.path().to_str().unwrap();
    let output = deploy(&server, &[path]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.starts_with("from-files version 1 ("), "{told}");
    assert!(told.trim_end().ends_with("/workers/from-files/fetch/"), "{told}");
    assert_eq!(fetched(&server, Caller::Tenant, "from-files", "/").await.text, "hello Ada<p>");

    write("who.js", "export const who = 'Alan'");
    let output = deploy(&server, &[path]);
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("from-files version 2 ("));
    assert_eq!(fetched(&server, Caller::Tenant, "from-files", "/").await.text, "hello Alan<p>");

    write("who.js", "export const who =\n  ;");
    let output = deploy(&server, &[path]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("SyntaxError") && told.contains("who.js:2"), "{told}");
}

#[tokio::test]
async fn packages_without_an_esbuild_are_told_how_to_be_bundled() {
    let server = Server::dev().await;
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    write("index.js", "export default { fetch: () => new Response('as it is') }");
    write("package.json", r#"{ "dependencies": { "hono": "^4" } }"#);
    let path = directory.path().to_str().unwrap();
    // Where neither the directory nor the search path has one.
    let deploy = |arguments: &[&str]| {
        let mut command = doer();
        command.env("PATH", "").args(["deploy", path, "--id", "unbundled"]).args(arguments);
        command.args(["--server", &format!("http://127.0.0.1:{}", server.port)]);
        command.env("DOER_KEY", key_of(Caller::Tenant).unwrap()).output().unwrap()
    };
    let output = deploy(&[]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    for what in ["package.json names packages", "there is no esbuild", "npm install --save-dev esbuild", "--no-bundle"]
    {
        assert!(told.contains(what), "{told}");
    }
    assert!(deploy(&["--no-bundle"]).status.success());
    assert_eq!(fetched(&server, Caller::Tenant, "unbundled", "/").await.text, "as it is");

    write("package.json", r#"{ "dependencies": {}, "devDependencies": { "typescript": "*" } }"#);
    assert!(deploy(&[]).status.success(), "nothing has to be bundled");
    write("package.json", "{");
    let told = String::from_utf8(deploy(&[]).stderr).unwrap();
    assert!(told.contains("package.json: ") && told.contains("line 1"), "{told}");
}

#[tokio::test]
async fn a_tail_hears_calls_and_lines_as_they_happen() {
    let server = Server::start(Setup::dev()).await;
    let source = "
        export default {
            async fetch(request) { console.log('one'); console.warn('two'); return new Response('') },
            fail() { console.log('before'); throw new TypeError('no') },
        }";
    register(&server, Caller::Tenant, "heard", &code(source)).await;
    register(&server, Caller::OtherTenant, "heard", &says("other's")).await;
    let request = server.client.request(Caller::Tenant, reqwest::Method::GET, "/workers/heard/tail");
    let mut events = Events::of(request.send().await.unwrap());
    assert_eq!(fetched(&server, Caller::OtherTenant, "heard", "/").await.status, 200);
    let execution = fetched(&server, Caller::Tenant, "heard", "/a?token=x").await;
    let execution = execution.header("x-execution-id").to_owned();
    let mut next = async || events.next().await.unwrap();
    let call = next().await;
    assert_eq!((call.name.as_str(), &call.data["executionId"]), ("call", &json!(execution)));
    let url = format!("http://127.0.0.1:{}/a", server.port);
    assert_eq!(call.data["event"], json!({"kind": "fetch", "method": "GET", "url": url}));
    for line in ["one", "[warn] two"] {
        let log = next().await;
        assert_eq!((log.name.as_str(), &log.data["line"]), ("log", &json!(line)));
    }
    let end = next().await;
    assert_eq!((end.name.as_str(), &end.data["outcome"]), ("end", &json!("ok")));

    let failed = called(&server, "heard", "fail", &json!({})).await;
    assert_eq!(failed.json["logs"], json!(["before"]), "the caller gets them too");
    let call = next().await;
    assert_eq!(call.data["event"], json!({"kind": "rpc", "method": "fail", "entrypoint": null}));
    assert_eq!(next().await.data["line"], "before");
    let end = next().await;
    assert_eq!((&end.data["outcome"], &end.data["exception"]["name"]), (&json!("guest_error"), &json!("TypeError")));
    let none = server.client.get(Caller::Tenant, "/workers/none/tail").await;
    none.assert_refused(404, "not_found");
}

#[tokio::test]
async fn the_command_prints_them_and_ends_with_the_server() {
    let mut server = Server::start(Setup::dev()).await;
    let source = "export default { fetch() { console.log('a line'); return new Response('') } }";
    register(&server, Caller::Admin, "printed", &code(source)).await;
    let mut tail = doer()
        .args(["tail", "printed", "--server", &format!("http://127.0.0.1:{}", server.port)])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    // It hears what comes after it has come: asked again until then.
    let calls = tokio::spawn({
        let client = server.client.clone();
        async move {
            loop {
                client.get(Caller::Admin, "/workers/printed/fetch/x").await;
            }
        }
    });
    let heard = tokio::task::spawn_blocking(move || {
        let first = lines.next().unwrap().unwrap();
        // The next call may be told before the lines of this one.
        let second = lines.by_ref().take(100).map(Result::unwrap).find(|line| line.ends_with("a line"));
        (first, second, lines)
    });
    let (first, second, lines) = heard.await.unwrap();
    calls.abort();
    assert!(first.contains("GET http://127.0.0.1:") && first.ends_with("/x"), "{first}");
    assert!(second.is_some());
    server.terminate();
    assert_eq!(server.exit_code().await, Some(0));
    drop(lines);
    assert!(tail.wait().unwrap().code().is_some());
}
