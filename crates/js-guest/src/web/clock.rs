//! `performance`: a clock that starts anew with each invocation.

use std::cell::Cell;

use rquickjs::{Function, Object, Result};

use crate::host;

/// Finer steps would help one tenant to measure another.
const STEP_US: f64 = 100.0;

thread_local! {
    /// Unset at boot and at top level: a heap kept from there must not carry a time into later invocations.
    static ORIGIN_US: Cell<Option<f64>> = const { Cell::new(None) };
}

/// Starts the clock behind `performance`; to be called before each invocation's code runs.
pub fn begin_invocation() {
    ORIGIN_US.set(Some(coarse(host::now_us())));
}

/// Adds `now` and `timeOrigin`, in milliseconds.
pub fn install(native: &Object<'_>) -> Result<()> {
    let ctx = native.ctx();
    native.set("now", Function::new(ctx.clone(), now_ms)?)?;
    native.set("timeOrigin", Function::new(ctx.clone(), time_origin_ms)?)
}

/// Zero at top level, where the clock stands still.
fn now_ms() -> f64 {
    ORIGIN_US.get().map_or(0.0, |origin| (coarse(host::now_us()) - origin).max(0.0) / 1000.0)
}

fn time_origin_ms() -> f64 {
    ORIGIN_US.get().unwrap_or_else(|| coarse(host::now_us())) / 1000.0
}

fn coarse(us: f64) -> f64 {
    (us / STEP_US).floor() * STEP_US
}
