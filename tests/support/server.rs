//! One running server, ended when the last test that uses it lets go.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Stdio},
    sync::{Arc, Weak},
};

use reqwest::Method;
use tokio::sync::Mutex;

use super::{Caller, Client, DataDir, doer, eventually, free_port, secrets};

/// Where a test says nothing else: all that doer itself has to say.
const LOG_LEVEL: &str = "info,doer_core=trace,doer_sandbox=trace,doer_server=trace,doer_services=trace";

/// How a server is started.
pub struct Setup {
    /// Arguments after `serve`.
    pub arguments: Vec<String>,
    /// Contents of its configuration file.
    pub config: String,
    /// Environment beside addresses and data directory.
    pub environment: Vec<(String, String)>,
    pub data: DataDir,
    /// Where it will listen.
    pub port: u16,
}

impl Setup {
    /// Development mode.
    pub fn dev() -> Self {
        Self { arguments: vec!["--dev".to_owned()], ..Self::production() }
    }

    /// As in production: no one is let in without credentials.
    pub fn production() -> Self {
        Self {
            arguments: Vec::new(),
            config: String::new(),
            environment: Vec::new(),
            data: DataDir::warm(),
            port: free_port(),
        }
    }

    /// With these lines of TOML as its configuration file.
    pub fn config(mut self, toml: &str) -> Self {
        self.config = toml.to_owned();
        self
    }

    /// With everything in its log that anybody has to say, libraries too.
    pub fn talkative(mut self) -> Self {
        self.environment.push(("DOER__LOG__LEVEL".to_owned(), "trace".to_owned()));
        self
    }
}

/// A running server.
pub struct Server {
    child: Child,
    start: Start,
    pub client: Client,
    pub port: u16,
    pub admin_port: u16,
    pub data: DataDir,
}

impl Server {
    /// The server in development mode that tests share; started where none is running.
    pub async fn dev() -> Arc<Self> {
        static SHARED: Mutex<Weak<Server>> = Mutex::const_new(Weak::new());
        let mut shared = SHARED.lock().await;
        if let Some(running) = shared.upgrade() {
            return running;
        }
        let started = Arc::new(Self::start(Setup::dev()).await);
        *shared = Arc::downgrade(&started);
        started
    }

    /// Starts one of its own, and waits until it is ready for work.
    pub async fn start(setup: Setup) -> Self {
        let (port, admin_port) = (setup.port, free_port());
        let log = setup.data.path().join("test.log");
        let config = setup.data.path().join("test.toml");
        fs::write(&config, &setup.config).unwrap();
        secrets::learn_config(&setup.config);
        secrets::learn_environment(&setup.environment);
        let Setup { arguments, environment, data, .. } = setup;
        let start = Start { arguments, environment, config, log, port, admin_port };
        let child = start.spawn(&data);
        let client = Client::new(format!("http://127.0.0.1:{port}"));
        let mut server = Self { child, start, client, port, admin_port, data };
        server.wait_until_ready().await;
        server
    }

    /// Kills it without a warning, as a power cut would.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again, on the same data and the same ports.
    pub async fn restart(&mut self) {
        self.child = self.start.spawn(&self.data);
        self.wait_until_ready().await;
    }

    async fn wait_until_ready(&mut self) {
        let Self { child, start: Start { log, .. }, client, .. } = self;
        eventually("the server is ready", async || {
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none(), "the server ended with {ended:?}:\n{}", fs::read_to_string(&*log).unwrap());
            let answer = client.request(Caller::Anonymous, Method::GET, "/readyz").send().await.ok()?;
            (answer.status() == 200).then_some(())
        })
        .await;
    }

    /// Everything it wrote so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.start.log).unwrap()
    }

    /// Its metrics, as Prometheus text.
    pub async fn metrics(&self) -> String {
        Client::new(format!("http://127.0.0.1:{}", self.admin_port)).get(Caller::Anonymous, "/metrics").await.text
    }

    /// Asks it to stop, as an init system does.
    pub fn terminate(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }

    /// Waits for its end; gives the exit code.
    pub async fn exit_code(&mut self) -> Option<i32> {
        let status = eventually("the server's end", async || self.child.try_wait().unwrap()).await;
        status.code()
    }
}

/// How one server is started, the first time and again.
struct Start {
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    config: PathBuf,
    log: PathBuf,
    port: u16,
    admin_port: u16,
}

impl Start {
    fn spawn(&self, data: &DataDir) -> Child {
        let log = fs::File::options().create(true).append(true).open(&self.log).unwrap();
        let says_level = fs::read_to_string(&self.config).unwrap().contains("[log]");
        let level = (!says_level).then_some(("DOER__LOG__LEVEL", LOG_LEVEL));
        doer()
            .arg("serve")
            .arg("--config")
            .arg(&self.config)
            .args(&self.arguments)
            .env("DOER__SERVER__LISTEN", format!("127.0.0.1:{}", self.port))
            .env("DOER__ADMIN__LISTEN", format!("127.0.0.1:{}", self.admin_port))
            .env("DOER__DATA__DIR", data.path())
            .envs(level)
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let log = self.log();
        if std::thread::panicking() {
            eprintln!("--- the server's log\n{log}");
            return;
        }
        secrets::learn_installation(self.data.path());
        secrets::assert_not_in(&log);
    }
}
