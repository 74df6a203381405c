//! The workers' own listener: a request is the worker's as it came, and no key or cookie of doer counts for anything.
//!
//! The worker runs for the namespace that registered it, with what that may do now; who asks is nobody that doer knows.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::{Request, State},
    http::{header, request::Parts, uri::Authority},
    response::{IntoResponse, Response},
    routing::any,
};
use doer_core::{
    id::RequestId,
    outbound::{HttpRequest, Redirect},
};
use doer_sandbox::GuestError;
use url::Url;

use super::{
    body::JsonBody,
    envelope::{Envelope, Peer, put},
    error::{ApiError, ErrorCode},
    execute::EXECUTION_ID,
    router::wrapped,
    workers::{asked, headers, respond},
};
use crate::{admission::Counted, app::App, auth::Caller, ingress::Destination, workers::Known};

const FORWARDED_FOR: &str = "x-forwarded-for";

/// Its routes: any.
pub fn ingress(app: &Arc<App>) -> Router {
    let router = Router::new().route("/", any(answer)).route("/{*path}", any(answer)).with_state(Arc::clone(app));
    // In development mode too: nobody is an admin here.
    wrapped(router, Envelope { dev: false, ..Envelope::of(app) })
}

async fn answer(State(app): State<Arc<App>>, request: Request) -> Result<Response, ApiError> {
    app.runner.available()?;
    let (parts, body) = request.into_parts();
    let settings = &app.config.ingress;
    let url = url(&parts, settings.https)?;
    let found = url.host_str().and_then(|host| settings.routes.find(host, url.path())).ok_or_else(nothing)?;
    let Destination { namespace, worker } = found;
    let known = app.platform.workers.known(&namespace, &worker).await?.ok_or_else(nothing)?;
    let caller = owner(&app, &known, &parts).await?;
    let allowance = app.runner.allowances.of(&caller);
    app.runner.admission.count(&caller, &allowance.rates, Counted::Execution)?;

    let most = usize::try_from(allowance.limits.transfer_bytes).unwrap_or(usize::MAX);
    let JsonBody { bytes, held } = app.intake.read_any(body, most.min(settings.body_limit_bytes)).await?;
    let request = HttpRequest {
        method: parts.method.to_string(),
        url: url.into(),
        headers: forwarded(headers::as_they_came(&parts.headers), peer(&parts)),
        body: (!bytes.is_empty()).then(|| bytes.into()),
        redirect: Redirect::Manual,
    };
    let call =
        app.platform.workers.visit(&caller, &worker, &known, &allowance, asked(&request.method, &request.url))?;
    let flight = app.runner.begin_call(&caller, held)?;
    let execution = flight.id.to_string();
    let outcome = app.runner.fetch_worker(call, request, flight).await?;
    let answered = outcome.answer.map_err(|error| failure(&error));
    let answered = answered.and_then(|reply| respond(reply, headers::given_by_worker));
    let mut response = answered.unwrap_or_else(IntoResponse::into_response);
    put(response.headers_mut(), EXECUTION_ID, &execution);
    Ok(response)
}

/// The URL as the world has it.
fn url(parts: &Parts, https: bool) -> Result<Url, ApiError> {
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| parts.uri.authority().map(Authority::as_str)).unwrap_or_default();
    let scheme = if https { "https" } else { "http" };
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let wrong = || ApiError::invalid("the Host is no host");
    if host.contains(['/', '?', '#', '@', '\\']) {
        return Err(wrong());
    }
    Url::parse(&format!("{scheme}://{host}{path}")).map_err(|_| wrong())
}

/// The namespace that registered the worker, as it stands now.
async fn owner(app: &App, known: &Known, parts: &Parts) -> Result<Caller, ApiError> {
    let scope = app.platform.services.standing.scope(&known.owner).await?;
    let stopped = || ApiError::new(ErrorCode::ServiceUnavailable, "The worker does not run at present");
    let mut scope = scope.filter(|scope| scope.tier.executes_arbitrary_code()).ok_or_else(stopped)?;
    if let Some(id) = parts.extensions.get::<RequestId>() {
        scope.context.request_id = id.clone();
    }
    if let Some(peer) = peer(parts) {
        scope.context.metadata.insert("ip".to_owned(), peer.ip().to_canonical().to_string().into());
    }
    Ok(Caller::from(scope))
}

fn peer(parts: &Parts) -> Option<SocketAddr> {
    parts.extensions.get::<Peer>().map(|Peer(address)| *address)
}

/// The address that the connection came from, after those that others on the way have noted.
fn forwarded(mut headers: Vec<(String, String)>, peer: Option<SocketAddr>) -> Vec<(String, String)> {
    let Some(peer) = peer else { return headers };
    let ip = peer.ip().to_canonical().to_string();
    match headers.iter_mut().rev().find(|(name, _)| name == FORWARDED_FOR) {
        Some((_, noted)) => {
            noted.push_str(", ");
            noted.push_str(&ip);
        }
        None => headers.push((FORWARDED_FOR.to_owned(), ip)),
    }
    headers
}

/// What the world is told of a failure: not what the code has said.
fn failure(error: &GuestError) -> ApiError {
    let code = error.code.map_or(ErrorCode::GuestError, ErrorCode::from);
    ApiError::new(code, "The worker failed")
}

fn nothing() -> ApiError {
    ApiError::new(ErrorCode::NotFound, "Nothing is here")
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::HeaderValue};

    use super::*;

    fn parts(uri: &'static str, host: &[u8]) -> Parts {
        let mut request = Request::builder().uri(uri).body(Body::empty()).unwrap();
        request.headers_mut().insert(header::HOST, HeaderValue::from_bytes(host).unwrap());
        request.into_parts().0
    }

    #[test]
    fn a_url_is_as_the_world_has_it() {
        let of = |uri, host: &str| url(&parts(uri, host.as_bytes()), false).map(String::from).ok();
        assert_eq!(of("/a/../b?c", "Shop.test:8080").as_deref(), Some("http://shop.test:8080/b?c"));
        assert_eq!(url(&parts("/", b"a.test"), true).unwrap().as_str(), "https://a.test/");
        for host in ["", "a b", "a@b.test", "a.test/x", "a.test:x"] {
            assert_eq!(of("/", host), None, "{host}");
        }
    }

    #[test]
    fn the_peer_is_noted_behind_the_others() {
        let peer = Some("192.0.2.1:5".parse().unwrap());
        let of = |given: &[(&str, &str)]| {
            let given = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            forwarded(given, peer).pop().unwrap().1
        };
        assert_eq!(of(&[]), "192.0.2.1");
        assert_eq!(of(&[("x-forwarded-for", "198.51.100.1")]), "198.51.100.1, 192.0.2.1");
    }
}
