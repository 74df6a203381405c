//! `doer user`: users made, listed, and kept out.

use std::{
    io::{Read, Write},
    process::ExitCode,
};

use clap::{Args, Subcommand};
use doer_core::{
    auth::AuthContext,
    id::RequestId,
    scope::Scope,
    service::auth::{Auth, CreateUser, UserOptions},
    tier::Namespace,
};
use doer_services::auth::audit::Actor;

use super::{ConfigFile, Ending, Role, block_on, plain_id, platform};
use crate::auth::developer;

#[derive(Debug, Subcommand)]
pub enum User {
    /// Make a user, and print their id
    Create(Create),
    /// List users
    List(ConfigFile),
    /// Keep a user out: their keys and sessions hold no longer
    Disable(One),
    /// Let a user in again
    Enable(One),
}

#[derive(Debug, Args)]
pub struct Create {
    /// Address, which no other user has
    #[arg(long, value_name = "ADDRESS")]
    email: String,
    /// Display name
    #[arg(long)]
    name: Option<String>,
    #[arg(long, value_enum, default_value = "user")]
    role: Role,
    /// The user's tenant
    #[arg(long, value_name = "ID", value_parser = plain_id)]
    tenant: Option<String>,
    /// What the user may do, like execute or rpc:*; may be repeated
    #[arg(long = "permission", value_name = "PERMISSION")]
    permissions: Vec<String>,
    /// Read a password for POST /session from stdin
    #[arg(long)]
    password_stdin: bool,
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Debug, Args)]
pub struct One {
    /// Their id
    id: String,
    #[command(flatten)]
    file: ConfigFile,
}

impl User {
    /// Does it.
    pub fn run(self) -> Ending {
        match self {
            Self::Create(create) => create.run(),
            Self::List(file) => list(file),
            Self::Disable(one) => one.set_disabled(true),
            Self::Enable(one) => one.set_disabled(false),
        }
    }
}

impl Create {
    fn run(self) -> Ending {
        let password = match self.password_stdin {
            true => {
                let mut text = String::new();
                std::io::stdin().read_to_string(&mut text)?;
                Some(text.trim_end_matches(['\r', '\n']).to_owned())
            }
            false => None,
        };
        let platform = platform(self.file)?;
        let scope = operator(self.tenant.as_deref())?;
        let options = UserOptions {
            name: self.name,
            role: Some(self.role.name().to_owned()),
            permissions: self.permissions,
            password,
            ..UserOptions::default()
        };
        let params = CreateUser { email: self.email, options: Some(options) };
        let user = block_on(async { Ok(platform.auth.create_user(&scope, params).await?) })?;
        writeln!(std::io::stdout().lock(), "{}", user.id)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl One {
    fn set_disabled(self, disabled: bool) -> Ending {
        let (platform, id) = (platform(self.file)?, self.id);
        let known = block_on(async { Ok(platform.authority.set_disabled(Actor::operator(), &id, disabled).await?) })?;
        if !known {
            return Err(format!("no user {id}; `doer user list` lists them").into());
        }
        writeln!(std::io::stderr().lock(), "{} {id}", if disabled { "disabled" } else { "enabled" })?;
        Ok(ExitCode::SUCCESS)
    }
}

fn list(file: ConfigFile) -> Ending {
    let platform = platform(file)?;
    let users = block_on(async { Ok(platform.authority.users().await?) })?;
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{:<36}  {:<8}  {:<8}  {:<28}  NAMESPACE", "ID", "STATE", "ROLE", "EMAIL")?;
    for listed in users {
        let state = if listed.disabled { "disabled" } else { "enabled" };
        let role = listed.user.role.as_deref().unwrap_or("user");
        writeln!(
            stdout,
            "{:<36}  {state:<8}  {role:<8}  {:<28}  {}",
            listed.user.id, listed.user.email, listed.namespace
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Whoever can start this program is an admin.
fn operator(tenant: Option<&str>) -> Result<Scope, Box<dyn std::error::Error>> {
    let mut context = AuthContext::anonymous(RequestId::generate(), 0);
    context.auth = developer();
    let scope = Scope::of(context);
    match tenant {
        None => Ok(scope),
        Some(id) => {
            let namespace = Namespace::parse(&format!("tenant:{id}")).ok_or("--tenant: is no id of a tenant")?;
            Ok(scope.within(namespace))
        }
    }
}
