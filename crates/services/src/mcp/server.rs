//! One configured server: its connection, which is made when it is needed and made anew after it broke, and the
//! requests that go over it.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use doer_core::{
    scope::Scope,
    service::{Code, ServiceError},
    time::Clock,
};
use reqwest::Client;
use rmcp::{
    RoleClient,
    model::{
        CallToolRequestParams, CallToolResult, ErrorData, PaginatedRequestParams, ReadResourceRequestParams, Resource,
        ResourceContents,
    },
    service::{Peer, ServiceError as McpError},
};
use serde::Serialize;
use tokio::{sync::Mutex, time::Instant};

use super::{
    connection::{Connection, Known},
    settings::ServerSettings,
    tools::Tools,
};
use crate::wire;

/// After so many failures the wait before the next attempt grows no more: 0.5 s, 1 s, 2 s ... 32 s.
const MAX_BACKOFF: u32 = 6;
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// Pages of a list, entries in all, and their size as JSON: a server must not keep us turning pages, nor fill our memory.
const MAX_PAGES: usize = 100;
const MAX_ENTRIES: usize = 2_000;
const MAX_LIST_BYTES: usize = 8 << 20;

/// How long tools are believed to be what they were, though nothing was heard: not every wire tells of changes.
const FRESH: Duration = Duration::from_secs(60);
/// A tool that is not known is looked for again, and not more often than this.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A server.
pub(super) struct Server {
    name: String,
    settings: ServerSettings,
    client: Client,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    well: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    connection: Option<Arc<Connection>>,
    failures: u32,
    /// No attempt before then, in milliseconds since the Unix epoch.
    not_before_ms: u64,
    closed: bool,
}

/// Why a server gave nothing.
#[derive(Debug)]
pub(super) enum Failure {
    /// It cannot be reached, or the connection broke.
    Unreachable,
    /// It took too long.
    TimedOut(Duration),
    /// It says no.
    Refused(ErrorData),
    /// What it says is not MCP.
    Nonsense,
    /// We are stopping.
    Closed,
}

