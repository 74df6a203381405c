//! Operations that are calls of workers: paid for, and told as a guest is told of them.

use std::sync::Arc;

use bytes::Bytes;
use doer_core::{
    outbound::HttpRequest,
    scoped::CallError,
    service::{Code, ServiceError},
};
use doer_guest_protocol as protocol;

use super::{operations::Given, pieces::Pieces};
use crate::{
    GuestError, Reply,
    account::Account,
    links::{Refusal, Target, Workers},
};

pub(super) fn to(target: &protocol::Target<'_>) -> Target {
    Target {
        worker: target.worker,
        entrypoint: target.entrypoint.map(str::to_owned),
        props: target.props.map(str::to_owned),
        limits: target.limits.map(str::to_owned),
    }
}

/// The workers that a run reaches, once the call is paid for.
fn workers(account: &Account, bytes: usize) -> Result<Arc<dyn Workers>, CallError> {
    account.ledger().charge_call("worker")?;
    account.ledger().charge_bytes(bytes)?;
    let workers = account.links.workers.clone();
    workers.ok_or_else(|| ServiceError::forbidden("There are no workers here to call").into())
}

pub(super) async fn call_worker(
    account: Arc<Account>,
    target: Target,
    method: String,
    arguments: String,
) -> Result<Given, CallError> {
    let workers = workers(&account, arguments.len())?;
    match workers.call(&account, target, method, arguments).await {
        Ok(result) => {
            account.ledger().charge_bytes(result.len())?;
            Ok(Given::Cloned(result))
        }
        Err(refusal) => refused(refusal),
    }
}

pub(super) async fn fetch_worker(
    account: Arc<Account>,
    pieces: Pieces,
    target: Target,
    request: HttpRequest,
) -> Result<Given, CallError> {
    let workers = workers(&account, request.body.as_ref().map_or(0, Bytes::len))?;
    let Reply { head, body } = match workers.fetch(&account, target, request).await {
        Ok(reply) => reply,
        Err(refusal) => return refused(refusal),
    };
    let body = match body.whole() {
        Some(bytes) => {
            let bytes = bytes.clone().unwrap_or_default();
            account.ledger().charge_bytes(bytes.len())?;
            Ok(bytes)
        }
        None => Err(pieces.add(body).ok_or_else(|| ServiceError::invalid("too many bodies that nobody reads"))?),
    };
    Ok(Given::Reply(head, body))
}

pub(super) async fn load(account: Arc<Account>, id: Option<String>, code: Option<String>) -> Result<Given, CallError> {
    let workers = workers(&account, code.as_ref().map_or(0, String::len))?;
    match workers.load(id, code).await {
        // A number, or none: JSON either way.
        Ok(number) => serde_json::value::to_raw_value(&number)
            .map(Given::Result)
            .map_err(|error| ServiceError::new(Code::Internal, error.to_string()).into()),
        Err(refusal) => refused(refusal),
    }
}

fn refused(refusal: Refusal) -> Result<Given, CallError> {
    match refusal {
        Refusal::Thrown(error) => Ok(Given::Thrown(error)),
        Refusal::NotCalled(message) => {
            Ok(Given::Thrown(GuestError { name: "Error".to_owned(), message, ..GuestError::default() }))
        }
        Refusal::Host(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "a worker could not be called");
            Err(ServiceError::new(Code::Internal, "the worker could not be called").into())
        }
    }
}
