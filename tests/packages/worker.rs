//! A worker of a package: deployed from a directory as users have it, asked at the workers' own listener, and asked the
//! same under Node.js.

use std::{
    fs,
    io::Write as _,
    net::TcpListener,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::{Arc, Weak},
};

use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::ask::{Ask, Said};
use crate::support::{Answer, Caller, Client, Server, Setup, doer, key_of, node::Npm};

static NPM: Npm = Npm::new("packages", include_str!("package.json"), include_str!("package-lock.json"));
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/packages");

/// A server with a listener for workers, where each has a name of its own.
pub struct Host {
    pub server: Server,
    client: Client,
}

/// A worker that runs there.
pub struct Worker {
    pub host: Arc<Host>,
    id: &'static str,
    /// What `doer deploy` has registered.
    bundle: PathBuf,
    // Last: the bundle lies in it.
    _directory: tempfile::TempDir,
}

impl Host {
    /// The one that tests share; started where none is running.
    pub async fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Host>> = Mutex::const_new(Weak::new());
        let mut shared = SHARED.lock().await;
        if let Some(running) = shared.upgrade() {
            return running;
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let route = "host = \"*.packages.test\"\nnamespace = \"tenant:test-tenant\"\n";
        let config = format!("[ingress]\nlisten = \"127.0.0.1:{port}\"\n[[ingress.routes]]\n{route}");
        let server = Server::start(Setup::production().config(&config)).await;
        let started = Arc::new(Self { server, client: Client::new(format!("http://127.0.0.1:{port}")) });
        *shared = Arc::downgrade(&started);
        started
    }

    /// `doer deploy DIRECTORY`.
    pub fn deploy(&self, directory: &Path) -> Output {
        let mut command = doer();
        command.arg("deploy").arg(directory).args(["--server", &format!("http://127.0.0.1:{}", self.server.port)]);
        command.env("DOER_KEY", key_of(Caller::Tenant).unwrap()).output().unwrap()
    }
}

impl Worker {
    /// Deploys the worker of a package; nothing, and a line that says why `test` is skipped, where there is no Node.js.
    pub async fn deployed(test: &str, id: &'static str) -> Option<Self> {
        let npm = NPM.directory(test)?;
        let directory = tempfile::Builder::new().prefix("doer-test-").tempdir().unwrap();
        let project = directory.path().join(id);
        fs::create_dir(&project).unwrap();
        let sources = Path::new(SOURCES).join("workers").join(id);
        if sources.is_dir() {
            for file in fs::read_dir(sources).unwrap().map(Result::unwrap) {
                fs::copy(file.path(), project.join(file.file_name())).unwrap();
            }
        } else {
            fs::copy(sources.with_extension("ts"), project.join("index.ts")).unwrap();
        }
        fs::copy(npm.join("package.json"), project.join("package.json")).unwrap();
        symlink(npm.join("node_modules"), project.join("node_modules")).unwrap();
        let host = Host::shared().await;
        let output = host.deploy(&project);
        assert!(output.status.success(), "{id}: {}", String::from_utf8_lossy(&output.stderr));

        let registered = host.server.client.get(Caller::Tenant, &format!("/workers/{id}?code=true")).await;
        let modules = registered.at("/code/modules");
        let text = modules["main.js"]["js"].as_str().unwrap_or_else(|| panic!("{:.500}", registered.text));
        assert_eq!(modules.as_object().unwrap().len(), 1, "all of it is one module");
        let bundle = project.join("bundle.mjs");
        fs::write(&bundle, text).unwrap();
        Some(Self { host, id, bundle, _directory: directory })
    }

    fn name(&self) -> String {
        format!("{}.packages.test", self.id)
    }

    /// Asks it, without reading the answer.
    pub async fn send(&self, ask: &Ask) -> reqwest::Response {
        ask.request(&self.host.client, &self.name()).send().await.unwrap()
    }

    pub async fn ask(&self, ask: &Ask) -> Answer {
        Answer::read(self.send(ask).await).await
    }

    /// What a `GET` that goes well gives as JSON.
    pub async fn json(&self, path: &str) -> Value {
        let answer = self.ask(&Ask::get(path)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json
    }

    /// Asks the same bundle under Node.js, all in one process.
    pub fn in_node(&self, asks: &[Ask]) -> Vec<Said> {
        let mut node = Command::new("node")
            .arg(Path::new(SOURCES).join("alike.mjs"))
            .args([self.bundle.as_os_str(), format!("http://{}", self.name()).as_ref()])
            .env("TZ", "UTC")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        node.stdin.take().unwrap().write_all(json!(asks).to_string().as_bytes()).unwrap();
        let output = node.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Asks here and under Node.js, and fails unless both say the same; gives what was said here.
    pub async fn alike(&self, asks: &[Ask]) -> Vec<Answer> {
        let mut answers = Vec::new();
        for (ask, said) in asks.iter().zip(self.in_node(asks)) {
            let answer = self.ask(ask).await;
            said.assert_is(ask, &answer);
            answers.push(answer);
        }
        assert_eq!(answers.len(), asks.len());
        answers
    }

    /// The same of one `GET`.
    pub async fn alike_get(&self, path: &str) -> Answer {
        self.alike(&[Ask::get(path)]).await.remove(0)
    }
}
