//! Logs go to stderr: stdout belongs to what a command was asked for.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::{EnvFilter, util::TryInitError};
use tracing_subscriber::{layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::LogFormat;

/// Starts logging, once in a process.
///
/// # Errors
/// Where it was started before.
pub fn init(format: LogFormat, level: &str) -> Result<(), TryInitError> {
    // The configuration has checked the directives already. What libraries say of every request, and of what
    // callers and guests do wrong, is for those who ask for it: directives that follow win.
    let filter = EnvFilter::builder().parse_lossy(format!("rmcp=off,wasmtime_wasi_http=off,{level}"));
    let registry = tracing_subscriber::registry().with(filter);
    let pretty = match format {
        LogFormat::Pretty => true,
        LogFormat::Json => false,
        LogFormat::Auto => stderr().is_terminal(),
    };
    if pretty {
        let ansi = stderr().is_terminal();
        registry
            .with(tracing_subscriber::fmt::layer().with_writer(stderr).with_target(false).with_ansi(ansi))
            .try_init()
    } else {
        registry.with(tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(stderr)).try_init()
    }
}
