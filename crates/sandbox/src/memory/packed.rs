//! An image as bytes for a disk, and back. Whoever reads them has made sure that they are what was written.
//!
//! A page of an image has little in it that the base has not, and much of its own that repeats itself. So what is written is
//! where it differs from the base, bit by bit, which is mostly zeros, and compressed.

use std::{
    io::{self, Read, Write},
    sync::Arc,
};

use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};

use super::{Base, Image, WASM_PAGE_BYTES, image::Pages};

/// What stands before the rest, which is compressed: sizes of heap and page, number of pages.
const HEAD_BYTES: usize = 16;
/// The lowest finds zeros and repetition too.
const LEVEL: Compression = Compression::fast();

/// The image of a heap on this base, as bytes.
pub(super) fn pack(base: &Base, image: &Image) -> Vec<u8> {
    let pages = &*image.pages;
    let mut head = Vec::with_capacity(HEAD_BYTES + pages.contents.len() / 8);
    head.extend_from_slice(&(pages.heap_bytes as u64).to_le_bytes());
    // A page has some KiB, and there are no more of them than a heap of 4 GiB has.
    head.extend_from_slice(&(pages.page_bytes as u32).to_le_bytes());
    head.extend_from_slice(&(pages.numbers.len() as u32).to_le_bytes());
    let mut contents = pages.contents.clone();
    differ(base, &pages.numbers, &mut contents, pages.page_bytes);
    let numbers: Vec<u8> = pages.numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    let mut encoder = DeflateEncoder::new(head, LEVEL);
    // Nothing that writes to memory fails.
    let written = encoder.write_all(&numbers).and_then(|()| encoder.write_all(&contents));
    written.and_then(|()| encoder.finish()).unwrap_or_default()
}

/// The image of a heap on this base that bytes stand for, of so many bytes at most.
///
/// # Errors
/// Where they stand for none, or for one of a machine with other pages.
pub(super) fn unpack(base: &Base, bytes: &[u8], most_bytes: u64) -> io::Result<Image> {
    let wrong = |what| io::Error::new(io::ErrorKind::InvalidData, what);
    let (head, rest) = bytes.split_at_checked(HEAD_BYTES).ok_or_else(|| wrong("too short"))?;
    let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]) as usize;
    let (heap_bytes, beyond, page_bytes, count) = (number(0), number(4), number(8), number(12));
    if beyond != 0 || !heap_bytes.is_multiple_of(WASM_PAGE_BYTES) || heap_bytes < base.bytes() {
        return Err(wrong("no size of a heap"));
    }
    if page_bytes != rustix::param::page_size() {
        return Err(wrong("pages of another size"));
    }
    if count as u64 * page_bytes as u64 > most_bytes {
        return Err(wrong("too many pages"));
    }
    let mut decoder = DeflateDecoder::new(rest);
    let mut numbers = vec![0; count * size_of::<u32>()];
    decoder.read_exact(&mut numbers)?;
    let numbers: Vec<u32> =
        numbers.chunks_exact(4).map(|four| u32::from_le_bytes([four[0], four[1], four[2], four[3]])).collect();
    let last = numbers.last().map_or(0, |last| (*last as usize + 1) * page_bytes);
    if !numbers.is_sorted_by(|one, next| one < next) || last > heap_bytes {
        return Err(wrong("pages out of order, or beyond the heap"));
    }
    let mut contents = vec![0; count * page_bytes];
    decoder.read_exact(&mut contents)?;
    if decoder.read(&mut [0])? != 0 {
        return Err(wrong("too long"));
    }
    differ(base, &numbers, &mut contents, page_bytes);
    Ok(Image { pages: Arc::new(Pages { base: base.number(), heap_bytes, page_bytes, numbers, contents }) })
}

/// Makes pages what they differ by from those of the base, and the other way round.
fn differ(base: &Base, numbers: &[u32], contents: &mut [u8], page_bytes: usize) {
    for (number, page) in numbers.iter().zip(contents.chunks_exact_mut(page_bytes)) {
        // Beyond the base a heap begins as zeros.
        let Some(same) = base.piece(*number as usize * page_bytes, page_bytes) else { continue };
        page.iter_mut().zip(same).for_each(|(byte, same)| *byte ^= same);
    }
}
