//! Files of a checkout: which are tests, and what their `META` lines say.

use std::path::{Path, PathBuf};

/// One test to run: a file, in one of its variants.
#[derive(Debug, Clone)]
pub struct Test {
    /// From the root of the checkout, with `/`.
    pub path: String,
    /// `?...`, or nothing.
    pub variant: String,
    /// Scripts before the test's own, from the root of the checkout.
    pub scripts: Vec<String>,
    /// Takes long by its own word.
    pub long: bool,
}

/// The tests below what is wanted, and those that are skipped for running in a window only.
pub fn find(root: &Path, wanted: &[&str]) -> (Vec<Test>, Vec<String>) {
    let (mut tests, mut skipped) = (Vec::new(), Vec::new());
    for wanted in wanted {
        let whole = root.join(wanted);
        let (start, prefix) = if whole.is_dir() {
            (whole, String::new())
        } else {
            (whole.parent().unwrap_or(root).to_owned(), (*wanted).to_owned())
        };
        for file in files(&start) {
            let path = file.strip_prefix(root).expect("below the root").to_string_lossy().into_owned();
            if path.ends_with(".any.js") && path.starts_with(&prefix) {
                match read(&file, &path) {
                    Some(mut found) => tests.append(&mut found),
                    None => skipped.push(path),
                }
            }
        }
    }
    (tests, skipped)
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    entries.sort();
    entries.into_iter().flat_map(|entry| if entry.is_dir() { files(&entry) } else { vec![entry] }).collect()
}

/// One test per variant; nothing where it runs in a window only.
fn read(file: &Path, path: &str) -> Option<Vec<Test>> {
    let text = std::fs::read(file).ok()?;
    let text = String::from_utf8_lossy(&text);
    let (mut scripts, mut variants, mut long) = (Vec::new(), Vec::new(), false);
    for line in text.lines().take_while(|line| line.starts_with("//")) {
        let Some((key, value)) =
            line.trim_start_matches(['/', ' ']).strip_prefix("META:").and_then(|m| m.split_once('='))
        else {
            continue;
        };
        let value = value.trim();
        match key.trim() {
            "script" => scripts.push(resolve(path, value)),
            "variant" => variants.push(value.to_owned()),
            "timeout" => long = value == "long",
            "global" if !value.split(',').any(|scope| scope.contains("worker")) => return None,
            _ => {}
        }
    }
    if variants.is_empty() {
        variants.push(String::new());
    }
    let test = |variant| Test { path: path.to_owned(), variant, scripts: scripts.clone(), long };
    Some(variants.into_iter().map(test).collect())
}

/// `../x.js` as seen from a test; `/x.js` from the root.
fn resolve(path: &str, script: &str) -> String {
    let script = script.split(['?', '#']).next().unwrap_or_default();
    if let Some(absolute) = script.strip_prefix('/') {
        return absolute.to_owned();
    }
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in script.split('/') {
        match part {
            "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}
