//! `ANY /workers/{id}/fetch/{path}`: the worker answers.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, Uri, header, uri::Authority},
    response::{IntoResponse, Response},
};
use doer_core::outbound::{HttpRequest, Redirect};
use doer_sandbox::WholeReply;

use super::{Id, asked, failure, headers, not_found};
use crate::{
    admission::Counted,
    app::App,
    auth::Caller,
    http::{
        body::JsonBody,
        envelope::put,
        error::{ApiError, ErrorCode},
        execute::EXECUTION_ID,
        rpc::max_bytes,
    },
};

/// Any method of `/workers/{id}/fetch`, and of every path below.
pub async fn fetch(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
    request: Request,
) -> Result<Response, ApiError> {
    caller.require("workers:invoke")?;
    app.runner.available()?;
    let allowance = app.runner.allowances.of(&caller);
    app.runner.admission.count(&caller, &allowance.rates, Counted::Execution)?;
    let workers = &app.platform.workers;
    let known = workers.known(&caller.namespace, &id).await?.ok_or_else(|| not_found(&id))?;
    let (parts, body) = request.into_parts();
    let JsonBody { bytes, held } = app.intake.read_any(body, max_bytes(&app, &caller)).await?;
    let request = HttpRequest {
        method: parts.method.to_string(),
        url: url(&parts.uri, &parts.headers),
        headers: headers::of_request(&parts.headers, caller.request_id()),
        body: (!bytes.is_empty()).then(|| bytes.into()),
        redirect: Redirect::Manual,
    };

    let call = workers.call(&caller, &id, &known, &allowance, asked(&request.method, &request.url))?;
    let flight = app.runner.begin_call(&caller, held)?;
    let execution = flight.id.to_string();
    let outcome = app.runner.fetch_worker(call, request, flight).await?;
    let answered = outcome.answer.map_err(failure).and_then(|reply| respond(reply, headers::of_response));
    let mut response = answered.unwrap_or_else(IntoResponse::into_response);
    put(response.headers_mut(), EXECUTION_ID, &execution);
    Ok(response)
}

/// What the worker sees: the host as the caller named it, and the path below `fetch`.
fn url(uri: &Uri, headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.and_then(|host| host.parse::<Authority>().ok()).or_else(|| uri.authority().cloned());
    let host = host.as_ref().map_or("localhost", Authority::as_str);
    // `/workers/{id}/fetch`, as it was written: what follows may be escaped, and stays so.
    let path = uri.path().match_indices('/').nth(3).map_or("/", |(at, _)| &uri.path()[at..]);
    match uri.query() {
        Some(query) => format!("http://{host}{path}?{query}"),
        None => format!("http://{host}{path}"),
    }
}

/// The worker's answer, with those of its headers that pass.
///
/// # Errors
/// `guest_error` for a status that is none.
pub fn respond(reply: WholeReply, passing: impl Fn(&[(String, String)]) -> HeaderMap) -> Result<Response, ApiError> {
    let status = StatusCode::from_u16(reply.head.status).ok().filter(|status| !status.is_informational());
    let Some(status) = status else {
        return Err(ApiError::new(ErrorCode::GuestError, "The worker's response has no status that can be sent"));
    };
    Ok((status, passing(&reply.head.headers), Body::from(reply.body)).into_response())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_worker_sees_the_path_below_fetch_as_it_was_written() {
        let of = |uri: &'static str, host: &'static str| {
            let headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(host))]);
            url(&Uri::from_static(uri), &headers)
        };
        assert_eq!(of("/workers/a/fetch", "h:8080"), "http://h:8080/");
        assert_eq!(of("/workers/a/fetch/", "h"), "http://h/");
        assert_eq!(of("/workers/a/fetch/b%2Fc/d?e=%20&f", "h"), "http://h/b%2Fc/d?e=%20&f");
        assert_eq!(of("/workers/%61/fetch//b/../c", "h"), "http://h//b/../c");
        assert_eq!(of("/workers/a/fetch?x", "a b"), "http://localhost/?x");
    }
}
