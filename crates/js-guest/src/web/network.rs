//! What stands between guest code and the network.

use rquickjs::{Ctx, Exception, Function, Object, Result};

use crate::scope::refuse_global;

/// Adds `fetch`, which throws.
pub fn install(native: &Object<'_>) -> Result<()> {
    native.set("fetch", Function::new(native.ctx().clone(), fetch)?)
}

fn fetch(ctx: Ctx<'_>) -> Result<()> {
    refuse_global(&ctx, "fetch()")?;
    Err(Exception::throw_type(&ctx, "fetch is not permitted: no egress policy allows network access here"))
}
