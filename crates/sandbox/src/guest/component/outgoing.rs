//! `wasi:http/outgoing-handler`: requests leave through the door of the run, as those of JavaScript's `fetch` do.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use doer_core::{
    fault::Termination,
    outbound::{HttpRequest, HttpResponse, Redirect},
    scoped::CallError,
    service::{Code, ServiceError},
};
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::BodyExt as _;
use tokio::sync::mpsc;
use url::Url;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use super::http::{latin1, pieces, texts, whole};
use crate::{
    Reply,
    account::Account,
    links::{Outbound, Refusal, Target},
};

/// Method, URL and headers of a request, which no budget counts.
const MAX_HEAD_BYTES: usize = 32 << 10;

/// What a component may write of a body in one piece. The host holds two of them for each body.
const CHUNK_BYTES: usize = 16 << 10;

/// What a request tells the run that it ends: its budget is used up.
pub(super) type Endings = mpsc::UnboundedReceiver<Termination>;

/// The other end of it.
#[derive(Clone)]
pub(super) struct Ending(mpsc::UnboundedSender<Termination>);

type Sent = (Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>);

/// The way out of one run.
pub(super) struct Outgoing {
    sending: Sending,
}

/// What a request takes along: it is on its way in a task of its own.
#[derive(Clone)]
struct Sending {
    account: Arc<Account>,
    ended: Ending,
    /// Bytes of bodies that were taken from the guest, and that nobody has charged yet.
    uncharged: Arc<AtomicU64>,
}

/// Bytes of one body that is collected.
struct Uncharged(Arc<AtomicU64>, u64);

impl Drop for Uncharged {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1, Relaxed);
    }
}

impl Ending {
    /// Ends the run, and gives what is told to the component until then.
    pub(super) fn tell(&self, termination: Termination) -> Error {
        // Nobody listens any more where the run is over already.
        let _ = self.0.send(termination);
        Error::InternalError(None)
    }
}

impl Outgoing {
    pub(super) fn new(account: &Arc<Account>) -> (Self, Endings) {
        let (ended, endings) = mpsc::unbounded_channel();
        let sending = Sending { account: Arc::clone(account), ended: Ending(ended), uncharged: Arc::default() };
        (Self { sending }, endings)
    }

    /// How the run is ended from outside of the component.
    pub(super) fn ending(&self) -> Ending {
        self.sending.ended.clone()
    }
}

impl WasiHttpHooks for Outgoing {
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _failed: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Result<Sent, Error>> + Send> {
        let sending = self.sending.clone();
        Box::new(async move {
            let send = sending.send(request);
            let response = match options.as_ref().and_then(patience) {
                Some(patience) => {
                    tokio::time::timeout(patience, send).await.map_err(|_| Error::ConnectionReadTimeout)?
                }
                None => send.await,
            }?;
            let nothing_left: Box<dyn Future<Output = Result<(), Error>> + Send> = Box::new(async { Ok(()) });
            Ok((response, nothing_left))
        })
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK_BYTES
    }
}

/// How long a component would wait for a response: the whole of it comes at once.
fn patience(options: &RequestOptions) -> Option<Duration> {
    Some(options.connect_timeout.unwrap_or_default() + options.first_byte_timeout?)
}

impl Sending {
    async fn send(self, request: Request<WasiBody>) -> Result<Response<WasiBody>, Error> {
        let (head, body) = request.into_parts();
        let url = address(&head.uri.to_string())?;
        let headers = texts(&head.headers);
        let header_bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        if head.method.as_str().len() + url.len() + header_bytes > MAX_HEAD_BYTES {
            return Err(Error::HttpRequestHeaderSectionSize(u32::try_from(header_bytes).ok()));
        }
        // Also of what is refused then: a component that still writes is to learn of that, and not of a closed stream.
        let body = self.collected(body).await?;
        let request = HttpRequest {
            method: head.method.as_str().to_ascii_uppercase(),
            url,
            headers,
            body: (!body.is_empty()).then_some(body),
            // As everywhere in WASI: whoever wants to follow one does so, and the policy holds for each.
            redirect: Redirect::Manual,
        };
        let refused = |why: &str| self.failed(&ServiceError::forbidden(format!("fetch is not permitted: {why}")));
        match (self.account.links.outbound, &self.account.door) {
            (Outbound::Worker(worker), _) => self.ask(worker, request).await,
            (Outbound::Policy, Some(door)) => match door.fetch(request).await {
                Ok(HttpResponse { status, headers, body, .. }) => received(status, headers, whole(body)),
                Err(CallError::Service(error)) => Err(self.failed(&error)),
                Err(CallError::Ended(termination)) => Err(self.ended.tell(termination)),
            },
            (Outbound::Policy, None) => Err(refused("the run has no services")),
            (Outbound::Nothing, _) => Err(refused("globalOutbound is null")),
        }
    }

