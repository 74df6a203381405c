//! `wasi:http/incoming-handler`: one request in, one response out.
//!
//! Bodies are whole on both sides: the request's is there before the handler is called, and the response is handed on
//! when the handler has returned. What makes a stream of either begins here: `incoming` gives the request's body to the
//! component, and `collect` takes the response's from it while it is written.

use bytes::Bytes;
use doer_core::outbound::HttpRequest;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use tokio::sync::oneshot;
use wasmtime::Store;
use wasmtime_wasi_http::{
    WasiHttpView as _,
    p2::{
        bindings::{
            ProxyPre,
            http::types::{ErrorCode, Scheme},
        },
        body::HyperOutgoingBody,
    },
};

use crate::{
    ResponseHead,
    account::Account,
    guest::module::{end, guest},
    store::{End, State},
};

/// What a handler may answer with, as everywhere else: less is no answer yet.
const STATUS: std::ops::RangeInclusive<u16> = 200..=599;

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

type Answered = Result<Response<HyperOutgoingBody>, ErrorCode>;

/// Has a component answer `request`.
///
/// # Errors
/// How it ended instead.
pub(super) async fn handle(
    worker: &ProxyPre<State>,
    store: &mut Store<State>,
    account: &Account,
    request: HttpRequest,
) -> Result<Collected, End> {
    let request = incoming(request)?;
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
    match tokio::try_join!(run, collect(receiver, account)) {
        Ok(((), Some(collected))) | Err(Stop::Full(collected)) => Ok(collected),
        Ok(((), None)) => Err(guest(
            "Error",
            "The component returned without a response: it never called response-outparam.set".to_owned(),
        )),
        Err(Stop::Ended(end)) => Err(end),
    }
}

/// The request as the component sees it.
fn incoming(request: HttpRequest) -> Result<Request<Full<Bytes>>, End> {
    let refused = |what: &str| guest("TypeError", format!("The request's {what} cannot be told to a component"));
    let mut told = Request::new(Full::new(request.body.unwrap_or_default()));
    *told.method_mut() = request.method.parse().map_err(|_| refused("method"))?;
    *told.uri_mut() = request.url.parse().map_err(|_| refused("URL"))?;
    for (name, value) in request.headers {
        let name: HeaderName = name.parse().map_err(|_| refused("headers"))?;
        let value = HeaderValue::from_bytes(&latin1(&value)).map_err(|_| refused("headers"))?;
        told.headers_mut().append(name, value);
    }
    Ok(told)
}

/// Takes the response while it is written; nothing where there never was one.
async fn collect(receiver: oneshot::Receiver<Answered>, account: &Account) -> Result<Option<Collected>, Stop> {
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
    Ok(Some(Collected { head, body, overflowed: false }))
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
