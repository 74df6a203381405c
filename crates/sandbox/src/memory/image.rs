//! A heap as its difference from the base.

use std::sync::Arc;

use super::Base;

/// The heap of a program after its top level.
#[derive(Debug, Clone)]
pub struct Image {
    pub(super) pages: Arc<Pages>,
}

/// Pages in which a heap is not the base.
#[derive(Debug)]
pub(super) struct Pages {
    /// The number of that base.
    pub(super) base: u64,
    /// Size of the whole heap, in bytes.
    pub(super) heap_bytes: usize,
    pub(super) page_bytes: usize,
    /// Which, ascending.
    pub(super) numbers: Vec<u32>,
    /// What is in them, one after another.
    pub(super) contents: Vec<u8>,
}

impl Image {
    /// Memory that it takes.
    pub(crate) fn bytes(&self) -> u64 {
        (self.pages.contents.len() + self.pages.numbers.len() * size_of::<u32>()) as u64
    }

    /// Starts the image of a heap.
    pub(super) fn builder(base: &Base, heap_bytes: usize) -> Builder {
        let page_bytes = rustix::param::page_size();
        Builder {
            pages: Pages { base: base.number(), heap_bytes, page_bytes, numbers: Vec::new(), contents: Vec::new() },
        }
    }
}

/// An image in the making; pages come in their order.
pub(super) struct Builder {
    pages: Pages,
}

impl Builder {
    /// Looks at pages of the heap, and keeps those that are not what the base has there.
    pub(super) fn look_at(&mut self, base: &Base, offset: usize, bytes: &[u8]) {
        let pages = &mut self.pages;
        for (index, page) in bytes.chunks(pages.page_bytes).enumerate() {
            let offset = offset + index * pages.page_bytes;
            let same = match base.piece(offset, page.len()) {
                Some(piece) => piece == page,
                None => page.iter().all(|byte| *byte == 0),
            };
            if !same {
                // A heap has 4 GiB at most.
                pages.numbers.push((offset / pages.page_bytes) as u32);
                pages.contents.extend_from_slice(page);
            }
        }
    }

    pub(super) fn finish(mut self) -> Image {
        self.pages.numbers.shrink_to_fit();
        self.pages.contents.shrink_to_fit();
        Image { pages: Arc::new(self.pages) }
    }
}

impl Pages {
    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.numbers.len()
    }

    /// The page at this offset, if it is one of them.
    pub(super) fn at(&self, offset: usize) -> Option<&[u8]> {
        let number = u32::try_from(offset / self.page_bytes).ok()?;
        self.numbers.binary_search(&number).ok().map(|index| self.content(index))
    }

    /// All of them, with their offsets.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &[u8])> {
        self.numbers.iter().enumerate().map(|(index, number)| (*number as usize * self.page_bytes, self.content(index)))
    }

    fn content(&self, index: usize) -> &[u8] {
        &self.contents[index * self.page_bytes..(index + 1) * self.page_bytes]
    }
}
