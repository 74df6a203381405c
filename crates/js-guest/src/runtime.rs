//! The engine and everything on its global object, as it is before any user code.

use doer_guest_protocol::Boot;
use rquickjs::{Context, Result, Runtime};

use crate::{console, heap, intrinsics, invoke, modules, random, services, timers, web};

/// Below this much of the 640 KiB stack (`-zstack-size`) QuickJS refuses to go deeper, by a `RangeError`; the
/// rest is for natives that do not check. The host's own limit for Wasm frames lies far above both.
const STACK_BYTES: usize = 480 << 10;
/// The first collection of cycles comes when the heap has grown to this: most runs end before.
const FIRST_COLLECTION_BYTES: usize = 16 << 20;

/// Boots the engine, with the services that there are to call.
///
/// # Errors
/// Only if our own scripts do not run, which is a defect of the build.
pub fn boot(table: &Boot) -> Result<Context> {
    let runtime = Runtime::new()?;
    runtime.set_max_stack_size(STACK_BYTES);
    runtime.set_loader(modules::Imports, modules::Imports);
    let context = Context::full(&runtime)?;
    context.with(|ctx| {
        intrinsics::capture(&ctx)?;
        invoke::install(&ctx)?;
        console::install(&ctx)?;
        timers::install(&ctx)?;
        random::install(&ctx)?;
        let platform = web::install(&ctx)?;
        services::install(&ctx, table)?;
        let scripts = platform.complete()?;
        ctx.run_gc();
        heap::make_room(&ctx, scripts);
        Ok::<_, rquickjs::Error>(())
    })?;
    runtime.set_gc_threshold(FIRST_COLLECTION_BYTES);
    Ok(context)
}
