//! `doer backup` and `doer restore`: the data directory, copied while the server runs, and put back.

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::Args;
use doer_core::time::{Clock, SystemClock};
use doer_services::backup;

use super::{ConfigFile, Ending};

#[derive(Debug, Args)]
pub struct Backup {
    /// A directory that does not exist yet
    #[arg(value_name = "DIRECTORY")]
    to: PathBuf,
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Debug, Args)]
pub struct Restore {
    /// What `doer backup` wrote
    #[arg(value_name = "DIRECTORY")]
    from: PathBuf,
    #[command(flatten)]
    file: ConfigFile,
}

impl Backup {
    /// Copies the data directory of the configuration.
    pub fn run(self) -> Ending {
        let config = self.file.load(Vec::new())?;
        let report = backup::create(&config.data.dir, &self.to, SystemClock.now_ms())?;
        writeln!(std::io::stderr().lock(), "{} files, {} bytes", report.files.len(), report.bytes)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Restore {
    /// Makes the data directory of the configuration, which must be empty, and whose server must not run.
    pub fn run(self) -> Ending {
        let config = self.file.load(Vec::new())?;
        let report = backup::restore(&self.from, &config.data.dir)?;
        writeln!(std::io::stderr().lock(), "{} files, {} bytes", report.files.len(), report.bytes)?;
        Ok(ExitCode::SUCCESS)
    }
}
