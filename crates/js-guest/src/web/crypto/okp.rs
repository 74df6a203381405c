//! Ed25519 and X25519. Keys are their 32 bytes.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use p256::pkcs8::{
    AlgorithmIdentifierRef, ObjectIdentifier, PrivateKeyInfoRef,
    der::{Decode, Encode, asn1::BitStringRef, asn1::OctetStringRef},
    spki::SubjectPublicKeyInfoRef,
};
use rquickjs::{Array, Ctx, Function, IntoJs, Object, Result};
use subtle::ConstantTimeEq;
use x25519_dalek::{X25519_BASEPOINT_BYTES, x25519};

use super::{Bytes, Text, random::HostRandom};

/// Adds `okpGenerate`, `okpPublic`, `ed25519Sign`, `ed25519Verify`, `x25519` and the four for DER.
pub fn install(native: &Object<'_>) -> Result<()> {
    let ctx = native.ctx();
    native.set("okpGenerate", Function::new(ctx.clone(), generate)?)?;
    native
        .set("okpPublic", Function::new(ctx.clone(), |name: Text, key: Bytes| public(&name.0, &key.0).map(Bytes))?)?;
    native.set("ed25519Sign", Function::new(ctx.clone(), sign)?)?;
    native.set(
        "ed25519Verify",
        Function::new(ctx.clone(), |key: Bytes, signature: Bytes, data: Bytes| {
            verify(&key.0, &signature.0, &data.0).is_some()
        })?,
    )?;
    native.set("x25519", Function::new(ctx.clone(), derive)?)?;
    native.set("okpFromSpki", Function::new(ctx.clone(), from_spki)?)?;
    native.set("okpFromPkcs8", Function::new(ctx.clone(), from_pkcs8)?)?;
    native.set("okpToSpki", Function::new(ctx.clone(), to_spki)?)?;
    native.set("okpToPkcs8", Function::new(ctx.clone(), to_pkcs8)?)
}

/// RFC 8410.
fn identifier(name: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(if name == "X25519" { "1.3.101.110" } else { "1.3.101.112" })
}

fn generate<'js>(ctx: Ctx<'js>, name: Text) -> Result<Option<Array<'js>>> {
    use rand_core::Rng;
    let mut key = [0; 32];
    HostRandom::of(&ctx)?.fill_bytes(&mut key);
    let Some(public) = public(&name.0, &key) else { return Ok(None) };
    let pair = Array::new(ctx.clone())?;
    pair.set(0, Bytes(key.to_vec()).into_js(&ctx)?)?;
    pair.set(1, Bytes(public).into_js(&ctx)?)?;
    Ok(Some(pair))
}

fn public(name: &str, key: &[u8]) -> Option<Vec<u8>> {
    let key = key.try_into().ok()?;
    Some(match name {
        "X25519" => x25519(key, X25519_BASEPOINT_BYTES).to_vec(),
        _ => SigningKey::from_bytes(&key).verifying_key().to_bytes().to_vec(),
    })
}

fn sign(key: Bytes, data: Bytes) -> Option<Bytes> {
    let key = SigningKey::from_bytes(key.0.as_slice().try_into().ok()?);
    Some(Bytes(key.sign(&data.0).to_bytes().to_vec()))
}

/// Points of small order verify for more than one message, and are refused.
fn verify(key: &[u8], signature: &[u8], data: &[u8]) -> Option<()> {
    let key = VerifyingKey::from_bytes(key.try_into().ok()?).ok()?;
    key.verify_strict(data, &Signature::from_slice(signature).ok()?).ok()
}

/// Nothing where the other's point is of small order: then the secret is none.
fn derive(key: Bytes, other: Bytes) -> Option<Bytes> {
    let secret = x25519(key.0.as_slice().try_into().ok()?, other.0.as_slice().try_into().ok()?);
    (!bool::from(secret.ct_eq(&[0; 32]))).then(|| Bytes(secret.to_vec()))
}

fn from_spki(name: Text, der: Bytes) -> Option<Bytes> {
    let info = SubjectPublicKeyInfoRef::from_der(&der.0).ok()?;
    let valid = info.algorithm.oid == identifier(&name.0) && info.algorithm.parameters.is_none();
    let key = info.subject_public_key.as_bytes().filter(|key| valid && key.len() == 32)?;
    Some(Bytes(key.to_vec()))
}

fn from_pkcs8(name: Text, der: Bytes) -> Option<Bytes> {
    let info = PrivateKeyInfoRef::from_der(&der.0).ok()?;
    let valid = info.algorithm.oid == identifier(&name.0) && info.algorithm.parameters.is_none();
    let key = <&OctetStringRef>::from_der(info.private_key.as_bytes()).ok()?.as_bytes();
    (valid && key.len() == 32).then(|| Bytes(key.to_vec()))
}

fn to_spki(name: Text, key: Bytes) -> Option<Bytes> {
    let algorithm = AlgorithmIdentifierRef { oid: identifier(&name.0), parameters: None };
    let subject_public_key = BitStringRef::from_bytes(&key.0).ok()?;
    SubjectPublicKeyInfoRef { algorithm, subject_public_key }.to_der().ok().map(Bytes)
}

fn to_pkcs8(name: Text, key: Bytes) -> Option<Bytes> {
    let algorithm = AlgorithmIdentifierRef { oid: identifier(&name.0), parameters: None };
    let inner = OctetStringRef::new(&key.0).ok()?.to_der().ok()?;
    PrivateKeyInfoRef::new(algorithm, OctetStringRef::new(&inner).ok()?).to_der().ok().map(Bytes)
}
