//! `Math.random`, seeded by the host at every invocation: two runs from one image must differ, and
//! QuickJS's own generator would go on from where the image was taken.

use std::cell::Cell;

use rquickjs::{Ctx, Function, Object, Result};

use crate::scope;

thread_local! {
    static STATE: Cell<u64> = const { Cell::new(0) };
}

/// Replaces `Math.random`.
///
/// # Errors
/// Only out of memory.
pub fn install(ctx: &Ctx<'_>) -> Result<()> {
    let random = |ctx: Ctx<'_>| {
        scope::refuse_global(&ctx, "Math.random()")?;
        Ok::<_, rquickjs::Error>(next())
    };
    let math: Object<'_> = ctx.globals().get("Math")?;
    math.set("random", Function::new(ctx.clone(), random)?.with_name("random")?)
}

/// Starts the sequence anew.
pub fn seed(seed: u64) {
    STATE.set(seed);
}

/// SplitMix64 (Steele, Lea, Flood 2014): 53 bits of it, in [0, 1).
fn next() -> f64 {
    let state = STATE.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
    STATE.set(state);
    let mut z = state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    (z >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
}
