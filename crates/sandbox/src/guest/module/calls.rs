//! Service calls of a command: `doer.call(pointer, length) -> (pointer << 32) | length`, JSON in and JSON out.
//!
//! The answer lies in memory that the command gives by its export `doer_alloc`. A command that waits for one is
//! suspended on its fiber.

use doer_core::{
    scoped::CallError,
    service::{Code, ServiceError},
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use wasmtime::{Caller, Linker, Memory, Module, ValType};

use crate::{account::Ended, store::State};

/// Where the function is imported from, and as what.
const IMPORT: (&str, &str) = ("doer", "call");
/// The export that gives memory.
const ALLOCATE: &str = "doer_alloc";
/// What a request may have beside its parameters, which have a budget.
const MAX_ENVELOPE_BYTES: usize = 4096;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request<'a> {
    service: &'a str,
    method: &'a str,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Answer<'a> {
    Success { success: bool, result: &'a RawValue },
    Failure { success: bool, error: Failure<'a> },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure<'a> {
    code: Code,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
}

/// Adds the function.
///
/// # Errors
/// Never: nothing else has its name.
pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap_async(IMPORT.0, IMPORT.1, |caller: Caller<'_, State>, (start, length): (u32, u32)| {
        Box::new(call(caller, start, length))
    })?;
    Ok(())
}

/// Says what a module lacks that wants to call services.
pub(super) fn lacks(module: &Module) -> Option<String> {
    if !module.imports().any(|import| (import.module(), import.name()) == IMPORT) {
        return None;
    }
    let allocates = module.get_export(ALLOCATE).and_then(|export| export.func().cloned()).is_some_and(|function| {
        let is_i32 = |mut types: Box<dyn ExactSizeIterator<Item = ValType> + '_>| {
            types.len() == 1 && types.all(|kind| matches!(kind, ValType::I32))
        };
        is_i32(Box::new(function.params())) && is_i32(Box::new(function.results()))
    });
    let message = format!(
        "the module imports {}.{} and exports no function {ALLOCATE}(i32) -> i32 to give memory for its answers",
        IMPORT.0, IMPORT.1
    );
    (!allocates).then_some(message)
}

async fn call(mut caller: Caller<'_, State>, start: u32, length: u32) -> wasmtime::Result<u64> {
    if caller.data().allocating {
        return Err(wasmtime::Error::msg(format!("{ALLOCATE} called a service")));
    }
    let answer = answer(&mut caller, start, length).await?;
    let length = u32::try_from(answer.len()).map_err(wasmtime::Error::from)?;
    let start = allocate(&mut caller, length).await?;
    let outside = || wasmtime::Error::msg(format!("{ALLOCATE} gave a place outside of memory"));
    let memory = memory(&mut caller)?;
    let place = memory.data_mut(&mut caller).get_mut(start as usize..).and_then(|rest| rest.get_mut(..answer.len()));
    place.ok_or_else(outside)?.copy_from_slice(answer.as_bytes());
    Ok(u64::from(start) << 32 | u64::from(length))
}

/// Makes the call, and says what came of it.
async fn answer(caller: &mut Caller<'_, State>, start: u32, length: u32) -> wasmtime::Result<String> {
    let memory = memory(caller)?;
    let (bytes, state) = memory.data_and_store_mut(&mut *caller);
    let account = state.account.clone();
    let Some(door) = &account.door else {
        return failed(&ServiceError::forbidden("Access denied: no services are granted"));
    };
    let out_of_bounds = || wasmtime::Error::from(wasmtime::Trap::MemoryOutOfBounds);
    let message = bytes.get(start as usize..).and_then(|rest| rest.get(..length as usize)).ok_or_else(out_of_bounds)?;
    let beyond_envelope = message.len().saturating_sub(MAX_ENVELOPE_BYTES);
    if beyond_envelope as u64 > door.ledger().bytes_left() {
        door.ledger().charge_bytes(beyond_envelope).map_err(Ended)?;
    }
    // Ours, because the guest's memory is not to be held on to while it waits.
    let message = message.to_vec();
    let request: Request<'_> = match serde_json::from_slice(&message) {
        Ok(request) => request,
        Err(error) => {
            // It counts as a call: what is refused costs something too.
            door.ledger().charge_call("unknown").map_err(Ended)?;
            return failed(&ServiceError::invalid(format!(
                "call: must be {{service, method, params}} as JSON: {error}"
            )));
        }
    };
    match door.call(request.service, request.method, request.params).await {
        Ok(result) => written(&Answer::Success { success: true, result: &result }),
        Err(CallError::Service(error)) => failed(&error),
        Err(CallError::Ended(termination)) => Err(Ended(termination).into()),
    }
}

fn failed(error: &ServiceError) -> wasmtime::Result<String> {
    let retry_after_ms = error.retry_after.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
    let error = Failure { code: error.code, message: &error.message, retry_after_ms };
    written(&Answer::Failure { success: false, error })
}

fn written(answer: &Answer<'_>) -> wasmtime::Result<String> {
    serde_json::to_string(answer).map_err(wasmtime::Error::from)
}

/// Asks the guest for memory, with its fuel and on its time. It must not call services in there: each such call would
/// stand on the stack of the one before.
async fn allocate(caller: &mut Caller<'_, State>, length: u32) -> wasmtime::Result<u32> {
    let function = caller.get_export(ALLOCATE).and_then(wasmtime::Extern::into_func);
    let function = function.ok_or_else(|| wasmtime::Error::msg(format!("{ALLOCATE} is missing")))?;
    let function = function.typed::<u32, u32>(&mut *caller)?;
    caller.data_mut().allocating = true;
    let start = function.call_async(&mut *caller, length).await;
    caller.data_mut().allocating = false;
    start
}

fn memory(caller: &mut Caller<'_, State>) -> wasmtime::Result<Memory> {
    let memory = caller.get_export("memory").and_then(wasmtime::Extern::into_memory);
    memory.ok_or_else(|| wasmtime::Error::msg("the module exports no memory"))
}
