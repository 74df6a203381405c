//! One compiler process, from the server's side: started, given a job, and read as a coroner when it dies.

use std::{io, os::unix::process::ExitStatusExt as _, process::Stdio, time::Duration};

use rustix::process::Signal;
use tokio::{
    io::AsyncReadExt as _,
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use super::{
    answer::{Budget, Job, Reply},
    error::{CompileError, Exhausted},
    frame,
};
use crate::CompilerConfig;

/// How long a process may take to come up. That is no compilation: only a busy machine makes it slow.
const START: Duration = Duration::from_secs(20);

/// How much of a dying process's last words is read.
const LAST_WORDS_BYTES: u64 = 4096;

/// How long a process may take to die after it closed its end of the pipe.
const DYING: Duration = Duration::from_secs(1);

/// Room for an answer's head and for what every module needs, however small its code.
const ANSWER_BASE_BYTES: u64 = 4 << 20;

/// The most by which compiling makes code larger.
const ANSWER_FACTOR: u64 = 64;

/// More than this is never read.
const ANSWER_MAX_BYTES: u64 = 512 << 20;

/// A process that waits for a job. Dropping it kills it, whatever it is doing.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
    stderr: ChildStderr,
    /// Jobs it did.
    pub jobs: u32,
}

impl Process {
    /// Starts one and waits until it has limited itself, so that whatever it dies of later is the job's doing.
    /// Each of its jobs may have so much time on the CPU.
    pub(super) async fn start(config: &CompilerConfig, cpu: Duration) -> Result<Self, CompileError> {
        let mut child = Command::new(&config.program)
            .args(&config.args)
            .env_clear()
            // Out of the terminal's group: an interrupt is for the server, which may have answers to finish.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| CompileError::Unavailable(format!("{}: {error}", config.program.display())))?;
        let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(CompileError::Unavailable("it has no pipes".to_owned()));
        };
        let mut process = Self { child, stdin, stdout, stderr, jobs: 0 };
        let budget = Budget { memory_bytes: config.memory_bytes, cpu };
        match timeout(START, process.exchange(&budget, &[], ANSWER_BASE_BYTES)).await {
            Ok(Ok((Reply::Ready, _))) => Ok(process),
            Ok(Ok(_)) => Err(CompileError::Unavailable("it does not speak the compiler's protocol".to_owned())),
            Ok(Err(error)) => {
                let (_, words) = process.die().await;
                Err(CompileError::Unavailable(format!("it ended at start: {error} {words}").trim_end().to_owned()))
            }
            Err(_) => Err(CompileError::Unavailable("it did not start in time".to_owned())),
        }
    }

    /// Does one job. After an error, and where the future is dropped, the process is in an unknown state: drop
    /// it too.
    pub(super) async fn run(
        &mut self,
        job: Job,
        body: &[u8],
        limit: Duration,
    ) -> Result<(Reply, Vec<u8>), CompileError> {
        self.jobs += 1;
        let max_bytes = (body.len() as u64).saturating_mul(ANSWER_FACTOR).saturating_add(ANSWER_BASE_BYTES);
        match timeout(limit, self.exchange(&job, body, max_bytes.min(ANSWER_MAX_BYTES))).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) if error.kind() == io::ErrorKind::FileTooLarge => Err(CompileError::Limit(Exhausted::Size)),
            Ok(Err(_)) => {
                let (signal, words) = self.die().await;
                tracing::debug!(?signal, words, "a compiler process died");
                Err(CompileError::Limit(cause_of_death(signal, &words)))
            }
            Err(_) => Err(CompileError::Limit(Exhausted::Time)),
        }
    }

    /// Whether it still lives.
    pub(super) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    async fn exchange(
        &mut self,
        head: &impl serde::Serialize,
        body: &[u8],
        max_bytes: u64,
    ) -> io::Result<(Reply, Vec<u8>)> {
        frame::send(&mut self.stdin, head, body).await?;
        frame::receive(&mut self.stdout, max_bytes).await
    }

    /// Waits for the end of a process that closed its pipe, and returns the signal it died of and its last words.
    async fn die(&mut self) -> (Option<Signal>, String) {
        let status = match timeout(DYING, self.child.wait()).await {
            Ok(status) => status.ok(),
            Err(_) => {
                // It closed its pipe and lives on; killed, it needs no second look.
                let _ = self.child.kill().await;
                None
            }
        };
        let mut words = Vec::new();
        let _ = timeout(DYING, (&mut self.stderr).take(LAST_WORDS_BYTES).read_to_end(&mut words)).await;
        let signal = status.and_then(|status| status.signal()).and_then(Signal::from_named_raw);
        (signal, String::from_utf8_lossy(&words).trim().to_owned())
    }
}

/// Rust's runtime aborts both on a stack overflow and where memory ran out; only its words tell one from the other.
fn cause_of_death(signal: Option<Signal>, words: &str) -> Exhausted {
    match signal {
        Some(Signal::XCPU) => Exhausted::Time,
        // The kernel's, where the machine or the container had no memory left.
        Some(Signal::KILL) => Exhausted::Memory,
        Some(Signal::ABORT) if words.contains("has overflowed its stack") => Exhausted::Depth,
        Some(Signal::ABORT) if words.contains("memory allocation of") => Exhausted::Memory,
        _ => Exhausted::Crash,
    }
}
