//! Global scope or not: at a program's top level there is no I/O, no randomness and no waiting,
//! because its heap is kept and used again for every later invocation.

use std::cell::Cell;

use rquickjs::{Ctx, Exception, Result};

thread_local! {
    static GLOBAL: Cell<bool> = const { Cell::new(true) };
}

/// Says whether what runs next is a top level.
pub fn set_global(global: bool) {
    GLOBAL.set(global);
}

/// Throws where `what` (as the user would write it, `fetch()`) is used at top level.
///
/// # Errors
/// An `Error` whose message says "not allowed in global scope".
pub fn refuse_global(ctx: &Ctx<'_>, what: &str) -> Result<()> {
    if GLOBAL.get() {
        let text = format!("{what} is not allowed in global scope; call it inside a handler");
        return Err(Exception::throw_message(ctx, &text));
    }
    Ok(())
}
