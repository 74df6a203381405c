//! Sources: where a namespace's events come from.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use doer_core::{
    run::Target,
    scope::Scope,
    service::{
        Code, ServiceError,
        webhooks::{NewSource, Provider, Source},
    },
};
use rusqlite::{ErrorCode, Row, params};

use super::{State, durable, from_json, from_word, new_id, signature, stored, to_json, word_of};
use crate::Error;

/// Random bytes of an endpoint that is made up: 24 characters.
const ENDPOINT_BYTES: usize = 18;
/// Bytes of a secret.
const MAX_SECRET_BYTES: usize = 512;

impl State {
    pub(super) async fn create_source(&self, scope: &Scope, new: NewSource) -> Result<Source, ServiceError> {
        durable(scope)?;
        let endpoint = match new.endpoint {
            Some(chosen) if is_plain(&chosen) => chosen,
            Some(_) => {
                return Err(ServiceError::invalid("source.endpoint: must have 8 to 128 letters, digits, _ or -"));
            }
            None => made_up()?,
        };
        let key = key(new.provider, &new.secret)?;
        if let Some(target) = &new.target {
            if let Target::Url(target) = target {
                self.check_url("source.target.url", &target.url)?;
            }
            self.dispatch.check(scope, target).await?;
        }

        let source = Source {
            id: new_id("src"),
            provider: new.provider,
            path: path(new.provider, &endpoint),
            endpoint,
            target: new.target,
            created_at: self.clock.now_ms(),
        };
        let sealed = self.sealer.seal(&key, &purpose(scope.namespace.as_str(), &source.id))?;
        let (row, owner) = (source.clone(), to_json(&scope.owner(), "sources.owner")?);
        let target = row.target.as_ref().map(|target| to_json(target, "sources.target")).transpose()?;
        let (namespace, most) = (scope.namespace.clone(), self.quota(scope).sources);
        let created = self.database.write(move |transaction| {
            let count: i64 = transaction.query_row(
                "SELECT count(*) FROM sources WHERE namespace = ?1",
                [namespace.as_str()],
                |row| row.get(0),
            )?;
            if count.unsigned_abs() >= most {
                return Err(ServiceError::quota(format!("Webhook sources: at most {most}")).into());
            }
            let inserted = transaction.execute(
                "INSERT INTO sources (id, namespace, provider, endpoint, target, owner, secret, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                params![
                    row.id,
                    namespace.as_str(),
                    word_of(row.provider),
                    row.endpoint,
                    target,
                    owner,
                    sealed,
                    stored(row.created_at)
                ],
            );
            match inserted {
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                    let message = format!("source.endpoint: {} is taken; choose another or leave it out", row.endpoint);
                    Err(ServiceError::new(Code::Conflict, message).into())
                }
                inserted => Ok(inserted.map(drop)?),
            }
        });
        self.watched(created.await)?;
        Ok(source)
    }

    pub(super) async fn list_sources(&self, scope: &Scope) -> Result<Vec<Source>, ServiceError> {
        let namespace = scope.namespace.clone();
        let listed = self.database.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT id, provider, endpoint, target, created_at FROM sources WHERE namespace = ?1 ORDER BY id",
            )?;
            let rows = statement.query_map([namespace.as_str()], read)?.collect::<Result<Vec<_>, _>>()?;
            rows.into_iter().map(Stored::into_source).collect::<Result<Vec<_>, Error>>()
        });
        Ok(listed.await?)
    }
}

/// A row before its words are read.
struct Stored {
    id: String,
    provider: String,
    endpoint: String,
    target: Option<String>,
    created_at: i64,
}

fn read(row: &Row<'_>) -> Result<Stored, rusqlite::Error> {
    Ok(Stored {
        id: row.get(0)?,
        provider: row.get(1)?,
        endpoint: row.get(2)?,
        target: row.get(3)?,
        created_at: row.get(4)?,
    })
}

impl Stored {
    fn into_source(self) -> Result<Source, Error> {
        let provider = from_word(self.provider, "sources.provider")?;
        Ok(Source {
            id: self.id,
            provider,
            path: path(provider, &self.endpoint),
            endpoint: self.endpoint,
            target: self.target.map(|target| from_json(&target, "sources.target")).transpose()?,
            created_at: self.created_at.unsigned_abs(),
        })
    }
}

/// What a sealed secret of a source is bound to.
pub(super) fn purpose(namespace: &str, id: &str) -> String {
    format!("webhooks/source/{namespace}/{id}")
}

fn path(provider: Provider, endpoint: &str) -> String {
    format!("/webhooks/{}/{endpoint}", word_of(provider))
}

fn is_plain(endpoint: &str) -> bool {
    (8..=128).contains(&endpoint.len())
        && endpoint.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

fn made_up() -> Result<String, ServiceError> {
    let mut bytes = [0; ENDPOINT_BYTES];
    getrandom::fill(&mut bytes).map_err(Error::Random)?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

fn key(provider: Provider, secret: &str) -> Result<Vec<u8>, ServiceError> {
    if secret.is_empty() || secret.len() > MAX_SECRET_BYTES {
        return Err(ServiceError::invalid(format!("source.secret: must have 1 to {MAX_SECRET_BYTES} bytes")));
    }
    signature::key(provider, secret).ok_or_else(|| {
        ServiceError::invalid("source.secret: must be base64, after whsec_ or without, for this provider")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_8_to_128_plain_characters() {
        assert!(is_plain(&"a".repeat(8)) && is_plain(&"Z-9_".repeat(32)));
        assert!(!is_plain(&"a".repeat(7)) && !is_plain(&"a".repeat(129)));
        assert!(!is_plain("a/../b/../c") && !is_plain("ünïcödé-name"));
        assert!(is_plain(&made_up().unwrap()) && made_up().unwrap().len() == 24);
    }

    #[test]
    fn secrets_are_bounded_and_fit_their_provider() {
        assert!(key(Provider::Stripe, &"s".repeat(512)).is_ok());
        assert!(key(Provider::Stripe, &"s".repeat(513)).is_err());
        assert!(key(Provider::Stripe, "").is_err());
        assert!(key(Provider::Svix, "whsec_!").is_err());
    }
}
