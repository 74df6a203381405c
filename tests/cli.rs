//! `doer run`: the same engine without a server.

use std::{fs, process::Output};

use crate::support::{DataDir, Server, Setup, doer};

/// `doer run` of a file with this name and text.
fn run(name: &str, code: &str, arguments: &[&str]) -> Output {
    let data = DataDir::warm();
    let file = data.path().join(name);
    fs::write(&file, code).unwrap();
    doer().arg("run").arg(&file).args(arguments).env("DOER__DATA__DIR", data.path()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn the_result_goes_to_stdout_and_logs_to_stderr() {
    let out = run("a.js", "console.log('note'); console.warn('careful'); return [1, 'x']", &[]);
    assert!(out.status.success(), "{}", text(&out.stderr));
    let result: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(result, serde_json::json!([1, "x"]));
    let logs = text(&out.stderr);
    assert!(logs.lines().any(|line| line == "note") && logs.lines().any(|line| line == "[warn] careful"), "{logs}");
}

#[test]
fn input_is_json() {
    assert_eq!(text(&run("a.js", "(input) => input.a + 1", &["--input", r#"{"a":41}"#]).stdout), "42\n");
    let out = run("a.js", "return 1", &["--input", "{"]);
    assert!(!out.status.success() && out.stdout.is_empty());
    assert!(text(&out.stderr).contains("--input"), "{}", text(&out.stderr));
}

#[test]
fn the_language_follows_from_the_name() {
    assert_eq!(text(&run("a.ts", "const n: number = 42; return n", &[]).stdout), "42\n");
    let wat = r#"(module (import "wasi_snapshot_preview1" "fd_write" (func $w (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1) (data (i32.const 16) "42")
        (func (export "_start") (i32.store (i32.const 0) (i32.const 16)) (i32.store (i32.const 4) (i32.const 2))
        (drop (call $w (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#;
    assert_eq!(text(&run("a.wat", wat, &[]).stdout), "42\n");
}

#[test]
fn a_failure_is_told_and_has_its_exit_code() {
    let out = run("a.js", "console.log('before');\nthrow new TypeError('bad')", &[]);
    assert_eq!(out.status.code(), Some(1));
    assert!(out.stdout.is_empty());
    let said = text(&out.stderr);
    assert!(
        said.contains("before") && said.contains("TypeError") && said.contains("bad") && said.contains(":2:"),
        "{said}"
    );
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let out = doer().args(["run", "/nowhere/a.js"]).output().unwrap();
    assert!(!out.status.success());
    assert!(text(&out.stderr).contains("/nowhere/a.js"), "{}", text(&out.stderr));
}

#[test]
fn tokens_are_for_roles_that_exist() {
    let data = DataDir::warm();
    let create = |arguments: &[&str]| {
        doer().args(["token", "create"]).args(arguments).env("DOER__DATA__DIR", data.path()).output().unwrap()
    };
    assert!(!create(&["--role", "emperor"]).status.success());
}

#[test]
fn help_names_every_command() {
    let help = text(&doer().arg("--help").output().unwrap().stdout);
    for command in ["serve", "run", "config", "token"] {
        assert!(help.lines().any(|line| line.trim_start().starts_with(command)), "{command}:\n{help}");
    }
    assert_eq!(
        text(&doer().arg("--version").output().unwrap().stdout),
        format!("doer {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[tokio::test]
async fn health_tells_whether_the_server_takes_work() {
    let ask = |port: u16| {
        let out = doer().arg("health").env("DOER__SERVER__LISTEN", format!("127.0.0.1:{port}")).output().unwrap();
        (out.status.code(), text(&out.stderr))
    };
    let mut server = Server::start(Setup::dev()).await;
    assert_eq!(ask(server.port), (Some(0), String::new()));
    server.terminate();
    server.exit_code().await;
    let (code, reason) = ask(server.port);
    assert_eq!(code, Some(1), "{reason}");
    assert!(reason.contains("refused"), "{reason}");
}
