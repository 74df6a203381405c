//! The toolchains, installed once outside of the sources, and what they make of the guests here.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

const PACKAGE: &str = include_str!("package.json");
const LOCK: &str = include_str!("package-lock.json");
const REQUIREMENTS: &str = include_str!("requirements.txt");

/// The guest in JavaScript as a component, or nothing and a line that says why `test` is skipped.
pub fn javascript(test: &str, wit: &Path) -> Option<Vec<u8>> {
    let npm = |directory: &Path| {
        fs::write(directory.join("package.json"), PACKAGE).unwrap();
        fs::write(directory.join("package-lock.json"), LOCK).unwrap();
        run(Command::new("npm").args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(directory))
    };
    let directory = installed(test, &["node", "npm"], "toolchains-npm", LOCK, npm)?;
    let tool = directory.join("node_modules/.bin/componentize-js");
    built(&directory, "worker.js", |source, made| {
        Command::new(&tool).arg(source).arg("--wit").arg(wit).args(["--world-name", "worker", "-o"]).arg(made).output()
    })
}

/// The same in Python.
pub fn python(test: &str, wit: &Path) -> Option<Vec<u8>> {
    let pip = |directory: &Path| {
        run(Command::new("python3").args(["-m", "venv", "venv"]).current_dir(directory))?;
        fs::write(directory.join("requirements.txt"), REQUIREMENTS).unwrap();
        let install = ["install", "--quiet", "--disable-pip-version-check", "--requirement", "requirements.txt"];
        run(Command::new(directory.join("venv/bin/pip")).args(install).current_dir(directory))
    };
    let directory = installed(test, &["python3"], "toolchains-pip", REQUIREMENTS, pip)?;
    let tool = directory.join("venv/bin/componentize-py");
    built(&directory, "worker.py", |source, made| {
        let module = source.file_stem().unwrap();
        let mut tool = Command::new(&tool);
        tool.arg("--wit-path").arg(wit).args(["--world", "worker", "componentize"]).arg(module).arg("-o").arg(made);
        tool.current_dir(source.parent().unwrap()).output()
    })
}

/// A directory with what `install` puts into it, where it has not done so before with the same `versions`.
fn installed(
    test: &str,
    programs: &[&str],
    name: &str,
    versions: &str,
    install: impl FnOnce(&Path) -> Result<(), String>,
) -> Option<PathBuf> {
    for program in programs {
        if !Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success()) {
            eprintln!("skipped: {test}: {program} is not on PATH");
            return None;
        }
    }
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    // Written last, so that it says that everything is there.
    let done = directory.join("installed");
    if !fs::read_to_string(&done).is_ok_and(|known| known == versions) {
        fs::create_dir_all(&directory).unwrap();
        if let Err(reason) = install(&directory) {
            eprintln!("skipped: {test}: it cannot be installed: {reason}");
            return None;
        }
        fs::write(done, versions).unwrap();
    }
    Some(directory)
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// The component that `build` makes of a guest.
fn built(
    directory: &Path,
    guest: &str,
    build: impl FnOnce(&Path, &Path) -> std::io::Result<Output>,
) -> Option<Vec<u8>> {
    let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/toolchains/guests");
    let (source, made) = (directory.join(guest), directory.join("worker.wasm"));
    // A copy: tools leave things beside their sources.
    fs::copy(guests.join(guest), &source).unwrap();
    let output = build(&source, &made).unwrap();
    let words = [&*output.stdout, &*output.stderr].map(String::from_utf8_lossy).concat();
    assert!(output.status.success(), "{guest}: {words}");
    Some(fs::read(made).unwrap())
}
