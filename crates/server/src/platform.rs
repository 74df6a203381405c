//! The platform: every service as the configuration has it, made once and in order, and what moves in them by itself.

mod code;
mod dispatch;

use std::{sync::Arc, time::Duration};

use doer_core::{
    outbound::Egress,
    quota::Quotas,
    run::CodeRunner,
    scope::Standing,
    scoped::Services,
    service::{
        Backend, Off, Service, auth::Auth, db::Db, email::Email, gateway::Gateway, mcp::Mcp, queue::Queue,
        schedule::Schedule, webhooks::Webhooks,
    },
    time::{Clock, SystemClock},
};
use doer_services::{
    Holder, Sealer,
    auth::{self, Authority, EmbeddedAuth},
    db::EmbeddedDb,
    egress::{HttpEgress, SystemResolver},
    email::{self, EmbeddedEmail},
    forward::{self, Forward},
    gateway::{self, HttpGateway},
    mcp::{self, McpClient},
    queue::EmbeddedQueue,
    schedule::EmbeddedSchedule,
    secrets::SecretStore,
    targets::Targets,
    tasks::Tasks,
    tls,
    webhooks::{self, EmbeddedWebhooks},
};
use thiserror::Error;

use self::{code::LateRunner, dispatch::ToTargets};
use crate::{
    allowances::Allowances,
    auth::developer,
    config::{Config, Kind},
    data::{DataDir, DataError},
    workers::Workers,
};

/// Whoever waits to be let in does not wait longer for an `auth` that runs elsewhere.
const AUTH_TIMEOUT: Duration = Duration::from_secs(10);

/// The services, and what stands around them.
pub struct Platform {
    /// What callers and code reach.
    pub services: Arc<Services>,
    /// Who knows users, keys and tenants.
    pub authority: Arc<Authority>,
    /// What callers are allowed.
    pub allowances: Arc<Allowances>,
    /// `auth`, for the server's own routes.
    pub auth: Arc<EmbeddedAuth>,
    /// `webhooks`, for what comes in.
    pub webhooks: Arc<EmbeddedWebhooks>,
    /// Secrets of namespaces.
    pub secrets: Arc<SecretStore>,
    /// Workers by id.
    pub workers: Arc<Workers>,
    /// What moves by itself.
    pub tasks: Tasks,
    db: Arc<EmbeddedDb>,
    queue: Arc<EmbeddedQueue>,
    schedule: Arc<EmbeddedSchedule>,
    email: Arc<EmbeddedEmail>,
    mcp: Arc<McpClient>,
    targets: Targets,
    runner: Arc<LateRunner>,
}

impl std::fmt::Debug for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Platform").field("services", &self.services).finish_non_exhaustive()
    }
}

