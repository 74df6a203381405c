//! What no log may hold: every secret that a test uses. Whatever has the form of a credential is noted as it passes by;
//! a secret that looks like any other text is noted with [`secret`]. When a server ends its log is searched for all.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use base64::{Engine, engine::general_purpose::STANDARD};

/// Shorter texts are found anywhere by chance.
const MIN_BYTES: usize = 8;
/// How credentials begin: API keys, refresh tokens, secrets of webhooks, JWTs.
const PREFIXES: [&str; 4] = ["sk_live_", "rt_live_", "whsec_", "eyJ"];
/// Keys of the configuration that end so hold secrets, and so do all values of these tables.
const SECRET_ENDINGS: [&str; 4] = ["secret", "password", "token", "_key"];
const SECRET_TABLES: [&str; 2] = ["headers", "env"];

static KNOWN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Notes a secret, and gives it back.
#[track_caller]
pub fn secret(text: impl Into<String>) -> String {
    let text = text.into();
    assert!(text.len() >= MIN_BYTES, "{text:?} is too short to be told from other text");
    known().insert(text.clone());
    text
}

/// Notes whatever in a text has the form of a credential.
pub fn learn(text: &str) {
    for prefix in PREFIXES {
        for (at, _) in text.match_indices(prefix) {
            let rest = &text[at..];
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "-_./+=".contains(c))).unwrap_or(rest.len());
            let found = &rest[..end];
            let is_jwt = found.len() > 60 && found.matches('.').count() == 2;
            if is_jwt || (prefix != "eyJ" && found.len() > prefix.len() + 16) {
                known().insert(found.to_owned());
            }
        }
    }
}

/// Notes the secrets of a configuration.
pub fn learn_config(toml: &str) {
    let Ok(table) = toml.parse::<toml::Table>() else { return };
    learn_table(&table);
}

fn learn_table(table: &toml::Table) {
    for (key, value) in table {
        let all = SECRET_TABLES.contains(&key.as_str());
        learn_value(value, all || SECRET_ENDINGS.iter().any(|ending| key.ends_with(ending)), all);
    }
}

fn learn_value(value: &toml::Value, is_secret: bool, all: bool) {
    match value {
        toml::Value::String(text) if is_secret && text.len() >= MIN_BYTES => {
            known().insert(text.clone());
        }
        toml::Value::Table(inner) if all => inner.values().for_each(|value| learn_value(value, true, true)),
        toml::Value::Table(inner) => learn_table(inner),
        toml::Value::Array(items) => items.iter().for_each(|item| learn_value(item, is_secret, all)),
        _ => {}
    }
}

/// Notes the secrets of variables of the environment.
pub fn learn_environment(variables: &[(String, String)]) {
    for (name, value) in variables {
        let name = name.to_ascii_lowercase();
        if value.len() >= MIN_BYTES && SECRET_ENDINGS.iter().any(|ending| name.ends_with(ending)) {
            known().insert(value.clone());
        }
    }
}

/// Notes the secrets that an installation has made for itself: its key, what its tokens are signed with, the first
/// admin's key.
pub fn learn_installation(data: &Path) {
    if let Ok(key) = fs::read(data.join("installation.key")) {
        for key in [&key[..], &blake3::derive_key("doer 2026-11 access tokens", &key)] {
            known().extend([hex::encode(key), STANDARD.encode(key), format!("{key:?}")]);
        }
    }
    if let Ok(key) = fs::read_to_string(data.join("admin.key")) {
        learn(&key);
    }
}

/// Fails where a log holds a secret; says where, and not which.
#[track_caller]
pub fn assert_not_in(log: &str) {
    if let Some((found, line)) = search(&known(), log) {
        let hidden = line.replace(&found, "<the secret>");
        panic!("a log holds a secret, {}...:\n{hidden}", &found[..4]);
    }
}

/// The first secret that a text holds, with its line. Looks at each place once, however many secrets there are.
fn search(secrets: &BTreeSet<String>, log: &str) -> Option<(String, String)> {
    let mut by_beginning: HashMap<&[u8], Vec<&str>> = HashMap::new();
    for secret in secrets {
        by_beginning.entry(&secret.as_bytes()[..MIN_BYTES]).or_default().push(secret);
    }
    let bytes = log.as_bytes();
    for at in 0..bytes.len().saturating_sub(MIN_BYTES - 1) {
        let Some(candidates) = by_beginning.get(&bytes[at..at + MIN_BYTES]) else { continue };
        if let Some(found) = candidates.iter().find(|secret| bytes[at..].starts_with(secret.as_bytes())) {
            let line = log.lines().find(|line| line.contains(*found)).unwrap_or_default();
            return Some(((*found).to_owned(), line.to_owned()));
        }
    }
    None
}

fn known() -> MutexGuard<'static, BTreeSet<String>> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn a_secret_in_a_log_is_found_wherever_it_stands() {
    let secrets = BTreeSet::from(["correct horse".to_owned(), "correct battery".to_owned()]);
    for log in ["correct horse", "a\n{\"b\":\"xcorrect batteryx\"}\nc", "correct correct horse"] {
        assert!(search(&secrets, log).is_some(), "{log}");
    }
    for log in ["", "correct", "correct hors", "correct  horse"] {
        assert_eq!(search(&secrets, log), None, "{log}");
    }
}

#[test]
fn credentials_are_known_by_their_form() {
    let key = format!("sk_live_{}", "k".repeat(43));
    let jwt = format!("eyJ{}.{}.{}", "a".repeat(20), "b".repeat(30), "c".repeat(20));
    learn(&format!("{{\"key\":\"{key}\"}} session={jwt}; Path=/"));
    let known = known().clone();
    assert!(known.contains(&key) && known.contains(&jwt), "{known:?}");
}
