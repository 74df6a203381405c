//! ECDSA and ECDH. Public keys are uncompressed points, private keys are scalars.

use p256::{
    elliptic_curve::sec1::ToSec1Point,
    pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey},
};
use rquickjs::{Array, Ctx, Function, IntoJs, Object, Result};

use super::{Bytes, Text, hash, hash::with_hash, random::HostRandom};

/// Adds `ecGenerate`, `ecPublic`, `ecPoint`, `ecSign`, `ecVerify`, `ecDerive` and the four for DER.
pub fn install(native: &Object<'_>) -> Result<()> {
    let ctx = native.ctx();
    native.set("ecGenerate", Function::new(ctx.clone(), generate)?)?;
    native.set("ecPublic", Function::new(ctx.clone(), public)?)?;
    native.set("ecPoint", Function::new(ctx.clone(), point)?)?;
    native.set("ecSign", Function::new(ctx.clone(), sign)?)?;
    native.set("ecVerify", Function::new(ctx.clone(), verify)?)?;
    native.set("ecDerive", Function::new(ctx.clone(), derive)?)?;
    native.set("ecFromSpki", Function::new(ctx.clone(), from_spki)?)?;
    native.set("ecFromPkcs8", Function::new(ctx.clone(), from_pkcs8)?)?;
    native.set("ecToSpki", Function::new(ctx.clone(), to_spki)?)?;
    native.set("ecToPkcs8", Function::new(ctx.clone(), to_pkcs8)?)
}

/// Evaluates an expression with the crate `$c` of a curve in scope.
macro_rules! with_curve {
    ($curve:expr, $c:ident => $body:expr) => {
        match $curve.0.as_str() {
            "P-256" => {
                use p256 as $c;
                $body
            }
            "P-384" => {
                use p384 as $c;
                $body
            }
            "P-521" => {
                use p521 as $c;
                $body
            }
            _ => return Default::default(),
        }
    };
}

fn generate<'js>(ctx: Ctx<'js>, curve: Text) -> Result<Option<Array<'js>>> {
    let mut random = HostRandom::of(&ctx)?;
    let Some((scalar, point)) = new_pair(&curve, &mut random) else { return Ok(None) };
    let pair = Array::new(ctx.clone())?;
    pair.set(0, Bytes(scalar).into_js(&ctx)?)?;
    pair.set(1, Bytes(point).into_js(&ctx)?)?;
    Ok(Some(pair))
}

fn new_pair(curve: &Text, random: &mut HostRandom) -> Option<(Vec<u8>, Vec<u8>)> {
    use p256::elliptic_curve::Generate;
    with_curve!(curve, c => {
        let key = c::SecretKey::generate_from_rng(random);
        Some((key.to_bytes().to_vec(), key.public_key().to_sec1_point(false).as_bytes().to_vec()))
    })
}

fn public(curve: Text, scalar: Bytes) -> Option<Bytes> {
    with_curve!(curve, c => {
        let key = c::SecretKey::from_slice(&scalar.0).ok()?;
        Some(Bytes(key.public_key().to_sec1_point(false).as_bytes().to_vec()))
    })
}

/// A point as it came, compressed or not, as we keep it.
fn point(curve: Text, point: Bytes) -> Option<Bytes> {
    with_curve!(curve, c => {
        let key = c::PublicKey::from_sec1_bytes(&point.0).ok()?;
        Some(Bytes(key.to_sec1_point(false).as_bytes().to_vec()))
    })
}

fn from_spki(curve: Text, der: Bytes) -> Option<Bytes> {
    with_curve!(curve, c => {
        let key = c::PublicKey::from_public_key_der(&der.0).ok()?;
        Some(Bytes(key.to_sec1_point(false).as_bytes().to_vec()))
    })
}

fn from_pkcs8(curve: Text, der: Bytes) -> Option<Bytes> {
    with_curve!(curve, c => {
        let key = c::SecretKey::from_pkcs8_der(&der.0).ok()?;
        Some(Bytes(key.to_bytes().to_vec()))
    })
}

fn to_spki(curve: Text, point: Bytes) -> Option<Bytes> {
    with_curve!(curve, c => {
        let key = c::PublicKey::from_sec1_bytes(&point.0).ok()?;
        Some(Bytes(key.to_public_key_der().ok()?.as_bytes().to_vec()))
    })
}

fn to_pkcs8(curve: Text, scalar: Bytes) -> Option<Bytes> {
    with_curve!(curve, c => {
        let key = c::SecretKey::from_slice(&scalar.0).ok()?;
        Some(Bytes(key.to_pkcs8_der().ok()?.as_bytes().to_vec()))
    })
}

fn derive(curve: Text, scalar: Bytes, point: Bytes) -> Option<Bytes> {
    with_curve!(curve, c => {
        let key = c::SecretKey::from_slice(&scalar.0).ok()?;
        let other = c::PublicKey::from_sec1_bytes(&point.0).ok()?;
        Some(Bytes(key.diffie_hellman(&other).raw_secret_bytes().to_vec()))
    })
}

/// The digest as a number of the curve's size: the crates refuse one that is much shorter.
fn prehash(hash: &str, data: &[u8], size: usize) -> Vec<u8> {
    let digest = hash::digest(hash, data);
    let mut padded = vec![0; size.saturating_sub(digest.len())];
    padded.extend_from_slice(&digest);
    padded
}

fn sign(curve: Text, hash: Text, scalar: Bytes, data: Bytes) -> Option<Bytes> {
    let prehash = prehash(&hash.0, &data.0, scalar.0.len());
    with_curve!(curve, c => {
        let key = c::SecretKey::from_slice(&scalar.0).ok()?;
        let (signature, _) = with_hash!(hash.0.as_str(), H => {
            ecdsa::hazmat::sign_prehashed_rfc6979::<_, H>(&key.to_nonzero_scalar(), &prehash, &[])
        });
        Some(Bytes(signature.to_bytes().to_vec()))
    })
}

fn verify(curve: Text, hash: Text, point: Bytes, signature: Bytes, data: Bytes) -> bool {
    let prehash = prehash(&hash.0, &data.0, point.0.len() / 2);
    with_curve!(curve, c => {
        let (Ok(key), Ok(signature)) =
            (c::PublicKey::from_sec1_bytes(&point.0), c::ecdsa::Signature::from_slice(&signature.0))
        else {
            return false;
        };
        ecdsa::hazmat::verify_prehashed(&key.to_projective(), &prehash, &signature).is_ok()
    })
}
