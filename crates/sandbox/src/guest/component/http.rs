//! `wasi:http/incoming-handler`: one request in, one response out.
//!
//! A request's body that comes piece by piece is read by the component as it comes. The response is handed on as soon as
//! it is set, where somebody waits for that, and its body as it is written and read; else all of it is collected.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{HeaderName, HeaderValue, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, StreamBody};
use tokio::sync::oneshot;
use wasmtime::Store;
use wasmtime_wasi_http::{
    Error, WasiBody, WasiHttpView as _,
    p2::{
        bindings::{
            ProxyPre,
            http::types::{ErrorCode, Scheme},
        },
        body::HyperOutgoingBody,
    },
};

use super::outgoing::Ending;
use crate::{
    Body, Reply, Request, ResponseHead,
    account::Account,
    body::Writer,
    guest::module::{end, guest},
    outcome::Finished,
    store::{End, State},
};

/// What a handler may answer with, as everywhere else: less is no answer yet.
const STATUS: std::ops::RangeInclusive<u16> = 200..=599;

/// What became of a response.
pub(super) enum Answered {
    /// All of it is here.
    Whole(Collected),
    /// Whoever waited for it has it, and the output limit has counted its headers.
    Given,
}

/// What a handler answered.
#[derive(Debug)]
pub(super) struct Collected {
    pub(super) head: ResponseHead,
    pub(super) body: Vec<u8>,
    /// The body is larger than all output may be; it was not read any further.
    pub(super) overflowed: bool,
}

/// Why a run stops before the component returns.
enum Stop {
    Ended(End),
    Full(Collected),
}

type Set = Result<Response<HyperOutgoingBody>, ErrorCode>;

/// Has a component answer `request`. With `early`, whoever waits for the response has it as soon as it is set.
///
/// # Errors
/// How it ended instead.
pub(super) async fn handle(
    worker: &ProxyPre<State>,
    store: &mut Store<State>,
    account: &Arc<Account>,
    request: &Request,
    early: bool,
) -> Result<Answered, End> {
    let ending = store.data_mut().world().ending();
    let request = incoming(request, account, ending)?;
    let scheme = if request.uri().scheme_str() == Some("http") { Scheme::Http } else { Scheme::Https };
    let (sender, receiver) = oneshot::channel();
    let run = async {
        let called = async {
            let mut http = store.data_mut().http();
            let request = http.new_incoming_request(scheme, request)?;
            let outparam = http.new_response_outparam(sender)?;
            let instance = worker.instantiate_async(&mut *store).await?;
            instance.wasi_http_incoming_handler().call_handle(&mut *store, request, outparam).await
        };
        let outcome = called.await;
        // Bodies that it left open end here, or nobody would ever see their end.
        store.data_mut().component = None;
        outcome.map_err(|error| Stop::Ended(end(error)))
    };
    match tokio::try_join!(run, respond(receiver, account, early)) {
        Ok(((), Some(Answered::Given))) => Ok(Answered::Given),
        Ok(((), Some(Answered::Whole(mut collected)))) => {
            // A body that was left open may be shorter than it was said to be.
            let length = collected.body.len().to_string();
            collected.head.headers.retain(|(name, value)| name != "content-length" || *value == length);
            Ok(Answered::Whole(collected))
        }
        Err(Stop::Full(collected)) => Ok(Answered::Whole(collected)),
        Ok(((), None)) => Err(guest(
            "Error",
            "The component returned without a response: it never called response-outparam.set".to_owned(),
        )),
        Err(Stop::Ended(end)) => Err(end),
    }
}

/// The request as the component sees it.
fn incoming(request: &Request, account: &Arc<Account>, ending: Ending) -> Result<http::Request<WasiBody>, End> {
    let body = match account.take_incoming() {
        Some(body) => pieces(body, Arc::clone(account), ending),
        None => whole(request.body.whole().cloned().flatten().unwrap_or_default()),
    };
    let refused = |what: &str| guest("TypeError", format!("The request's {what} cannot be told to a component"));
    let mut told = http::Request::new(body);
    *told.method_mut() = request.method.parse().map_err(|_| refused("method"))?;
    *told.uri_mut() = request.url.parse().map_err(|_| refused("URL"))?;
    for (name, value) in &request.headers {
        let name: HeaderName = name.parse().map_err(|_| refused("headers"))?;
        let value = HeaderValue::from_bytes(&latin1(value)).map_err(|_| refused("headers"))?;
        told.headers_mut().append(name, value);
    }
    Ok(told)
}

