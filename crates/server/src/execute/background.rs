//! Code that services run later, without a caller who waits: queue consumers, tasks, webhook targets. Planned, admitted
//! and counted like any other execution of its namespace.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use doer_core::{
    fault::Termination,
    run::{CodeRunner, Happening, RunError, Snippet, WorkerTarget},
    scope::Scope,
    service::{Code, ServiceError},
};
use doer_sandbox::{Console, Language};
use serde_json::{
    Value,
    value::{RawValue, to_raw_value},
};

use super::{
    done::Done,
    plan::{Plan, Route},
    request::ExecuteRequest,
    runner::Runner,
};
use crate::{
    auth::Caller,
    budget::Held,
    http::error::{ApiError, ErrorCode},
};

#[async_trait]
impl CodeRunner for Runner {
    fn check(&self, scope: &Scope, snippet: &Snippet) -> Result<(), ServiceError> {
        self.plan(&Caller::from(scope.clone()), snippet, None, None).map(|_| ()).map_err(refusal)
    }

    async fn run(
        &self,
        scope: &Scope,
        snippet: &Snippet,
        input: Value,
        timeout: Option<Duration>,
    ) -> Result<Box<RawValue>, RunError> {
        let caller = Caller::from(scope.clone());
        let input = to_raw_value(&input).map_err(|error| RunError { message: error.to_string(), counts: true })?;
        let plan = self.plan(&caller, snippet, Some(&input), timeout).map_err(run_error)?;
        let flight = self.begin(&plan, &caller, Held::default()).map_err(run_error)?;
        let done = Runner::run(self, plan, flight, Console::Capture).await.map_err(run_error)?;
        result(done)
    }

    async fn tell(
        &self,
        scope: &Scope,
        target: &WorkerTarget,
        what: Happening,
        event: Value,
        timeout: Option<Duration>,
    ) -> Result<Box<RawValue>, RunError> {
        self.tell_worker(scope, target, what, event, timeout).await
    }
}

impl Runner {
    fn plan(
        &self,
        caller: &Caller,
        snippet: &Snippet,
        input: Option<&RawValue>,
        timeout: Option<Duration>,
    ) -> Result<Plan, ApiError> {
        let allowance = self.allowances.of(caller);
        if !caller.tier.executes_arbitrary_code() {
            return Err(ApiError::new(ErrorCode::Forbidden, "Code execution not available on your plan"));
        }
        let request = ExecuteRequest {
            code: Some(snippet.code.clone()),
            language: snippet.language.as_deref().map(language).transpose()?,
            input,
            bindings: snippet.bindings.clone(),
            // A tier that was lowered since lowers the time as well, rather than refuse the code.
            timeout_ms: timeout.map(|timeout| milliseconds(timeout.min(allowance.limits.wall))),
            capture_console: true,
            ..ExecuteRequest::default()
        };
        Plan::decide(request, caller, Route::Execute, &allowance)
    }
}

fn language(name: &str) -> Result<Language, ApiError> {
    match name {
        "javascript" => Ok(Language::JavaScript),
        "typescript" => Ok(Language::TypeScript),
        other => Err(ApiError::invalid(format_args!("language: `{other}` is neither javascript nor typescript"))),
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).max(1)
}

pub(super) fn result(done: Done) -> Result<Box<RawValue>, RunError> {
    match done.outcome {
        Ok(kept) => Ok(Arc::unwrap_or_clone(kept).result),
        Err(failed) => {
            let error = failed.error;
            let message = match error.name.as_str() {
                "" => error.message,
                name => format!("{name}: {}", error.message),
            };
            // Cancelled is what the end of the server makes of it.
            Err(RunError { message, counts: error.code != Some(Termination::Cancelled) })
        }
    }
}

/// A refusal to run counts as an attempt where it would come again: the code is at fault, not the moment.
pub(super) fn run_error(error: ApiError) -> RunError {
    let passing = matches!(
        error.code,
        ErrorCode::Overloaded
            | ErrorCode::ServiceUnavailable
            | ErrorCode::LoaderUnavailable
            | ErrorCode::ConcurrencyLimit
            | ErrorCode::RateLimit
            | ErrorCode::Internal
    );
    RunError { message: error.message.into_owned(), counts: !passing }
}

/// The same refusal as a service gives it.
fn refusal(error: ApiError) -> ServiceError {
    let code = match error.code {
        ErrorCode::Forbidden => Code::Forbidden,
        ErrorCode::Internal => Code::Internal,
        ErrorCode::LoaderUnavailable | ErrorCode::ServiceUnavailable | ErrorCode::Overloaded => {
            Code::ServiceUnavailable
        }
        _ => Code::InvalidRequest,
    };
    ServiceError::new(code, error.message)
}
