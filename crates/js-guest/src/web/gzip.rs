//! What gzip puts around deflated data: a header of variable length before, checksum and length after it (RFC 1952).

use flate2::Crc;

/// No name, no time, an unknown operating system.
pub const HEADER: [u8; 10] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF];

const CHECKSUM: u8 = 1 << 1;
const EXTRA: u8 = 1 << 2;
const NAME: u8 = 1 << 3;
const COMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0b1110_0000;

/// Checksum and length of what was compressed.
pub struct Sum(pub Crc);

impl Sum {
    /// The eight bytes at the end.
    pub fn trailer(&self) -> [u8; 8] {
        let mut trailer = [0; 8];
        trailer[..4].copy_from_slice(&self.0.sum().to_le_bytes());
        trailer[4..].copy_from_slice(&self.0.amount().to_le_bytes());
        trailer
    }
}

/// Header and trailer while they are read; either may come in pieces.
#[derive(Default)]
pub struct Envelope {
    header: Vec<u8>,
    begun: bool,
    sum: Crc,
    trailer: Vec<u8>,
}

impl Envelope {
    /// The deflated data in `data`: nothing as long as the header is not complete.
    ///
    /// # Errors
    /// What is wrong with the header.
    pub fn without_header(&mut self, data: &[u8]) -> Result<Vec<u8>, &'static str> {
        if self.begun {
            return Ok(data.to_vec());
        }
        self.header.extend_from_slice(data);
        Ok(match header_len(&self.header)? {
            Some(len) => {
                self.begun = true;
                std::mem::take(&mut self.header).split_off(len)
            }
            None => Vec::new(),
        })
    }

    /// Counts what came out.
    pub fn update(&mut self, out: &[u8]) {
        self.sum.update(out);
    }

    /// Takes what follows the deflated data. Says whether the trailer is complete.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn trailer(&mut self, data: &[u8]) -> Result<bool, &'static str> {
        self.trailer.extend_from_slice(data);
        match self.trailer.len() {
            0..8 => Ok(false),
            8 if self.trailer == Sum(std::mem::take(&mut self.sum)).trailer() => {
                // Kept, so that it is as complete when it is asked again.
                self.trailer.clear();
                self.trailer.extend_from_slice(&Sum(Crc::new()).trailer());
                Ok(true)
            }
            8 => Err("The checksum of the compressed data is wrong"),
            _ => Err("There is data after the end of the compressed stream"),
        }
    }
}

/// How long the header is, once all of it is there.
fn header_len(data: &[u8]) -> Result<Option<usize>, &'static str> {
    let magic = data.iter().zip([0x1F, 0x8B, 8]).all(|(byte, wanted)| *byte == wanted);
    if !magic || data.get(3).is_some_and(|flags| flags & RESERVED != 0) {
        return Err("The compressed data has no gzip header");
    }
    let Some(flags) = data.get(3).copied() else { return Ok(None) };
    let mut at = HEADER.len();
    if flags & EXTRA != 0 {
        let Some(len) = data.get(at..at + 2) else { return Ok(None) };
        at += 2 + usize::from(u16::from_le_bytes([len[0], len[1]]));
    }
    for field in [NAME, COMMENT] {
        if flags & field != 0 {
            let Some(end) = data.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == 0)) else {
                return Ok(None);
            };
            at += end + 1;
        }
    }
    if flags & CHECKSUM != 0 {
        at += 2;
    }
    Ok((data.len() >= at).then_some(at))
}
