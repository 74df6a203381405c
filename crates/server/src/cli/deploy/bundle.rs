//! Packages of npm: where a directory has a package.json, and there is an esbuild, all of it becomes one module.

use std::{
    error::Error,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use super::modules::TEXT;

/// The name of that module.
pub const NAME: &str = "main.js";

const PACKAGE: &str = "package.json";

/// The esbuild to use; nothing where there is nothing to bundle.
///
/// # Errors
/// Where packages are named and there is no esbuild, and where package.json cannot be read.
pub fn esbuild(directory: &Path) -> Result<Option<PathBuf>, Box<dyn Error>> {
    let path = directory.join(PACKAGE);
    let failed = |error: &dyn Error| format!("cannot read {}: {error}", path.display());
    let package = match fs::read(&path) {
        Ok(package) => package,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(&error).into()),
    };
    let found = installed(directory);
    let package: Value = serde_json::from_slice(&package).map_err(|error| failed(&error))?;
    let needed = package["dependencies"].as_object().is_some_and(|packages| !packages.is_empty());
    if found.is_none() && needed {
        let what = "names packages, which esbuild has to bundle, and there is no esbuild";
        let remedy = "install it (npm install --save-dev esbuild), or send the modules as they are (--no-bundle)";
        return Err(format!("{} {what}: {remedy}", path.display()).into());
    }
    Ok(found)
}

fn installed(directory: &Path) -> Option<PathBuf> {
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
        // Of what is newest the engine has all but these.
        .arg("--supported:decorators=false")
        // As other makers of workers have it: of a package with one text for Node.js and one for browsers, the latter.
        .args(["--main-fields=browser,module,main", "--conditions=workerd,worker,browser"])
        .arg("--define:process.env.NODE_ENV=\"production\"")
        .args(["--external:cloudflare:*", "--external:doer:*"])
        .args(TEXT.iter().chain(&["txt"]).map(|extension| format!("--loader:.{extension}=text")))
        .output()
        .map_err(|error| format!("cannot start {}: {error}", esbuild.display()))?;
    if output.status.success() {
        return String::from_utf8(output.stdout).map_err(|_| "esbuild has written what is not UTF-8".into());
    }
    Err(format!("esbuild failed:\n{}", String::from_utf8_lossy(&output.stderr).trim_end()).into())
}
