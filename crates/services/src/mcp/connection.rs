//! One connection to a server, whichever wire it speaks.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use process_wrap::tokio::{CommandWrap, KillOnDrop, ProcessGroup};
use reqwest::Client;
use rmcp::{
    ClientHandler, RoleClient, ServiceExt,
    model::{ClientCapabilities, ClientConfig, ClientRequest, Implementation, PingRequest},
    service::{ClientInitializeError, NotificationContext, Peer, RunningService, ServiceError as McpError},
    transport::{
        StreamableHttpClientTransport, TokioChildProcess, streamable_http_client::StreamableHttpClientTransportConfig,
    },
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{ChildStderr, Command},
    sync::Mutex,
    time::Instant,
};
use tokio_util::task::AbortOnDropHandle;

use super::{settings::Transport, tools::Tools};
use crate::wire;

/// How long a child's last words are waited for, where it ends before it has begun to serve.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// Of one line that a child writes to its standard error.
const MAX_LOG_LINE_BYTES: u64 = 4 << 10;

/// What a child is given by its environment may be secret, and is not passed on; shorter values are in many words.
const MIN_SECRET_BYTES: usize = 8;

/// How long a server that did not answer has, to show that it is there at all.
const PING_TIMEOUT: Duration = Duration::from_secs(2);

/// A connection that was initialised.
#[derive(Debug)]
pub(super) struct Connection {
    service: Mutex<Option<RunningService<RoleClient, Listener>>>,
    peer: Peer<RoleClient>,
    /// Grows with every change that the server tells of.
    changes: Arc<AtomicU64>,
    /// A request over it was not answered in time.
    in_doubt: AtomicBool,
    /// The tools as they were at a number of changes, and when they were asked for.
    pub(super) tools: Mutex<Option<Known>>,
    _log: Option<AbortOnDropHandle<()>>,
}

/// Tools that the server has told of.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) tools: Arc<Tools>,
    pub(super) changes: u64,
    pub(super) at: Instant,
}

/// There is no connection to be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("the program cannot be started")]
    Start(#[from] io::Error),
    #[error("the server cannot be initialised")]
    Initialize(#[from] Box<ClientInitializeError>),
}

impl Connection {
    /// Connects, and initialises the server. Dropped before it is done, it leaves nothing behind.
    pub(super) async fn open(name: &str, transport: &Transport, client: Client) -> Result<Self, ConnectError> {
        let changes = Arc::new(AtomicU64::new(0));
        let listener = Listener { changes: changes.clone() };
        let (service, log) = match transport {
            Transport::Http { url, headers } => {
                let headers: HashMap<_, _> =
                    headers.iter().filter_map(|(name, value)| wire::header(name, value)).collect();
                let config = StreamableHttpClientTransportConfig::with_uri(url.as_str()).custom_headers(headers);
                let transport = StreamableHttpClientTransport::with_client(client, config);
                (listener.serve(transport).await.map_err(Box::new)?, None)
            }
            Transport::Stdio { command, args, env } => {
                let (transport, log) = start(command, args, env)?;
                let secrets = env.values().filter(|value| value.len() >= MIN_SECRET_BYTES).cloned().collect();
                let log = log.map(|log| AbortOnDropHandle::new(tokio::spawn(tell(name.to_owned(), log, secrets))));
                match listener.serve(transport).await {
                    Ok(service) => (service, log),
                    Err(error) => {
                        // What it wrote before it went says why it did.
                        if let Some(log) = log {
                            let _ = tokio::time::timeout(LAST_WORDS, log).await;
                        }
                        return Err(Box::new(error).into());
                    }
                }
            }
        };
        let peer = service.peer().clone();
        Ok(Self {
            service: Mutex::new(Some(service)),
            peer,
            changes,
            in_doubt: AtomicBool::new(false),
            tools: Mutex::default(),
            _log: log,
        })
    }

    /// What requests are made with.
    pub(super) const fn peer(&self) -> &Peer<RoleClient> {
        &self.peer
    }

    /// How often the server has said that its tools changed.
    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Relaxed)
    }

    /// A request was not answered in time: the tool may be slow, or the server hang.
    pub(super) fn doubt(&self) {
        self.in_doubt.store(true, Relaxed);
    }

    /// Does it hold? Where that is in doubt, the server is asked: any answer will do.
    pub(super) async fn holds(&self) -> bool {
        if self.peer.is_transport_closed() {
            return false;
        }
        if self.in_doubt.load(Relaxed) {
            let ping = self.peer.send_request(ClientRequest::PingRequest(PingRequest::default()));
            match tokio::time::timeout(PING_TIMEOUT, ping).await {
                Ok(Ok(_) | Err(McpError::McpError(_))) => self.in_doubt.store(false, Relaxed),
                Ok(Err(_)) | Err(_) => return false,
            }
        }
        true
    }

    /// Ends it, and a child process with it.
    pub(super) async fn close(&self) {
        if let Some(service) = self.service.lock().await.take() {
            // However it ended, it has.
            let _ = service.cancel().await;
        }
    }
}

/// Starts a child whose environment is what the settings say and nothing else. It leads a process group: what it has
/// started itself is killed with it (`npx` is not the server, its child is), and a terminal's Ctrl-C is doer's alone to
/// act upon.
fn start(
    command: &str,
    args: &[String],
    env: &BTreeMap<String, String>,
) -> io::Result<(TokioChildProcess, Option<ChildStderr>)> {
    let mut child = Command::new(command);
    child.args(args).env_clear().envs(env);
    let mut child = CommandWrap::from(child);
    child.wrap(ProcessGroup::leader()).wrap(KillOnDrop);
    TokioChildProcess::builder(child).stderr(Stdio::piped()).spawn()
}

/// Passes on what a child writes to its standard error, line by line, without what it must keep to itself.
async fn tell(server: String, log: ChildStderr, secrets: Vec<String>) {
    let mut log = BufReader::new(log);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut log).take(MAX_LOG_LINE_BYTES).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                let line = String::from_utf8_lossy(&line);
                let told = secrets.iter().fold(line.trim_end().to_owned(), |line, secret| line.replace(secret, "***"));
                tracing::debug!(server, line = told, "an MCP server writes");
            }
        }
    }
}

/// Hears what a server tells by itself.
#[derive(Debug)]
pub(super) struct Listener {
    changes: Arc<AtomicU64>,
}

impl ClientHandler for Listener {
    fn get_info(&self) -> ClientConfig {
        ClientConfig::new(ClientCapabilities::default(), Implementation::new("doer", env!("CARGO_PKG_VERSION")))
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.changes.fetch_add(1, Relaxed);
    }
}
