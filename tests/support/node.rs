//! Programs and packages for Node.js that doer is held against, or carries, installed once, outside the sources. Where
//! there is no Node.js, whoever needs it says so and is skipped.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// What `npm ci` installs.
pub struct Npm {
    name: &'static str,
    package: &'static str,
    lock: &'static str,
    installed: OnceLock<Result<PathBuf, String>>,
}

/// The directory with the `node_modules` of `tests/node/package.json`, or nothing and a line that says why `test` is
/// skipped.
pub fn node(test: &str) -> Option<&'static Path> {
    static NPM: Npm = Npm::new("node", include_str!("../node/package.json"), include_str!("../node/package-lock.json"));
    NPM.directory(test)
}

impl Npm {
    pub const fn new(name: &'static str, package: &'static str, lock: &'static str) -> Self {
        Self { name, package, lock, installed: OnceLock::new() }
    }

    /// The directory with `node_modules`, or nothing and a line that says why `test` is skipped.
    pub fn directory(&self, test: &str) -> Option<&Path> {
        match self.installed.get_or_init(|| self.install()) {
            Ok(directory) => Some(directory),
            Err(reason) => {
                eprintln!("skipped: {test}: {reason}");
                None
            }
        }
    }

    fn install(&self) -> Result<PathBuf, String> {
        for program in ["node", "npm"] {
            let found = Command::new(program).arg("--version").output();
            if !found.is_ok_and(|output| output.status.success()) {
                return Err(format!("{program} is not on PATH"));
            }
        }
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(self.name);
        // Written last, so that it says that everything is there.
        let installed = directory.join("installed.json");
        if fs::read_to_string(&installed).is_ok_and(|known| known == self.lock) {
            return Ok(directory);
        }
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("package.json"), self.package).unwrap();
        fs::write(directory.join("package-lock.json"), self.lock).unwrap();
        let npm = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
        let output = Command::new("npm").args(npm).current_dir(&directory).output().unwrap();
        if !output.status.success() {
            return Err(format!("npm cannot install: {}", String::from_utf8_lossy(&output.stderr)));
        }
        fs::write(installed, self.lock).unwrap();
        Ok(directory)
    }
}
