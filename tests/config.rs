//! Configuration: layers, strictness, and what `doer config` says about them.

use std::{fs, process::Output};

use crate::support::{DataDir, Server, Setup, doer};

/// `doer config` with a file and an environment of its own, in an empty directory.
fn config(file: &str, environment: &[(&str, &str)]) -> Output {
    let directory = DataDir::empty();
    fs::write(directory.path().join("doer.toml"), file).unwrap();
    doer().arg("config").current_dir(directory.path()).envs(environment.iter().copied()).output().unwrap()
}

fn effective(file: &str, environment: &[(&str, &str)]) -> toml::Table {
    let out = config(file, environment);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap().parse().unwrap()
}

#[test]
fn without_anything_the_defaults_hold() {
    let defaults: toml::Table = include_str!("../config/default.toml").parse().unwrap();
    assert_eq!(effective("", &[]), defaults);
}

#[test]
fn a_file_is_laid_over_the_defaults_and_the_environment_over_both() {
    let file = "[server]\nlisten = '127.0.0.1:1111'\n[admin]\nlisten = '127.0.0.1:2222'\n";
    let table = effective(file, &[("DOER__SERVER__LISTEN", "127.0.0.1:3333"), ("DOER__LIMITS__TENANT__FUEL", "7")]);
    assert_eq!(table["server"]["listen"].as_str(), Some("127.0.0.1:3333"));
    assert_eq!(table["admin"]["listen"].as_str(), Some("127.0.0.1:2222"));
    assert_eq!(table["limits"]["tenant"]["fuel"].as_integer(), Some(7));
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let file =
        "[server]\nlisten = 'nowhere'\nlisten_on = 1\n[execution]\nqueue = 'many'\nconcurrency = 0\n[serverr]\na = 1\n";
    let out = config(file, &[("DOER__DATA__DIRR", "x"), ("DOER__ADMIN__LISTEN", "elsewhere")]);
    assert!(!out.status.success());
    assert!(out.stdout.is_empty());
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    for wrong in [
        "server.listen ",
        "server.listen_on",
        "execution.queue",
        "execution.concurrency",
        "serverr",
        "data.dirr",
        "admin.listen",
        "doer.toml",
        "DOER__DATA__DIRR",
    ] {
        assert!(said.contains(wrong), "{wrong} is missing in:\n{said}");
    }
}

#[test]
fn a_file_that_is_named_must_exist() {
    let out = doer().args(["config", "--config", "/nowhere/doer.toml"]).output().unwrap();
    assert!(!out.status.success());
    assert!(String::from_utf8_lossy(&out.stderr).contains("/nowhere/doer.toml"));
}

#[test]
fn a_server_does_not_start_on_a_wrong_configuration() {
    let directory = DataDir::empty();
    fs::write(directory.path().join("doer.toml"), "[server]\nport = 80\n").unwrap();
    let out = doer().args(["serve", "--dev"]).current_dir(directory.path()).output().unwrap();
    assert!(!out.status.success());
    assert!(String::from_utf8_lossy(&out.stderr).contains("server.port"));
    assert!(!directory.path().join("data").exists(), "it touched the disk before it knew its configuration");
}

#[test]
fn what_is_printed_gives_the_same_configuration_again() {
    let first = config("[tenants.'a b']\nmemory_mib = 1\n", &[("DOER__LOG__FORMAT", "json")]).stdout;
    let second = config(std::str::from_utf8(&first).unwrap(), &[]).stdout;
    assert_eq!(String::from_utf8(first).unwrap(), String::from_utf8(second).unwrap());
}

#[test]
fn the_example_for_production_is_valid() {
    effective(include_str!("../config/production.toml"), &[]);
}

#[tokio::test]
async fn a_tenants_own_limits_hold() {
    use crate::support::Caller;
    let server = Server::start(Setup::dev().config("[tenants.test-tenant]\nfuel = 1\n")).await;
    let body = serde_json::json!({ "code": "return 1" });
    server.client.post(Caller::Tenant, "/execute", &body).await.assert_ended_by("fuel_exhausted");
    server.client.post(Caller::OtherTenant, "/execute", &body).await.assert_result(1);
}
