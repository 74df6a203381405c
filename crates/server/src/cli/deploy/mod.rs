//! `doer deploy`: from a file or a directory to a worker that answers.

mod bundle;
mod manifest;
mod modules;

use std::{error::Error, io::Write, path::PathBuf, process::ExitCode};

use clap::Args;
use doer_core::id::WorkerId;
use reqwest::Method;
use serde_json::{Map, Value};

use self::manifest::Manifest;
use super::{Ending, block_on, remote::Remote};

#[derive(Debug, Args)]
pub struct Deploy {
    /// A module, or a directory of them, with a worker.toml where it needs one
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// The worker's id [default: `id` in worker.toml, else the name of the file or directory]
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Send the modules as they are, even where there is a package.json and an esbuild
    #[arg(long)]
    no_bundle: bool,
    #[command(flatten)]
    remote: Remote,
}

/// What is sent.
#[derive(Debug)]
struct Worker {
    id: WorkerId,
    code: Map<String, Value>,
}

impl Deploy {
    /// Reads it, sends it, and says where it answers.
    pub fn run(self) -> Ending {
        let worker = read(&self.path, self.id, !self.no_bundle)?;
        let server = self.remote.server()?;
        block_on(async move {
            let path = format!("/workers/{}?replace=true", worker.id);
            let told = server.send(Method::PUT, &path, Value::from(worker.code).to_string()).await?;
            let hash = told["hash"].as_str().unwrap_or_default();
            let mut stdout = std::io::stdout().lock();
            writeln!(stdout, "{} version {} ({})", worker.id, told["version"], hash.get(..12).unwrap_or(hash))?;
            writeln!(stdout, "{}/workers/{}/fetch/", server.url, worker.id)?;
            Ok(ExitCode::SUCCESS)
        })
    }
}

fn read(path: &std::path::Path, id: Option<String>, bundle: bool) -> Result<Worker, Box<dyn Error>> {
    let metadata = std::fs::metadata(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let (directory, only) = if metadata.is_dir() {
        (path.to_owned(), None)
    } else {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let name = path.file_name().and_then(|name| name.to_str()).ok_or("the file's name is not UTF-8")?;
        (parent.map_or_else(|| PathBuf::from("."), ToOwned::to_owned), Some(name.to_owned()))
    };
    let Manifest { id: named, main, mut code } = match only {
        Some(_) => Manifest::default(),
        None => Manifest::read(&directory)?,
    };
    let mut found = match &only {
        Some(name) => modules::one(&directory, name)?,
        None => modules::all(&directory)?,
    };
    let main = match only.or(main) {
        Some(main) => main,
        None => modules::usual_main(&found)
            .ok_or("there is no index.js or the like: name one in worker.toml, as mainModule")?,
    };
    let esbuild = if bundle { bundle::esbuild(&directory)? } else { None };
    if let Some(esbuild) = esbuild {
        found = Map::from_iter([(bundle::NAME.to_owned(), bundle::bundle(&esbuild, &directory, &main)?.into())]);
        code.insert("mainModule".to_owned(), bundle::NAME.into());
    } else {
        code.insert("mainModule".to_owned(), main.into());
    }
    code.insert("modules".to_owned(), found.into());
    let id = match id.or(named) {
        Some(id) => id,
        None => usual_id(path)?,
    };
    let id = WorkerId::parse(&id).map_err(|error| format!("`{id}`: {error}; name another one with --id"))?;
    Ok(Worker { id, code })
}

/// The name of the file without its ending, or of the directory.
fn usual_id(path: &std::path::Path) -> Result<String, Box<dyn Error>> {
    let path = path.canonicalize()?;
    let name = if path.is_dir() { path.file_name() } else { path.file_stem() };
    Ok(name.and_then(|name| name.to_str()).unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;

    fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        dir
    }

    #[test]
    fn a_directory_is_all_its_modules_and_what_its_manifest_says() {
        let dir = directory(&[
            ("worker.toml", "id = 'shop'\nglobalOutbound = false\n[env]\nA = 1\nDB = { '$service' = 'db' }\n"),
            ("src/index.ts", "ts"),
            ("data.json", "{}"),
            ("page.html", "<p>"),
            ("add.wasm", "\0asm"),
            ("notes.md", "no module"),
            ("types.d.ts", "no module"),
            ("tsconfig.json", "{}"),
            (".hidden/a.js", "no module"),
            ("node_modules/a/index.js", "no module"),
        ]);
        let worker = read(dir.path(), None, true).unwrap();
        assert_eq!(worker.id.as_str(), "shop");
        let expected = json!({
            "mainModule": "src/index.ts",
            "modules": {"src/index.ts": "ts", "data.json": "{}", "page.html": {"text": "<p>"}, "add.wasm": "AGFzbQ=="},
            "globalOutbound": null,
            "env": {"A": 1, "DB": {"$service": "db"}},
        });
        assert_eq!(Value::from(worker.code), expected);
    }

    #[test]
    fn a_file_is_a_worker_of_its_name() {
        let dir = directory(&[("hello.js", "js"), ("other.js", "js")]);
        let worker = read(&dir.path().join("hello.js"), None, true).unwrap();
        assert_eq!(worker.id.as_str(), "hello");
        assert_eq!(Value::from(worker.code), json!({"mainModule": "hello.js", "modules": {"hello.js": "js"}}));
        assert_eq!(read(&dir.path().join("hello.js"), Some("x".to_owned()), true).unwrap().id.as_str(), "x");
    }

    #[test]
    fn what_is_wrong_is_told() {
        let wrong = |files: &[(&str, &str)]| read(directory(files).path(), Some("a".to_owned()), true).unwrap_err();
        assert!(wrong(&[("a.js", "")]).to_string().contains("worker.toml"));
        assert!(wrong(&[("index.js", ""), ("worker.toml", "id = 1")]).to_string().contains("id"));
        assert!(wrong(&[("index.js", ""), ("worker.toml", "modules = 1")]).to_string().contains("modules"));
        assert!(read(std::path::Path::new("/none"), None, true).unwrap_err().to_string().contains("/none"));
        let dir = directory(&[("index.js", "")]);
        assert!(read(dir.path(), Some("a/b".to_owned()), true).unwrap_err().to_string().contains("--id"));
    }
}