/// The platform cannot be put together.
#[derive(Debug, Error)]
pub enum PlatformError {
    /// The data directory.
    #[error("the data directory cannot be used")]
    Data(#[from] DataError),
    /// A store of a service.
    #[error("a store in the data directory cannot be used")]
    Store(#[from] doer_services::Error),
    /// Users, keys and issuers.
    #[error("`auth` cannot be started")]
    Auth(#[from] auth::OpenError),
    /// Mail.
    #[error("`email` cannot be started")]
    Email(#[from] email::OpenError),
    /// Routes.
    #[error("`gateway` cannot be started")]
    Gateway(#[from] gateway::Error),
    /// MCP servers.
    #[error("`mcp` cannot be started")]
    Mcp(#[from] mcp::Error),
    /// HTTP clients, and whom they trust.
    #[error("TLS cannot be set up")]
    Tls(#[from] tls::Error),
}

impl Platform {
    /// Opens every store and makes every service. Nothing moves yet.
    ///
    /// # Errors
    /// The first part that cannot be made.
    pub fn open(config: &Config, data: &DataDir, dev: bool) -> Result<Self, PlatformError> {
        if let Some(file) = &config.tls.ca_file {
            tls::trust(file)?;
        }
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let settings = &config.services;
        let key = data.installation_key()?;
        let sealer = Sealer::new(&key);
        let built_in = dev.then(developer).and_then(|identity| identity.user);
        let auth_settings = auth::Settings { built_in, ..settings.auth.clone() };
        let authority = Authority::open(&data.keys()?, &key, clock.clone(), auth_settings)?;
        if let Kind::Http(elsewhere) = &settings.kinds[Service::Auth as usize] {
            let elsewhere = forward::Settings { timeout: elsewhere.timeout.min(AUTH_TIMEOUT), ..elsewhere.clone() };
            authority.ask_also(Arc::new(Forward::new(Service::Auth, elsewhere, clock.clone())?));
        }
        let standing: Arc<dyn Standing> = authority.clone();
        let allowances = Arc::new(Allowances::new(config.limits.clone(), authority.clone()));
        let quotas: Arc<dyn Quotas> = allowances.clone();
        let egress: Arc<dyn Egress> = Arc::new(HttpEgress::new(settings.egress.clone(), Arc::new(SystemResolver))?);
        let directory = data.services()?;

        let auth = Arc::new(EmbeddedAuth::new(authority.clone(), quotas.clone()));
        let db = EmbeddedDb::open(&directory.join("db"), settings.db.clone(), clock.clone(), quotas.clone())?;
        let queue = EmbeddedQueue::open(&directory, settings.queue.clone(), clock.clone(), quotas.clone())?;
        let runner = Arc::new(LateRunner::default());
        let targets = Targets { runner: runner.clone(), queue: queue.clone(), egress: egress.clone() };
        let schedule = EmbeddedSchedule::open(&directory, settings.schedule.clone(), clock.clone(), quotas.clone())?;
        let webhooks = Arc::new(EmbeddedWebhooks::open(
            &directory,
            webhooks::Dependencies {
                clock: clock.clone(),
                quotas: quotas.clone(),
                sealer: sealer.clone(),
                standing: standing.clone(),
                egress: egress.clone(),
                dispatch: Arc::new(ToTargets(targets.clone())),
                client: tls::http_client()?.build().map_err(tls::Error::from)?,
            },
            settings.webhooks.clone(),
        )?);
        let email = Arc::new(EmbeddedEmail::open(&directory, clock.clone(), quotas.clone(), settings.email.clone())?);
        let gateway = Arc::new(HttpGateway::new(settings.gateway.clone(), clock.clone())?);
        let mcp = Arc::new(McpClient::new(settings.mcp.clone(), clock.clone())?);
        let secrets = Arc::new(SecretStore::open(&directory, sealer, clock.clone(), quotas.clone())?);
        let (date, series) = (config.workers.compatibility_date, config.workers.series);
        let workers = Arc::new(Workers::open(&directory, date, series, clock.clone(), quotas)?);

        let backend = |service: Service| -> Result<Box<dyn Backend>, PlatformError> {
            Ok(match &settings.kinds[service as usize] {
                Kind::Off => Box::new(Off(service)),
                Kind::Http(settings) => Box::new(Forward::new(service, settings.clone(), clock.clone())?),
                Kind::Embedded => match service {
                    Service::Db => Box::new(db.clone() as Arc<dyn Db>),
                    Service::Auth => Box::new(auth.clone() as Arc<dyn Auth>),
                    Service::Gateway => Box::new(gateway.clone() as Arc<dyn Gateway>),
                    Service::Schedule => Box::new(schedule.clone() as Arc<dyn Schedule>),
                    Service::Webhooks => Box::new(webhooks.clone() as Arc<dyn Webhooks>),
                    Service::Email => Box::new(email.clone() as Arc<dyn Email>),
                    Service::Mcp => Box::new(mcp.clone() as Arc<dyn Mcp>),
                    Service::Queue => Box::new(queue.clone() as Arc<dyn Queue>),
                },
            })
        };
        let [a, b, c, d, e, f, g, h] = Service::ALL.map(backend);
        let services = Services { backends: [a?, b?, c?, d?, e?, f?, g?, h?], egress, standing, clock: clock.clone() };
        Ok(Self {
            services: Arc::new(services),
            authority,
            allowances,
            auth,
            webhooks,
            secrets,
            workers,
            tasks: Tasks::default(),
            db,
            queue,
            schedule,
            email,
            mcp,
            targets,
            runner,
        })
    }

    /// The stores, for the command line. Whoever can start this program is trusted with all of it; a server may run
    /// on the same data meanwhile.
    ///
    /// # Errors
    /// The configuration, and those of [`Platform::open`].
    pub fn open_for_operator(config: &Config) -> Result<Self, PlatformError> {
        let data = DataDir::open(&config.data.dir)?;
        Self::open(config, &data, true)
    }

    /// Sets everything in motion that moves by itself. Code is run by `runner`.
    pub fn start(&self, runner: Arc<dyn CodeRunner>) {
        self.runner.connect(runner.clone());
        let standing: Arc<dyn Standing> = self.authority.clone();
        self.queue.start(&self.tasks, standing.clone(), runner);
        self.schedule.start(&self.tasks, standing.clone(), self.targets.clone());
        self.webhooks.start(&self.tasks);
        self.email.start(&self.tasks, standing);
        self.mcp.start(&self.tasks);
        self.db.start(&self.tasks);
        self.workers.start(&self.tasks);
        self.authority.start(&self.tasks);
        self.authority.tenants().start(&self.tasks, self.holders());
    }

    /// Whoever keeps what belongs to namespaces.
    pub fn holders(&self) -> Vec<Arc<dyn Holder>> {
        vec![
            self.db.clone(),
            self.queue.clone(),
            self.schedule.clone(),
            self.webhooks.clone(),
            self.email.clone(),
            self.secrets.clone(),
            self.workers.clone(),
            self.auth.clone(),
        ]
    }
}
