//! How wasmtime gets a memory of the pool.
//!
//! wasmtime makes memories when it instantiates a module that declares one, and asks a [`MemoryCreator`] for them, whom it
//! tells nothing but sizes. So whoever instantiates says beforehand, on the same thread, which memory that will be.

#![expect(unsafe_code, reason = "wasmtime's interface for memories")]

use std::cell::RefCell;

use wasmtime::{LinearMemory, MemoryCreator, MemoryType};

use super::{GUARD_BYTES, Memory, RESERVED_BYTES};

thread_local! {
    static LENT: RefCell<Option<Memory>> = const { RefCell::new(None) };
}

/// Runs `instantiate`, in which the one module with a memory gets this one. It must not have data segments.
pub(crate) fn lend<T>(memory: Memory, instantiate: impl FnOnce() -> T) -> T {
    LENT.set(Some(memory));
    let instantiated = instantiate();
    LENT.take();
    instantiated
}

/// Gives wasmtime what was lent, and nothing else.
pub(crate) struct Creator;

// SAFETY: a memory of the pool has its addresses for itself, `RESERVED_BYTES` from its beginning and `GUARD_BYTES` behind
// them, of which `bytes` can be accessed; it never moves. That new memories are zeros matters to data segments, which the
// modules that get these do not have.
unsafe impl MemoryCreator for Creator {
    fn new_memory(
        &self,
        _: MemoryType,
        minimum: usize,
        _: Option<usize>,
        reserved_size_in_bytes: Option<usize>,
        guard_size_in_bytes: usize,
    ) -> Result<Box<dyn LinearMemory>, String> {
        let memory = LENT.take().ok_or("no memory was lent")?;
        if reserved_size_in_bytes != Some(RESERVED_BYTES)
            || guard_size_in_bytes > GUARD_BYTES
            || minimum > memory.bytes()
        {
            return Err("a memory of the pool is not what this module wants".to_owned());
        }
        Ok(Box::new(memory))
    }
}

// SAFETY: as above.
unsafe impl LinearMemory for Memory {
    fn byte_size(&self) -> usize {
        self.bytes()
    }

    fn byte_capacity(&self) -> usize {
        RESERVED_BYTES
    }

    fn grow_to(&mut self, new_size: usize) -> wasmtime::Result<()> {
        Ok(Memory::grow_to(self, new_size)?)
    }

    fn as_ptr(&self) -> *mut u8 {
        self.start()
    }
}
