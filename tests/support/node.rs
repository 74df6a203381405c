//! Programs for Node.js that doer is held against, as `tests/node/package.json` names them: installed once, outside the
//! sources. Where there is no Node.js, whoever needs it says so and is skipped.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

const PACKAGE: &str = include_str!("../node/package.json");
const LOCK: &str = include_str!("../node/package-lock.json");

/// The directory with `node_modules`, or nothing and a line that says why `test` is skipped.
pub fn node(test: &str) -> Option<&'static Path> {
    static INSTALLED: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match INSTALLED.get_or_init(install) {
        Ok(directory) => Some(directory),
        Err(reason) => {
            eprintln!("skipped: {test}: {reason}");
            None
        }
    }
}

fn install() -> Result<PathBuf, String> {
    for program in ["node", "npm"] {
        let found = Command::new(program).arg("--version").output();
        if !found.is_ok_and(|output| output.status.success()) {
            return Err(format!("{program} is not on PATH"));
        }
    }
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("node");
    // Written last, so that it says that everything is there.
    let installed = directory.join("installed.json");
    if fs::read_to_string(&installed).is_ok_and(|known| known == LOCK) {
        return Ok(directory);
    }
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("package.json"), PACKAGE).unwrap();
    fs::write(directory.join("package-lock.json"), LOCK).unwrap();
    let npm = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
    let output = Command::new("npm").args(npm).current_dir(&directory).output().unwrap();
    if !output.status.success() {
        return Err(format!("npm cannot install: {}", String::from_utf8_lossy(&output.stderr)));
    }
    fs::write(installed, LOCK).unwrap();
    Ok(directory)
}