impl Failure {
    /// As the caller of `what` (a tool, a server) hears of it.
    pub(super) fn told(self, what: &str) -> ServiceError {
        let upstream = |why: &str| ServiceError::new(Code::UpstreamError, format!("{what}: {why}"));
        match self {
            Self::Unreachable => upstream("the MCP server cannot be reached"),
            Self::TimedOut(limit) => {
                let why = format!("the MCP server did not answer within {} ms", limit.as_millis());
                ServiceError::new(Code::Timeout, format!("{what}: {why}"))
            }
            Self::Refused(error) => upstream(&wire::shorten(&error.message)),
            Self::Nonsense => upstream("the MCP server gave no valid answer"),
            Self::Closed => ServiceError::new(Code::ServiceUnavailable, "Service mcp not available"),
        }
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("name", &self.name).field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Server {
    pub(super) fn new(name: String, settings: ServerSettings, client: Client, clock: Arc<dyn Clock>) -> Self {
        Self { name, settings, client, clock, state: Mutex::default(), well: AtomicBool::new(true) }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn is_for(&self, scope: &Scope) -> bool {
        self.settings.tiers.is_empty() || self.settings.tiers.contains(&scope.tier)
    }

    /// Did the last exchange work? Nobody has asked yet: yes.
    pub(super) fn is_well(&self) -> bool {
        self.well.load(Relaxed)
    }

    /// Ends the connection for good.
    pub(super) async fn close(&self) {
        let connection = {
            let mut state = self.state.lock().await;
            state.closed = true;
            state.connection.take()
        };
        if let Some(connection) = connection {
            connection.close().await;
        }
    }

    /// The tools it has.
    pub(super) async fn tools(&self) -> Result<Arc<Tools>, Failure> {
        self.again(|connection| async move { self.known(&connection, FRESH).await }).await
    }

    /// The tools it has, asked for anew where `tool` is not among those that are known.
    pub(super) async fn tools_with(&self, tool: &str) -> Result<Arc<Tools>, Failure> {
        let tools = self.tools().await?;
        if tools.find(tool).is_some() {
            return Ok(tools);
        }
        self.again(|connection| async move { self.known(&connection, LOOK_AGAIN).await }).await
    }

    /// Calls a tool. Once: whether a call that failed was carried out, nobody knows.
    pub(super) async fn call(&self, request: CallToolRequestParams) -> Result<CallToolResult, Failure> {
        let connection = self.connection().await?;
        self.request(&connection, connection.peer().call_tool(request)).await
    }

    /// The resources it has.
    pub(super) async fn resources(&self) -> Result<Vec<Resource>, Failure> {
        self.again(|connection| async move { self.request(&connection, all_resources(connection.peer())).await }).await
    }

    /// Reads a resource.
    pub(super) async fn read(&self, uri: &str) -> Result<Vec<ResourceContents>, Failure> {
        self.again(|connection| async move {
            let read = connection.peer().read_resource(ReadResourceRequestParams::new(uri));
            Ok(self.request(&connection, read).await?.contents)
        })
        .await
    }

    /// Tools no older than `age`, where the server has not said that they changed.
    async fn known(&self, connection: &Connection, age: Duration) -> Result<Arc<Tools>, Failure> {
        // Held while they are asked for: callers that come together ask once.
        let mut known = connection.tools.lock().await;
        let changes = connection.changes();
        if let Some(known) = known.as_ref().filter(|known| known.changes == changes && known.at.elapsed() < age) {
            return Ok(known.tools.clone());
        }
        let at = Instant::now();
        let tools = Arc::new(Tools::new(self.request(connection, all_tools(connection.peer())).await?));
        *known = Some(Known { tools: tools.clone(), changes, at });
        Ok(tools)
    }

    /// Does what only reads; where the connection turns out to be broken, a second time over a new one.
    async fn again<T, Work>(&self, work: impl Fn(Arc<Connection>) -> Work) -> Result<T, Failure>
    where
        Work: Future<Output = Result<T, Failure>>,
    {
        match work(self.connection().await?).await {
            Err(Failure::Unreachable) => work(self.connection().await?).await,
            outcome => outcome,
        }
    }

    /// Waits for an answer, and forgets the connection where there is none to be had over it.
    async fn request<T>(
        &self,
        connection: &Connection,
        request: impl Future<Output = Result<T, McpError>>,
    ) -> Result<T, Failure> {
        let limit = self.settings.timeout;
        let failure = match tokio::time::timeout(limit, request).await {
            Ok(Ok(answer)) => {
                self.well.store(true, Relaxed);
                return Ok(answer);
            }
            Err(_) => {
                // One slow tool is no reason to give up the connection that others use; a server that hangs is.
                connection.doubt();
                return Err(Failure::TimedOut(limit));
            }
            Ok(Err(McpError::McpError(error))) => return Err(Failure::Refused(error)),
            Ok(Err(McpError::TransportSend(_) | McpError::TransportClosed | McpError::Cancelled { .. })) => {
                Failure::Unreachable
            }
            Ok(Err(_)) => return Err(Failure::Nonsense),
        };
        self.well.store(false, Relaxed);
        self.forget(connection).await;
        Err(failure)
    }

    /// The connection; a new one where there is none that holds. Callers that come together wait for one attempt.
    async fn connection(&self) -> Result<Arc<Connection>, Failure> {
        let mut state = self.state.lock().await;
        if state.closed {
            return Err(Failure::Closed);
        }
        if let Some(connection) = state.connection.take()
            && connection.holds().await
        {
            state.connection = Some(connection.clone());
            return Ok(connection);
        }
        let now_ms = self.clock.now_ms();
        // A wait that is longer than any was begun by a clock that was set back since.
        if state.not_before_ms.saturating_sub(now_ms).min(wait_ms(MAX_BACKOFF)) > 0 {
            return Err(Failure::Unreachable);
        }
        let attempt = Connection::open(&self.name, &self.settings.transport, self.client.clone());
        let problem = match tokio::time::timeout(self.settings.connect_timeout, attempt).await {
            Ok(Ok(connection)) => {
                let connection = Arc::new(connection);
                *state = State { connection: Some(connection.clone()), ..State::default() };
                self.well.store(true, Relaxed);
                return Ok(connection);
            }
            Ok(Err(error)) => format!("{error}: {}", causes(&error)),
            Err(_) => format!("no connection within {} ms", self.settings.connect_timeout.as_millis()),
        };
        tracing::warn!(server = self.name, problem, "an MCP server cannot be reached");
        state.not_before_ms = self.clock.now_ms() + wait_ms(state.failures);
        state.failures = (state.failures + 1).min(MAX_BACKOFF);
        self.well.store(false, Relaxed);
        Err(Failure::Unreachable)
    }

    /// Lets go of a connection that is broken, where it is still the one in use.
    async fn forget(&self, broken: &Connection) {
        let mut state = self.state.lock().await;
        if state.connection.as_deref().is_some_and(|connection| std::ptr::eq(connection, broken)) {
            state.connection = None;
        }
    }
}

fn wait_ms(failures: u32) -> u64 {
    u64::try_from(FIRST_WAIT.as_millis()).unwrap_or(u64::MAX) << failures
}

fn causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

// Nothing is asked for that the server says it has not.

async fn all_tools(peer: &Peer<RoleClient>) -> Result<Vec<rmcp::model::Tool>, McpError> {
    if peer.peer_info().is_none_or(|info| info.capabilities.tools.is_none()) {
        return Ok(Vec::new());
    }
    pages(|page| async move {
        let list = peer.list_tools(page).await?;
        Ok((list.tools, list.next_cursor))
    })
    .await
}

async fn all_resources(peer: &Peer<RoleClient>) -> Result<Vec<Resource>, McpError> {
    if peer.peer_info().is_none_or(|info| info.capabilities.resources.is_none()) {
        return Ok(Vec::new());
    }
    pages(|page| async move {
        let list = peer.list_resources(page).await?;
        Ok((list.resources, list.next_cursor))
    })
    .await
}

/// The entries of all pages, as far as they are few and small enough.
async fn pages<T, Page>(fetch: impl Fn(Option<PaginatedRequestParams>) -> Page) -> Result<Vec<T>, McpError>
where
    T: Serialize,
    Page: Future<Output = Result<(Vec<T>, Option<String>), McpError>>,
{
    let mut entries = Vec::new();
    let mut bytes = 0;
    let mut page = None;
    for _ in 0..MAX_PAGES {
        let (more, cursor) = fetch(page).await?;
        for entry in more {
            bytes += serde_json::to_vec(&entry).map_or(MAX_LIST_BYTES, |json| json.len());
            if entries.len() == MAX_ENTRIES || bytes > MAX_LIST_BYTES {
                return Ok(entries);
            }
            entries.push(entry);
        }
        if cursor.is_none() {
            break;
        }
        page = Some(PaginatedRequestParams::default().with_cursor(cursor));
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn count(size: usize, per_page: usize) -> usize {
        let fetch = |_| async move { Ok((vec!["x".repeat(size); per_page], Some("more".to_owned()))) };
        pages(fetch).await.unwrap().len()
    }

    #[tokio::test]
    async fn lists_without_end_are_cut() {
        assert_eq!(count(1, 1).await, MAX_PAGES);
        assert_eq!(count(1, 1_999).await, MAX_ENTRIES);
        // As JSON each has two quotes more.
        assert_eq!(count((1 << 20) - 2, 3).await, 8);
        assert_eq!(count((1 << 20) - 1, 3).await, 7);
        assert_eq!(count(1, 0).await, 0);
    }

    #[test]
    fn waits_double() {
        assert_eq!([0, 1, MAX_BACKOFF].map(wait_ms), [500, 1_000, 32_000]);
    }
}
