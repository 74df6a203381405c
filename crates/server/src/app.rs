//! The composition: every part of the server, made once, in order.

use std::{path::PathBuf, sync::Arc};

use doer_core::{
    run::CodeRunner,
    time::{Clock, SystemClock},
};
use doer_sandbox::{CompilerConfig, Sandbox, SandboxConfig, loader::Registry};
use doer_services::keys::{KeyStore, NewKey};
use thiserror::Error;

use crate::{
    admission::Admission,
    auth::Authenticator,
    budget::Budget,
    config::Config,
    data::{DataDir, DataError},
    execute::{ResultCache, Runner},
    executions::Executions,
    http::body::Intake,
    lifecycle::Lifecycle,
    mcp::Calls,
    platform::{Platform, PlatformError},
    telemetry::Metrics,
    workers::Installation,
};

/// The server cannot be put together.
#[derive(Debug, Error)]
pub enum StartError {
    /// The data directory.
    #[error("the data directory cannot be used")]
    Data(#[from] DataError),
    /// The store of keys.
    #[error("the store of API keys cannot be used")]
    Keys(#[from] doer_services::Error),
    /// The services.
    #[error("the services cannot be started")]
    Platform(#[from] PlatformError),
    /// The sandbox.
    #[error("the sandbox cannot be started")]
    Sandbox(#[from] doer_sandbox::Error),
    /// The program's own path, which the compiler processes are started from.
    #[error("the path of this program cannot be found out")]
    Program(#[source] std::io::Error),
}

/// The parts that requests need.
#[derive(Debug)]
pub struct App {
    /// What holds.
    pub config: Config,
    /// The services, and what stands around them.
    pub platform: Platform,
    /// Who is asking.
    pub authenticator: Authenticator,
    /// Reads request bodies.
    pub intake: Intake,
    /// Runs code.
    pub runner: Arc<Runner>,
    /// Calls of MCP clients that can be cancelled.
    pub calls: Calls,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Where the process stands.
    pub lifecycle: Lifecycle,
}

impl App {
    /// Puts the server together.
    ///
    /// # Errors
    /// The first part that cannot be made.
    pub async fn compose(config: Config, dev: bool) -> Result<Arc<Self>, StartError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let data = DataDir::open(&config.data.dir)?;
        let platform = Platform::open(&config, &data, dev)?;
        if !dev {
            first_key(&platform.authority.keys(), &data, &*clock)?;
        }
        let sandbox = match config.execution.enabled {
            true => Some(start_sandbox(&config, &data).await?),
            false => None,
        };
        if let Some(sandbox) = &sandbox {
            let host =
                Installation { workers: Arc::downgrade(&platform.workers), secrets: Arc::clone(&platform.secrets) };
            let registry = Registry::with_host(sandbox.clone(), config.workers.bounds, Arc::new(host));
            platform.workers.connect(registry);
        }
        let metrics = Arc::new(Metrics::new(Arc::clone(&platform.workers.counts)));
        let lifecycle = Lifecycle::default();
        let runner = Arc::new(Runner {
            sandbox,
            services: Arc::clone(&platform.services),
            workers: Arc::clone(&platform.workers),
            allowances: Arc::clone(&platform.allowances),
            admission: Admission::default(),
            executions: Arc::new(Executions::new(config.execution.recent)),
            cache: ResultCache::new(config.execution.result_cache_bytes),
            metrics: Arc::clone(&metrics),
            clock: Arc::clone(&clock),
            lifecycle: lifecycle.clone(),
        });
        platform.start(runner.clone() as Arc<dyn CodeRunner>);
        let authenticator = Authenticator { authority: Arc::clone(&platform.authority), clock, dev };
        let intake = Intake {
            budget: Budget::new(config.server.body_budget_bytes),
            read_timeout: config.server.body_read_timeout,
            lifecycle: lifecycle.clone(),
        };
        Ok(Arc::new(Self {
            config,
            platform,
            authenticator,
            intake,
            runner,
            calls: Calls::default(),
            metrics,
            lifecycle,
        }))
    }

    /// Is new work welcome?
    pub fn is_ready(&self) -> bool {
        !self.lifecycle.is_draining()
    }
}

/// Without any key nobody could ever make a request: the first start makes one for an admin.
fn first_key(keys: &KeyStore, data: &DataDir, clock: &dyn Clock) -> Result<(), StartError> {
    if !keys.is_empty()? {
        return Ok(());
    }
    let now_ms = clock.now_ms();
    let key = NewKey {
        name: "first start".to_owned(),
        user_id: "admin".to_owned(),
        email: "admin@localhost".to_owned(),
        role: "admin".to_owned(),
        tenant: None,
        permissions: vec!["*".to_owned()],
        expires_at: None,
    };
    let (_, secret) = keys.create(key, now_ms)?;
    let path = data.replace_secret("admin.key", secret.reveal().as_bytes())?;
    // Louder than information: without it nobody gets in.
    tracing::warn!(path = %path.display(), "first start: wrote the key of an admin");
    Ok(())
}

/// Starts the sandbox. Takes seconds where the engine was never compiled, which the sandbox logs.
///
/// # Errors
/// As [`App::compose`].
pub async fn start_sandbox(config: &Config, data: &DataDir) -> Result<Sandbox, StartError> {
    let program = std::env::current_exe().map_err(StartError::Program)?;
    Ok(Sandbox::start(sandbox_config(config, data, program)?).await?)
}

fn sandbox_config(config: &Config, data: &DataDir, program: PathBuf) -> Result<SandboxConfig, DataError> {
    let processors = || std::thread::available_parallelism().map_or(1, usize::from);
    Ok(SandboxConfig {
        concurrency: config.execution.concurrency,
        queue: config.execution.queue,
        max_memory_bytes: config.limits.max_memory_bytes(),
        keep_resident_bytes: config.execution.keep_resident_bytes,
        cache_dir: data.cache(),
        disk_bytes: config.workers.disk_bytes,
        installation_key: data.installation_key()?,
        background_threads: match config.execution.background_threads {
            0 => processors(),
            threads => threads,
        },
        compiler: CompilerConfig {
            program,
            args: vec![crate::cli::COMPILE_WORKER.into()],
            processes: config.compiler.processes,
            queue: config.compiler.queue,
            timeout: config.compiler.timeout,
            memory_bytes: config.compiler.memory_bytes,
        },
    })
}
