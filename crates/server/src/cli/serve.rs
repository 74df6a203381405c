//! `doer serve`: from the configuration to a process that has said goodbye to everyone.

use std::{error::Error, net::SocketAddr, process::ExitCode, sync::Arc};

use clap::Args;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use thiserror::Error;
use tokio::net::TcpListener;

use super::{ConfigFile, Ending, block_on};
use crate::{
    app::App,
    config::Config,
    dev,
    http::{
        admin::admin,
        ingress::ingress,
        listener::{self, Limits},
        router::api,
    },
    lifecycle::Signals,
    telemetry,
};

/// Enough for metrics and probes.
const ADMIN_CONNECTIONS: usize = 64;

#[derive(Debug, Args)]
pub struct Serve {
    /// Development mode: loopback only, and callers without credentials are admins
    #[arg(long)]
    dev: bool,
    /// Address of the API, like 127.0.0.1:8080
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Debug, Error)]
enum ServeError {
    #[error("{key} is {address}: development mode makes every caller an admin, so it listens on loopback only")]
    DevNotLoopback { key: &'static str, address: SocketAddr },
    #[error("cannot listen on {address} ({key})")]
    Listen {
        key: &'static str,
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
}

impl Serve {
    /// Starts, serves, drains.
    pub fn run(self) -> Ending {
        let flags = self.listen.map(|address| ("server.listen", address, "--listen")).into_iter().collect();
        let config = self.file.load(flags)?;
        telemetry::init(config.log.format, &config.log.level)?;
        if self.dev {
            check_loopback("server.listen", config.server.listen)?;
            check_loopback("admin.listen", config.admin.listen)?;
            config.ingress.listen.map(|address| check_loopback("ingress.listen", address)).transpose()?;
        }
        raise_file_limit();
        block_on(serve(config, self.dev))
    }
}

fn check_loopback(key: &'static str, address: SocketAddr) -> Result<(), ServeError> {
    if dev::is_loopback(address.ip()) { Ok(()) } else { Err(ServeError::DevNotLoopback { key, address }) }
}

async fn serve(config: Config, dev: bool) -> Result<ExitCode, Box<dyn Error>> {
    let mut signals = Signals::catch()?;
    // Before the sandbox: an address that is taken is told at once.
    let api_listener = bind("server.listen", config.server.listen).await?;
    let admin_listener = bind("admin.listen", config.admin.listen).await?;
    let ingress_listener = match config.ingress.listen {
        Some(address) => Some(bind("ingress.listen", address).await?),
        None => None,
    };
    let (address, admin_address) = (api_listener.local_addr()?, admin_listener.local_addr()?);
    let app = tokio::select! {
        app = App::compose(config, dev) => app?,
        _ = signals.next() => return Ok(ExitCode::SUCCESS),
    };
    if dev {
        tracing::warn!("development mode: whoever reaches this port is an admin; never expose it");
    }

    let header_read_timeout = app.config.server.header_read_timeout;
    let limits = Limits { connections: app.config.server.connections, header_read_timeout };
    let admin_limits = Limits { connections: ADMIN_CONNECTIONS, header_read_timeout };
    // The admin listener answers until the process ends: somebody may want to watch it drain.
    let admin_served = listener::serve(admin_listener, admin(&app), admin_limits, Default::default());
    let api_served = tokio::spawn(listener::serve(api_listener, api(&app), limits, app.lifecycle.draining()));
    let ingress_served = ingress_listener.map(|listener| serve_ingress(&app, listener));
    let served = tokio::spawn(async move {
        // A listener that panicked has nothing left to wait for.
        let _ = api_served.await;
        if let Some(served) = ingress_served {
            let _ = served.await;
        }
    });
    tracing::info!(%address, admin = %admin_address, "listening");

    tokio::select! {
        () = admin_served => {}
        () = until_stopped(&app, &mut signals, served) => {}
    }
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

fn serve_ingress(app: &Arc<App>, listener: TcpListener) -> tokio::task::JoinHandle<()> {
    let limits = Limits {
        connections: app.config.ingress.connections,
        header_read_timeout: app.config.server.header_read_timeout,
    };
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, "listening for workers' own users");
    }
    tokio::spawn(listener::serve(listener, ingress(app), limits, app.lifecycle.draining()))
}

async fn until_stopped(app: &Arc<App>, signals: &mut Signals, served: tokio::task::JoinHandle<()>) {
    let signal = signals.next().await;
    let deadline = app.config.server.shutdown_deadline;
    tracing::info!(signal, ?deadline, "stopping: running executions may finish; a second signal ends at once");
    let served = async {
        // A listener that panicked has nothing left to wait for.
        let _ = served.await;
    };
    tokio::select! {
        () = app.lifecycle.drain(deadline, served) => {}
        signal = signals.next() => {
            tracing::warn!(signal, "second signal: ending now");
            // Without waiting for anything, destructors of the runtime among it.
            std::process::exit(1);
        }
    }
}

async fn bind(key: &'static str, address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|source| ServeError::Listen { key, address, source })
}

/// Every connection, image and memory slot may hold a file descriptor; the usual 1024 are soon gone.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit of open files could not be raised");
    }
}
