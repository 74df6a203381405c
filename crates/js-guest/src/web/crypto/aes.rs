//! AES in the modes of the standard.

use aes::{
    Aes128, Aes192, Aes256, Block,
    cipher::{BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, KeyInit, KeyIvInit, block_padding::Pkcs7},
};
use aes_kw::AesKw;
use ghash::{GHash, universal_hash::UniversalHash};
use rquickjs::{Function, Object, Result};
use subtle::ConstantTimeEq;

use super::Bytes;

/// Evaluates an expression with the type `$A` of AES that a key of this length is for.
macro_rules! with_aes {
    ($key:expr, $A:ident => $body:expr) => {
        match $key.len() {
            16 => {
                type $A = Aes128;
                $body
            }
            24 => {
                type $A = Aes192;
                $body
            }
            32 => {
                type $A = Aes256;
                $body
            }
            _ => return None,
        }
    };
}

/// Adds `aesCbc`, `aesCtr`, `aesGcm` and `aesKw`.
pub fn install(native: &Object<'_>) -> Result<()> {
    let ctx = native.ctx();
    native.set("aesCbc", Function::new(ctx.clone(), cbc)?)?;
    let ctr =
        |key: Bytes, counter: Bytes, bits: u32, data: Bytes| counter_mode(&key.0, &counter.0, bits, data.0).map(Bytes);
    native.set("aesCtr", Function::new(ctx.clone(), ctr)?)?;
    native.set("aesGcm", Function::new(ctx.clone(), gcm)?)?;
    native.set("aesKw", Function::new(ctx.clone(), key_wrap)?)
}

fn cbc(encrypting: bool, key: Bytes, iv: Bytes, data: Bytes) -> Option<Bytes> {
    with_aes!(key.0, A => if encrypting {
        let mode = cbc::Encryptor::<A>::new_from_slices(&key.0, &iv.0).ok()?;
        Some(Bytes(mode.encrypt_padded_vec::<Pkcs7>(&data.0)))
    } else {
        let mode = cbc::Decryptor::<A>::new_from_slices(&key.0, &iv.0).ok()?;
        mode.decrypt_padded_vec::<Pkcs7>(&data.0).ok().map(Bytes)
    })
}

/// Counter mode, in which the last `bits` of the block count; the same in both directions.
fn counter_mode(key: &[u8], counter: &[u8], bits: u32, mut data: Vec<u8>) -> Option<Vec<u8>> {
    let start = u128::from_be_bytes(counter.try_into().ok()?);
    let mask = if bits >= 128 { u128::MAX } else { (1 << bits) - 1 };
    // A counter that comes round again would give away what it encrypts.
    if data.len().div_ceil(16) as u128 > mask.saturating_add(1) {
        return None;
    }
    with_aes!(key, A => {
        let cipher = A::new_from_slice(key).ok()?;
        for (index, chunk) in data.chunks_mut(16).enumerate() {
            let count = start.wrapping_add(index as u128) & mask;
            let mut block = Block::from(((start & !mask) | count).to_be_bytes());
            cipher.encrypt_block(&mut block);
            chunk.iter_mut().zip(block).for_each(|(byte, key)| *byte ^= key);
        }
    });
    Some(data)
}

/// Galois/Counter Mode (NIST SP 800-38D), for IVs of any length and every length of tag that the standard has.
fn gcm(encrypting: bool, key: Bytes, iv: Bytes, additional: Bytes, tag_len: usize, data: Bytes) -> Option<Bytes> {
    let (key, mut data) = (key.0, data.0);
    let tag = if encrypting { Vec::new() } else { data.split_off(data.len().checked_sub(tag_len)?) };
    let mut zero = Block::default();
    with_aes!(key, A => A::new_from_slice(&key).ok()?.encrypt_block(&mut zero));
    let hash = |first: &[u8], second: &[u8]| -> Option<[u8; 16]> {
        let mut hash = GHash::new_from_slice(&zero).ok()?;
        hash.update_padded(first);
        hash.update_padded(second);
        let mut lengths = [0; 16];
        lengths[..8].copy_from_slice(&(first.len() as u64 * 8).to_be_bytes());
        lengths[8..].copy_from_slice(&(second.len() as u64 * 8).to_be_bytes());
        hash.update(&[lengths.into()]);
        Some(hash.finalize().into())
    };
    let begin = match <[u8; 12]>::try_from(iv.0.as_slice()) {
        Ok(iv) => {
            let mut block = [0; 16];
            block[..12].copy_from_slice(&iv);
            block[15] = 1;
            block
        }
        Err(_) => hash(&[], &iv.0)?,
    };
    let mut next = begin;
    let count = u32::from_be_bytes([begin[12], begin[13], begin[14], begin[15]]).wrapping_add(1);
    next[12..].copy_from_slice(&count.to_be_bytes());
    let sealed = |ciphertext: &[u8]| -> Option<Vec<u8>> {
        let mut tag = counter_mode(&key, &begin, 32, hash(&additional.0, ciphertext)?.to_vec())?;
        tag.truncate(tag_len);
        Some(tag)
    };
    if encrypting {
        let mut out = counter_mode(&key, &next, 32, data)?;
        let tag = sealed(&out)?;
        out.extend_from_slice(&tag);
        return Some(Bytes(out));
    }
    if !bool::from(sealed(&data)?.ct_eq(&tag)) {
        return None;
    }
    counter_mode(&key, &next, 32, data).map(Bytes)
}

/// AES key wrap (RFC 3394).
fn key_wrap(wrapping: bool, key: Bytes, data: Bytes) -> Option<Bytes> {
    let mut out = vec![0; data.0.len() + 8];
    with_aes!(key.0, A => {
        let wrap = AesKw::<A>::new_from_slice(&key.0).ok()?;
        let done = if wrapping { wrap.wrap_key(&data.0, &mut out) } else { wrap.unwrap_key(&data.0, &mut out) };
        let len = done.ok()?.len();
        out.truncate(len);
    });
    Some(Bytes(out))
}
