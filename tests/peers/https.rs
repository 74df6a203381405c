//! Servers that speak TLS, with certificates of authorities that the tests make.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use axum::{Router, serve::Listener};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// Who signs certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    directory: TempDir,
}

/// A certificate and its key.
pub struct Certificate {
    chain: rcgen::Certificate,
    key: KeyPair,
}

/// What is wrong with a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    Nothing,
    /// It held in the past.
    Expired,
    /// It will hold one day.
    Early,
    /// It is for `elsewhere.example`.
    Misnamed,
}

impl Authority {
    /// One that is called so; two of a name have different keys.
    pub fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { issuer: Issuer::new(params, key), directory }
    }

    /// Its own certificate, in PEM.
    pub fn file(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// A certificate for `localhost` and 127.0.0.1, but for the flaw.
    pub fn certificate(&self, flaw: Flaw) -> Certificate {
        let names = if flaw == Flaw::Misnamed { vec!["elsewhere.example"] } else { vec!["localhost", "127.0.0.1"] };
        let mut params = CertificateParams::new(names.into_iter().map(str::to_owned).collect::<Vec<_>>()).unwrap();
        if flaw == Flaw::Expired {
            params.not_after = date_time_ymd(2020, 1, 1);
        }
        if flaw == Flaw::Early {
            params.not_before = date_time_ymd(3000, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        Certificate { chain: params.signed_by(&key, &self.issuer).unwrap(), key }
    }
}

impl Certificate {
    /// Signed by itself.
    pub fn of_nobody() -> Self {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        Self { chain: params.self_signed(&key).unwrap(), key }
    }

    /// Certificate and key, in PEM.
    pub fn pem(&self) -> (String, String) {
        (self.chain.pem(), self.key.serialize_pem())
    }

    fn config(&self) -> ServerConfig {
        let chain: Vec<CertificateDer<'static>> = vec![self.chain.der().clone()];
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config
    }
}

/// Serves a router over TLS on 127.0.0.1; gives the port.
pub async fn serve(certificate: &Certificate, router: Router) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = TlsAcceptor::from(Arc::new(certificate.config()));
    tokio::spawn(async move { axum::serve(Secure { listener, acceptor }, router).await });
    port
}

/// Serves a router in the clear; gives the port.
pub async fn serve_plainly(router: Router) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, router).await });
    port
}

struct Secure {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for Secure {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = self.listener.accept().await.unwrap();
            // Whoever does not trust the certificate breaks off here; the next one may.
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}
