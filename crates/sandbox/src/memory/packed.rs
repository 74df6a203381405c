//! An image as bytes for a disk, and back. Whoever reads them has made sure that they are what was written.

use std::{
    io::{self, Read, Write},
    sync::Arc,
};

use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};

use super::{
    Base, Image, WASM_PAGE_BYTES,
    image::{HEAD_BYTES as PIECE_HEAD_BYTES, Pages},
};

/// What stands before the rest, which is compressed: sizes of heap and page, number of pages, size of their pieces.
const HEAD_BYTES: usize = 20;
/// The lowest finds most of what repeats itself.
const LEVEL: Compression = Compression::fast();

/// An image as bytes.
pub(super) fn pack(image: &Image) -> Vec<u8> {
    let Pages { base: _, heap_bytes, page_bytes, numbers, ends, pieces } = &*image.pages;
    let mut head = Vec::with_capacity(HEAD_BYTES + pieces.len() / 2);
    head.extend_from_slice(&(*heap_bytes as u64).to_le_bytes());
    // A page has some KiB, and there are no more of them than a heap of 4 GiB has.
    for number in [*page_bytes, numbers.len(), pieces.len()] {
        head.extend_from_slice(&(number as u32).to_le_bytes());
    }
    let places: Vec<u8> = numbers.iter().chain(ends).flat_map(|number| number.to_le_bytes()).collect();
    let mut encoder = DeflateEncoder::new(head, LEVEL);
    // Nothing that writes to memory fails.
    let written = encoder.write_all(&places).and_then(|()| encoder.write_all(pieces));
    written.and_then(|()| encoder.finish()).unwrap_or_default()
}

/// The image of a heap on this base that bytes stand for, whose pages have so many bytes at most.
///
/// # Errors
/// Where they stand for none, or for one of a machine with other pages.
pub(super) fn unpack(base: &Base, bytes: &[u8], most_bytes: u64) -> io::Result<Image> {
    let (head, rest) = bytes.split_at_checked(HEAD_BYTES).ok_or_else(|| wrong("too short"))?;
    let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]) as usize;
    let (heap_bytes, beyond, page_bytes, count, piece_bytes) =
        (number(0), number(4), number(8), number(12), number(16));
    if beyond != 0 || !heap_bytes.is_multiple_of(WASM_PAGE_BYTES) || heap_bytes < base.bytes() {
        return Err(wrong("no size of a heap"));
    }
    if page_bytes != rustix::param::page_size() {
        return Err(wrong("pages of another size"));
    }
    // At worst every other word of a page is another, and has a head.
    if count as u64 * page_bytes as u64 > most_bytes || piece_bytes > 2 * count * page_bytes {
        return Err(wrong("too many pages"));
    }
    let mut decoder = DeflateDecoder::new(rest);
    let (numbers, ends) = (decode(&mut decoder, count)?, decode(&mut decoder, count)?);
    let pieces = take(&mut decoder, piece_bytes)?;
    if decoder.read(&mut [0])? != 0 {
        return Err(wrong("too long"));
    }
    let last = numbers.last().map_or(0, |last| (*last as usize + 1) * page_bytes);
    if !numbers.is_sorted_by(|one, next| one < next) || last > heap_bytes {
        return Err(wrong("pages out of order, or beyond the heap"));
    }
    if !ends.is_sorted_by(|one, next| one < next) || ends.last().map_or(0, |end| *end as usize) != piece_bytes {
        return Err(wrong("pieces out of order"));
    }
    let pages = Pages { base: base.number(), heap_bytes, page_bytes, numbers, ends, pieces };
    for (_, patch) in pages.iter() {
        let mut told = 0;
        for (at, piece) in patch.pieces() {
            told += PIECE_HEAD_BYTES + piece.len();
            if piece.is_empty() || at + piece.len() > page_bytes {
                return Err(wrong("a piece that is in no page"));
            }
        }
        if told != patch.bytes() {
            return Err(wrong("a piece that is cut off"));
        }
    }
    Ok(Image { pages: Arc::new(pages) })
}

fn wrong(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn take(decoder: &mut impl Read, bytes: usize) -> io::Result<Vec<u8>> {
    let mut taken = vec![0; bytes];
    decoder.read_exact(&mut taken)?;
    Ok(taken)
}

fn decode(decoder: &mut impl Read, count: usize) -> io::Result<Vec<u32>> {
    let bytes = take(decoder, count * size_of::<u32>())?;
    Ok(bytes.chunks_exact(4).map(|four| u32::from_le_bytes([four[0], four[1], four[2], four[3]])).collect())
}
