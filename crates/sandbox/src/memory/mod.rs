//! The linear memories that JavaScript runs in: a pool of our own, in which a pristine heap costs what the last guest
//! wrote, and not what a heap holds.
//!
//! Every memory of the pool has the same heap mapped into it, copy on write: the engine after boot ([`Base`]). A
//! worker's heap is an [`Image`]: the pages in which it differs from that one. To give a guest a memory is to copy those
//! pages, if they do not lie there already; to take it back is to ask the kernel which pages were written ([`Written`])
//! and to copy what belongs there over them. Pages stay: nothing is unmapped, no other processor is interrupted, and the
//! next guest takes no page faults.
//!
//! wasmtime's own pool asks the kernel the same question, but takes "not present" for "not written". A page that is being
//! migrated, which may happen at any time, or that was swapped out is both written and not present, and would survive for
//! the next guest to read. Here such pages count as written.
//!
//! | file | what is in it |
//! |---|---|
//! | `region` | a reservation of address space with guards around it |
//! | `written` | which pages of one were written |
//! | `base` | the heap that all share |
//! | `image` | a heap as its difference from that |
//! | `packed` | that as bytes for a disk |
//! | `pool` | memories: taken, given back, wiped |
//! | `lend` | how wasmtime gets one of them |
//! | `stacks` | native stacks, which wasmtime pools only together with memories |

mod base;
mod image;
mod lend;
mod packed;
mod pool;
mod region;
mod stacks;
mod written;

pub(crate) use base::Base;
pub use image::Image;
pub(crate) use lend::{Creator, lend};
pub(crate) use pool::{Memory, Pool};
pub(crate) use stacks::Stacks;

/// WebAssembly's page.
pub(crate) const WASM_PAGE_BYTES: usize = 64 << 10;
/// What code may address without a check: 4 GiB, whatever a memory's size. wasmtime is told the same.
pub(crate) const RESERVED_BYTES: usize = 4 << 30;
/// Addresses before and behind that which never become memory. Code reaches the one behind by the constant offsets of its
/// instructions; the one before guards against mistakes of the compiler.
pub(crate) const GUARD_BYTES: usize = 32 << 20;
