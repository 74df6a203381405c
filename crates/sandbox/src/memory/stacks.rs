//! Native stacks for guests. They are kept: to map one costs as much as a short run does.

#![expect(unsafe_code, reason = "wasmtime's interface for stacks")]

use std::{
    io,
    ops::Range,
    ptr,
    sync::{Arc, Mutex, PoisonError},
};

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};
use wasmtime::{StackCreator, StackMemory};

/// Stacks that are not in use. As many exist as were ever in use at once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stacks {
    idle: Arc<Mutex<Vec<Stack>>>,
}

/// A stack with a page below it that cannot be touched.
#[derive(Debug)]
struct Stack {
    mapped: *mut u8,
    guard_bytes: usize,
    bytes: usize,
}

// SAFETY: it owns what it points to.
unsafe impl Send for Stack {}
// SAFETY: as above.
unsafe impl Sync for Stack {}

/// A stack in use.
struct Lent {
    stacks: Stacks,
    /// Always there, until it is given back.
    stack: Option<Stack>,
}

impl Stack {
    fn map(bytes: usize) -> io::Result<Self> {
        let guard_bytes = rustix::param::page_size();
        let (access, flags) =
            (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE | MapFlags::NORESERVE | MapFlags::STACK);
        // SAFETY: new addresses, chosen by the kernel.
        let mapped = unsafe { mmap_anonymous(ptr::null_mut(), guard_bytes + bytes, access, flags) }?.cast::<u8>();
        let stack = Self { mapped, guard_bytes, bytes };
        // SAFETY: the lowest page of what was just mapped.
        unsafe { mprotect(mapped.cast(), guard_bytes, MprotectFlags::empty()) }?;
        Ok(stack)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: what `map` mapped; the last use of it.
        let _ = unsafe { munmap(self.mapped.cast(), self.guard_bytes + self.bytes) };
    }
}

impl Stacks {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Stack>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// SAFETY: a stack is one guest's until it is given back, has whole pages, and the guard is below it. It holds what the last
// guest's native code left there, as wasmtime's own pool does where it is not told to wipe: no guest can read it.
unsafe impl StackCreator for Stacks {
    fn new_stack(&self, size: usize, _: bool) -> wasmtime::Result<Box<dyn StackMemory>> {
        let idle = self.lock().pop().filter(|stack| stack.bytes == size);
        let stack = match idle {
            Some(stack) => stack,
            None => Stack::map(size)?,
        };
        Ok(Box::new(Lent { stacks: self.clone(), stack: Some(stack) }))
    }
}

// SAFETY: as above.
unsafe impl StackMemory for Lent {
    fn top(&self) -> *mut u8 {
        self.range_of(|stack| stack.mapped.wrapping_add(stack.guard_bytes + stack.bytes))
    }

    fn range(&self) -> Range<usize> {
        self.range_of(|stack| {
            let start = stack.mapped.addr() + stack.guard_bytes;
            start..start + stack.bytes
        })
    }

    fn guard_range(&self) -> Range<*mut u8> {
        self.range_of(|stack| stack.mapped..stack.mapped.wrapping_add(stack.guard_bytes))
    }
}

impl Lent {
    #[expect(clippy::expect_used, reason = "taken by `drop` alone")]
    fn range_of<T>(&self, of: impl FnOnce(&Stack) -> T) -> T {
        of(self.stack.as_ref().expect("a stack is there until it is dropped"))
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(stack) = self.stack.take() {
            self.stacks.lock().push(stack);
        }
    }
}
