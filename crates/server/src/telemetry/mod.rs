//! What is told of the server's work: logs and metrics.

mod logs;
mod metrics;

pub use logs::init;
pub use metrics::Metrics;
