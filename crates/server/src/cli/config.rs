//! `doer config`

use std::{io::Write, process::ExitCode};

use super::{ConfigFile, Ending};

/// Prints what holds, secrets hidden.
pub fn print(file: ConfigFile) -> Ending {
    let config = file.load(Vec::new())?;
    std::io::stdout().lock().write_all(config.to_toml().as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
