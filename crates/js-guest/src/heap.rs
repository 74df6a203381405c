//! Where in the heap a run finds room: see [`make_room`].

#![expect(unsafe_code, reason = "asks the engine's own allocator, which the bindings do not offer")]

use std::hint::black_box;

use rquickjs::{Ctx, qjs};

/// Blocks of these sizes fill what the allocator has free; it has no smaller ones.
const SIZES: [usize; 8] = [16 << 10, 4 << 10, 1 << 10, 256, 64, 32, 16, 8];
/// Up to this size the engine takes blocks from pages of its own, each for blocks of one size, in steps of eight bytes.
const SMALL_BYTES: usize = 504;

/// Gives a block back, so that what is allocated from now on comes from it first.
///
/// The host wipes the lower part of a heap after every run, and of the upper part only what was touched, at the price of a
/// page fault for each page. So runs should find their memory low, and next to each other. But an allocator takes the
/// smallest free block that fits, and whatever is installed leaves free blocks behind, anywhere. So all of them are used up
/// before, for good: some hundred kilobytes that nobody touches, and that cost address space only.
pub fn make_room(ctx: &Ctx<'_>, block: String) {
    let end = memory_end();
    for size in SIZES {
        loop {
            let filler = black_box(Vec::<u8>::with_capacity(size));
            // What was free is used up where the memory had to grow.
            if filler.as_ptr() as usize + size > end {
                break;
            }
            std::mem::forget(filler);
        }
    }
    let room = block.as_ptr() as usize..block.as_ptr() as usize + block.len();
    drop(block);
    if cfg!(target_family = "wasm") {
        use_up_pages(ctx, |address| room.contains(&address) || address >= end);
    }
}

/// Leaves the engine a page in the room for each size of small blocks, and none elsewhere.
fn use_up_pages(ctx: &Ctx<'_>, in_room: impl Fn(usize) -> bool) {
    // SAFETY: the runtime is alive; the blocks are never given back.
    unsafe {
        let runtime = qjs::JS_GetRuntime(ctx.as_raw().as_ptr());
        for size in (8..=SMALL_BYTES).step_by(8) {
            while !in_room(qjs::js_malloc_rt(runtime, size as _) as usize) {}
        }
    }
}

#[cfg(target_family = "wasm")]
fn memory_end() -> usize {
    core::arch::wasm32::memory_size(0) << 16
}

/// Outside of WebAssembly there is no heap to take an image of.
#[cfg(not(target_family = "wasm"))]
fn memory_end() -> usize {
    0
}
