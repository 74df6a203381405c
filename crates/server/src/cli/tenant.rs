//! `doer tenant`: tenants suspended, given more, and deleted with all that they have.

use std::{io::Write, process::ExitCode};

use clap::{Args, Subcommand};
use doer_services::{auth::audit::Actor, tenants::State};

use super::{ConfigFile, Ending, block_on, plain_id, platform};

#[derive(Debug, Subcommand)]
pub enum Tenant {
    /// List the tenants that were suspended, given more, or are being deleted
    List(ConfigFile),
    /// Let a tenant do nothing until it is resumed
    Suspend(Suspend),
    /// Let a suspended tenant go on
    Resume(One),
    /// Give a tenant other limits or quotas than its tier has
    Set(Set),
    /// Delete a tenant: its data in every service, its users, keys and sessions
    Delete(Delete),
}

#[derive(Debug, Args)]
pub struct One {
    /// Its id
    #[arg(value_parser = plain_id)]
    id: String,
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Debug, Args)]
pub struct Suspend {
    /// Why, for whoever lists tenants
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    tenant: One,
}

#[derive(Debug, Args)]
pub struct Set {
    /// Like dbBytes=1073741824; without a number what holds for its tier holds again
    #[arg(value_name = "NAME=NUMBER", required = true, value_parser = assignment)]
    values: Vec<(String, Option<u64>)>,
    /// Its id
    #[arg(long = "tenant", value_name = "ID", value_parser = plain_id)]
    id: String,
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Debug, Args)]
pub struct Delete {
    /// Without this nothing is deleted
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    tenant: One,
}

impl Tenant {
    /// Does it.
    pub fn run(self) -> Ending {
        match self {
            Self::List(file) => list(file),
            Self::Suspend(suspend) => suspend.run(),
            Self::Resume(one) => one.resume(),
            Self::Set(set) => set.run(),
            Self::Delete(delete) => delete.run(),
        }
    }
}

fn list(file: ConfigFile) -> Ending {
    let platform = platform(file)?;
    let tenants = block_on(async { Ok(platform.authority.tenants().list().await?) })?;
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{:<24}  {:<10}  {:<24}  OVERRIDES", "ID", "STATE", "REASON")?;
    for tenant in tenants {
        let overrides = serde_json::to_string(&tenant.overrides)?;
        let state = match tenant.state {
            State::Active => "active",
            State::Suspended => "suspended",
            State::Deleting => "deleting",
        };
        writeln!(stdout, "{:<24}  {state:<10}  {:<24}  {overrides}", tenant.id, tenant.reason.unwrap_or_default())?;
    }
    Ok(ExitCode::SUCCESS)
}

impl Suspend {
    fn run(self) -> Ending {
        let (platform, id) = (platform(self.tenant.file)?, self.tenant.id);
        let tenants = platform.authority.tenants();
        block_on(async { Ok(tenants.suspend(Actor::operator(), &id, self.reason).await?) })?;
        done(&format!("suspended {id}"))
    }
}

impl One {
    fn resume(self) -> Ending {
        let (platform, id) = (platform(self.file)?, self.id);
        block_on(async { Ok(platform.authority.tenants().resume(Actor::operator(), &id).await?) })?;
        done(&format!("resumed {id}"))
    }
}

impl Set {
    fn run(self) -> Ending {
        let (platform, id) = (platform(self.file)?, self.id);
        block_on(async {
            let tenants = platform.authority.tenants();
            let mut overrides = tenants.overrides(&id).map(|overrides| (*overrides).clone()).unwrap_or_default();
            for (name, number) in self.values {
                overrides = overrides.with(&name, number)?;
            }
            Ok(tenants.set_overrides(Actor::operator(), &id, overrides).await?)
        })?;
        done(&format!("set {id}"))
    }
}

impl Delete {
    fn run(self) -> Ending {
        let (platform, id) = (platform(self.tenant.file)?, self.tenant.id);
        if !self.yes {
            return Err(format!("this deletes all that tenant {id} has, for ever; say so with --yes").into());
        }
        block_on(async {
            Ok(platform.authority.tenants().delete(Actor::operator(), &id, &platform.holders()).await?)
        })?;
        done(&format!("deleted {id}"))
    }
}

fn done(message: &str) -> Ending {
    writeln!(std::io::stderr().lock(), "{message}")?;
    Ok(ExitCode::SUCCESS)
}

fn assignment(text: &str) -> Result<(String, Option<u64>), String> {
    let (name, number) = text.split_once('=').ok_or("write a name, = and a number, like dbBytes=1073741824")?;
    match number {
        "" => Ok((name.to_owned(), None)),
        number => match number.parse() {
            Ok(number) => Ok((name.to_owned(), Some(number))),
            Err(_) => Err(format!("`{number}` is no number")),
        },
    }
}
