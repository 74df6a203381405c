//! Names to addresses, with the check of each address in the one place that the client gets its addresses from.

use std::{error::Error, io, net::IpAddr, net::SocketAddr, sync::Arc};

use async_trait::async_trait;
use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve as ClientResolve, Resolving};

use super::policy::may_connect;

/// Finds the addresses of a name.
#[async_trait]
pub trait Resolve: Send + Sync + 'static {
    /// All addresses of `host`, which is a name and not an address.
    ///
    /// # Errors
    /// Where there is none.
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The operating system's resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// The resolver of one client: what it gives, may be connected to.
pub(super) struct Checked {
    pub(super) resolver: Arc<dyn Resolve>,
    pub(super) open: Arc<[IpNet]>,
}

/// A name leads to where nobody may go.
#[derive(Debug, thiserror::Error)]
#[error("an address of {0} is not public")]
pub(super) struct NotPublic(String);

impl ClientResolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let (resolver, open) = (self.resolver.clone(), self.open.clone());
        Box::pin(async move {
            let addresses = resolver.resolve(name.as_str()).await?;
            // One bad address spoils all: whoever mixes them wants the client to fall back to it.
            if !addresses.iter().all(|&address| may_connect(address, &open)) {
                return Err(NotPublic(name.as_str().to_owned()).into());
            }
            // Port 0 stands for the port of the URL.
            let addresses: Addrs = Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

/// Was a request refused by [`Checked`]?
pub(super) fn is_not_public(error: &reqwest::Error) -> bool {
    let mut source = error.source();
    while let Some(cause) = source {
        if cause.is::<NotPublic>() {
            return true;
        }
        source = cause.source();
    }
    false
}
