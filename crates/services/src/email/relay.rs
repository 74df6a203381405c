//! The SMTP server that mails are handed to: connections that are kept for a while, and what its answers mean.

use std::{
    error::Error as _,
    future::Future,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use lettre::{
    address::Envelope,
    transport::smtp::{
        Error as SmtpError,
        authentication::{Credentials, DEFAULT_MECHANISMS},
        client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters},
        extension::ClientId,
    },
};

use super::{Smtp, Tls};
use crate::tls;

/// An idle connection is used again for so long; servers close them after a few minutes.
const MAX_IDLE: Duration = Duration::from_secs(30);
/// What a slow line carries in a second.
const BYTES_PER_SECOND: usize = 64 << 10;
/// Letters that are kept of a server's answer.
const MAX_ANSWER_CHARS: usize = 300;
/// The server wants somebody to sign in, or not like that: the fault of the settings, and not of the mail.
const SIGN_IN_CODES: [u16; 4] = [530, 534, 535, 538];

/// Why a mail was not handed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// Is it worth another try?
    pub kind: RefusalKind,
    /// For whoever sent the mail: what the server said of it, and nothing of where the server is.
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RefusalKind {
    /// The server cannot be spoken to.
    Unreachable,
    /// The server will not take it now.
    Later,
    /// The server will never take it.
    Never,
}

/// A server, and connections to it.
pub(super) struct Relay {
    smtp: Smtp,
    tls: Option<TlsParameters>,
    hello: ClientId,
    idle: Mutex<Vec<Idle>>,
    max_idle: usize,
}

struct Idle {
    connection: AsyncSmtpConnection,
    since: Instant,
}

impl Relay {
    /// A server; at most `max_idle` connections to it are kept.
    ///
    /// # Errors
    /// Where no certificate could be held against its name.
    pub fn new(smtp: &Smtp, max_idle: usize) -> Result<Self, SmtpError> {
        let tls = match smtp.tls {
            Tls::None => None,
            Tls::StartTls | Tls::Implicit => Some(parameters(smtp.host.clone())?),
        };
        let hello = ClientId::default();
        Ok(Self { smtp: smtp.clone(), tls, hello, idle: Mutex::default(), max_idle })
    }

    /// Hands a mail over. After `Ok` the server is answerable for it, to all its recipients.
    pub async fn send(&self, envelope: &Envelope, message: &[u8]) -> Result<(), Refusal> {
        let connecting = within(self.smtp.timeout, self.connection()).await;
        let mut connection = connecting.map_err(unreachable)?;
        let patience = self.smtp.timeout + Duration::from_secs((message.len() / BYTES_PER_SECOND) as u64);
        match within(patience, connection.send(envelope, message)).await {
            Ok(_) => {
                self.keep(connection);
                Ok(())
            }
            Err(failure) => Err(refusal(failure)),
        }
    }

    async fn connection(&self) -> Result<AsyncSmtpConnection, SmtpError> {
        while let Some(mut connection) = self.take() {
            if connection.test_connected().await {
                return Ok(connection);
            }
        }
        let implicit = self.tls.clone().filter(|_| self.smtp.tls == Tls::Implicit);
        let server = (self.smtp.host.as_str(), self.smtp.port);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, Some(self.smtp.timeout), &self.hello, implicit, None).await?;
        // Never opportunistic: whoever sits on the line could take the offer of encryption out.
        if let Some(tls) = self.tls.clone().filter(|_| self.smtp.tls == Tls::StartTls) {
            connection.starttls(tls, &self.hello).await?;
        }
        if let Some(username) = &self.smtp.username {
            let password = self.smtp.password.clone().unwrap_or_default();
            connection.auth(DEFAULT_MECHANISMS, &Credentials::new(username.clone(), password)).await?;
        }
        Ok(connection)
    }

    fn take(&self) -> Option<AsyncSmtpConnection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|idle| idle.since.elapsed() < MAX_IDLE);
        idle.pop().map(|idle| idle.connection)
    }

    fn keep(&self, connection: AsyncSmtpConnection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < self.max_idle && !connection.has_broken() {
            idle.push(Idle { connection, since: Instant::now() });
        }
    }
}

/// Mail servers are trusted as all others are: the library would look at Mozilla's certificates alone.
fn parameters(host: String) -> Result<TlsParameters, SmtpError> {
    let trusted = tls::trusted();
    let store = if trusted.mozilla { CertificateStore::WebpkiRoots } else { CertificateStore::None };
    let mut parameters = TlsParameters::builder(host).certificate_store(store);
    for certificate in &trusted.certificates {
        parameters = parameters.add_root_certificate(Certificate::from_der(certificate.to_vec())?);
    }
    parameters.build()
}

/// An answer, or none in time.
enum Failure {
    Smtp(SmtpError),
    Slow,
}

async fn within<T>(patience: Duration, work: impl Future<Output = Result<T, SmtpError>>) -> Result<T, Failure> {
    match tokio::time::timeout(patience, work).await {
        Ok(result) => result.map_err(Failure::Smtp),
        Err(_) => Err(Failure::Slow),
    }
}

/// Before a mail is spoken of, no answer is about it.
fn unreachable(failure: Failure) -> Refusal {
    let text = match failure {
        Failure::Slow => "the SMTP server did not answer in time".to_owned(),
        Failure::Smtp(error) => {
            tracing::warn!(%error, "the SMTP server cannot be used");
            "the SMTP server could not be reached".to_owned()
        }
    };
    Refusal { kind: RefusalKind::Unreachable, text }
}

fn refusal(failure: Failure) -> Refusal {
    let error = match failure {
        Failure::Smtp(error) => error,
        Failure::Slow => return unreachable(failure),
    };
    let Some(code) = error.status().map(u16::from) else { return unreachable(Failure::Smtp(error)) };
    if SIGN_IN_CODES.contains(&code) {
        return unreachable(Failure::Smtp(error));
    }
    let kind = if error.is_permanent() { RefusalKind::Never } else { RefusalKind::Later };
    let said = error.source().map(ToString::to_string).unwrap_or_default();
    Refusal { kind, text: shortened(code, &said) }
}

fn shortened(code: u16, said: &str) -> String {
    let words: Vec<&str> = said.split(|letter: char| letter.is_whitespace() || letter.is_control()).collect();
    let line = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    format!("{code} {line}").trim_end().chars().take(MAX_ANSWER_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_one_short_line() {
        assert_eq!(shortened(550, "5.1.1 No such\r\nuser here"), "550 5.1.1 No such user here");
        assert_eq!(shortened(451, ""), "451");
        assert_eq!(shortened(550, &"é".repeat(1_000)).chars().count(), MAX_ANSWER_CHARS);
    }
}
