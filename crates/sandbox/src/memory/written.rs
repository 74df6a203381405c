//! Which pages of a private mapping were written: `PAGEMAP_SCAN` of Linux 6.7 and later, ioctl_pagemap_scan(2).

#![expect(unsafe_code, reason = "a system call that rustix does not have")]

use std::{ffi::c_void, fs::File, io, ops::Range};

use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, ioctl, opcode};

/// Regions that one call tells; a page that was written between two that were not is one.
const REGIONS: usize = 64;

// Names and values of linux/fs.h.
const PAGE_IS_FILE: u64 = 1 << 2;
const PAGE_IS_PRESENT: u64 = 1 << 3;
const PAGE_IS_SWAPPED: u64 = 1 << 4;

/// Asks the kernel about mappings of this process.
#[derive(Debug)]
pub(super) struct Written {
    pagemap: File,
}

impl Written {
    /// Opens the way to ask; `None` where the kernel cannot tell, or may not.
    pub(super) fn open() -> Option<Self> {
        let written = Self { pagemap: File::open("/proc/self/pagemap").ok()? };
        let mut probe = |_| Ok(());
        written.regions(std::ptr::null(), 0..0, 1, &mut probe).ok()?;
        Some(written)
    }

    /// Tells `found` the regions of `range`, from `start`, that were written since they were mapped, or since their pages
    /// were last given back. Says whether that was all: it ends where they are more than `most_pages`.
    ///
    /// A page that was only read is the file's, or is none. A page that was written is this process's own: in memory,
    /// on its way to another place there, or swapped out.
    pub(super) fn regions(
        &self,
        start: *const u8,
        range: Range<usize>,
        most_pages: usize,
        found: &mut dyn FnMut(Range<usize>) -> io::Result<()>,
    ) -> io::Result<bool> {
        let origin = start.addr() as u64;
        let (mut from, end) = (origin + range.start as u64, origin + range.end as u64);
        let (mut pages_left, page_bytes) = (most_pages as u64, rustix::param::page_size() as u64);
        loop {
            let mut regions = [PageRegion::default(); REGIONS];
            let scan = PmScanArg {
                size: size_of::<PmScanArg>() as u64,
                start: from,
                end,
                vec: regions.as_mut_ptr().addr() as u64,
                vec_len: REGIONS as u64,
                // Zero would be no bound at all.
                max_pages: pages_left + 1,
                category_inverted: PAGE_IS_FILE,
                category_mask: PAGE_IS_FILE,
                category_anyof_mask: PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
                ..PmScanArg::default()
            };
            // SAFETY: the argument is laid out as the kernel wants it, and it writes to `regions` only.
            let (count, walk_end) = unsafe { ioctl(&self.pagemap, scan) }?;
            for region in regions.iter().take(count) {
                let pages = (region.end - region.start) / page_bytes;
                let Some(left) = pages_left.checked_sub(pages) else {
                    return Ok(false);
                };
                pages_left = left;
                found((region.start - origin) as usize..(region.end - origin) as usize)?;
            }
            if walk_end >= end {
                return Ok(true);
            }
            from = walk_end;
        }
    }
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
struct PageRegion {
    start: u64,
    end: u64,
    categories: u64,
}

#[repr(C)]
#[derive(Debug, Default)]
struct PmScanArg {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    vec: u64,
    vec_len: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

// SAFETY: opcode and argument are those of linux/fs.h.
unsafe impl Ioctl for PmScanArg {
    type Output = (usize, u64);

    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        opcode::read_write::<Self>(b'f', 16)
    }

    fn as_ptr(&mut self) -> *mut c_void {
        (&raw mut *self).cast()
    }

    unsafe fn output_from_ptr(out: IoctlOutput, argument: *mut c_void) -> rustix::io::Result<Self::Output> {
        // SAFETY: it is the argument that `as_ptr` gave.
        let argument = unsafe { &*argument.cast::<Self>() };
        Ok((usize::try_from(out).unwrap_or(0), argument.walk_end))
    }
}
