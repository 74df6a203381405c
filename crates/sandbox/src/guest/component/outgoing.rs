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
use http_body_util::{BodyExt as _, Full};
use tokio::sync::mpsc;
use url::Url;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use super::http::{latin1, texts};
use crate::{account::Account, door::Door};

/// Method, URL and headers of a request, which no budget counts.
const MAX_HEAD_BYTES: usize = 32 << 10;

/// What a component may write of a body in one piece. The host holds two of them for each body.
const CHUNK_BYTES: usize = 64 << 10;

/// What a request tells the run that it ends: its budget is used up.
pub(super) type Endings = mpsc::UnboundedReceiver<Termination>;

type Sent = (Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>);

/// The way out of one run.
pub(super) struct Outgoing {
    sending: Sending,
}

/// What a request takes along: it is on its way in a task of its own.
#[derive(Clone)]
struct Sending {
    account: Arc<Account>,
    ended: mpsc::UnboundedSender<Termination>,
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

impl Outgoing {
    pub(super) fn new(account: &Arc<Account>) -> (Self, Endings) {
        let (ended, endings) = mpsc::unbounded_channel();
        let sending = Sending { account: Arc::clone(account), ended, uncharged: Arc::default() };
        (Self { sending }, endings)
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
        let Some(door) = &self.account.door else {
            return Err(self.failed(&ServiceError::forbidden("fetch is not permitted: the run has no services")));
        };
        let (head, body) = request.into_parts();
        let url = address(&head.uri.to_string())?;
        let headers = texts(&head.headers);
        let header_bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        if head.method.as_str().len() + url.len() + header_bytes > MAX_HEAD_BYTES {
            return Err(Error::HttpRequestHeaderSectionSize(u32::try_from(header_bytes).ok()));
        }
        let body = self.collected(door, body).await?;
        let request = HttpRequest {
            method: head.method.as_str().to_ascii_uppercase(),
            url,
            headers,
            body: (!body.is_empty()).then_some(body),
            // As everywhere in WASI: whoever wants to follow one does so, and the policy holds for each.
            redirect: Redirect::Manual,
        };
        match door.fetch(request).await {
            Ok(response) => received(response),
            Err(CallError::Service(error)) => Err(self.failed(&error)),
            Err(CallError::Ended(termination)) => Err(self.end(termination)),
        }
    }

    /// The whole body, as far as there is a budget for it.
    async fn collected(&self, door: &Door, mut body: WasiBody) -> Result<Bytes, Error> {
        let mut uncharged = Uncharged(Arc::clone(&self.uncharged), 0);
        let mut collected = Vec::new();
        while let Some(frame) = body.frame().await {
            let Ok(bytes) = frame?.into_data() else { continue };
            let all = self.uncharged.fetch_add(bytes.len() as u64, Relaxed) + bytes.len() as u64;
            uncharged.1 += bytes.len() as u64;
            if all > door.ledger().bytes_left() {
                // It says so itself, and which budget it was.
                let all = usize::try_from(all).unwrap_or(usize::MAX);
                return Err(self.end(door.ledger().charge_bytes(all).err().unwrap_or(Termination::CallLimit)));
            }
            collected.extend_from_slice(&bytes);
        }
        // The door charges them.
        Ok(collected.into())
    }

    fn end(&self, termination: Termination) -> Error {
        // Nobody listens any more where the run is over already.
        let _ = self.ended.send(termination);
        Error::InternalError(None)
    }

    /// What the component is told. A refusal has no words in WASI: they go to the log.
    fn failed(&self, error: &ServiceError) -> Error {
        match error.code {
            Code::Forbidden => match self.account.log("[warn] ", &error.message) {
                Ok(()) => Error::HttpRequestDenied,
                Err(ended) => self.end(ended.0),
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

fn received(response: HttpResponse) -> Result<Response<WasiBody>, Error> {
    let incomplete = |_| Error::HttpResponseIncomplete;
    let body = Full::new(response.body).map_err(|never| match never {}).boxed_unsync();
    let mut received = Response::new(body);
    *received.status_mut() = http::StatusCode::from_u16(response.status).map_err(|_| Error::HttpResponseIncomplete)?;
    for (name, value) in response.headers {
        let name: HeaderName = name.parse().map_err(|_| Error::HttpResponseIncomplete)?;
        let value = HeaderValue::from_bytes(&latin1(&value)).map_err(incomplete)?;
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
