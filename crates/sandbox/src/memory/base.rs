//! The heap that all memories of a pool share: the engine after boot.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    sync::atomic::{AtomicU64, Ordering},
};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

use super::{WASM_PAGE_BYTES, region::Region};

/// A heap in a file that exists in memory only and never changes again.
#[derive(Debug)]
pub(crate) struct Base {
    file: File,
    /// The file, mapped once more to copy from.
    content: Region,
    bytes: usize,
    number: u64,
}

/// Bases of this process so far.
static BASES: AtomicU64 = AtomicU64::new(0);

impl Base {
    /// Keeps a heap; it must be whole pages of WebAssembly.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn new(heap: &[u8]) -> io::Result<Self> {
        assert!(heap.len().is_multiple_of(WASM_PAGE_BYTES), "a heap of {} bytes", heap.len());
        let file = File::from(memfd_create("doer-base", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?);
        file.set_len(heap.len() as u64)?;
        // What is zero stays a hole, which takes no memory.
        let page_bytes = rustix::param::page_size();
        for (index, page) in heap.chunks(page_bytes).enumerate().filter(|(_, page)| page.iter().any(|byte| *byte != 0))
        {
            file.write_all_at(page, (index * page_bytes) as u64)?;
        }
        fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL)?;
        let mut content = Region::reserve()?;
        content.map(&file, heap.len())?;
        Ok(Self { file, content, bytes: heap.len(), number: BASES.fetch_add(1, Ordering::Relaxed) })
    }

    /// Its size.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Tells it from all others: what differs from one says nothing about another.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// Maps it to the beginning of a region.
    pub(super) fn map_into(&self, region: &mut Region) -> io::Result<()> {
        region.map(&self.file, self.bytes)
    }

    /// A piece of it; `None` beyond its end, where memory begins as zeros.
    pub(super) fn piece(&self, offset: usize, bytes: usize) -> Option<&[u8]> {
        (offset + bytes <= self.bytes).then(|| self.content.bytes(offset..offset + bytes))
    }
}
