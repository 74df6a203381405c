//! TLS, and the HTTP client that stands on it: the one place that says with which cryptography doer speaks, and whom
//! it trusts.

use std::{
    error::Error as _,
    io,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};

use reqwest::{ClientBuilder, redirect};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::{CryptoProvider, ring},
    pki_types::{
        CertificateDer,
        pem::{Error as PemError, PemObject},
    },
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
    /// The file of certificates that are trusted too.
    #[error("{} cannot be read as certificates in PEM", file.display())]
    File {
        /// Which one.
        file: PathBuf,
        /// What stands in the way.
        #[source]
        source: PemError,
    },
    /// Something in that file looks like a certificate and is none.
    #[error("a certificate in {} cannot be used", file.display())]
    Certificate {
        /// Which one.
        file: PathBuf,
        /// What is wrong with it.
        #[source]
        source: rustls::Error,
    },
    /// Clients were made before it was said whom they shall trust.
    #[error("{} comes too late: somebody is trusted already", file.display())]
    Late {
        /// Which one.
        file: PathBuf,
    },
}

/// Whom clients trust.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Trusted {
    /// Certificates as they stand in files; each of them can be used.
    pub(crate) certificates: Vec<CertificateDer<'static>>,
    /// Mozilla's, which are compiled in, beside them.
    pub(crate) mozilla: bool,
}

/// Read once per process.
static TRUSTED: OnceLock<Trusted> = OnceLock::new();

/// Makes our cryptography the one of the process, for libraries that look there. Doing it twice is no error.
pub fn install() {
    if CryptoProvider::get_default().is_none() {
        // Somebody who came first in the meantime has installed the same.
        let _ = ring::default_provider().install_default();
    }
}

/// Trusts the certificates in a file, in PEM, beside the operating system's: those of an organisation that signs its
/// own. To be called before anything else here; the same file twice is no error.
///
/// # Errors
/// [`Error::File`], [`Error::Certificate`] and [`Error::Late`].
pub fn trust(file: &Path) -> Result<(), Error> {
    let unreadable = |source| Error::File { file: file.to_owned(), source };
    let certificates: Vec<_> = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .and_then(|found| if found.is_empty() { Err(PemError::NoItemsFound) } else { Ok(found) })
        .map_err(unreadable)?;
    for certificate in &certificates {
        RootCertStore::empty()
            .add(certificate.clone())
            .map_err(|source| Error::Certificate { file: file.to_owned(), source })?;
    }
    let wanted = Trusted::beside(certificates);
    if *TRUSTED.get_or_init(|| Trusted { certificates: wanted.certificates.clone(), ..wanted }) == wanted {
        return Ok(());
    }
    Err(Error::Late { file: file.to_owned() })
}

/// Whom clients trust.
pub(crate) fn trusted() -> &'static Trusted {
    TRUSTED.get_or_init(|| Trusted::beside(Vec::new()))
}

/// What TLS found wrong, where it is what a request failed for: a certificate that has expired, for instance.
pub(crate) fn failure(error: &reqwest::Error) -> Option<&rustls::Error> {
    let mut source = error.source();
    while let Some(cause) = source {
        let found = cause.downcast_ref();
        if found.is_some() {
            return found;
        }
        // An I/O error that was made of another error has that one's source, and not that one, as its own.
        source = match cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => cause.source(),
        };
    }
    None
}

impl Trusted {
    /// The operating system's certificates, which an administrator can add to and take from; Mozilla's where it has
    /// none: a container made from scratch. `more` beside them.
    fn beside(more: Vec<CertificateDer<'static>>) -> Self {
        let mut certificates = rustls_native_certs::load_native_certs().certs;
        certificates.retain(|certificate| RootCertStore::empty().add(certificate.clone()).is_ok());
        let mozilla = certificates.is_empty();
        certificates.extend(more);
        Self { certificates, mozilla }
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(self.certificates.iter().cloned());
        if self.mozilla {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        roots
    }
}

/// How clients here speak TLS.
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
        .with_root_certificates(trusted().roots())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_is_trusted_whatever_the_operating_system_has() {
        assert!(!trusted().roots().is_empty());
        let nobody_else = Trusted { certificates: Vec::new(), mozilla: true };
        assert!(!nobody_else.roots().is_empty());
    }

    #[test]
    fn a_client_can_be_made_without_a_provider_of_the_process() {
        http_client().unwrap().build().unwrap();
    }

    #[test]
    fn a_file_without_usable_certificates_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let refused = |name: &str, text: &str| {
            let file = directory.path().join(name);
            std::fs::write(&file, text).unwrap();
            trust(&file).unwrap_err()
        };
        assert!(matches!(refused("empty.pem", ""), Error::File { source: PemError::NoItemsFound, .. }));
        let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert!(matches!(refused("key.pem", key), Error::File { source: PemError::NoItemsFound, .. }));
        let cut = "-----BEGIN CERTIFICATE-----\nAAAA\n";
        assert!(matches!(refused("cut.pem", cut), Error::File { .. }));
        let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(refused("nonsense.pem", nonsense), Error::Certificate { .. }));
        let missing = trust(Path::new("/nowhere/ca.pem")).unwrap_err();
        assert_eq!(missing.to_string(), "/nowhere/ca.pem cannot be read as certificates in PEM");
    }
}
