//! Packages of npm: where a directory has a package.json, and there is an esbuild, all of it becomes one module.

use std::{
    error::Error,
    path::{Path, PathBuf},
    process::Command,
};

/// The name of that module.
pub const NAME: &str = "main.js";

/// The esbuild to use; nothing where there is none, or nothing to bundle.
pub fn esbuild(directory: &Path) -> Option<PathBuf> {
    if !directory.join("package.json").exists() {
        return None;
    }
    let own = directory.join("node_modules/.bin/esbuild");
    if own.exists() {
        return own.canonicalize().ok();
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join("esbuild")).find(|program| program.is_file())
}

/// Everything that `main` imports, as one module.
///
/// # Errors
/// What esbuild says.
pub fn bundle(esbuild: &Path, directory: &Path, main: &str) -> Result<String, Box<dyn Error>> {
    let output = Command::new(esbuild)
        .current_dir(directory)
        .arg(format!("./{main}"))
        .args(["--bundle", "--format=esm", "--platform=neutral", "--target=esnext", "--log-level=warning"])
        .args(["--main-fields=module,main", "--conditions=workerd,worker,import"])
        .args(["--external:cloudflare:*", "--external:doer:*", "--loader:.html=text", "--loader:.txt=text"])
        .output()
        .map_err(|error| format!("cannot start {}: {error}", esbuild.display()))?;
    if output.status.success() {
        return String::from_utf8(output.stdout).map_err(|_| "esbuild has written what is not UTF-8".into());
    }
    Err(format!("esbuild failed:\n{}", String::from_utf8_lossy(&output.stderr).trim_end()).into())
}
