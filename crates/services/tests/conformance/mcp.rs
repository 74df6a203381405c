//! Conformance of the embedded `mcp`.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use doer_core::{
    service::{Service, mcp::Mcp},
    time::SystemClock,
};
use doer_services::mcp::{McpClient, ServerSettings, Settings, Transport};

use crate::{candidate::Candidate, gateway::serve};

#[path = "../fixtures/mcp.rs"]
pub mod server;

/// Nothing listens there.
const NOWHERE: &str = "http://127.0.0.1:1";

/// The servers that the scenarios know: `test`, the same as `impatient` with half a second for each request, and
/// `gone`.
pub fn servers(fixture: &str) -> BTreeMap<String, ServerSettings> {
    let server = |address: &str| {
        let url = format!("{address}/mcp").parse().unwrap();
        ServerSettings::new(Transport::Http { url, headers: BTreeMap::new() })
    };
    BTreeMap::from([
        ("test".to_owned(), server(fixture)),
        ("impatient".to_owned(), ServerSettings { timeout: Duration::from_millis(500), ..server(fixture) }),
        ("gone".to_owned(), server(NOWHERE)),
    ])
}

/// With those servers.
pub async fn embedded() -> Candidate {
    let fixture = serve::serve(server::router(Default::default())).await;
    let settings = Settings { servers: servers(&fixture), ..Settings::default() };
    let mcp: Arc<dyn Mcp> = Arc::new(McpClient::new(settings, Arc::new(SystemClock)).unwrap());
    Candidate::new(Service::Mcp, mcp)
}