    /// Has the worker answer that stands in the place of the network.
    async fn ask(&self, worker: u32, request: HttpRequest) -> Result<Response<WasiBody>, Error> {
        let ledger = self.account.ledger();
        let bytes = request.body.as_ref().map_or(0, Bytes::len);
        ledger.charge_call("worker").and_then(|()| ledger.charge_bytes(bytes)).map_err(|end| self.ended.tell(end))?;
        let Some(workers) = self.account.links.workers.clone() else { return Err(Error::HttpRequestDenied) };
        let target = Target { worker: Some(worker), entrypoint: None, props: None, limits: None };
        match workers.fetch(&self.account, target, request).await {
            Ok(Reply { head, body }) => {
                received(head.status, head.headers, pieces(body, Arc::clone(&self.account), self.ended.clone()))
            }
            Err(Refusal::Thrown(error)) => {
                Err(Error::InternalError(Some(format!("{}: {}", error.name, error.message))))
            }
            Err(Refusal::NotCalled(message)) => Err(Error::InternalError(Some(message))),
            Err(Refusal::Host(error)) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a worker could not be called");
                Err(Error::InternalError(Some("the worker could not be called".to_owned())))
            }
        }
    }

    /// The whole body, as far as there is a budget for it.
    async fn collected(&self, mut body: WasiBody) -> Result<Bytes, Error> {
        let ledger = self.account.ledger();
        let mut uncharged = Uncharged(Arc::clone(&self.uncharged), 0);
        let mut collected = Vec::new();
        while let Some(frame) = body.frame().await {
            let Ok(bytes) = frame?.into_data() else { continue };
            let all = self.uncharged.fetch_add(bytes.len() as u64, Relaxed) + bytes.len() as u64;
            uncharged.1 += bytes.len() as u64;
            if all > ledger.bytes_left() {
                // It says so itself, and which budget it was.
                let all = usize::try_from(all).unwrap_or(usize::MAX);
                return Err(self.ended.tell(ledger.charge_bytes(all).err().unwrap_or(Termination::CallLimit)));
            }
            collected.extend_from_slice(&bytes);
        }
        // Whoever takes them charges them.
        Ok(collected.into())
    }

    /// What the component is told. A refusal has no words in WASI: they go to the log.
    fn failed(&self, error: &ServiceError) -> Error {
        match error.code {
            Code::Forbidden => match self.account.log("[warn] ", &error.message) {
                Ok(()) => Error::HttpRequestDenied,
                Err(ended) => self.ended.tell(ended.0),
            },
            Code::Timeout => Error::HttpResponseTimeout,
            _ => Error::InternalError(Some(error.message.to_string())),
        }
    }
}

/// The address as the standard writes it, so that hosts which are services are known by their names.
fn address(uri: &str) -> Result<String, Error> {
    let url = Url::parse(uri).map_err(|_| Error::HttpRequestUriInvalid)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Error::HttpRequestUriInvalid);
    }
    Ok(url.into())
}

fn received(status: u16, headers: Vec<(String, String)>, body: WasiBody) -> Result<Response<WasiBody>, Error> {
    let mut received = Response::new(body);
    *received.status_mut() = http::StatusCode::from_u16(status).map_err(|_| Error::HttpResponseIncomplete)?;
    for (name, value) in headers {
        let name: HeaderName = name.parse().map_err(|_| Error::HttpResponseIncomplete)?;
        let value = HeaderValue::from_bytes(&latin1(&value)).map_err(|_| Error::HttpResponseIncomplete)?;
        received.headers_mut().append(name, value);
    }
    Ok(received)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_the_standard_has_them() {
        for (given, written) in [
            ("HTTP://DB/rpc/query", "http://db/rpc/query"),
            ("http://db:80/rpc/query", "http://db/rpc/query"),
            ("https://a.test", "https://a.test/"),
            ("http://%64b/", "http://db/"),
        ] {
            assert_eq!(address(given).unwrap(), written);
        }
        for refused in ["http://user@db/", "http://a:b@db/", "http://", "db/rpc/query"] {
            assert!(address(refused).is_err(), "{refused}");
        }
    }
}
