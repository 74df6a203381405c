use std::time::Duration;

use doer_core::{limits::Allowance, tier::Tier};

use super::*;

fn environment(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    pairs.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect()
}

fn with_file(text: &str, pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("doer.toml");
    std::fs::write(&path, text).unwrap();
    Sources { file: Some(path), environment: environment(pairs), flags: Vec::new() }.load()
}

#[test]
fn the_defaults_are_complete_and_those_of_the_tiers() {
    let config = Sources::default().load().unwrap();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    for tier in [Tier::Internal, Tier::Tenant, Tier::Public] {
        assert_eq!(config.limits.of(tier, None), Allowance::of(tier), "{tier}");
    }
}

#[test]
fn the_production_example_can_be_used() {
    let config = with_file(include_str!("../../../../../config/production.toml"), &[]).unwrap();
    assert_eq!(config.limits.of(Tier::Tenant, Some("acme-corp")).limits.wall, Duration::from_secs(60));
}

#[test]
fn file_then_environment_then_flags() {
    let file = "[server]\nlisten = '1.1.1.1:1'\nconnections = 7\n[execution]\nqueue = 3";
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.toml");
    std::fs::write(&path, file).unwrap();
    let config = Sources {
        file: None,
        environment: environment(&[
            ("DOER_CONFIG", path.to_str().unwrap()),
            ("DOER__SERVER__LISTEN", "2.2.2.2:2"),
            ("DOER__SERVER__CONNECTIONS", "8"),
            ("DOER__LIMITS__PUBLIC__CALLS", "5"),
            ("PATH", "/bin"),
        ]),
        flags: vec![("server.listen", "3.3.3.3:3".to_owned(), "--listen")],
    }
    .load()
    .unwrap();
    assert_eq!(config.server.listen.to_string(), "3.3.3.3:3");
    assert_eq!(config.server.connections, 8);
    assert_eq!(config.execution.queue, 3);
    assert_eq!(config.limits.public.limits.calls, 5);
}

#[test]
fn everything_wrong_is_told_at_once_with_key_and_origin() {
    let file = "listne = 1\n[server]\nlisten = 8080\nconnections = 0\n[log]\nformat = 'yes'\n\
                [limits.public]\nwall = '10'\nmemory_mib = 5000\n[tenants.acme]\ncpuu = '1s'\ncalls = -1";
    let error = with_file(
        file,
        &[("DOER__SERVER__LISTNE", "x"), ("DOER__EXECUTION__QUEUE", "many"), ("DOER__TENANTS__ACME__CALLS", "1")],
    )
    .unwrap_err();
    let text = error.to_string();
    for expected in [
        "listne (from ",
        "server.listen (from ",
        "must be a string, and is an integer",
        "server.connections (from ",
        "0 is not between 1 and",
        "`yes` is none of ",
        "limits.public.wall (from ",
        "`10` is no duration",
        "limits.public.memory_mib",
        "tenants.\"acme\".cpuu",
        "tenants.\"acme\".calls",
        "server.listne (from DOER__SERVER__LISTNE): no such key",
        "execution.queue (from DOER__EXECUTION__QUEUE): must be an integer",
        "limits of tenants are set in a file",
    ] {
        assert!(text.contains(expected), "{expected:?} is missing in:\n{text}");
    }
    assert_eq!(error.0.len(), 11, "{text}");
}

#[test]
fn a_missing_file_is_an_error_only_where_it_was_named() {
    let named = Sources { file: Some("/nowhere/doer.toml".into()), ..Sources::default() };
    assert!(named.load().unwrap_err().to_string().contains("/nowhere/doer.toml: cannot be read"));
}

#[test]
fn what_is_printed_gives_the_same_configuration_again() {
    let config = with_file("[tenants.\"a.b\"]\ncalls = 9", &[("DOER__SERVER__CONNECTIONS", "12")]).unwrap();
    let again = with_file(&config.to_toml(), &[]).unwrap();
    assert_eq!(again.server.connections, 12);
    assert_eq!(again.limits.of(Tier::Tenant, Some("a.b")).limits.calls, 9);
    assert_eq!(again.limits.of(Tier::Tenant, Some("other")).limits.calls, 200);
    assert_eq!(again.to_toml(), config.to_toml());
}

#[test]
fn what_cannot_be_done_in_no_time_may_not_take_none() {
    let error = with_file("[server]\nheader_read_timeout = '0s'\nshutdown_deadline = '0s'", &[]).unwrap_err();
    assert_eq!(error.0.len(), 1, "{error}");
    assert!(error.to_string().contains("server.header_read_timeout"), "{error}");
}
