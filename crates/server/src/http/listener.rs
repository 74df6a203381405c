//! Accepts connections and serves them: so many at once, none that dawdles, until told to stop.

use std::{sync::Arc, time::Duration};

use axum::{Extension, Router};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::Layer;

use super::envelope::Peer;

/// After a failure to accept, which is most often a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a listener allows.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at the same time.
    pub connections: usize,
    /// For one request head, and between requests.
    pub header_read_timeout: Duration,
}

/// Serves `router` until `drain` is cancelled and every connection has had its answer.
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, drain: CancellationToken) {
    let connections = TaskTracker::new();
    let permits = Arc::new(Semaphore::new(limits.connections));
    // Only HTTP/1: telling the versions apart would wait without a limit for a connection's first bytes.
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.header_read_timeout);
    let builder = Arc::new(builder);

    while let Some((stream, permit)) = accept(&listener, &permits, &drain).await {
        connections.spawn(connection(stream, permit, router.clone(), Arc::clone(&builder), drain.clone()));
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
    drain: &CancellationToken,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let next = async {
        // First the permit: what cannot be served stays in the kernel's backlog.
        let permit = Arc::clone(permits).acquire_owned().await.ok()?;
        loop {
            match listener.accept().await {
                Ok((stream, _)) => return Some((stream, permit)),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        biased;
        () = drain.cancelled() => None,
        accepted = next => accepted,
    }
}

async fn connection(
    stream: TcpStream,
    _permit: OwnedSemaphorePermit,
    router: Router,
    builder: Arc<Builder<TokioExecutor>>,
    drain: CancellationToken,
) {
    // Answers are small and written at once: waiting for more to send would only delay them.
    let Ok(peer) = stream.set_nodelay(true).and_then(|()| stream.peer_addr()) else {
        return;
    };
    let service = TowerToHyperService::new(Extension(Peer(peer)).layer(router));
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = drain.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%peer, error, "connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        task::JoinHandle,
    };

    use super::*;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    struct Started {
        address: std::net::SocketAddr,
        drain: CancellationToken,
        served: JoinHandle<()>,
    }

    async fn start(router: Router, connections: usize, header_read_timeout: Duration) -> Started {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, drain) = (listener.local_addr().unwrap(), CancellationToken::new());
        let limits = Limits { connections, header_read_timeout };
        Started { address, drain: drain.clone(), served: tokio::spawn(serve(listener, router, limits, drain)) }
    }

    async fn rest(mut stream: TcpStream) -> String {
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn a_connection_that_sends_no_request_is_closed() {
        let server = start(Router::new(), 8, Duration::from_millis(50)).await;
        let silent = TcpStream::connect(server.address).await.unwrap();
        assert_eq!(rest(silent).await, "");
        let mut slow = TcpStream::connect(server.address).await.unwrap();
        slow.write_all(&REQUEST[..10]).await.unwrap();
        assert_eq!(rest(slow).await, "");
    }

    #[tokio::test]
    async fn draining_closes_idle_connections_and_lets_requests_finish() {
        let (arrived, go_on) = (CancellationToken::new(), CancellationToken::new());
        let (seen, wait) = (arrived.clone(), go_on.clone());
        let handler = get(async move || {
            seen.cancel();
            wait.cancelled().await;
            "done"
        });
        let server = start(Router::new().route("/", handler), 8, Duration::from_secs(60)).await;
        let mut busy = TcpStream::connect(server.address).await.unwrap();
        busy.write_all(REQUEST).await.unwrap();
        arrived.cancelled().await;

        server.drain.cancel();
        go_on.cancel();
        assert!(rest(busy).await.ends_with("done"));
        server.served.await.unwrap();
        assert!(TcpStream::connect(server.address).await.is_err(), "nobody listens any more");
    }

    #[tokio::test]
    async fn one_connection_too_many_waits() {
        let server = start(Router::new().route("/", get(async || "hello")), 1, Duration::from_secs(60)).await;
        let first = TcpStream::connect(server.address).await.unwrap();
        let mut second = TcpStream::connect(server.address).await.unwrap();
        second.write_all(REQUEST).await.unwrap();
        let mut byte = [0];
        let waited = tokio::time::timeout(Duration::from_millis(100), second.read(&mut byte)).await;
        assert!(waited.is_err(), "not served while the first is open");
        drop(first);
        assert_eq!(second.read(&mut byte).await.unwrap(), 1);
    }
}
