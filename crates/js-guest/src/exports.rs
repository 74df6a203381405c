//! What the host calls. Each call takes a message by the `message` import and gives back a step: the
//! pointer to its bytes in the upper half of the result, their number in the lower.

#![expect(unsafe_code, reason = "exports need unmangled names")]

use std::cell::RefCell;

use doer_guest_protocol::{Boot, Evaluate, Exception, Invoke, Malformed, Step, Surface, decode, encode};
use rquickjs::Context;

use crate::{error, host, intrinsics, invoke, operations, program, runtime, services};

struct Guest {
    context: Context,
    loaded: Option<(program::Entry, Surface)>,
}

thread_local! {
    static GUEST: RefCell<Option<Guest>> = const { RefCell::new(None) };
    static ANSWER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Brings the engine up.
#[unsafe(no_mangle)]
pub extern "C" fn boot(message_len: usize) -> u64 {
    let message = host::message(message_len);
    let booted = decode::<Boot>(&message).map_err(|error| error.to_string());
    answer(match booted.and_then(|table| runtime::boot(&table).map_err(|error| error.to_string())) {
        Ok(context) => {
            GUEST.set(Some(Guest { context, loaded: None }));
            Step::Ready
        }
        Err(error) => defect(&error),
    })
}

/// Evaluates a program's top level.
#[unsafe(no_mangle)]
pub extern "C" fn evaluate(message_len: usize) -> u64 {
    answer(with_guest(|guest| {
        let message: Evaluate = decode(&host::message(message_len))?;
        let surface = message.surface;
        Ok(
            match guest.context.with(|ctx| {
                if message.disallow_eval
                    && let Err(error) = intrinsics::disallow_eval(&ctx)
                {
                    return Err(error::describe(&ctx, error));
                }
                if let Some(members) = &message.env
                    && let Err(error) = services::declare(&ctx, members)
                {
                    return Err(error::describe(&ctx, error));
                }
                let entry = program::evaluate(&ctx, message);
                // Whatever a text managed to queue runs now: an image is taken at rest.
                while ctx.execute_pending_job() {}
                entry
            }) {
                Ok(entry) => {
                    guest.loaded = Some((entry, surface));
                    Step::Ready
                }
                Err(exception) => Step::Failed(exception),
            },
        )
    }))
}

/// Calls what the evaluated program offers.
#[unsafe(no_mangle)]
pub extern "C" fn invoke(message_len: usize) -> u64 {
    answer(with_guest(|guest| {
        let message: Invoke = decode(&host::message(message_len))?;
        let (entry, surface) = guest.loaded.clone().ok_or_else(|| Malformed("nothing is loaded".into()))?;
        Ok(guest.context.with(|ctx| invoke::begin(&ctx, entry, surface, message)))
    }))
}

/// Goes on with the invocation; without a message where only time has passed.
#[unsafe(no_mangle)]
pub extern "C" fn resume(message_len: usize) -> u64 {
    answer(with_guest(|guest| {
        guest.context.with(|ctx| {
            if message_len > 0 {
                // Freed before any code runs: it may be large.
                operations::settle(&ctx, &decode(&host::message(message_len))?);
            }
            Ok(invoke::resume(&ctx))
        })
    }))
}

fn with_guest(run: impl FnOnce(&mut Guest) -> Result<Step<'static>, Malformed>) -> Step<'static> {
    GUEST.with_borrow_mut(|guest| match guest {
        Some(guest) => run(guest).unwrap_or_else(|error| defect(&error.to_string())),
        None => defect("the guest has not booted"),
    })
}

fn defect(message: &str) -> Step<'static> {
    Step::Failed(Exception { name: "InternalError".into(), message: message.to_owned().into(), ..Exception::default() })
}

fn answer(step: Step<'_>) -> u64 {
    ANSWER.with_borrow_mut(|answer| {
        *answer = encode(&step);
        ((answer.as_ptr() as u64) << 32) | answer.len() as u64
    })
}
