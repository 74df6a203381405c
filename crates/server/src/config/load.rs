//! From the sources to a [`Config`]: defaults, file, environment, flags.

use std::{collections::BTreeMap, ffi::OsString, path::PathBuf};

use doer_sandbox::{loader::Bounds, worker::CompatibilityDate};
use toml::{Table, Value};

use super::{
    Admin, Auth, Compiler, Config, ConfigError, Data, Execution, LimitTable, Log, LogFormat, Origin, Problem, Server,
    Tls, Workers, ingress,
    layers::{Layers, lookup},
    limits,
    reader::Reader,
    section::given,
    services,
};

const DEFAULTS: &str = include_str!("../../../../config/default.toml");
const CONFIG_VARIABLE: &str = "DOER_CONFIG";
const DEFAULT_FILE: &str = "doer.toml";
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// What a configuration is made from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// `--config`
    pub file: Option<PathBuf>,
    /// The environment.
    pub environment: Vec<(OsString, OsString)>,
    /// Flags: path of the key, value, name of the flag.
    pub flags: Vec<(&'static str, String, &'static str)>,
}

impl Sources {
    /// This process's environment, a file and flags.
    pub fn of_process(file: Option<PathBuf>, flags: Vec<(&'static str, String, &'static str)>) -> Self {
        // The one place where the environment is read.
        Self { file, environment: std::env::vars_os().collect(), flags }
    }

    /// Reads and checks everything.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn load(self) -> Result<Config, ConfigError> {
        let defaults = DEFAULTS.parse::<Table>().map_err(|error| {
            ConfigError(vec![Problem { key: String::new(), origin: Origin::Defaults, message: error.to_string() }])
        })?;
        let mut layers = Layers::new(defaults);
        self.add_file(&mut layers);
        layers.add_environment(self.environment);
        for (path, value, flag) in self.flags {
            layers.set_text(path, &value, Origin::Flag(flag));
        }
        build(layers)
    }

    fn add_file(&self, layers: &mut Layers) {
        let named = self.file.clone().or_else(|| {
            let variable = self.environment.iter().find(|(name, _)| name == CONFIG_VARIABLE)?;
            Some(PathBuf::from(&variable.1))
        });
        let required = named.is_some();
        let path = named.unwrap_or_else(|| PathBuf::from(DEFAULT_FILE));
        let shown = path.display().to_string();
        match std::fs::read_to_string(&path) {
            Ok(text) => layers.add_file(&shown, &text),
            Err(error) if !required && error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => layers.problems.push(Problem {
                key: String::new(),
                origin: Origin::File(shown),
                message: format!("cannot be read: {error}"),
            }),
        }
    }
}

fn build(layers: Layers) -> Result<Config, ConfigError> {
    let Layers { table, origins, mut problems, .. } = layers;
    let origin = |path: &str| origins.get(path).cloned().unwrap_or(Origin::Defaults);
    let limits = read_limits(&table, &origin, &mut problems);
    let mut reader = Reader { table: &table, prefix: String::new(), origin: &origin, problems: &mut problems };
    let config = Config {
        server: Server {
            listen: reader.address("server.listen"),
            body_limit_bytes: to_usize(reader.bytes("server.body_limit_mib", MIB)),
            body_read_timeout: reader.positive_duration("server.body_read_timeout"),
            body_budget_bytes: to_usize(reader.bytes("server.body_budget_mib", MIB)),
            connections: reader.integer("server.connections", 1..=1_000_000),
            header_read_timeout: reader.positive_duration("server.header_read_timeout"),
            shutdown_deadline: reader.duration("server.shutdown_deadline"),
        },
        admin: Admin { listen: reader.address("admin.listen") },
        data: Data { dir: reader.string("data.dir").into() },
        auth: Auth {
            anonymous_execution: reader.boolean("auth.anonymous_execution"),
            insecure_cookies: reader.boolean("auth.insecure_cookies"),
        },
        execution: read_execution(&mut reader),
        workers: read_workers(&mut reader),
        ingress: ingress::read(&mut reader),
        compiler: Compiler {
            processes: reader.integer("compiler.processes", 1..=1024),
            queue: reader.integer("compiler.queue", 0..=1_000_000),
            timeout: reader.positive_duration("compiler.timeout"),
            memory_bytes: reader.bytes("compiler.memory_mib", MIB),
        },
        limits,
        services: services::read(&mut reader),
        tls: Tls { ca_file: given(reader.string("tls.ca_file")).map(PathBuf::from) },
        log: read_log(&mut reader),
        effective: table.clone(),
    };
    if config.data.dir.as_os_str().is_empty() {
        reader.wrong::<()>("data.dir", "must not be empty; write a directory, like \"./data\"".to_owned());
    }
    if config.server.body_budget_bytes < config.server.body_limit_bytes {
        reader.wrong::<()>("server.body_budget_mib", "must not be less than server.body_limit_mib".to_owned());
    }
    if problems.is_empty() { Ok(config) } else { Err(ConfigError(problems)) }
}

