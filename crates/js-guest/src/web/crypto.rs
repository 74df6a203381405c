//! Randomness and digests.

use rquickjs::{Ctx, Function, Object, Result, TypedArray};
use sha1::{Digest, Sha1};
use sha2::{Sha256, Sha384, Sha512};

use super::{bytes, text::Text};
use crate::{host, scope::refuse_global};

/// Adds `randomFill`, `randomUUID` and `digest`.
pub fn install(native: &Object<'_>) -> Result<()> {
    let ctx = native.ctx();
    native.set("randomFill", Function::new(ctx.clone(), random_fill)?)?;
    native.set("randomUUID", Function::new(ctx.clone(), random_uuid)?)?;
    native.set("digest", Function::new(ctx.clone(), digest)?)
}

fn random_fill<'js>(ctx: Ctx<'js>, array: TypedArray<'js, u8>) -> Result<()> {
    refuse_global(&ctx, "crypto.getRandomValues()")?;
    bytes::write(&array, host::random);
    Ok(())
}

/// A version 4 UUID of RFC 9562.
fn random_uuid(ctx: Ctx<'_>) -> Result<String> {
    refuse_global(&ctx, "crypto.randomUUID()")?;
    let mut raw = [0; 16];
    host::random(&mut raw);
    let number = u128::from_be_bytes(raw) & !(0xF << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{number:032x}");
    Ok(format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]))
}

/// The digest, or `undefined` where `name` (in upper case) is no digest.
fn digest<'js>(ctx: Ctx<'js>, name: Text, data: TypedArray<'js, u8>) -> Result<Option<TypedArray<'js, u8>>> {
    let hash = bytes::read(&data, |data| match name.0.as_str() {
        "SHA-1" => Some(Sha1::digest(data).to_vec()),
        "SHA-256" => Some(Sha256::digest(data).to_vec()),
        "SHA-384" => Some(Sha384::digest(data).to_vec()),
        "SHA-512" => Some(Sha512::digest(data).to_vec()),
        _ => None,
    });
    hash.map(|hash| TypedArray::new_copy(ctx, hash)).transpose()
}
