//! Randomness, digests, and the natives of `crypto.subtle`: they work on bytes, and `undefined` is their "no". What an
//! operation may be asked of, and by whom, is decided in the scripts.

use base64::{
    Engine,
    prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD},
};
use rquickjs::{Ctx, FromJs, Function, IntoJs, Object, Result, TypedArray, Value};
use subtle::ConstantTimeEq;

use super::{bytes, text::Text};
use crate::{host, scope::refuse_global};

mod aes;
mod ec;
mod hash;
mod okp;
mod random;
mod rsa;

/// Bytes on their way in or out, copied.
struct Bytes(Vec<u8>);

impl<'js> FromJs<'js> for Bytes {
    fn from_js(_ctx: &Ctx<'js>, value: Value<'js>) -> Result<Self> {
        let array: TypedArray<'js, u8> = value.get()?;
        Ok(Self(bytes::read(&array, <[u8]>::to_vec)))
    }
}

impl<'js> IntoJs<'js> for Bytes {
    fn into_js(self, ctx: &Ctx<'js>) -> Result<Value<'js>> {
        TypedArray::new(ctx.clone(), self.0)?.into_js(ctx)
    }
}

/// Adds all of it.
pub fn install(native: &Object<'_>) -> Result<()> {
    let ctx = native.ctx();
    native.set("randomFill", Function::new(ctx.clone(), random_fill)?)?;
    native.set("randomUUID", Function::new(ctx.clone(), random_uuid)?)?;
    native.set("sameBytes", Function::new(ctx.clone(), |a: Bytes, b: Bytes| bool::from(a.0.ct_eq(&b.0)))?)?;
    native.set("base64UrlEncode", Function::new(ctx.clone(), |data: Bytes| BASE64_URL_SAFE_NO_PAD.encode(data.0))?)?;
    let decode = |text: Text| BASE64_URL_SAFE_NO_PAD.decode(text.0).ok().map(Bytes);
    native.set("base64UrlDecode", Function::new(ctx.clone(), decode)?)?;
    let digest = |hash: Text, data: Bytes| BASE64_STANDARD_NO_PAD.encode(hash::digest(&hash.0, &data.0));
    native.set("digestBase64", Function::new(ctx.clone(), digest)?)?;
    // Either alphabet, with padding or without.
    let same =
        |given: Text, wanted: Text| given.0.trim_end_matches('=').replace('-', "+").replace('_', "/") == wanted.0;
    native.set("sameBase64", Function::new(ctx.clone(), same)?)?;
    aes::install(native)?;
    ec::install(native)?;
    hash::install(native)?;
    okp::install(native)?;
    rsa::install(native)
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
