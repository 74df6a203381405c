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
    service::{Method, Service, ServiceError},
};
use doer_guest_protocol::{self as protocol, Completion, Failure, Operation, REFUSED, Resume, encode};
use futures_util::{
    FutureExt as _, StreamExt as _,
    future::{AbortHandle, BoxFuture, abortable},
    stream::FuturesUnordered,
};
use serde_json::value::RawValue;

use crate::{
    account::{Account, Ended},
    door::Door,
};

/// Operations at a time; the guest is asked to wait for some before it starts more.
const MAX_IN_FLIGHT: usize = 1024;
/// Method, URL and headers of a request, which no budget counts.
const MAX_HEAD_BYTES: usize = 32 << 10;
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
}

/// An operation that has ended.
struct Ending {
    number: u32,
    /// `None`: it was given up.
    end: Option<Result<Given, CallError>>,
}

/// What an operation gave.
enum Given {
    Result(Box<RawValue>),
    Response(HttpResponse),
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
        }
    }

    /// Takes an operation, which lies in the guest's memory: nothing is copied that there is no budget for. It begins with
    /// the next [`Operations::ended`].
    ///
    /// # Errors
    /// The end of the execution, where it moves too many bytes; whatever the guest got wrong.
    pub(super) fn submit(&mut self, message: &[u8]) -> wasmtime::Result<u32> {
        let Some(door) = &self.account.door else { return Ok(REFUSED) };
        if self.running.len() >= MAX_IN_FLIGHT {
            return Ok(REFUSED);
        }
        // Before as much as a look at it.
        self.afford(door, message.len().saturating_sub(MAX_HEAD_BYTES))?;
        let operation = protocol::decode(message).map_err(|error| wasmtime::Error::msg(error.to_string()))?;
        self.last_number = match self.last_number.wrapping_add(1) {
            REFUSED => 0,
            number => number,
        };
        let number = self.last_number;
        let account = Arc::clone(&self.account);
        let running = match operation {
            Operation::Call { method, arguments } => {
                let uncharged = self.afford(door, arguments.len())?;
                let method = METHODS.get(method as usize).ok_or_else(|| wasmtime::Error::msg("no such method"))?;
                let arguments = RawValue::from_string(arguments.to_owned())?;
                call(account, number, method, arguments, uncharged).boxed()
            }
            Operation::Fetch(request) => {
                let uncharged = self.afford(door, request.body.map_or(0, |body| body.0.len()))?;
                match taken(&request) {
                    Ok(request) => {
                        let (fetch, abort) = abortable(fetch(account, request, uncharged));
                        self.aborts.insert(number, abort);
                        fetch.map(move |end| Ending { number, end: end.ok() }).boxed()
                    }
                    Err(refused) => std::future::ready(Ending { number, end: Some(Err(refused.into())) }).boxed(),
                }
            }
        };
        self.running.push(running);
        Ok(number)
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
    fn afford(&self, door: &Door, bytes: usize) -> Result<Uncharged, Ended> {
        let uncharged = self.uncharged.load(Relaxed).saturating_add(bytes as u64);
        if uncharged > door.ledger().bytes_left() {
            // It says so itself, and which budget it was.
            let all = usize::try_from(uncharged).unwrap_or(usize::MAX);
            return Err(Ended(door.ledger().charge_bytes(all).err().unwrap_or(Termination::CallLimit)));
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
        Some(door) => Some(door.call(method.service.name(), method.name, Some(&arguments)).await.map(Given::Result)),
        None => None,
    };
    Ending { number, end }
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
            Some(Err(_)) | None => 0,
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
                url: &response.url,
                redirected: response.redirected,
            }),
            Err(CallError::Service(error)) => protocol::End::Failed(Failure {
                code: error.code.name(),
                message: &error.message,
                retry_after_ms: error.retry_after.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
            }),
            // The execution ends instead.
            Err(CallError::Ended(_)) => return None,
        };
        Some(Completion { operation: self.number, end })
    }
}
