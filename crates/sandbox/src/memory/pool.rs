//! Memories: taken, given back, wiped.

use std::{
    io,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{Base, Image, image::Pages, packed, region::Region, written::Written};

/// After so many runs a memory starts anew. Until then each page that one of them wrote is restored after all of them,
/// and some pages are written by few: whoever evaluates code writes several times as many as who only runs it.
const RUNS: u32 = 128;

/// The memories of an installation.
#[derive(Debug)]
pub(crate) struct Pool {
    base: Base,
    /// `None` where the kernel cannot tell what was written: then all pages are given back every time.
    written: Option<Written>,
    keep_bytes: usize,
    slots: Mutex<Slots>,
}

#[derive(Debug)]
struct Slots {
    /// Last used first.
    idle: Vec<Slot>,
    /// How many more there may be.
    left: usize,
}

/// One memory, wiped.
#[derive(Debug)]
struct Slot {
    region: Region,
    /// From the beginning up to here it can be read and written.
    open_bytes: usize,
    /// Whose pages lie over those of the base.
    applied: Option<Arc<Pages>>,
    /// How many have had it since it started anew.
    runs: u32,
}

/// A memory that a guest has. Dropping it wipes it, and gives it back.
#[derive(Debug)]
pub(crate) struct Memory {
    pool: Arc<Pool>,
    /// Always there, until it is given back.
    slot: Option<Slot>,
}

impl Pool {
    /// A pool of at most so many memories. A memory that is not in use keeps its pages, up to so many bytes; one that has
    /// more of them starts anew.
    pub(crate) fn new(base: Base, most: usize, keep_bytes: usize) -> Arc<Self> {
        let written = Written::open();
        if written.is_none() {
            tracing::warn!(
                "this kernel does not tell which pages a guest has written (Linux 6.7 does, by PAGEMAP_SCAN, where /proc is mounted): runs will be several times slower"
            );
        }
        Self::with(base, written, most, keep_bytes)
    }

    fn with(base: Base, written: Option<Written>, most: usize, keep_bytes: usize) -> Arc<Self> {
        Arc::new(Self { base, written, keep_bytes, slots: Mutex::new(Slots { idle: Vec::new(), left: most }) })
    }

    /// A memory that holds `image`, or else the base.
    ///
    /// # Errors
    /// Where all are in use, where the image is that of another pool, and those of the system.
    pub(crate) fn take(self: &Arc<Self>, image: Option<&Image>) -> io::Result<Memory> {
        if image.is_some_and(|image| image.pages.base != self.base.number()) {
            return Err(io::Error::other("an image of another sandbox"));
        }
        let image = image.map(|image| Arc::clone(&image.pages));
        let mut slot = match self.idle(image.as_ref()) {
            Some(slot) => slot,
            None => self.reserve()?,
        };
        match slot.prepare(&self.base, image.as_ref()) {
            Ok(()) => Ok(Memory { pool: Arc::clone(self), slot: Some(slot) }),
            Err(error) => {
                self.retire(slot);
                Err(error)
            }
        }
    }

    /// The image of a heap that lies in a memory of this pool. What lies below `dead_below` is left out: it was a stack.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn image(&self, heap: &[u8], dead_below: usize) -> io::Result<Image> {
        let mut builder = Image::builder(&self.base, heap.len());
        let page_bytes = rustix::param::page_size();
        let alive = dead_below / page_bytes * page_bytes..heap.len();
        let look_at = &mut |region: Range<usize>| {
            builder.look_at(&self.base, region.start, &heap[region]);
            Ok(())
        };
        match &self.written {
            Some(written) => written.regions(heap.as_ptr(), alive, usize::MAX >> 1, look_at).map(drop)?,
            None => look_at(alive)?,
        }
        Ok(builder.finish())
    }

    /// An image as bytes, to be kept.
    pub(crate) fn pack(&self, image: &Image) -> Vec<u8> {
        packed::pack(image)
    }

    /// The image that such bytes stand for, on a base that was the same to the byte; its pages have so many bytes at most.
    ///
    /// # Errors
    /// Where they stand for none.
    pub(crate) fn unpack(&self, bytes: &[u8], most_bytes: u64) -> io::Result<Image> {
        packed::unpack(&self.base, bytes, most_bytes)
    }

    /// An idle memory: one that holds the image already, or else the one used last, which the caches still know.
    fn idle(&self, image: Option<&Arc<Pages>>) -> Option<Slot> {
        let idle = &mut self.lock().idle;
        let same = idle.iter().rposition(|slot| is_same(slot.applied.as_ref(), image));
        match same {
            Some(index) => Some(idle.remove(index)),
            None => idle.pop(),
        }
    }

    fn reserve(&self) -> io::Result<Slot> {
        {
            let mut slots = self.lock();
            slots.left = slots.left.checked_sub(1).ok_or_else(|| io::Error::other("all memories are in use"))?;
        }
        let slot = Region::reserve().and_then(|mut region| {
            self.base.map_into(&mut region)?;
            Ok(Slot { region, open_bytes: self.base.bytes(), applied: None, runs: 0 })
        });
        if slot.is_err() {
            self.lock().left += 1;
        }
        slot
    }

    /// Unmaps a memory; another may be made in its place.
    fn retire(&self, slot: Slot) {
        drop(slot);
        self.lock().left += 1;
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// Makes it hold an image, or the base.
    fn prepare(&mut self, base: &Base, image: Option<&Arc<Pages>>) -> io::Result<()> {
        let heap_bytes = heap_bytes(base, image);
        self.resize(heap_bytes)?;
        if is_same(self.applied.as_ref(), image) {
            return Ok(());
        }
        let page_bytes = rustix::param::page_size();
        if let Some(applied) = self.applied.take() {
            for (offset, _) in applied.iter().filter(|(offset, _)| *offset < heap_bytes) {
                self.restore(base, None, offset, page_bytes);
            }
        }
        for (offset, patch) in image.iter().flat_map(|image| image.iter()) {
            patch.apply(self.region.bytes_mut(offset..offset + page_bytes));
        }
        self.applied = image.cloned();
        Ok(())
    }

    fn resize(&mut self, bytes: usize) -> io::Result<()> {
        match self.open_bytes {
            open if open < bytes => self.region.open(open..bytes)?,
            open if open > bytes => self.region.close(bytes..open)?,
            _ => {}
        }
        self.open_bytes = bytes;
        Ok(())
    }

    /// Undoes what a guest has written.
    fn wipe(&mut self, pool: &Pool) -> io::Result<()> {
        let applied = self.applied.clone();
        self.resize(heap_bytes(&pool.base, applied.as_ref()))?;
        let (range, start) = (0..self.open_bytes, self.region.start());
        self.runs += 1;
        if let (Some(written), ..RUNS) = (&pool.written, self.runs) {
            let page_bytes = rustix::param::page_size();
            let most_pages = pool.keep_bytes / page_bytes + applied.as_ref().map_or(0, |pages| pages.count());
            let whole = written.regions(start, range.clone(), most_pages, &mut |region| {
                for offset in region.step_by(page_bytes) {
                    self.restore(&pool.base, applied.as_deref(), offset, page_bytes);
                }
                Ok(())
            })?;
            if whole {
                return Ok(());
            }
        }
        (self.applied, self.runs) = (None, 0);
        self.region.discard(range)
    }

    /// Puts what belongs there over a page.
    fn restore(&mut self, base: &Base, image: Option<&Pages>, offset: usize, bytes: usize) {
        let page = self.region.bytes_mut(offset..offset + bytes);
        match base.piece(offset, bytes) {
            Some(content) => page.copy_from_slice(content),
            None => page.fill(0),
        }
        if let Some(patch) = image.and_then(|image| image.at(offset)) {
            patch.apply(page);
        }
    }
}

impl Memory {
    /// Where it begins.
    pub(super) fn start(&self) -> *mut u8 {
        self.slot().region.start()
    }

    /// Its size now.
    pub(super) fn bytes(&self) -> usize {
        self.slot().open_bytes
    }

    /// Makes it larger; what is added is zeros.
    pub(super) fn grow_to(&mut self, bytes: usize) -> io::Result<()> {
        match &mut self.slot {
            Some(slot) if bytes >= slot.open_bytes => slot.resize(bytes),
            _ => Err(io::Error::other("a memory does not shrink")),
        }
    }

    #[expect(clippy::expect_used, reason = "taken by `drop` alone")]
    fn slot(&self) -> &Slot {
        self.slot.as_ref().expect("a memory has its slot until it is dropped")
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let Some(mut slot) = self.slot.take() else { return };
        match slot.wipe(&self.pool) {
            Ok(()) => self.pool.lock().idle.push(slot),
            Err(error) => {
                tracing::error!(%error, "a memory could not be wiped, and is unmapped");
                self.pool.retire(slot);
            }
        }
    }
}

fn heap_bytes(base: &Base, image: Option<&Arc<Pages>>) -> usize {
    image.map_or(base.bytes(), |pages| pages.heap_bytes)
}

fn is_same(one: Option<&Arc<Pages>>, other: Option<&Arc<Pages>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (one, other) => one.is_none() && other.is_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::WASM_PAGE_BYTES;

    const PAGE: usize = WASM_PAGE_BYTES;

    fn base() -> Vec<u8> {
        // Its second page is a hole in the file.
        [vec![1; PAGE], vec![0; PAGE], vec![3; PAGE]].concat()
    }

    /// A pool of one memory: whatever is left behind, the next finds.
    fn pools() -> [Arc<Pool>; 3] {
        if Written::open().is_none() {
            eprintln!("skipped: memories that are wiped by what was written; this kernel does not tell");
        }
        [(Written::open(), 1 << 20), (Written::open(), 0), (None, 1 << 20)]
            .map(|(written, keep)| Pool::with(Base::new(&base()).unwrap(), written, 1, keep))
    }

    fn content(memory: &mut Memory) -> &mut [u8] {
        let bytes = memory.bytes();
        memory.slot.as_mut().unwrap().region.bytes_mut(0..bytes)
    }

    #[test]
    fn a_memory_begins_as_what_it_is_to_hold_whatever_was_there() {
        for pool in pools() {
            let mut memory = pool.take(None).unwrap();
            memory.grow_to(5 * PAGE).unwrap();
            let heap = content(&mut memory);
            heap[PAGE + 7] = 9;
            heap[4 * PAGE] = 9;
            // A stack that is dead.
            heap[0] = 9;
            let image = pool.image(content(&mut memory), PAGE).unwrap();
            drop(memory);
            let mut imaged = base();
            imaged.resize(5 * PAGE, 0);
            (imaged[PAGE + 7], imaged[4 * PAGE]) = (9, 9);
            for (image, wanted) in [
                (None, base()),
                (Some(&image), imaged.clone()),
                (Some(&image), imaged.clone()),
                (None, base()),
                (Some(&image), imaged),
            ] {
                let mut memory = pool.take(image).unwrap();
                assert!(content(&mut memory) == wanted.as_slice(), "{pool:?}");
                memory.grow_to(8 * PAGE).unwrap();
                assert!(content(&mut memory)[wanted.len()..].iter().all(|byte| *byte == 0));
                content(&mut memory).fill(7);
            }
        }
    }

    #[test]
    fn what_one_run_has_written_is_not_restored_for_ever() {
        let [pool, ..] = pools();
        let Some(written) = &pool.written else { return };
        let private = |memory: &Memory| {
            let mut pages = 0;
            let mut count = |region: Range<usize>| {
                pages += region.len() / rustix::param::page_size();
                Ok(())
            };
            written.regions(memory.start(), 0..memory.bytes(), usize::MAX >> 1, &mut count).unwrap();
            pages
        };
        let mut memory = pool.take(None).unwrap();
        content(&mut memory).fill(9);
        drop(memory);
        let counts: Vec<usize> = (0..RUNS).map(|_| private(&pool.take(None).unwrap())).collect();
        assert!(counts[0] > 0 && counts[RUNS as usize - 1] == 0, "{counts:?}");
    }

    #[test]
    fn there_are_no_more_than_there_may_be() {
        let [pool, ..] = pools();
        let memory = pool.take(None).unwrap();
        assert_eq!(pool.take(None).unwrap_err().to_string(), "all memories are in use");
        drop(memory);
        assert!(pool.take(None).is_ok());
    }

    #[test]
    fn an_image_belongs_to_its_pool() {
        let [pool, other, _] = pools();
        let mut memory = pool.take(None).unwrap();
        let image = pool.image(content(&mut memory), 0).unwrap();
        drop(memory);
        assert_eq!(other.take(Some(&image)).unwrap_err().to_string(), "an image of another sandbox");
        assert!(other.take(None).is_ok() && pool.take(Some(&image)).is_ok());
    }
}