/// A body that is there.
pub(super) fn whole(bytes: Bytes) -> WasiBody {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

/// A body that the component reads as it comes. Each piece counts as what is moved by calls.
pub(super) fn pieces(body: Body, account: Arc<Account>, ending: Ending) -> WasiBody {
    let piece = move |piece| match piece {
        Ok(piece) => match account.ledger().charge_bytes(Bytes::len(&piece)) {
            Ok(()) => Ok(Frame::data(piece)),
            Err(termination) => Err(ending.tell(termination)),
        },
        Err(reason) => Err(Error::InternalError(Some(format!("the body broke off: {reason}")))),
    };
    StreamBody::new(body.map(piece)).boxed_unsync()
}

/// Hands the response on, or takes it, while it is written; nothing where there never was one.
async fn respond(receiver: oneshot::Receiver<Set>, account: &Account, early: bool) -> Result<Option<Answered>, Stop> {
    let response = match receiver.await {
        Ok(Ok(response)) => response,
        Ok(Err(code)) => {
            return Err(Stop::Ended(guest("Error", format!("The component answered with an error: {code:?}"))));
        }
        Err(_) => return Ok(None),
    };
    let (head, mut rest) = response.into_parts();
    if !STATUS.contains(&head.status.as_u16()) {
        let message = format!("The component answered with the status {}", head.status.as_u16());
        return Err(Stop::Ended(guest("RangeError", message)));
    }
    let head = ResponseHead { status: head.status.as_u16(), headers: texts(&head.headers) };
    if early {
        account.take_head(head.bytes()).map_err(|ended| Stop::Ended(ended.into()))?;
        let (writer, body) = Body::channel();
        if account.respond(Finished::Response(Reply { head: head.clone(), body })).is_none() {
            return stream(rest, writer, account).await.map(|()| Some(Answered::Given));
        }
    }
    let room = usize::try_from(account.limits.output_bytes).unwrap_or(usize::MAX);
    let mut body = Vec::new();
    while let Some(frame) = rest.frame().await {
        let frame = frame.map_err(|error| {
            Stop::Ended(guest("Error", format!("The component did not finish the body of its response: {error}")))
        })?;
        // Trailers go nowhere.
        let Ok(bytes) = frame.into_data() else { continue };
        let taken = bytes.len().min(room.saturating_add(1) - body.len());
        body.extend_from_slice(&bytes[..taken]);
        if body.len() > room {
            return Err(Stop::Full(Collected { head, body, overflowed: true }));
        }
    }
    Ok(Some(Answered::Whole(Collected { head, body, overflowed: false })))
}

/// Passes the body of a response on, no faster than it is read. Where the run ends first, the body breaks off.
async fn stream(mut from: HyperOutgoingBody, to: Writer, account: &Account) -> Result<(), Stop> {
    while let Some(frame) = from.frame().await {
        match frame.map(Frame::into_data) {
            Ok(Ok(piece)) => {
                account.stream(piece.len()).map_err(|ended| Stop::Ended(ended.into()))?;
                if !to.write(piece).await {
                    // Nobody reads on. The component sees it when it writes next, and goes on otherwise.
                    return Ok(());
                }
            }
            // Trailers go nowhere.
            Ok(Err(_)) => {}
            Err(error) => {
                to.finish(Err(format!("the component did not finish it: {error}")));
                return Ok(());
            }
        }
    }
    to.finish(Ok(()));
    Ok(())
}

/// Headers as text: a byte is a character.
pub(super) fn texts(headers: &http::HeaderMap) -> Vec<(String, String)> {
    let text = |value: &HeaderValue| value.as_bytes().iter().copied().map(char::from).collect();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

/// The bytes of a header's text. What has none is no header.
pub(super) fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|character| u8::try_from(character).unwrap_or(0)).collect()
}
