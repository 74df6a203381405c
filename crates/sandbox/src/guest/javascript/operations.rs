//! What a JavaScript guest has asked for and not been told the end of: polled by its own execution, gone with its store.

use std::{
    collections::HashMap,
    future::poll_fn,
    pin::pin,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use doer_core::{
    fault::Termination,
    outbound::{HttpRequest, HttpResponse, Redirect},
    scoped::CallError,
    service::{Code, Method, Service, ServiceError},
};
use doer_guest_protocol::{self as protocol, Completion, Failure, Operation, REFUSED, Resume, encode};
use futures_util::{
    FutureExt as _, StreamExt as _,
    future::{AbortHandle, BoxFuture, abortable},
    stream::FuturesUnordered,
};
use serde_json::value::RawValue;

use super::{
    pieces::{Piece, Pieces},
    workers::{call_worker, fetch_worker, load, to},
};
use crate::{
    GuestError, ResponseHead,
    account::{Account, Ended},
    body::Writer,
    links::{Outbound, Target},
};

/// Operations at a time; the guest is asked to wait for some before it starts more.
const MAX_IN_FLIGHT: usize = 1024;
/// Method, URL and headers of a request, which no budget counts.
const MAX_HEAD_BYTES: usize = 32 << 10;
/// What is passed on of the reason for which a body breaks off.
const MAX_REASON_CHARS: usize = 1024;
/// Once so much has come back, the guest is told of it before more is collected: it holds both copies for a moment.
const MAX_BATCH_BYTES: usize = 1 << 20;

/// Every method there is; guests call them by their place here.
static METHODS: LazyLock<Vec<&'static Method>> =
    LazyLock::new(|| Service::ALL.into_iter().flat_map(Service::methods).collect());

/// The table of methods as a guest takes it at boot.
pub(super) fn table() -> protocol::Boot {
    let method = |method: &Method| protocol::Method { name: method.name.to_owned(), flat_name: method.flat_name() };
    let service = |service: Service| protocol::Service {
        name: service.name().to_owned(),
        methods: service.methods().iter().map(method).collect(),
    };
    protocol::Boot { services: Service::ALL.map(service).into() }
}

/// Operations in flight.
pub(crate) struct Operations {
    account: Arc<Account>,
    running: FuturesUnordered<BoxFuture<'static, Ending>>,
    /// Only what can be given up: requests.
    aborts: HashMap<u32, AbortHandle>,
    last_number: u32,
    /// Bytes that were taken from the guest, and that nobody has charged yet.
    uncharged: Arc<AtomicU64>,
    pieces: Pieces,
}

/// An operation that has ended.
struct Ending {
    number: u32,
    /// `None`: it was given up.
    end: Option<Result<Given, CallError>>,
}

/// What an operation gave.
pub(super) enum Given {
    Result(Box<RawValue>),
    Response(HttpResponse),
    /// A response whose body is at hand, or the number of one that is not.
    Reply(ResponseHead, Result<Bytes, u32>),
    Chunk(Option<Bytes>),
    Cloned(String),
    Thrown(GuestError),
}

/// Bytes of an operation that has not begun.
struct Uncharged(Arc<AtomicU64>, u64);

impl Drop for Uncharged {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1, Relaxed);
    }
}

impl Operations {
    pub(super) fn new(account: &Arc<Account>) -> Self {
        Self {
            account: Arc::clone(account),
            running: FuturesUnordered::new(),
            aborts: HashMap::new(),
            last_number: 0,
            uncharged: Arc::default(),
            pieces: Pieces::of(account),
        }
    }

    /// Where the body of the response goes from now on.
    pub(super) fn respond(&self, writer: Writer) {
        self.pieces.respond(writer);
    }

