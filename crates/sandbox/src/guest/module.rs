//! WebAssembly guests: WASI preview 1 commands.
//!
//! `input` is on standard input, the result comes from standard output, standard error is the log, and an exit
//! code other than zero is an error. Services are called through an import of our own (`calls.rs`). There is nothing
//! else: no files, no sockets, no environment. A command that waits is suspended on its fiber, and a timeout drops it
//! with its store.

mod calls;
mod commands;
pub(super) mod json;
pub(super) mod streams;
pub(super) mod wasi;

use std::{string::FromUtf8Error, sync::Arc};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json, value::RawValue};
use wasmtime::{InstancePre, Linker, Module, PoolConcurrencyLimitError, Store, Trap};
use wasmtime_wasi::I32Exit;

use crate::{
    Answer, Error, GuestError, ResponseHead,
    account::{Account, Ended},
    compiler::cut,
    store::{self, End, State},
};

pub(crate) use commands::{Commands, Compiled, Runnable};
use streams::{Stderr, StdoutFull};

/// What one call of WASI may hand over. More than any buffer of an honest program, and half of wasmtime's default:
/// the host may have to copy all of it.
pub(super) const MAX_CALL_BYTES: usize = 64 << 20;

/// A module that can be run: compiled, its imports found, its entry point there.
#[derive(Clone)]
pub(crate) struct Command {
    pre: InstancePre<State>,
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Command").finish_non_exhaustive()
    }
}

impl Command {
    /// Checks that a module is a command, and gives it its imports.
    ///
    /// # Errors
    /// A `LinkError`, where it wants what there is not or lacks what there must be.
    pub(crate) fn link(linker: &Linker<State>, module: &Module, account: &Arc<Account>) -> Result<Self, End> {
        // Only to look the imports up: nothing runs in it.
        let mut lookup = store::open(module.engine(), account)?;
        let unknown: Vec<String> = module
            .imports()
            .filter(|import| linker.get_by_import(&mut lookup, import).is_none())
            .map(|import| format!("{}.{}", import.module(), import.name()))
            .collect();
        if !unknown.is_empty() {
            return Err(link_error(format!("unknown imports: {}", unknown.join(", "))));
        }
        let start = module.get_export("_start").and_then(|export| export.func().cloned());
        if start.is_none_or(|start| start.params().len() + start.results().len() != 0) {
            let message = "the module exports no function _start without parameters and results: it is no WASI command";
            return Err(link_error(message));
        }
        if let Some(message) = calls::lacks(module) {
            return Err(link_error(message));
        }
        if module.imports().len() > 0 && module.get_export("memory").and_then(|e| e.memory().cloned()).is_none() {
            return Err(link_error("the module imports functions and exports no memory for them"));
        }
        let pre = linker.instantiate_pre(module).map_err(|error| link_error(format!("{error:#}")))?;
        Ok(Self { pre })
    }

    /// What it was loaded from.
    fn artifact(&self) -> wasmtime::Result<Vec<u8>> {
        self.pre.module().serialize()
    }

    /// Runs it once, in a store of its own.
    ///
    /// # Errors
    /// How it ended instead of answering.
    pub(crate) async fn run(&self, account: &Arc<Account>, input: Option<&str>) -> Result<Answer, End> {
        let (wasi, stdout, stderr) = wasi::context(account, input);
        let mut running = Running { store: store::open(self.pre.module().engine(), account)?, stderr };
        running.store.data_mut().wasi = Some(wasi);
        running.store.set_hostcall_fuel(MAX_CALL_BYTES);
        match running.call(&self.pre).await {
            Err(error) if !is_exit_zero(&error) && !error.is::<StdoutFull>() => Err(end(error)),
            _ => {
                running.stderr.finish()?;
                let (written, overflowed) = stdout.take();
                answer(account, written, overflowed, None)
            }
        }
    }
}

/// A store, and the promise that its fuel and its last words are accounted for however it ends.
struct Running {
    store: Store<State>,
    stderr: Stderr,
}

impl Running {
    async fn call(&mut self, pre: &InstancePre<State>) -> wasmtime::Result<()> {
        let instance = pre.instantiate_async(&mut self.store).await?;
        let start = instance.get_typed_func::<(), ()>(&mut self.store, "_start")?;
        start.call_async(&mut self.store, ()).await
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Too much of it ended the run already, or would have.
        let _ = self.stderr.finish();
        store::note_fuel(&mut self.store);
    }
}

/// What a command wrote, as JSON: its value where it is JSON, its text where it is text, nothing as `null`. Too much
/// of it is text, whatever it began as; whether it is cut or the end of the run, the account decides.
pub(super) fn answer(
    account: &Account,
    written: Vec<u8>,
    overflowed: bool,
    response: Option<ResponseHead>,
) -> Result<Answer, End> {
    let result = match text(written, overflowed) {
        Ok(text) if text.is_empty() => "null".to_owned(),
        Ok(text) if overflowed => Value::from(text).to_string(),
        Ok(text) => json::value(&text).map(ToOwned::to_owned).unwrap_or_else(|| Value::from(text).to_string()),
        Err(binary) => json!({ "$base64": BASE64_STANDARD.encode(binary) }).to_string(),
    };
    let result = RawValue::from_string(account.take_result(&result, response.as_ref().map_or(0, ResponseHead::bytes))?)
        .map_err(|error| Error::Protocol(error.to_string()))?;
    Ok(Answer { result, response })
}

/// The text that bytes are, also where the limit cut the last character; else the bytes again.
fn text(written: Vec<u8>, overflowed: bool) -> Result<String, Vec<u8>> {
    String::from_utf8(written).or_else(|error| {
        let (valid, cut) = (error.utf8_error().valid_up_to(), error.utf8_error().error_len().is_none());
        let mut written = error.into_bytes();
        if !(overflowed && cut) {
            return Err(written);
        }
        written.truncate(valid);
        // Without something in its place the rest could fit the limit, and pass for all there was.
        written.extend_from_slice("\u{FFFD}".as_bytes());
        String::from_utf8(written).map_err(FromUtf8Error::into_bytes)
    })
}

pub(super) fn is_exit_zero(error: &wasmtime::Error) -> bool {
    error.downcast_ref::<I32Exit>().is_some_and(|exit| exit.0 == 0)
}

/// How a run ended that failed with `error`.
pub(super) fn end(error: wasmtime::Error) -> End {
    if let Some(exit) = error.downcast_ref::<I32Exit>() {
        return guest("ExitError", format!("exited with code {}", exit.0));
    }
    if error.is::<Trap>() || error.is::<Ended>() || error.is::<PoolConcurrencyLimitError>() {
        return End::from_wasmtime(error, "running a module");
    }
    // Of a host function that was called with nonsense: a pointer out of bounds, an exit code that is none.
    guest("RuntimeError", format!("{error:#}"))
}

pub(super) fn link_error(message: impl Into<String>) -> End {
    guest("LinkError", message.into())
}

pub(super) fn guest(name: &str, message: String) -> End {
    End::Guest(GuestError { name: name.to_owned(), message: cut(message), ..GuestError::default() })
}

#[cfg(test)]
mod tests;
