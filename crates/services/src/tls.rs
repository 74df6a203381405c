//! TLS, and the HTTP client that stands on it: the one place that says with which cryptography doer speaks, and whom
//! it trusts.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use reqwest::{ClientBuilder, redirect};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::{CryptoProvider, ring},
};

/// How long a connection may take to be there, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Of what an HTTP/2 peer may send as headers of one response.
const MAX_HEADER_LIST_BYTES: u32 = 64 << 10;
const USER_AGENT: &str = concat!("doer/", env!("CARGO_PKG_VERSION"));

/// There is no client to be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cryptography offers no version of TLS that we speak.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
    /// The HTTP client refused its settings.
    #[error("the HTTP client cannot be set up")]
    Client(#[from] reqwest::Error),
}

/// Makes our cryptography the one of the process, for libraries that look there. Doing it twice is no error.
pub fn install() {
    if CryptoProvider::get_default().is_none() {
        // Somebody who came first in the meantime has installed the same.
        let _ = ring::default_provider().install_default();
    }
}

/// How clients here speak TLS. Certificates are read once per process.
///
/// # Errors
/// [`Error::Tls`].
pub fn client_config() -> Result<ClientConfig, Error> {
    static CONFIG: OnceLock<ClientConfig> = OnceLock::new();
    if let Some(config) = CONFIG.get() {
        return Ok(config.clone());
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots())
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(CONFIG.get_or_init(|| config).clone())
}

/// The start of every HTTP client here: our TLS, no proxy of the environment, no redirects, no `Referer`.
///
/// # Errors
/// [`Error::Tls`].
pub fn http_client() -> Result<ClientBuilder, Error> {
    Ok(reqwest::Client::builder()
        .tls_backend_preconfigured(client_config()?)
        .no_proxy()
        .redirect(redirect::Policy::none())
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_max_header_list_size(MAX_HEADER_LIST_BYTES)
        .user_agent(USER_AGENT))
}

/// The operating system's certificates, which an administrator can add to and take from; Mozilla's, which are
/// compiled in, where it has none: a container made from scratch.
fn roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_is_trusted_whatever_the_operating_system_has() {
        assert!(!roots().is_empty());
        assert!(!webpki_roots::TLS_SERVER_ROOTS.is_empty());
    }

    #[test]
    fn a_client_can_be_made_without_a_provider_of_the_process() {
        http_client().unwrap().build().unwrap();
    }
}