    /// Takes an operation, which lies in the guest's memory: nothing is copied that there is no budget for. It begins with
    /// the next [`Operations::ended`].
    ///
    /// # Errors
    /// The end of the execution, where it moves too many bytes; whatever the guest got wrong.
    pub(super) fn submit(&mut self, message: &[u8]) -> wasmtime::Result<u32> {
        if self.running.len() >= MAX_IN_FLIGHT {
            return Ok(REFUSED);
        }
        // Before as much as a look at it.
        self.afford(message.len().saturating_sub(MAX_HEAD_BYTES))?;
        let operation = protocol::decode(message).map_err(|error| wasmtime::Error::msg(error.to_string()))?;
        self.last_number = match self.last_number.wrapping_add(1) {
            REFUSED => 0,
            number => number,
        };
        let number = self.last_number;
        let account = Arc::clone(&self.account);
        let running = match operation {
            Operation::Call { method, arguments } => {
                let uncharged = self.afford(arguments.len())?;
                let method = METHODS.get(method as usize).ok_or_else(|| wasmtime::Error::msg("no such method"))?;
                let arguments = RawValue::from_string(arguments.to_owned())?;
                call(account, number, method, arguments, uncharged).boxed()
            }
            Operation::Fetch(request) => {
                let uncharged = self.afford(request.body.map_or(0, |body| body.0.len()))?;
                match (taken(&request), self.account.links.outbound) {
                    (Ok(request), Outbound::Policy) => self.abortable(number, fetch(account, request, uncharged)),
                    (Ok(request), Outbound::Worker(worker)) => {
                        drop(uncharged);
                        let target = Target { worker: Some(worker), entrypoint: None, props: None, limits: None };
                        self.abortable(number, fetch_worker(account, self.pieces.clone(), target, request))
                    }
                    (Ok(_), Outbound::Nothing) => {
                        let refused = ServiceError::forbidden("fetch is not permitted: globalOutbound is null");
                        std::future::ready(Ending { number, end: Some(Err(refused.into())) }).boxed()
                    }
                    (Err(refused), _) => std::future::ready(Ending { number, end: Some(Err(refused.into())) }).boxed(),
                }
            }
            Operation::Read { source } => {
                let read = self.pieces.clone().read(account, source);
                read.map(move |piece| Ending { number, end: Some(piece.map_or_else(ended, given)) }).boxed()
            }
            Operation::Close { source } => {
                self.pieces.close(source);
                std::future::ready(Ending { number, end: None }).boxed()
            }
            Operation::Write(piece) => {
                account.stream(piece.0.len())?;
                let write = self.pieces.clone().write(Bytes::copy_from_slice(piece.0));
                write.map(move |piece| Ending { number, end: Some(given(piece)) }).boxed()
            }
            Operation::Finish { error } => {
                self.pieces.finish(error.map_or(Ok(()), |error| Err(error.chars().take(MAX_REASON_CHARS).collect())));
                std::future::ready(Ending { number, end: None }).boxed()
            }
            Operation::CallWorker(target, call) => {
                drop(self.afford(call.arguments.len() + target.props.map_or(0, str::len))?);
                let (method, arguments) = (call.method.to_owned(), call.arguments.to_owned());
                let call = call_worker(account, to(&target), method, arguments);
                call.map(move |end| Ending { number, end: Some(end) }).boxed()
            }
            Operation::FetchWorker(target, request) => {
                let body = request.body.map_or(0, |body| body.0.len());
                drop(self.afford(body + target.props.map_or(0, str::len))?);
                match taken(&request) {
                    Ok(request) => {
                        self.abortable(number, fetch_worker(account, self.pieces.clone(), to(&target), request))
                    }
                    Err(refused) => std::future::ready(Ending { number, end: Some(Err(refused.into())) }).boxed(),
                }
            }
            Operation::Load { id, code } => {
                drop(self.afford(code.map_or(0, str::len))?);
                let load = load(account, id.map(str::to_owned), code.map(str::to_owned));
                load.map(move |end| Ending { number, end: Some(end) }).boxed()
            }
        };
        self.running.push(running);
        Ok(number)
    }

    /// What the guest can give up.
    fn abortable(
        &mut self,
        number: u32,
        work: impl Future<Output = Result<Given, CallError>> + Send + 'static,
    ) -> BoxFuture<'static, Ending> {
        let (work, abort) = abortable(work);
        self.aborts.insert(number, abort);
        work.map(move |end| Ending { number, end: end.ok() }).boxed()
    }

    /// Gives an operation up.
    pub(super) fn cancel(&mut self, number: u32) {
        if let Some(abort) = self.aborts.remove(&number) {
            abort.abort();
        }
    }

    /// Is nothing in flight?
    pub(super) fn is_idle(&self) -> bool {
        self.running.is_empty()
    }

    /// Polls what is in flight until something of it has ended, or `pause` is over: everything that has ended by then, as
    /// the guest takes it; nothing where only time has passed.
    ///
    /// # Errors
    /// The end of the execution, where its budget is used up.
    pub(super) async fn ended(&mut self, pause: Option<Duration>) -> Result<Vec<u8>, Ended> {
        let mut pause = pin!(pause.map(tokio::time::sleep));
        let endings = poll_fn(|context| {
            let endings = self.poll(context);
            let waits =
                endings.is_empty() && pause.as_mut().as_pin_mut().is_none_or(|pause| pause.poll(context).is_pending());
            if waits { Poll::Pending } else { Poll::Ready(endings) }
        });
        let endings = endings.await;
        self.told(&endings)
    }

    /// The same of what has ended already: a guest that asks need not be left and entered again for it. What has not
    /// ended is polled again by [`Operations::ended`], which says who is to be woken.
    ///
    /// # Errors
    /// As there.
    pub(super) fn ended_already(&mut self) -> Result<Vec<u8>, Ended> {
        let endings = self.poll(&mut Context::from_waker(Waker::noop()));
        self.told(&endings)
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Vec<Ending> {
        let (mut endings, mut bytes) = (Vec::new(), 0);
        while bytes < MAX_BATCH_BYTES
            && let Poll::Ready(Some(ending)) = self.running.poll_next_unpin(context)
        {
            bytes += ending.size_bytes();
            endings.push(ending);
        }
        endings
    }

    fn told(&mut self, endings: &[Ending]) -> Result<Vec<u8>, Ended> {
        for ending in endings {
            self.aborts.remove(&ending.number);
            if let Some(Err(CallError::Ended(termination))) = &ending.end {
                return Err(Ended(*termination));
            }
        }
        let completions: Vec<_> = endings.iter().filter_map(Ending::told).collect();
        Ok(if completions.is_empty() { Vec::new() } else { encode(&Resume { completions }) })
    }

    /// Sets bytes aside until they are charged.
    fn afford(&self, bytes: usize) -> Result<Uncharged, Ended> {
        let ledger = self.account.ledger();
        let uncharged = self.uncharged.load(Relaxed).saturating_add(bytes as u64);
        if uncharged > ledger.bytes_left() {
            // It says so itself, and which budget it was.
            let all = usize::try_from(uncharged).unwrap_or(usize::MAX);
            return Err(Ended(ledger.charge_bytes(all).err().unwrap_or(Termination::CallLimit)));
        }
        self.uncharged.store(uncharged, Relaxed);
        Ok(Uncharged(Arc::clone(&self.uncharged), bytes as u64))
    }
}

