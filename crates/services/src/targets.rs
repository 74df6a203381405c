//! Runs what services were told to run later: code, a message to a queue, or a request.

use std::{sync::Arc, time::Duration};

use doer_core::{
    outbound::{Egress, HttpRequest, Redirect},
    run::{CodeRunner, Happening, QueueTarget, RunError, Target, UrlTarget, check_worker},
    scope::Scope,
    service::{
        Code, ServiceError,
        queue::{self, Queue},
    },
};
use serde_json::{Value, value::RawValue};
use url::Url;

use crate::queue::queue_name;

/// A target as JSON.
const MAX_TARGET_BYTES: usize = 256 << 10;
const MAX_URL_BYTES: usize = 2048;
/// Of an answer only the status counts; one with more than this is an error.
const MAX_ANSWER_BYTES: u64 = 1 << 20;
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
/// Whoever runs code ends it in time and says how; should that fail, this long after it is given up.
const GRACE: Duration = Duration::from_secs(5);

/// Who runs targets.
#[derive(Clone)]
pub struct Targets {
    /// Runs code.
    pub runner: Arc<dyn CodeRunner>,
    /// Takes messages.
    pub queue: Arc<dyn Queue>,
    /// Sends requests.
    pub egress: Arc<dyn Egress>,
}

impl Targets {
    /// Checks that a target can be run, for whoever wants to register it. What a URL may lead to is found out when it
    /// is run: the policy may have changed by then.
    ///
    /// # Errors
    /// `invalid_request`, and those of [`CodeRunner::check`].
    pub fn check(&self, scope: &Scope, target: &Target) -> Result<(), ServiceError> {
        let size = serde_json::to_vec(target).map_err(ServiceError::internal)?.len();
        if size > MAX_TARGET_BYTES {
            let message = format!("target: has {size} bytes as JSON and may have {MAX_TARGET_BYTES}");
            return Err(ServiceError::invalid(message));
        }
        match target {
            Target::Snippet(snippet) => self.runner.check(scope, snippet),
            Target::Queue(target) => queue_name("target.queue.queue", &target.queue),
            Target::Url(target) => check_url(target),
            Target::Worker(target) => check_worker("target.worker", target),
        }
    }

    /// Runs a target once, with `event` telling what happened, and gives what code returned. Workers have a handler for
    /// each kind of happening.
    ///
    /// # Errors
    /// Why it did not succeed; after `timeout` it did not.
    pub async fn run(
        &self,
        scope: &Scope,
        target: &Target,
        what: Happening,
        event: Value,
        timeout: Duration,
    ) -> Result<Option<Value>, RunError> {
        let limit = match target {
            Target::Snippet(_) | Target::Worker(_) => timeout + GRACE,
            Target::Queue(_) | Target::Url(_) => timeout,
        };
        let run = self.run_once(scope, target, what, event, timeout);
        tokio::time::timeout(limit, run).await.unwrap_or_else(|_| {
            Err(RunError { message: format!("It took longer than {} ms", timeout.as_millis()), counts: true })
        })
    }

    async fn run_once(
        &self,
        scope: &Scope,
        target: &Target,
        what: Happening,
        event: Value,
        timeout: Duration,
    ) -> Result<Option<Value>, RunError> {
        let returned = |result: Box<RawValue>| {
            let result = serde_json::from_str(result.get());
            result.map(Some).map_err(|error| RunError { message: error.to_string(), counts: true })
        };
        match target {
            Target::Snippet(snippet) => returned(self.runner.run(scope, snippet, event, Some(timeout)).await?),
            Target::Worker(worker) => returned(self.runner.tell(scope, worker, what, event, Some(timeout)).await?),
            Target::Queue(target) => {
                self.send(scope, target, event).await.map(|()| None).map_err(|error| failed(&error))
            }
            Target::Url(target) => self.request(scope, target, event).await.map(|()| None),
        }
    }

    async fn send(&self, scope: &Scope, target: &QueueTarget, event: Value) -> Result<(), ServiceError> {
        let message = target.message.clone().unwrap_or(event);
        self.queue.send(scope, queue::Send { queue: target.queue.clone(), message, options: None }).await?;
        Ok(())
    }

    async fn request(&self, scope: &Scope, target: &UrlTarget, event: Value) -> Result<(), RunError> {
        let method = target.method.as_deref().unwrap_or("POST").to_ascii_uppercase();
        let has_body = !matches!(method.as_str(), "GET" | "HEAD");
        let request = HttpRequest {
            url: target.url.clone(),
            headers: if has_body { vec![("content-type".to_owned(), "application/json".to_owned())] } else { vec![] },
            body: has_body.then(|| event.to_string().into()),
            // What was asked for would not be done there: a redirected POST arrives as a GET.
            redirect: Redirect::Manual,
            method,
        };
        let answer = self.egress.send(scope, request, MAX_ANSWER_BYTES).await.map_err(|error| failed(&error))?;
        if (200..300).contains(&answer.status) {
            return Ok(());
        }
        Err(RunError { message: format!("{} answered with status {}", target.url, answer.status), counts: true })
    }
}

fn check_url(target: &UrlTarget) -> Result<(), ServiceError> {
    if target.url.len() > MAX_URL_BYTES {
        return Err(ServiceError::invalid(format!("target.url.url: may have {MAX_URL_BYTES} bytes")));
    }
    let url = Url::parse(&target.url).ok();
    if !url.is_some_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) {
        return Err(ServiceError::invalid("target.url.url: must be an absolute http or https URL"));
    }
    match &target.method {
        Some(method) if !METHODS.contains(&method.to_ascii_uppercase().as_str()) => {
            Err(ServiceError::invalid(format!("target.url.method: must be one of {}", METHODS.join(", "))))
        }
        _ => Ok(()),
    }
}

/// A refusal is the target's fault; that a service is off, or failed, is not.
fn failed(error: &ServiceError) -> RunError {
    let counts = !matches!(error.code, Code::ServiceUnavailable | Code::Internal);
    RunError { message: error.to_string(), counts }
}
