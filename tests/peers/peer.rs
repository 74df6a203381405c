//! Programs of others as peers: scripts in `tests/node/peers`, each a process that a test starts, tells what to do, and
//! takes down.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{self, Stdio},
    sync::OnceLock,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::Mutex,
};

use crate::node;

const SCRIPTS: [(&str, &str); 6] = [
    ("peer.mjs", include_str!("../node/peers/peer.mjs")),
    ("mcp.mjs", include_str!("../node/peers/mcp.mjs")),
    ("webhooks.mjs", include_str!("../node/peers/webhooks.mjs")),
    ("smtp.mjs", include_str!("../node/peers/smtp.mjs")),
    ("issuer.mjs", include_str!("../node/peers/issuer.mjs")),
    ("oldtls.mjs", include_str!("../node/peers/oldtls.mjs")),
];

/// A running peer. It ends with this value, and with the test's process, however that ends.
pub struct Peer {
    script: PathBuf,
    settings: Value,
    process: Process,
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
}

struct Process {
    child: Child,
    pipes: Mutex<Pipes>,
}

/// What it is told, and what it says.
struct Pipes {
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Peer {
    /// Starts one; nothing, and a line that says why `test` is skipped, where there is no Node.js.
    pub async fn start(test: &str, script: &str, settings: Value) -> Option<Self> {
        let script = script_of(test, script)?;
        let (process, port) = Process::start(&script, &settings).await;
        Some(Self { script, settings, process, port })
    }

    /// `http://127.0.0.1:<port>`.
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Has it do something, and gives what it answers.
    pub async fn ask(&self, command: &str, args: Value) -> Value {
        let mut pipes = self.process.pipes.lock().await;
        let line = format!("{}\n", json!({ "command": command, "args": args }));
        pipes.stdin.write_all(line.as_bytes()).await.unwrap();
        let answer = pipes.next().await;
        assert!(answer.get("result").is_some(), "{command}: {}", answer["error"].as_str().unwrap());
        answer["result"].clone()
    }

    /// Kills it without a warning.
    pub async fn kill(&mut self) {
        self.process.child.kill().await.unwrap();
    }

    /// Starts it anew, at the same port.
    pub async fn restart(&mut self) {
        self.settings["port"] = self.port.into();
        (self.process, _) = Process::start(&self.script, &self.settings).await;
    }
}

impl Process {
    async fn start(script: &Path, settings: &Value) -> (Self, u16) {
        let mut child = Command::new("node")
            .arg(script)
            .arg(settings.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        let mut pipes = Pipes { stdin, lines: BufReader::new(child.stdout.take().unwrap()).lines() };
        let port = pipes.next().await["port"].as_u64().unwrap();
        (Self { child, pipes: Mutex::new(pipes) }, u16::try_from(port).unwrap())
    }
}

impl Pipes {
    async fn next(&mut self) -> Value {
        let line = self.lines.next_line().await.unwrap().expect("the peer ended");
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("a peer says: {line}"))
    }
}

/// A script as a file beside the packages that it imports. All of them are there: they import each other.
pub fn script_of(test: &str, name: &str) -> Option<PathBuf> {
    static WRITTEN: OnceLock<PathBuf> = OnceLock::new();
    let node = node(test)?;
    if !is_young_enough() {
        eprintln!("skipped: {test}: Node.js is older than {OLDEST}");
        return None;
    }
    let directory = WRITTEN.get_or_init(|| {
        let directory = node.join("peers");
        fs::create_dir_all(&directory).unwrap();
        for (name, text) in SCRIPTS {
            // Renamed to its place: another test's process may be reading it.
            let new = directory.join(format!("{name}.{}", process::id()));
            fs::write(&new, text).unwrap();
            fs::rename(new, directory.join(name)).unwrap();
        }
        directory
    });
    Some(directory.join(name))
}

/// What the packages need.
const OLDEST: u32 = 20;

fn is_young_enough() -> bool {
    static VERSION: OnceLock<u32> = OnceLock::new();
    let version = VERSION.get_or_init(|| {
        let output = process::Command::new("node").args(["-p", "process.versions.node"]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.split('.').next().unwrap().parse().unwrap()
    });
    *version >= OLDEST
}
