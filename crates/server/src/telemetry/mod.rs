//! What is told of the server's work: logs and metrics.

mod logs;
mod metrics;
mod workers;

pub use logs::init;
pub use metrics::Metrics;
pub use workers::{Place, WorkerCounts};
