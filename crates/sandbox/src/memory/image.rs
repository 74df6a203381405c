//! A heap as its difference from the base.
//!
//! Evaluating a worker writes to many pages, and to most of them little: a reference count here, a list's neighbour there.
//! So what is kept of a page are the pieces in which it differs, an image a fraction of the pages that it stands for.

use std::sync::Arc;

use super::Base;

/// What is compared at once; the engine's values are of this size.
const WORD_BYTES: usize = 8;
/// Where a piece lies in its page, and how long it is: stands before each.
pub(super) const HEAD_BYTES: usize = 4;
/// The longest piece.
const MAX_PIECE_BYTES: usize = 1 << 15;

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
    /// Where the pieces of each end among those of all.
    pub(super) ends: Vec<u32>,
    /// Those pieces: place and length as two little-endian numbers of 16 bits, then what is in them.
    pub(super) pieces: Vec<u8>,
}

/// In what one page is not that of the base.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patch<'a>(&'a [u8]);

impl Image {
    /// Memory that it takes.
    pub(crate) fn bytes(&self) -> u64 {
        let Pages { numbers, ends, pieces, .. } = &*self.pages;
        (pieces.len() + (numbers.len() + ends.len()) * size_of::<u32>()) as u64
    }

    /// Memory of a run that is not the base's, before it writes anything.
    pub(crate) fn applied_bytes(&self) -> u64 {
        (self.pages.count() * self.pages.page_bytes) as u64
    }

    /// Starts the image of a heap.
    pub(super) fn builder(base: &Base, heap_bytes: usize) -> Builder {
        let page_bytes = rustix::param::page_size();
        let (numbers, ends, pieces) = Default::default();
        Builder { pages: Pages { base: base.number(), heap_bytes, page_bytes, numbers, ends, pieces } }
    }
}

/// An image in the making; pages come in their order.
pub(super) struct Builder {
    pages: Pages,
}

impl Builder {
    /// Looks at pages of the heap, and keeps in what they are not those of the base.
    pub(super) fn look_at(&mut self, base: &Base, offset: usize, bytes: &[u8]) {
        let pages = &mut self.pages;
        for (index, page) in bytes.chunks(pages.page_bytes).enumerate() {
            let offset = offset + index * pages.page_bytes;
            let before = pages.pieces.len();
            match base.piece(offset, page.len()) {
                Some(piece) => differences(page, |at| &piece[at..at + WORD_BYTES], &mut pages.pieces),
                None => differences(page, |_| &[0; WORD_BYTES], &mut pages.pieces),
            }
            if pages.pieces.len() > before {
                // A heap has 4 GiB at most.
                pages.numbers.push((offset / pages.page_bytes) as u32);
                pages.ends.push(pages.pieces.len() as u32);
            }
        }
    }

    pub(super) fn finish(mut self) -> Image {
        self.pages.numbers.shrink_to_fit();
        self.pages.ends.shrink_to_fit();
        self.pages.pieces.shrink_to_fit();
        Image { pages: Arc::new(self.pages) }
    }
}

/// Appends the pieces of a page that are not what was there.
fn differences<'a>(page: &[u8], was: impl Fn(usize) -> &'a [u8], pieces: &mut Vec<u8>) {
    // Where the length of the piece stands that may go on.
    let mut open: Option<(usize, usize)> = None;
    for (at, word) in page.chunks(WORD_BYTES).enumerate().map(|(index, word)| (index * WORD_BYTES, word)) {
        if word == was(at) {
            open = None;
            continue;
        }
        let (head, start) = *open.get_or_insert_with(|| {
            let head = pieces.len();
            pieces.extend_from_slice(&(at as u16).to_le_bytes());
            pieces.extend_from_slice(&[0; 2]);
            (head, at)
        });
        pieces.extend_from_slice(word);
        let length = at + word.len() - start;
        pieces[head + 2..head + HEAD_BYTES].copy_from_slice(&(length as u16).to_le_bytes());
        if length >= MAX_PIECE_BYTES {
            open = None;
        }
    }
}

impl Pages {
    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.numbers.len()
    }

    /// That of the page at this offset, if it is one of them.
    pub(super) fn at(&self, offset: usize) -> Option<Patch<'_>> {
        let number = u32::try_from(offset / self.page_bytes).ok()?;
        self.numbers.binary_search(&number).ok().map(|index| self.patch(index))
    }

    /// All of them, with their offsets.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, Patch<'_>)> {
        self.numbers.iter().enumerate().map(|(index, number)| (*number as usize * self.page_bytes, self.patch(index)))
    }

    fn patch(&self, index: usize) -> Patch<'_> {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        Patch(&self.pieces[start as usize..self.ends[index] as usize])
    }
}

impl<'a> Patch<'a> {
    /// Makes a page of the base that of the image.
    pub(super) fn apply(self, page: &mut [u8]) {
        for (at, piece) in self.pieces() {
            page[at..at + piece.len()].copy_from_slice(piece);
        }
    }

    /// Its pieces, and where they lie in the page. Ends before one that is cut off.
    pub(super) fn pieces(self) -> impl Iterator<Item = (usize, &'a [u8])> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (head, after) = rest.split_at_checked(HEAD_BYTES)?;
            let number = |at: usize| usize::from(u16::from_le_bytes([head[at], head[at + 1]]));
            let (piece, after) = after.split_at_checked(number(2))?;
            rest = after;
            Some((number(0), piece))
        })
    }

    /// Its size in memory.
    pub(super) fn bytes(self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pieces of a page that was another, and the page that they make of that one.
    fn taken(was: &[u8], page: &[u8]) -> (Vec<(usize, usize)>, Vec<u8>) {
        let mut pieces = Vec::new();
        differences(page, |at| &was[at..at + WORD_BYTES], &mut pieces);
        let mut made = was.to_vec();
        Patch(&pieces).apply(&mut made);
        (Patch(&pieces).pieces().map(|(at, piece)| (at, piece.len())).collect(), made)
    }

    #[test]
    fn pieces_make_the_page_of_the_base_that_of_the_image_and_are_no_more_than_what_differs() {
        let was: Vec<u8> = (0..=255).cycle().take(4096).collect();
        for (written, wanted) in [
            (&[][..], &[][..]),
            (&[0], &[(0, 8)]),
            (&[4095], &[(4088, 8)]),
            (&[16, 24, 33], &[(16, 24)]),
            (&[16, 32], &[(16, 8), (32, 8)]),
        ] {
            let mut page = was.clone();
            written.iter().for_each(|at: &usize| page[*at] ^= 0xFF);
            assert_eq!(taken(&was, &page), (wanted.to_vec(), page), "{written:?}");
        }
    }

    #[test]
    fn a_page_of_the_largest_size_is_taken_in_pieces_whose_lengths_can_be_told() {
        let (was, page) = (vec![0; 1 << 16], vec![7; 1 << 16]);
        assert_eq!(taken(&was, &page), (vec![(0, MAX_PIECE_BYTES), (MAX_PIECE_BYTES, MAX_PIECE_BYTES)], page));
    }
}
