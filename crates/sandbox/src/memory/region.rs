//! A reservation of address space for one linear memory, with guards around it.

#![expect(unsafe_code, reason = "mapping memory")]

use std::{fs::File, io, ops::Range, ptr};

use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags, madvise, mmap, mmap_anonymous, mprotect, munmap};

use super::{GUARD_BYTES, RESERVED_BYTES};

const MAPPED_BYTES: usize = GUARD_BYTES + RESERVED_BYTES + GUARD_BYTES;

/// Address space that is this value's alone. Offsets are from where memory begins, behind the first guard; ranges must
/// lie within the reservation and begin and end with pages.
#[derive(Debug)]
pub(super) struct Region {
    start: *mut u8,
}

// SAFETY: it owns what it points to, and gives it out by `&self` for reading and by `&mut self` for writing only.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

impl Region {
    /// Reserves the addresses; nothing of them can be touched yet.
    pub(super) fn reserve() -> io::Result<Self> {
        // SAFETY: new addresses, chosen by the kernel.
        let mapped = unsafe {
            mmap_anonymous(ptr::null_mut(), MAPPED_BYTES, ProtFlags::empty(), MapFlags::PRIVATE | MapFlags::NORESERVE)
        }?;
        let region = Self { start: mapped.cast::<u8>().wrapping_add(GUARD_BYTES) };
        // A guest that touches a byte must not have two megabytes wiped for it. Kernels without huge pages refuse.
        // SAFETY: our own addresses; changes nothing that can be observed.
        let _ = unsafe { madvise(region.start.cast(), RESERVED_BYTES, Advice::LinuxNoHugepage) };
        Ok(region)
    }

    /// Where memory begins.
    pub(super) const fn start(&self) -> *mut u8 {
        self.start
    }

    /// Maps the file's first bytes to the beginning, copy on write.
    pub(super) fn map(&mut self, file: &File, bytes: usize) -> io::Result<()> {
        let _ = self.at(0..bytes);
        let (access, flags) =
            (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE | MapFlags::FIXED | MapFlags::NORESERVE);
        // SAFETY: replaces a part of our own mapping, while nobody can have a reference into it.
        unsafe { mmap(self.start.cast(), bytes, access, flags, file, 0) }?;
        Ok(())
    }

    /// Makes a range readable and writable.
    pub(super) fn open(&mut self, range: Range<usize>) -> io::Result<()> {
        let (start, bytes) = self.at(range);
        // SAFETY: our own addresses; more access breaks no reference.
        Ok(unsafe { mprotect(start.cast(), bytes, MprotectFlags::READ | MprotectFlags::WRITE) }?)
    }

    /// Makes a range inaccessible, and gives its pages back.
    pub(super) fn close(&mut self, range: Range<usize>) -> io::Result<()> {
        self.discard(range.clone())?;
        let (start, bytes) = self.at(range);
        // SAFETY: our own addresses, and `&mut self`: nobody has a reference into them.
        Ok(unsafe { mprotect(start.cast(), bytes, MprotectFlags::empty()) }?)
    }

    /// Gives the pages of a range back: it reads as what is mapped there, or as zeros.
    pub(super) fn discard(&mut self, range: Range<usize>) -> io::Result<()> {
        let (start, bytes) = self.at(range);
        // SAFETY: our own addresses, private to this process, and `&mut self`.
        Ok(unsafe { madvise(start.cast(), bytes, Advice::LinuxDontNeed) }?)
    }

    /// The bytes of a range, which must be open.
    pub(super) fn bytes(&self, range: Range<usize>) -> &[u8] {
        let (start, bytes) = self.at(range);
        // SAFETY: in our mapping, which the caller has opened; written by `&mut self` only, or by the guest that holds it.
        unsafe { std::slice::from_raw_parts(start, bytes) }
    }

    /// The same, to write to.
    pub(super) fn bytes_mut(&mut self, range: Range<usize>) -> &mut [u8] {
        let (start, bytes) = self.at(range);
        // SAFETY: as in `bytes`, and by `&mut self` the only reference.
        unsafe { std::slice::from_raw_parts_mut(start, bytes) }
    }

    fn at(&self, range: Range<usize>) -> (*mut u8, usize) {
        assert!(
            range.start <= range.end && range.end <= RESERVED_BYTES,
            "{range:?} is outside of a memory's addresses"
        );
        (self.start.wrapping_add(range.start), range.len())
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        let mapped = self.start.wrapping_sub(GUARD_BYTES);
        // SAFETY: what `reserve` mapped; the last use of it. It cannot fail for a range that is mapped as a whole.
        let _ = unsafe { munmap(mapped.cast(), MAPPED_BYTES) };
    }
}
