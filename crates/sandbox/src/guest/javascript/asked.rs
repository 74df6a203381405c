//! What is asked of a worker, on its way into the guest.

use doer_guest_protocol::{self as protocol, Data, RequestBody};
use url::Url;

use super::pieces;
use crate::{Entrypoint, Event, GuestError, store::End};

/// An event as the guest is told of it.
///
/// # Errors
/// [`End::Guest`] for a request whose URL is none.
pub(super) fn event(event: &Event, streams: bool) -> Result<protocol::Event, End> {
    Ok(match event {
        Event::Execute(input) => protocol::Event::Execute { input: input.as_ref().map(|input| input.get().to_owned()) },
        Event::Fetch(Entrypoint(entrypoint), request) => protocol::Event::Fetch {
            entrypoint: entrypoint.clone(),
            method: request.method.clone(),
            url: serialized(&request.url)?,
            headers: request.headers.clone(),
            body: if streams {
                Some(RequestBody::Stream(pieces::REQUEST))
            } else {
                request.body.whole().and_then(Option::as_ref).map(|bytes| RequestBody::Whole(bytes.to_vec()))
            },
        },
        Event::Call(Entrypoint(entrypoint), method, arguments) => protocol::Event::Call {
            entrypoint: entrypoint.clone(),
            method: method.clone(),
            arguments: Data::Json(arguments.get().to_owned()),
        },
        Event::CallCloned(Entrypoint(entrypoint), method, arguments) => protocol::Event::Call {
            entrypoint: entrypoint.clone(),
            method: method.clone(),
            arguments: Data::Cloned(arguments.clone()),
        },
        Event::Handle(Entrypoint(entrypoint), handler, event) => protocol::Event::Handle {
            entrypoint: entrypoint.clone(),
            handler: handler.clone(),
            event: event.get().to_owned(),
        },
    })
}

/// A URL as the guest takes it without another look: one that a request may have, in its serialised form.
fn serialized(url: &str) -> Result<String, End> {
    let refused = |message: &str| {
        End::Guest(GuestError { name: "TypeError".into(), message: message.into(), ..GuestError::default() })
    };
    let url = Url::parse(url).map_err(|_| refused("Request: the URL is not absolute, or not valid"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused("Request: a URL must not hold credentials"));
    }
    Ok(url.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Request;

    fn url(text: &str) -> Result<String, String> {
        let request = Request { url: text.to_owned(), ..Request::default() };
        match event(&Event::Fetch(Entrypoint::default(), request), false) {
            Ok(protocol::Event::Fetch { url, .. }) => Ok(url),
            Err(End::Guest(error)) => Err(error.message),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_worker_is_told_urls_in_their_serialised_form() {
        assert_eq!(url("HTTP://Ex%41mple.TEST:80/a/../b c?d#e").unwrap(), "http://example.test/b%20c?d#e");
        assert_eq!(url("/a").unwrap_err(), "Request: the URL is not absolute, or not valid");
        assert_eq!(url("http://me:secret@a/").unwrap_err(), "Request: a URL must not hold credentials");
    }
}
