//! Waiting for a condition instead of for a time.

use std::{
    future::Future,
    time::{Duration, Instant},
};

/// Longer than anything takes on a slow machine; reaching it is a failure, never a pass.
const PATIENCE: Duration = Duration::from_secs(60);
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// Looks until `condition` gives a value; fails, naming `what`, where it never does.
pub async fn eventually<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(start.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

/// The future's output; fails, naming `what`, where it takes longer than `limit`.
pub async fn within<T>(limit: Duration, what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(limit, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: not within {limit:?}"),
    }
}