async fn call(
    account: Arc<Account>,
    number: u32,
    method: &'static Method,
    arguments: Box<RawValue>,
    uncharged: Uncharged,
) -> Ending {
    // The services charge them, with their first poll.
    drop(uncharged);
    let end = match &account.door {
        Some(door) => door.call(method.service.name(), method.name, Some(&arguments)).await.map(Given::Result),
        None => Err(ServiceError::forbidden("Access denied: no services are granted").into()),
    };
    Ending { number, end: Some(end) }
}

/// As a guest is told of a piece.
fn given(piece: Piece) -> Result<Given, CallError> {
    match piece {
        Piece::Next(bytes) => Ok(Given::Chunk(bytes)),
        Piece::Failed(reason) => Err(ServiceError::new(Code::UpstreamError, reason).into()),
    }
}

fn ended(ended: Ended) -> Result<Given, CallError> {
    Err(CallError::Ended(ended.0))
}

async fn fetch(account: Arc<Account>, request: HttpRequest, uncharged: Uncharged) -> Result<Given, CallError> {
    drop(uncharged);
    match &account.door {
        Some(door) => door.fetch(request).await.map(Given::Response),
        None => Err(ServiceError::forbidden("fetch is not permitted").into()),
    }
}

/// A request, copied out of the guest.
fn taken(request: &protocol::Request<'_>) -> Result<HttpRequest, ServiceError> {
    let headers: usize = request.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if request.method.len() + request.url.len() + headers > MAX_HEAD_BYTES {
        return Err(ServiceError::invalid(format!("URL and headers are larger than {MAX_HEAD_BYTES} bytes together")));
    }
    Ok(HttpRequest {
        method: request.method.to_ascii_uppercase(),
        url: request.url.to_owned(),
        headers: request.headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        body: request.body.map(|body| Bytes::copy_from_slice(body.0)),
        redirect: match request.redirect {
            protocol::Redirect::Follow => Redirect::Follow,
            protocol::Redirect::Manual => Redirect::Manual,
            protocol::Redirect::Error => Redirect::Error,
        },
    })
}

impl Ending {
    fn size_bytes(&self) -> usize {
        match &self.end {
            Some(Ok(Given::Result(result))) => result.get().len(),
            Some(Ok(Given::Response(response))) => response.body.len(),
            Some(Ok(Given::Reply(_, Ok(bytes)) | Given::Chunk(Some(bytes)))) => bytes.len(),
            Some(Ok(Given::Cloned(text))) => text.len(),
            Some(Ok(Given::Reply(..) | Given::Chunk(None) | Given::Thrown(_)) | Err(_)) | None => 0,
        }
    }

    /// As the guest is told of it.
    fn told(&self) -> Option<Completion<'_>> {
        let end = match self.end.as_ref()? {
            Ok(Given::Result(result)) => protocol::End::Result(result.get()),
            Ok(Given::Response(response)) => protocol::End::Response(protocol::Response {
                status: response.status,
                headers: response.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
                body: protocol::Bytes(&response.body),
                stream: None,
                url: &response.url,
                redirected: response.redirected,
            }),
            Ok(Given::Reply(head, body)) => protocol::End::Response(protocol::Response {
                status: head.status,
                headers: head.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
                body: protocol::Bytes(body.as_deref().unwrap_or_default()),
                stream: body.as_ref().err().copied(),
                url: "",
                redirected: false,
            }),
            Ok(Given::Chunk(bytes)) => protocol::End::Chunk(bytes.as_deref().map(protocol::Bytes)),
            Ok(Given::Cloned(text)) => protocol::End::Cloned(text),
            Ok(Given::Thrown(error)) => protocol::End::Failed(Failure {
                code: "thrown",
                message: &error.message,
                name: Some(&error.name),
                retry_after_ms: None,
            }),
            Err(CallError::Service(error)) => protocol::End::Failed(Failure {
                code: error.code.name(),
                message: &error.message,
                name: None,
                retry_after_ms: error.retry_after.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
            }),
            // The execution ends instead.
            Err(CallError::Ended(_)) => return None,
        };
        Some(Completion { operation: self.number, end })
    }
}
