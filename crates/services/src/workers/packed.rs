//! Code as it is stored: compressed.

use std::io::{self, Read, Write};

use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};

/// Compresses text.
pub(super) fn pack(text: &str) -> io::Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes())?;
    encoder.finish()
}

/// The text again, which had `size` bytes.
pub(super) fn unpack(packed: &[u8], size: u64) -> io::Result<String> {
    let mut text = String::with_capacity(usize::try_from(size).unwrap_or(0));
    // One byte more would be another text.
    ZlibDecoder::new(packed).take(size.saturating_add(1)).read_to_string(&mut text)?;
    if text.len() as u64 == size { Ok(text) } else { Err(io::ErrorKind::InvalidData.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_is_unpacked_and_nothing_else() {
        for text in ["", "export default {}", &"\u{e4}".repeat(100_000)] {
            let packed = pack(text).unwrap();
            assert_eq!(unpack(&packed, text.len() as u64).unwrap(), text);
            assert!(unpack(&packed, text.len() as u64 + 1).is_err());
        }
        assert!(unpack(&pack("ab").unwrap(), 1).is_err());
        assert!(unpack(b"no zlib", 7).is_err());
    }
}
