//! One attempt to deliver: signed anew, sent on behalf of whoever registered the endpoint.

use std::error::Error as _;

use bytes::Bytes;
use doer_core::{
    outbound::{HttpRequest, HttpResponse, Redirect},
    scope::Owner,
    service::Code,
};
use rusqlite::OptionalExtension;

use super::{State, endpoints, from_json, lanes::Claim, signature, waits, worker::Outcome};
use crate::Error;

/// Bytes of an answer. Nothing in it matters but its status; more than this is no answer to a webhook.
const MAX_ANSWER_BYTES: u64 = 1 << 20;

/// What an attempt needs.
struct Draft {
    url: String,
    owner: String,
    secret: Vec<u8>,
    body: Vec<u8>,
}

impl State {
    pub(super) async fn deliver(&self, claim: &Claim) -> Result<Outcome, Error> {
        let id = claim.id.clone();
        let draft = self.database.read(move |connection| {
            let sql = "SELECT endpoints.url, endpoints.owner, endpoints.secret, deliveries.body
                       FROM deliveries JOIN endpoints ON endpoints.id = deliveries.lane WHERE deliveries.id = ?1";
            let read = |row: &rusqlite::Row<'_>| {
                Ok(Draft { url: row.get(0)?, owner: row.get(1)?, secret: row.get(2)?, body: row.get(3)? })
            };
            Ok(connection.prepare_cached(sql)?.query_row([&id], read).optional()?)
        });
        let Some(draft) = draft.await? else { return Ok(Outcome::failed("the endpoint was deleted")) };

        let owner: Owner = from_json(&draft.owner, "endpoints.owner")?;
        let Some(scope) = self.standing.scope(&owner).await? else {
            return Ok(Outcome::Held("not sent: the namespace is suspended, or who registered the endpoint is gone"));
        };
        let key = self.sealer.open(&draft.secret, &endpoints::purpose(&claim.namespace, &claim.lane))?;
        let now_s = self.clock.now_ms() / 1000;
        let Some(signature) = signature::sign(&key, &claim.id, now_s, &draft.body) else {
            return Err(Error::Sealed);
        };
        let request = request(draft.url, &claim.id, now_s, signature, draft.body.into());
        let sent = self.egress.send(&scope, request, MAX_ANSWER_BYTES);
        Ok(match tokio::time::timeout(self.settings.attempt_timeout, sent).await {
            Ok(Ok(answer)) => judge(&answer, self.clock.now_ms()),
            Ok(Err(error)) => {
                if error.code == Code::Internal {
                    tracing::error!(id = claim.id, error = error.source(), "egress failed");
                }
                Outcome::failed(error.message)
            }
            Err(_) => Outcome::failed(format!(
                "the endpoint did not answer within {} ms",
                self.settings.attempt_timeout.as_millis()
            )),
        })
    }
}

fn request(url: String, id: &str, now_s: u64, signature: String, body: Bytes) -> HttpRequest {
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("user-agent", concat!("doer/", env!("CARGO_PKG_VERSION")).to_owned()),
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", now_s.to_string()),
        ("webhook-signature", signature),
    ];
    HttpRequest {
        method: "POST".to_owned(),
        url,
        headers: headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        body: Some(body),
        // Whoever moved registers the new URL: a signed event goes nowhere else.
        redirect: Redirect::Manual,
    }
}

/// What an answer means.
fn judge(answer: &HttpResponse, now_ms: u64) -> Outcome {
    let status = Some(answer.status);
    let error = format!("the endpoint answered {}", answer.status);
    match answer.status {
        200..=299 => Outcome::Done(status),
        410 => Outcome::Hopeless { status, error },
        _ => {
            let header = answer.headers.iter().find(|(name, _)| name == "retry-after");
            let retry_after = header.and_then(|(_, value)| waits::retry_after(value, now_ms));
            Outcome::Failed { status, error, retry_after }
        }
    }
}
