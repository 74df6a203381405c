//! Where in the heap a run finds room: see [`make_room`].

use std::hint::black_box;

/// Blocks of these sizes fill what is free; dlmalloc has no smaller ones.
const SIZES: [usize; 8] = [16 << 10, 4 << 10, 1 << 10, 256, 64, 32, 16, 8];

/// Gives a block back, so that what is allocated from now on comes from it first.
///
/// The host wipes the lower part of a heap after every run, and of the upper part only what was touched, at the price of a
/// page fault for each page. So runs should find their memory low, and next to each other. But the allocator takes the
/// smallest free block that fits, and whatever is installed leaves free blocks behind, anywhere. So all of them are used up
/// before, for good: some hundred kilobytes that nobody touches, and that cost address space only.
pub fn make_room(block: String) {
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
    drop(block);
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
