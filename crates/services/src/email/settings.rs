//! What an installation says about its mail.

use std::{fmt, path::PathBuf, time::Duration};

const HOUR: Duration = Duration::from_secs(3_600);

/// Settings of the embedded `email`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Who mails are from where the caller names nobody; every namespace may use this address.
    pub from: String,
    /// Who else may be named as the sender, and by whom.
    pub senders: Vec<Sender>,
    /// The server that mails are handed to. With none they stay in the outbox, and go out once there is one.
    pub smtp: Option<Smtp>,
    /// Templates of the installation's own: `<name>.subject`, `<name>.txt` and, where wanted, `<name>.html`. One with
    /// the name of a built-in template takes its place.
    pub templates_dir: Option<PathBuf>,
    /// Mails that are being sent at once.
    pub concurrency: usize,
    /// How long text, HTML and files are kept after a mail was sent or given up.
    pub keep_sent: Duration,
    /// How long it is known after that that there was such a mail.
    pub keep_records: Duration,
    /// Bytes of text, HTML and files that one namespace may have in the outbox.
    pub outbox_bytes: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            from: "doer <noreply@localhost>".to_owned(),
            senders: Vec::new(),
            smtp: None,
            templates_dir: None,
            concurrency: 4,
            keep_sent: 7 * 24 * HOUR,
            keep_records: 90 * 24 * HOUR,
            outbox_bytes: 1 << 30,
        }
    }
}

/// Addresses that some namespaces may send as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// A namespace (`tenant:acme`), the id of a tenant (`acme`), or the beginning of namespaces and a star
    /// (`tenant:acme-*`, `tenant:*`, `*`).
    pub namespace: String,
    /// Addresses (`news@acme.example`), and whole domains (`@acme.example`; what is below a domain is not in it).
    pub addresses: Vec<String>,
}

/// An SMTP server.
#[derive(Clone)]
pub struct Smtp {
    /// Its name, which its certificate is held against.
    pub host: String,
    /// Its port: usually 587 with `starttls`, 465 with `implicit`.
    pub port: u16,
    /// How the connection is protected.
    pub tls: Tls,
    /// Who signs in; nobody where absent.
    pub username: Option<String>,
    /// With which password.
    pub password: Option<String>,
    /// How long connecting and signing in may take, and how long the server may take over a mail; a large mail gets a
    /// second more for every 64 KiB.
    pub timeout: Duration,
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Smtp")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("tls", &self.tls)
            .field("username", &self.username)
            .field("password", &self.password.as_ref().map(|_| "***"))
            .field("timeout", &self.timeout)
            .finish()
    }
}

/// How a connection to an SMTP server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// Not at all: for a server on this computer.
    None,
    /// It begins in the open and must then be encrypted.
    StartTls,
    /// It is encrypted from its first byte.
    Implicit,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_in_no_log() {
        let smtp = Smtp {
            host: "mail.example".to_owned(),
            port: 587,
            tls: Tls::StartTls,
            username: Some("doer".to_owned()),
            password: Some("hunter2".to_owned()),
            timeout: Duration::from_secs(60),
        };
        let told = format!("{:?}", Settings { smtp: Some(smtp), ..Settings::default() });
        assert!(told.contains("mail.example") && !told.contains("hunter2"), "{told}");
    }
}
