//! `doer token`: keys, made and revoked while the server runs or does not.

use std::{io::Write, process::ExitCode};

use clap::{Args, Subcommand};
use doer_core::{
    id::UserId,
    time::{Clock, SystemClock},
};
use doer_services::keys::{KeyRecord, KeyStore, NewKey};

use super::{ConfigFile, Ending, Role, plain_id};
use crate::{config::units::parse_duration, data::DataDir};

#[derive(Debug, Subcommand)]
pub enum Token {
    /// Make a key, and print it this once
    Create(Create),
    /// List keys, without their secrets
    List(ConfigFile),
    /// End a key for ever
    Revoke(Revoke),
}

#[derive(Debug, Args)]
pub struct Create {
    /// Role of the key's owner
    #[arg(long, value_enum)]
    role: Role,
    /// Tenant of the key's owner
    #[arg(long, value_name = "ID", value_parser = plain_id)]
    tenant: Option<String>,
    /// What the key allows, like execute or rpc:*; may be repeated [default: * for admin and service, else execute]
    #[arg(long = "permission", value_name = "PERMISSION")]
    permissions: Vec<String>,
    /// What to call the key
    #[arg(long, default_value = "cli")]
    name: String,
    /// Id of the key's owner [default: a new one]
    #[arg(long, value_name = "ID", value_parser = plain_id)]
    user: Option<String>,
    /// How long it holds, like 12h or 90d [default: until revoked]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    expires: Option<std::time::Duration>,
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Debug, Args)]
pub struct Revoke {
    /// Its id, as listed
    id: String,
    #[command(flatten)]
    file: ConfigFile,
}

impl Token {
    /// Does it.
    pub fn run(self) -> Ending {
        match self {
            Self::Create(create) => create.run(),
            Self::List(file) => list(file),
            Self::Revoke(revoke) => revoke.run(),
        }
    }
}

impl Create {
    fn run(self) -> Ending {
        let now_ms = now_ms();
        let user_id = self.user.unwrap_or_else(|| UserId::generate().to_string());
        let permissions = match self.permissions {
            list if list.is_empty() => vec![self.role.default_permission().to_owned()],
            list => list,
        };
        let key = NewKey {
            name: self.name,
            email: format!("{user_id}@localhost"),
            user_id,
            role: self.role.name().to_owned(),
            tenant: self.tenant,
            permissions,
            expires_at: self
                .expires
                .map(|after| now_ms.saturating_add(after.as_millis().try_into().unwrap_or(u64::MAX))),
        };
        let (record, secret) = open(self.file)?.create(key, now_ms)?;
        writeln!(std::io::stderr().lock(), "key {}; this is the only time it is shown:", record.id)?;
        writeln!(std::io::stdout().lock(), "{}", secret.reveal())?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Revoke {
    fn run(self) -> Ending {
        if !open(self.file)?.revoke(&self.id, now_ms())? {
            return Err(format!("no key {} that holds; `doer token list` lists them", self.id).into());
        }
        writeln!(std::io::stderr().lock(), "revoked {}", self.id)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn list(file: ConfigFile) -> Ending {
    let keys = open(file)?.list()?;
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{:<12}  {:<7}  {:<8}  {:<24}  {:<24}  PERMISSIONS", "ID", "STATE", "ROLE", "OWNER", "NAME")?;
    for key in keys {
        let owner = key.tenant.as_deref().map_or_else(|| key.user_id.clone(), |tenant| format!("tenant:{tenant}"));
        let (state, permissions) = (state(&key, now_ms()), key.permissions.join(" "));
        writeln!(stdout, "{:<12}  {state:<7}  {:<8}  {owner:<24}  {:<24}  {permissions}", key.id, key.role, key.name)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn state(key: &KeyRecord, now_ms: u64) -> &'static str {
    match (key.revoked_at, key.holds_at(now_ms)) {
        (Some(_), _) => "revoked",
        (None, true) => "holds",
        (None, false) => "expired",
    }
}

fn open(file: ConfigFile) -> Result<KeyStore, Box<dyn std::error::Error>> {
    let config = file.load(Vec::new())?;
    let data = DataDir::open(&config.data.dir)?;
    Ok(KeyStore::open(&data.keys()?)?)
}

fn now_ms() -> u64 {
    u64::try_from(SystemClock.now().as_millis()).unwrap_or(u64::MAX)
}
