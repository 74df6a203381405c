//! `[ingress]`: the workers' own listener.

use std::net::SocketAddr;

use super::reader::Reader;
use crate::ingress::{RouteSettings, Routes};

const MIB: u64 = 1 << 20;

/// The workers' own listener.
#[derive(Debug, Clone)]
pub struct Ingress {
    /// Its address; without one there is none.
    pub listen: Option<SocketAddr>,
    /// Does whoever stands before it speak TLS to the world?
    pub https: bool,
    /// Connections at the same time.
    pub connections: usize,
    /// The largest body.
    pub body_limit_bytes: usize,
    /// Who answers what.
    pub routes: Routes,
}

/// Reads the section.
pub fn read(reader: &mut Reader<'_>) -> Ingress {
    let listen = reader.string("ingress.listen");
    let settings = reader.section::<Vec<RouteSettings>>("ingress.routes").unwrap_or_default();
    let routes = Routes::new(settings).unwrap_or_else(|(place, what)| {
        reader.wrong::<()>(&format!("ingress.routes{place}"), what);
        Routes::default()
    });
    Ingress {
        listen: (!listen.is_empty()).then(|| reader.address("ingress.listen")),
        https: reader.boolean("ingress.https"),
        connections: reader.integer("ingress.connections", 1..=1_000_000),
        body_limit_bytes: usize::try_from(reader.bytes("ingress.body_limit_mib", MIB)).unwrap_or(usize::MAX),
        routes,
    }
}
