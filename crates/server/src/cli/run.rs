//! `doer run FILE`: the server's engine and limits, without a server.

use std::{
    error::Error,
    ffi::OsStr,
    io::{Read, Write},
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use clap::Args;
use doer_core::{
    auth::AuthContext,
    id::RequestId,
    time::{Clock, SystemClock},
};
use doer_sandbox::{Console, GuestError, Language, Sandbox};
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{ConfigFile, Ending, block_on};
use crate::{
    app::{StartError, start_sandbox},
    auth::{Caller, developer},
    config::{Config, LogFormat},
    data::DataDir,
    execute::{ExecuteRequest, Plan, Route, invocation, language_of_extension},
    telemetry,
};

/// Longer than that, and whoever waits is told for what.
const PATIENCE: Duration = Duration::from_millis(700);

#[derive(Debug, Args)]
pub struct Run {
    /// A .js, .mjs, .ts, .tsx, .wasm or .wat file; - is stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// JSON that the code sees as `input`
    #[arg(long, value_name = "JSON")]
    input: Option<String>,
    /// Milliseconds that it may take
    #[arg(long, value_name = "MS")]
    timeout: Option<u64>,
    #[command(flatten)]
    config: ConfigFile,
}

impl Run {
    /// Logs to stderr, the result to stdout; 1 where the code failed.
    pub fn run(self) -> Ending {
        let (code, language) = read(&self.file)?;
        let input: Option<Box<RawValue>> = match &self.input {
            Some(json) => Some(serde_json::from_str(json).map_err(|error| format!("--input is not JSON: {error}"))?),
            None => None,
        };
        let config = self.config.load(Vec::new())?;
        telemetry::init(LogFormat::Pretty, "warn")?;
        let request = ExecuteRequest {
            code: Some(code),
            language,
            input: input.as_deref(),
            timeout_ms: self.timeout,
            capture_console: true,
            ..ExecuteRequest::default()
        };
        block_on(execute(&config, request))
    }
}

fn read(file: &PathBuf) -> Result<(String, Option<Language>), Box<dyn Error>> {
    let mut bytes = Vec::new();
    if file.as_os_str() == "-" {
        std::io::stdin().lock().read_to_end(&mut bytes)?;
    } else {
        bytes = std::fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    }
    let language = file.extension().and_then(OsStr::to_str).and_then(language_of_extension);
    // A binary travels as in a request.
    if language == Some(Language::Wasm) || bytes.starts_with(b"\0asm") {
        return Ok((STANDARD.encode(bytes), Some(Language::Wasm)));
    }
    let text = String::from_utf8(bytes).map_err(|_| format!("{} is not UTF-8", file.display()))?;
    Ok((text, language))
}

async fn execute(config: &Config, request: ExecuteRequest<'_>) -> Result<ExitCode, Box<dyn Error>> {
    let now_ms = u64::try_from(SystemClock.now().as_millis()).unwrap_or(u64::MAX);
    let mut context = AuthContext::anonymous(RequestId::generate(), now_ms);
    context.auth = developer();
    let caller = Caller::new(context);
    let plan = Plan::decide(request, &caller, Route::Execute, &config.limits.of(caller.tier, None))
        .map_err(|error| error.message.into_owned())?;

    let sandbox = start_patiently(config).await?;
    let (sender, mut lines) = mpsc::unbounded_channel::<String>();
    let (program, invocation) =
        invocation(plan, None, Console::Stream(sender), CancellationToken::new(), Instant::now());
    let print = async {
        while let Some(line) = lines.recv().await {
            // Where stderr is closed nobody wants the logs.
            let _ = writeln!(std::io::stderr().lock(), "{line}");
        }
    };
    let (outcome, ()) = tokio::join!(sandbox.execute(program, invocation), print);
    match outcome?.answer {
        Ok(answer) => {
            writeln!(std::io::stdout().lock(), "{}", answer.result.get())?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            writeln!(std::io::stderr().lock(), "{}", told(&error))?;
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Starts the sandbox, and says so where that takes long.
async fn start_patiently(config: &Config) -> Result<Sandbox, StartError> {
    let data = DataDir::open(&config.data.dir)?;
    let start = start_sandbox(config, &data);
    tokio::pin!(start);
    match tokio::time::timeout(PATIENCE, &mut start).await {
        Ok(sandbox) => sandbox,
        Err(_) => {
            // Where stderr is closed nobody wonders.
            let _ = writeln!(std::io::stderr().lock(), "compiling the engine, once for each build of doer ...");
            start.await
        }
    }
}

fn told(error: &GuestError) -> String {
    let head = match error.name.as_str() {
        "" => error.message.clone(),
        name => format!("{name}: {}", error.message),
    };
    let code = error.code.map(|code| format!(" ({code})")).unwrap_or_default();
    let place = match (&error.stack, error.line, error.column) {
        (Some(stack), _, _) => format!("\n{}", stack.trim_end()),
        (None, Some(line), Some(column)) => format!("\n    at {line}:{column}"),
        (None, Some(line), None) => format!("\n    at line {line}"),
        (None, None, _) => String::new(),
    };
    format!("{head}{code}{place}")
}

#[cfg(test)]
mod tests {
    use doer_core::fault::Termination;

    use super::*;

    #[test]
    fn an_error_is_told_with_its_code_and_place() {
        let mut error = GuestError { name: "RangeError".into(), message: "too deep".into(), ..GuestError::default() };
        assert_eq!(told(&error), "RangeError: too deep");
        error.line = Some(3);
        assert_eq!(told(&error), "RangeError: too deep\n    at line 3");
        error.stack = Some("    at f (main.js:3:1)\n".into());
        error.code = Some(Termination::Timeout);
        assert_eq!(told(&error), "RangeError: too deep (timeout)\n    at f (main.js:3:1)");
    }
}
