//! The command line. stdout is for what was asked for, stderr for everything else.

mod backup;
mod config;
mod deploy;
mod health;
mod remote;
mod role;
mod run;
mod serve;
mod tail;
mod tenant;
mod token;
mod user;

use std::{error::Error, future::Future, io::Write, path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

use crate::{
    config::{Config, ConfigError, Sources},
    platform::Platform,
};
use role::Role;

/// The hidden subcommand that compiler processes are started with.
pub const COMPILE_WORKER: &str = "compile-worker";

/// Runs code you do not trust.
#[derive(Debug, Parser)]
#[command(name = "doer", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the server
    Serve(serve::Serve),
    /// Run one file, and print its result
    Run(run::Run),
    /// Register a worker with a running server, from a file or a directory
    Deploy(deploy::Deploy),
    /// Print a worker's calls and logs as they happen
    Tail(tail::Tail),
    /// Print the configuration that holds, as TOML
    Config(ConfigFile),
    /// Ask the server of this configuration whether it takes work; exit code 0 where it does
    Health(ConfigFile),
    /// Make, list and revoke API keys
    #[command(subcommand)]
    Token(token::Token),
    /// Make, list and keep out users
    #[command(subcommand)]
    User(user::User),
    /// List, suspend and delete tenants, and give them more
    #[command(subcommand)]
    Tenant(tenant::Tenant),
    /// Copy the data directory, while the server runs
    Backup(backup::Backup),
    /// Put a copy back; the data directory must be empty
    Restore(backup::Restore),
    /// Compile for another process of doer
    #[command(name = COMPILE_WORKER, hide = true)]
    CompileWorker,
}

#[derive(Debug, Args)]
struct ConfigFile {
    /// Configuration file [default: $DOER_CONFIG, else doer.toml where there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ConfigFile {
    fn load(self, flags: Vec<(&'static str, String, &'static str)>) -> Result<Config, ConfigError> {
        Sources::of_process(self.config, flags).load()
    }
}

/// What a command comes to, when it does not fail.
type Ending = Result<ExitCode, Box<dyn Error>>;

/// Reads the arguments and does what they say.
pub fn main() -> ExitCode {
    let ending = match Cli::parse().command {
        Command::Serve(serve) => serve.run(),
        Command::Run(run) => run.run(),
        Command::Deploy(deploy) => deploy.run(),
        Command::Tail(tail) => tail.run(),
        Command::Config(file) => config::print(file),
        Command::Health(file) => health::ask(file),
        Command::Token(token) => token.run(),
        Command::User(user) => user.run(),
        Command::Tenant(tenant) => tenant.run(),
        Command::Backup(backup) => backup.run(),
        Command::Restore(restore) => restore.run(),
        Command::CompileWorker => compile_worker(),
    };
    ending.unwrap_or_else(|error| {
        report(&*error);
        ExitCode::FAILURE
    })
}

fn compile_worker() -> Ending {
    doer_sandbox::compiler::serve()?;
    Ok(ExitCode::SUCCESS)
}

/// Ids become parts of namespaces, which stand in logs and answers.
fn plain_id(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte);
    if text.is_empty() || text.len() > 128 || !text.bytes().all(plain) {
        return Err("an id has 1 to 128 letters, digits or any of - _ . @".to_owned());
    }
    Ok(text.to_owned())
}

/// The services' stores, for an operator's commands.
fn platform(file: ConfigFile) -> Result<Platform, Box<dyn Error>> {
    Ok(Platform::open_for_operator(&file.load(Vec::new())?)?)
}

/// Runs a future on a runtime made for it.
fn block_on<T>(future: impl Future<Output = Result<T, Box<dyn Error>>>) -> Result<T, Box<dyn Error>> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(future)
}

/// Prints an error with everything that caused it.
fn report(error: &dyn Error) {
    let mut stderr = std::io::stderr().lock();
    // Where stderr is closed there is nobody to tell.
    let _ = writeln!(stderr, "doer: {error}");
    let mut source = error.source();
    while let Some(error) = source {
        let _ = writeln!(stderr, "  because: {error}");
        source = error.source();
    }
}
