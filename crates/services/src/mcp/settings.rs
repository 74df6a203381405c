//! The settings of the MCP client.

use std::{collections::BTreeMap, fmt, time::Duration};

use doer_core::tier::Tier;
use url::Url;

use crate::{tls, wire};

/// Settings of the MCP client.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The servers, by name. A name has 1 to 64 letters, digits, `-` and `_`.
    pub servers: BTreeMap<String, ServerSettings>,
    /// The largest result of a tool, and content of a resource, as JSON. 4 MiB by default.
    pub max_result_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { servers: BTreeMap::new(), max_result_bytes: 4 << 20 }
    }
}

/// An MCP server.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// How it is reached.
    pub transport: Transport,
    /// For one request. 30 s by default.
    pub timeout: Duration,
    /// For a connection to be there, the child process started, and the server initialised. 10 s by default.
    pub connect_timeout: Duration,
    /// Tiers that may use it; all that have the service, where empty.
    pub tiers: Vec<Tier>,
}

/// How a server is reached.
#[derive(Clone)]
pub enum Transport {
    /// Streamable HTTP. The administrator chose it: it may be a private address.
    Http {
        /// Its endpoint.
        url: Url,
        /// Headers of every request, secrets among them.
        headers: BTreeMap<String, String>,
    },
    /// The standard streams of a child process.
    Stdio {
        /// The program; by its absolute path, where `env` has no `PATH`.
        command: String,
        /// Its arguments.
        args: Vec<String>,
        /// Its whole environment: nothing of doer's own is in it.
        env: BTreeMap<String, String>,
    },
}

impl fmt::Debug for Transport {
    /// Without values that may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http { url, headers } => {
                f.debug_struct("Http").field("url", &url.as_str()).field("headers", &headers.keys()).finish()
            }
            Self::Stdio { command, env, .. } => {
                f.debug_struct("Stdio").field("command", command).field("env", &env.keys()).finish_non_exhaustive()
            }
        }
    }
}

/// Settings that make no sense.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting of a server.
    #[error("servers.{name}{setting}: {problem}")]
    Server {
        /// Its name.
        name: String,
        /// Which setting, with a dot before it.
        setting: &'static str,
        /// What would be right.
        problem: &'static str,
    },
    /// There is no HTTP client to be had.
    #[error("no HTTP client")]
    Client(#[from] tls::Error),
}

impl ServerSettings {
    /// A server with the defaults.
    pub const fn new(transport: Transport) -> Self {
        Self {
            transport,
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            tiers: Vec::new(),
        }
    }

    pub(super) fn check(&self, name: &str) -> Result<(), Error> {
        let error = |setting, problem| Err(Error::Server { name: name.to_owned(), setting, problem });
        let is_plain = |letter: u8| letter.is_ascii_alphanumeric() || matches!(letter, b'-' | b'_');
        if !(1..=64).contains(&name.len()) || !name.bytes().all(is_plain) {
            return error("", "a name must have 1 to 64 letters, digits, `-` or `_`");
        }
        match &self.transport {
            Transport::Http { url, .. } if !matches!(url.scheme(), "http" | "https") => {
                error(".url", "must begin with `https://` or `http://`")
            }
            Transport::Http { headers, .. }
                if headers.iter().any(|(name, value)| wire::header(name, value).is_none()) =>
            {
                error(".headers", "must be names and values that HTTP allows")
            }
            Transport::Stdio { command, .. } if command.is_empty() => error(".command", "must name a program"),
            _ if self.timeout.is_zero() => error(".timeout", "must be more than nothing"),
            _ if self.connect_timeout.is_zero() => error(".connect_timeout", "must be more than nothing"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(url: &str) -> ServerSettings {
        ServerSettings::new(Transport::Http { url: url.parse().unwrap(), headers: BTreeMap::new() })
    }

    #[test]
    fn names_have_no_dots_and_settings_that_make_no_sense_are_named() {
        assert!(http("https://a.example/mcp").check(&"a".repeat(64)).is_ok());
        for name in ["", "a.b", "a b", "\u{e4}", &"a".repeat(65)] {
            assert!(http("https://a.example/mcp").check(name).is_err(), "{name}");
        }
        let message = |settings: ServerSettings| settings.check("one").unwrap_err().to_string();
        assert_eq!(message(http("ftp://a.example")), "servers.one.url: must begin with `https://` or `http://`");
        let command = Transport::Stdio { command: String::new(), args: Vec::new(), env: BTreeMap::new() };
        assert_eq!(message(ServerSettings::new(command)), "servers.one.command: must name a program");
    }

    #[test]
    fn secrets_are_not_printed() {
        let secret = BTreeMap::from([("authorization".to_owned(), "hidden".to_owned())]);
        let http = Transport::Http { url: "https://a.example".parse().unwrap(), headers: secret.clone() };
        let stdio = Transport::Stdio { command: "/bin/x".to_owned(), args: vec!["hidden".to_owned()], env: secret };
        let printed = format!("{http:?} {stdio:?}");
        assert!(!printed.contains("hidden"), "{printed}");
    }
}