fn read_execution(reader: &mut Reader<'_>) -> Execution {
    Execution {
        enabled: reader.boolean("execution.enabled"),
        concurrency: reader.integer("execution.concurrency", 1..=100_000),
        queue: reader.integer("execution.queue", 0..=10_000_000),
        keep_resident_bytes: to_usize(reader.bytes("execution.keep_resident_kib", KIB)),
        background_threads: reader.integer("execution.background_threads", 0..=4096),
        result_cache_bytes: to_usize(reader.bytes("execution.result_cache_mib", MIB)),
        recent: reader.integer("execution.recent", 0..=10_000_000),
    }
}

fn read_workers(reader: &mut Reader<'_>) -> Workers {
    Workers {
        compatibility_date: read_date(reader, "workers.compatibility_date"),
        bounds: Bounds {
            workers: reader.integer("workers.loaded", 1..=10_000_000),
            bytes: reader.bytes("workers.loaded_mib", MIB),
            idle: reader.positive_duration("workers.idle"),
        },
        disk_bytes: reader.bytes("workers.disk_mib", MIB),
        series: reader.integer("workers.series", 0..=100_000),
    }
}

fn read_date(reader: &mut Reader<'_>, key: &str) -> CompatibilityDate {
    let text = reader.string(key);
    CompatibilityDate::parse(&text).unwrap_or_else(|| {
        reader.wrong::<()>(key, format!("`{text}` is no date; write one like \"2026-11-01\""));
        CompatibilityDate::LAST
    })
}

fn read_log(reader: &mut Reader<'_>) -> Log {
    let log = Log {
        format: reader.choice(
            "log.format",
            &[("auto", LogFormat::Auto), ("pretty", LogFormat::Pretty), ("json", LogFormat::Json)],
            LogFormat::Auto,
        ),
        level: reader.string("log.level"),
    };
    if let Err(error) = tracing_subscriber::EnvFilter::builder().parse(&log.level) {
        reader.wrong::<()>("log.level", format!("`{}`: {error}; write a level, like \"info\"", log.level));
    }
    log
}

fn read_limits(table: &Table, origin: &dyn Fn(&str) -> Origin, problems: &mut Vec<Problem>) -> LimitTable {
    let mut tier = |name: &str| {
        let prefix = format!("limits.{name}.");
        limits::read(&mut Reader { table: &section(table, &format!("limits.{name}")), prefix, origin, problems })
    };
    let (internal, tenant, public) = (tier("internal"), tier("tenant"), tier("public"));
    let mut tenants = BTreeMap::new();
    for (id, overrides) in section(table, "tenants") {
        let mut whole = section(table, "limits.tenant");
        if let Value::Table(overrides) = overrides {
            whole.extend(overrides);
        }
        let prefix = format!("tenants.{id:?}.");
        tenants.insert(id, limits::read(&mut Reader { table: &whole, prefix, origin, problems }));
    }
    LimitTable { internal, tenant, public, tenants }
}

fn section(table: &Table, path: &str) -> Table {
    match lookup(table, path) {
        Some(Value::Table(table)) => table.clone(),
        _ => Table::new(),
    }
}

fn to_usize(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
