//! HTTP clients with their pools of connections: one for each set of ranges that is open beside the public internet.
//!
//! A connection in a pool leads to an address that was checked against that pool's ranges, so callers whose policies
//! open the same ranges can share it, and others never meet it.

use std::{sync::Arc, time::Duration};

use dashmap::DashMap;
use ipnet::IpNet;
use reqwest::Client;

use super::resolve::{Checked, Resolve};
use crate::tls;

/// Of connections to one host that nobody uses.
const MAX_IDLE_PER_HOST: usize = 8;
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// As many as the configuration has different sets of ranges.
pub(super) struct Clients {
    resolver: Arc<dyn Resolve>,
    by_ranges: DashMap<Vec<IpNet>, Client>,
}

impl Clients {
    pub(super) fn new(resolver: Arc<dyn Resolve>) -> Self {
        Self { resolver, by_ranges: DashMap::new() }
    }

    /// The client for requests that may go to public addresses and to `open` ranges.
    pub(super) fn get(&self, open: Vec<IpNet>) -> Result<Client, tls::Error> {
        if let Some(client) = self.by_ranges.get(&open) {
            return Ok(client.clone());
        }
        let checked = Checked { resolver: self.resolver.clone(), open: open.clone().into() };
        let client = tls::http_client()?
            .dns_resolver(checked)
            .pool_max_idle_per_host(MAX_IDLE_PER_HOST)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build()?;
        Ok(self.by_ranges.entry(open).or_insert(client).clone())
    }
}
