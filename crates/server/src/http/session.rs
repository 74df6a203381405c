//! `/session`: credentials for a cookie that a browser keeps, and its end.
//!
//! Two cookies, neither of which a script can read: `session` holds an access token and goes with every request,
//! `session_refresh` holds a refresh token and goes to this route only.

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{FromRequest, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use doer_core::{id::RequestId, service::auth::SessionTokens};
use serde::Deserialize;
use serde_json::json;

use super::{
    body::{JsonBody, UnreadBody, object},
    envelope::Peer,
    error::ApiError,
};
use crate::{
    app::App,
    auth::{
        Caller,
        credentials::{Several, cookie},
        origin, unauthenticated,
    },
};

const MAX_BODY_BYTES: usize = 16 << 10;
const REFRESH_COOKIE: &str = "session_refresh";

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignIn {
    email: Option<String>,
    password: Option<String>,
}

/// `POST /session`: with address and password in the body; or with `Authorization` or `X-API-Key`; or with the refresh
/// cookie of an earlier session. A session holds what the credentials hold that it was given for, and ends with them.
pub async fn create(State(app): State<Arc<App>>, request: Request) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let id = parts.extensions.get::<RequestId>().cloned().unwrap_or_else(RequestId::generate);
    let peer = parts.extensions.get::<Peer>().copied();
    let headers = parts.headers.clone();
    let body = <UnreadBody as FromRequest<()>>::from_request(Request::from_parts(parts, body), &()).await?;
    match sign_in(&app, body).await? {
        SignIn { email: Some(email), password: Some(password) } => {
            let address = peer.map_or(IpAddr::from([0, 0, 0, 0]), |Peer(address)| address.ip());
            let tokens = app.authenticator.authority.sign_in(&email, password, address, &id).await?;
            answer(&app, tokens.ok_or_else(unauthenticated)?)
        }
        SignIn { email: None, password: None } => {
            match cookie(&headers, REFRESH_COOKIE).map_err(|Several| unauthenticated())? {
                Some(token) if !has_credentials(&headers) => {
                    origin::check(&axum::http::Method::POST, &headers)?;
                    let tokens = app.authenticator.authority.refresh(token.to_owned(), &id).await?;
                    answer(&app, tokens.ok_or_else(unauthenticated)?)
                }
                _ => {
                    let context = app.authenticator.context(&axum::http::Method::POST, &headers, peer, id).await?;
                    exchange(&app, &Caller::new(context)).await
                }
            }
        }
        SignIn { email: None, .. } => Err(ApiError::invalid("email: is required beside password")),
        SignIn { password: None, .. } => Err(ApiError::invalid("password: is required beside email")),
    }
}

/// `DELETE /session`: ends the session that the request came with.
pub async fn delete(State(app): State<Arc<App>>, caller: Caller) -> Result<Response, ApiError> {
    app.platform.authority.end_session(&caller).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    for (name, path) in [("session", "/"), (REFRESH_COOKIE, "/session")] {
        set_cookie(&mut response, &app, name, "", path, Duration::ZERO);
    }
    Ok(response)
}

async fn sign_in(app: &App, body: UnreadBody) -> Result<SignIn, ApiError> {
    let JsonBody { bytes, held: _held } = app.intake.read(body, MAX_BODY_BYTES).await?;
    match bytes.trim_ascii() {
        [] => Ok(SignIn::default()),
        text => object(text),
    }
}

async fn exchange(app: &App, caller: &Caller) -> Result<Response, ApiError> {
    if caller.context.auth.user.is_none() {
        return Err(ApiError::invalid("credentials are required: email and password, or an Authorization header"));
    }
    answer(app, app.platform.authority.exchange(caller).await?)
}

fn answer(app: &App, tokens: SessionTokens) -> Result<Response, ApiError> {
    let settings = &app.config.services.auth;
    let mut response = Json(json!({ "success": true, "session": tokens.session })).into_response();
    set_cookie(&mut response, app, "session", &tokens.token, "/", settings.access_token);
    set_cookie(&mut response, app, REFRESH_COOKIE, &tokens.refresh_token, "/session", settings.refresh_token);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn set_cookie(response: &mut Response, app: &App, name: &str, value: &str, path: &str, lifetime: Duration) {
    // A browser keeps a secure cookie from http, where it is not this computer that it speaks to.
    let secure = if app.config.auth.insecure_cookies { "" } else { "; Secure" };
    let cookie =
        format!("{name}={value}; Path={path}; HttpOnly; SameSite=Strict{secure}; Max-Age={}", lifetime.as_secs());
    // Tokens of ours are plain text.
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

fn has_credentials(headers: &HeaderMap) -> bool {
    headers.contains_key(header::AUTHORIZATION) || headers.contains_key("x-api-key")
}
