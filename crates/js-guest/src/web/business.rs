//! `$`: what its scripts need of a run, and what they leave.

use std::cell::RefCell;

use rquickjs::{Ctx, Error, Function, Object, Persistent, Result};

use super::stubs;
use crate::{scope::refuse_global, services};

thread_local! {
    /// `ctx` of the run.
    static CONTEXT: RefCell<Option<Persistent<Object<'static>>>> = const { RefCell::new(None) };
}

/// Says on whose behalf code runs from now on.
pub fn begin<'js>(ctx: &Ctx<'js>, context: &Object<'js>) {
    CONTEXT.set(Some(Persistent::save(ctx, context.clone())));
}

/// `$`
///
/// # Errors
/// Only before the platform is installed.
pub fn business<'js>(ctx: &Ctx<'js>) -> Result<Object<'js>> {
    stubs::business(ctx)
}

/// Adds `context` and `services`.
pub(super) fn install(native: &Object<'_>) -> Result<()> {
    let ctx = native.ctx();
    native.set("context", Function::new(ctx.clone(), context)?)?;
    match services::unified(ctx)? {
        Some(services) => native.set("services", services),
        None => Ok(()),
    }
}

fn context<'js>(ctx: Ctx<'js>) -> Result<Object<'js>> {
    refuse_global(&ctx, "$.user")?;
    CONTEXT.with_borrow(Clone::clone).ok_or(Error::Unknown)?.restore(&ctx)
}
