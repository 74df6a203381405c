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
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_read_timeout);
    let builder = Arc::new(builder);

    while let Some((stream, permit)) = accept(&listener, &permits, &drain).await {
        connections.spawn(connection(
            stream,
            permit,
            router.clone(),
            Arc::clone(&builder),
            drain.clone(),
        ));
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
