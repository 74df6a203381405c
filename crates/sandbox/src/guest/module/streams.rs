//! Standard output and standard error of a command, both bounded and in memory.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::{
    async_trait,
    cli::{IsTerminal, StdoutStream},
    p2::{OutputStream, Pollable, StreamError, StreamResult},
};

use crate::account::{Account, Ended};

/// What WASI may hand over in one piece.
const PERMIT_BYTES: usize = 64 << 10;

/// A longer line on standard error becomes several.
const MAX_LINE_BYTES: usize = 16 << 10;

/// A command wrote more than any result may have.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("standard output is full")]
pub(in crate::guest) struct StdoutFull;

/// Standard output: what becomes the result.
#[derive(Clone)]
pub(in crate::guest) struct Stdout {
    written: Arc<Mutex<Vec<u8>>>,
    limit: usize,
}

impl Stdout {
    pub(in crate::guest) fn new(limit_bytes: u64) -> Self {
        Self { written: Arc::default(), limit: usize::try_from(limit_bytes).unwrap_or(usize::MAX) }
    }

    /// Takes out what was written, and whether it is more than the limit; one byte more is all that is kept of that.
    pub(in crate::guest) fn take(&self) -> (Vec<u8>, bool) {
        let written = std::mem::take(&mut *lock(&self.written));
        let overflowed = written.len() > self.limit;
        (written, overflowed)
    }
}

/// Standard error: each line is a log line of no level.
#[derive(Clone)]
pub(in crate::guest) struct Stderr {
    account: Arc<Account>,
    line: Arc<Mutex<Vec<u8>>>,
}

impl Stderr {
    pub(in crate::guest) fn new(account: Arc<Account>) -> Self {
        Self { account, line: Arc::default() }
    }

    /// Logs what stands there without the end of a line.
    pub(in crate::guest) fn finish(&self) -> Result<(), Ended> {
        let mut line = lock(&self.line);
        if line.is_empty() { Ok(()) } else { self.log(&mut line) }
    }

    fn push(&self, mut bytes: &[u8]) -> Result<(), Ended> {
        let mut line = lock(&self.line);
        while !bytes.is_empty() {
            let room = MAX_LINE_BYTES - line.len();
            let end = bytes.iter().take(room).position(|byte| *byte == b'\n');
            let taken = end.unwrap_or(bytes.len().min(room));
            line.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken + usize::from(end.is_some())..];
            if end.is_some() || line.len() == MAX_LINE_BYTES {
                self.log(&mut line)?;
            }
        }
        Ok(())
    }

    fn log(&self, line: &mut Vec<u8>) -> Result<(), Ended> {
        let outcome = self.account.log("", &String::from_utf8_lossy(line));
        line.clear();
        outcome
    }
}

#[async_trait]
impl OutputStream for Stdout {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let mut written = lock(&self.written);
        let room = self.limit.saturating_add(1) - written.len();
        written.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if written.len() > self.limit { Err(StreamError::Trap(StdoutFull.into())) } else { Ok(()) }
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(PERMIT_BYTES)
    }
}

#[async_trait]
impl OutputStream for Stderr {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.push(&bytes).map_err(|ended| StreamError::Trap(ended.into()))
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(PERMIT_BYTES)
    }
}

#[async_trait]
impl Pollable for Stdout {
    async fn ready(&mut self) {}
}

#[async_trait]
impl Pollable for Stderr {
    async fn ready(&mut self) {}
}

impl IsTerminal for Stdout {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl IsTerminal for Stderr {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stdout {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    // Only preview 3 asks for this one.
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(tokio::io::sink())
    }
}

impl StdoutStream for Stderr {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(tokio::io::sink())
    }
}

/// Bytes are bytes, also after a panic elsewhere.
fn lock(bytes: &Mutex<Vec<u8>>) -> MutexGuard<'_, Vec<u8>> {
    bytes.lock().unwrap_or_else(PoisonError::into_inner)
}
