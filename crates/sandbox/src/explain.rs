//! What ended a run, in words.

use doer_core::fault::Termination;

use crate::{Error, GuestError, account::Account, store::End};

/// A compiler's own limit, which is no limit of the run.
pub(crate) fn explained(termination: Termination) -> GuestError {
    let message = "The code takes too long to compile, or too much memory".to_owned();
    GuestError { name: "LimitError".to_owned(), message, code: Some(termination), ..GuestError::default() }
}

/// The guest's error that an end stands for, or ours.
pub(crate) fn into_guest_error(end: End, account: &Account) -> Result<GuestError, Error> {
    match end {
        End::Terminated(code) => Ok(explain(code, account)),
        End::Syntax(error) | End::Guest(error) => Ok(error),
        End::Host(error) => Err(error),
    }
}

/// Says in words which limit ended a run.
fn explain(code: Termination, account: &Account) -> GuestError {
    let limits = &account.limits;
    let (name, message) = match code {
        Termination::Timeout => ("TimeoutError", format!("Execution timed out after {}ms", limits.wall.as_millis())),
        Termination::CpuLimit => ("LimitError", format!("CPU time limit of {}ms exceeded", limits.cpu.as_millis())),
        Termination::StartupLimit => (
            "LimitError",
            format!("CPU time limit of {}ms for top-level code exceeded", limits.startup_cpu.as_millis()),
        ),
        Termination::FuelExhausted => ("LimitError", format!("Fuel limit of {} exceeded", limits.fuel)),
        Termination::MemoryLimit => ("LimitError", format!("Memory limit of {} bytes exceeded", limits.memory_bytes)),
        Termination::OutputLimit => {
            ("LimitError", format!("Output limit of {} bytes for result and logs exceeded", limits.output_bytes))
        }
        Termination::CallLimit => {
            let exhausted = account.ledger().exhausted();
            ("LimitError", exhausted.map_or_else(|| "Limit of calls exceeded".to_owned(), |what| what.to_string()))
        }
        Termination::Cancelled => ("AbortError", "Execution was cancelled".to_owned()),
    };
    GuestError { name: name.to_owned(), message, code: Some(code), ..GuestError::default() }
}
