//! Digests, and what is made of them: HMAC, HKDF, PBKDF2.

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use rquickjs::{Function, Object, Result};

use super::{Bytes, Text};

/// Evaluates an expression with the type `$H` of the digest that a name stands for, as the standard has the name.
macro_rules! with_hash {
    ($name:expr, $H:ident => $body:expr) => {
        match $name {
            "SHA-1" => {
                type $H = sha1::Sha1;
                $body
            }
            "SHA-384" => {
                type $H = sha2::Sha384;
                $body
            }
            "SHA-512" => {
                type $H = sha2::Sha512;
                $body
            }
            _ => {
                type $H = sha2::Sha256;
                $body
            }
        }
    };
}
pub(super) use with_hash;

/// Adds `digest`, `hmac`, `hkdf` and `pbkdf2`. The scripts know which digests there are.
pub fn install(native: &Object<'_>) -> Result<()> {
    let ctx = native.ctx();
    native.set("digest", Function::new(ctx.clone(), |hash: Text, data: Bytes| Bytes(digest(&hash.0, &data.0)))?)?;
    native.set("hmac", Function::new(ctx.clone(), hmac)?)?;
    native.set("hkdf", Function::new(ctx.clone(), hkdf)?)?;
    native.set("pbkdf2", Function::new(ctx.clone(), pbkdf2)?)
}

/// The digest of `data`.
pub fn digest(hash: &str, data: &[u8]) -> Vec<u8> {
    use sha2::Digest;
    with_hash!(hash, H => H::digest(data).to_vec())
}

fn hmac(hash: Text, key: Bytes, data: Bytes) -> Option<Bytes> {
    let code = with_hash!(hash.0.as_str(), H => {
        let mut mac = Hmac::<H>::new_from_slice(&key.0).ok()?;
        mac.update(&data.0);
        mac.finalize().into_bytes().to_vec()
    });
    Some(Bytes(code))
}

fn hkdf(hash: Text, secret: Bytes, salt: Bytes, info: Bytes, len: usize) -> Option<Bytes> {
    // The most that HKDF gives; asked before there is memory for it.
    if len > 255 * 64 {
        return None;
    }
    let mut out = vec![0; len];
    with_hash!(hash.0.as_str(), H => Hkdf::<H>::new(Some(&salt.0), &secret.0).expand(&info.0, &mut out).ok())?;
    Some(Bytes(out))
}

fn pbkdf2(hash: Text, password: Bytes, salt: Bytes, iterations: u32, len: usize) -> Bytes {
    let mut out = vec![0; len];
    with_hash!(hash.0.as_str(), H => pbkdf2::pbkdf2_hmac::<H>(&password.0, &salt.0, iterations, &mut out));
    Bytes(out)
}
