//! RSA. Keys are kept as PKCS #1 has them.

use rquickjs::{Array, Ctx, Function, IntoJs, Object, Result, function::Rest};
use rsa::{
    BoxedUint, Oaep, Pkcs1v15Sign, PrivateKey, Pss, PublicKey,
    pkcs1::{
        DecodeRsaPrivateKey, EncodeRsaPrivateKey, EncodeRsaPublicKey, RsaPrivateKeyRef, RsaPublicKeyRef, der::Decode,
    },
    pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey},
};

use super::{
    Bytes, Text,
    hash::{digest, with_hash},
    random::HostRandom,
};

/// A longer modulus takes minutes, not seconds.
const MAX_BITS: usize = 8192;
/// What the crate makes keys of; shorter ones are not secure either.
const MIN_BITS: usize = 1024;

/// Adds all that begins with `rsa`, and `bitLength`.
pub fn install(native: &Object<'_>) -> Result<()> {
    let ctx = native.ctx();
    native.set("bitLength", Function::new(ctx.clone(), |number: Bytes| bit_length(&number.0))?)?;
    native.set("rsaExponent", Function::new(ctx.clone(), |exponent: Bytes| known_exponent(&exponent.0).is_some())?)?;
    native.set("rsaGenerate", Function::new(ctx.clone(), generate)?)?;
    native.set("rsaFromSpki", Function::new(ctx.clone(), from_spki)?)?;
    native.set("rsaFromPkcs8", Function::new(ctx.clone(), from_pkcs8)?)?;
    native.set("rsaFromParts", Function::new(ctx.clone(), |parts: Rest<Bytes>| from_parts(&parts.0))?)?;
    native.set("rsaToSpki", Function::new(ctx.clone(), to_spki)?)?;
    native.set("rsaToPkcs8", Function::new(ctx.clone(), to_pkcs8)?)?;
    native.set("rsaParts", Function::new(ctx.clone(), parts)?)?;
    native.set("rsaSign", Function::new(ctx.clone(), sign)?)?;
    native.set("rsaVerify", Function::new(ctx.clone(), verify)?)?;
    native.set("rsaEncrypt", Function::new(ctx.clone(), encrypt)?)?;
    native.set("rsaDecrypt", Function::new(ctx.clone(), decrypt)?)
}

fn bit_length(number: &[u8]) -> usize {
    let number = trimmed(number);
    number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}

fn trimmed(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}

/// Three or 65537, which is all that anybody uses.
fn known_exponent(exponent: &[u8]) -> Option<u64> {
    match trimmed(exponent) {
        [3] => Some(3),
        [1, 0, 1] => Some(65537),
        _ => None,
    }
}

fn number(bytes: &[u8]) -> Option<BoxedUint> {
    let bytes = trimmed(bytes);
    BoxedUint::from_be_slice(bytes, u32::try_from(bytes.len() * 8).ok()?).ok()
}

fn public_key(der: &[u8]) -> Option<PublicKey> {
    // The crate's own decoder has a limit on the size that is below what the standard's tests use.
    let key = RsaPublicKeyRef::from_der(der).ok()?;
    public_of(key.modulus.as_bytes(), key.public_exponent.as_bytes())
}

fn public_of(modulus: &[u8], exponent: &[u8]) -> Option<PublicKey> {
    PublicKey::new_with_size_limits(number(modulus)?, number(exponent)?, MIN_BITS..=MAX_BITS).ok()
}

fn generate<'js>(ctx: Ctx<'js>, bits: usize, exponent: Bytes) -> Result<Option<Array<'js>>> {
    let mut random = HostRandom::of(&ctx)?;
    let Some((private, public)) = new_pair(bits, &exponent.0, &mut random) else { return Ok(None) };
    let pair = Array::new(ctx.clone())?;
    pair.set(0, Bytes(private).into_js(&ctx)?)?;
    pair.set(1, Bytes(public).into_js(&ctx)?)?;
    Ok(Some(pair))
}

fn new_pair(bits: usize, exponent: &[u8], random: &mut HostRandom) -> Option<(Vec<u8>, Vec<u8>)> {
    if !(MIN_BITS..=MAX_BITS).contains(&bits) {
        return None;
    }
    let exponent = BoxedUint::from(known_exponent(exponent)?);
    let key = PrivateKey::new_with_exp(random, bits, exponent).ok()?;
    let private = key.to_pkcs1_der().ok()?.as_bytes().to_vec();
    Some((private, key.to_public_key().to_pkcs1_der().ok()?.as_bytes().to_vec()))
}

fn from_spki(der: Bytes) -> Option<Bytes> {
    let key = PublicKey::from_public_key_der(&der.0).ok()?;
    key.to_pkcs1_der().ok().map(|der| Bytes(der.as_bytes().to_vec()))
}

fn from_pkcs8(der: Bytes) -> Option<Bytes> {
    let key = PrivateKey::from_pkcs8_der(&der.0).ok()?;
    key.to_pkcs1_der().ok().map(|der| Bytes(der.as_bytes().to_vec()))
}

fn to_spki(der: Bytes) -> Option<Bytes> {
    public_key(&der.0)?.to_public_key_der().ok().map(|der| Bytes(der.as_bytes().to_vec()))
}

fn to_pkcs8(der: Bytes) -> Option<Bytes> {
    PrivateKey::from_pkcs1_der(&der.0).ok()?.to_pkcs8_der().ok().map(|der| Bytes(der.as_bytes().to_vec()))
}

/// Of a public key modulus and exponent, of a private one also d, p, q, dp, dq and qi.
fn parts<'js>(ctx: Ctx<'js>, der: Bytes, private: bool) -> Result<Option<Array<'js>>> {
    let numbers: Option<Vec<Vec<u8>>> = if private {
        RsaPrivateKeyRef::from_der(&der.0).ok().map(|key| {
            [
                key.modulus,
                key.public_exponent,
                key.private_exponent,
                key.prime1,
                key.prime2,
                key.exponent1,
                key.exponent2,
                key.coefficient,
            ]
            .map(|number| number.as_bytes().to_vec())
            .to_vec()
        })
    } else {
        let key = RsaPublicKeyRef::from_der(&der.0).ok();
        key.map(|key| vec![key.modulus.as_bytes().to_vec(), key.public_exponent.as_bytes().to_vec()])
    };
    let Some(numbers) = numbers else { return Ok(None) };
    let list = Array::new(ctx.clone())?;
    for (at, number) in numbers.into_iter().enumerate() {
        list.set(at, Bytes(number).into_js(&ctx)?)?;
    }
    Ok(Some(list))
}

/// A key of n and e, or of n, e, d, p and q.
fn from_parts(parts: &[Bytes]) -> Option<Bytes> {
    let der = match parts {
        [n, e] => public_of(&n.0, &e.0)?.to_pkcs1_der().ok()?.as_bytes().to_vec(),
        [n, e, d, p, q] => {
            let primes = vec![number(&p.0)?, number(&q.0)?];
            let key = PrivateKey::from_components(number(&n.0)?, number(&e.0)?, number(&d.0)?, primes).ok()?;
            key.to_pkcs1_der().ok()?.as_bytes().to_vec()
        }
        _ => return None,
    };
    Some(Bytes(der))
}

fn sign(ctx: Ctx<'_>, scheme: Text, hash: Text, key: Bytes, salt_len: usize, data: Bytes) -> Result<Option<Bytes>> {
    let mut random = HostRandom::of(&ctx)?;
    let Ok(key) = PrivateKey::from_pkcs1_der(&key.0) else { return Ok(None) };
    let digest = digest(&hash.0, &data.0);
    let signed = with_hash!(hash.0.as_str(), H => if scheme.0 == "RSA-PSS" {
        key.sign_with_rng(&mut random, Pss::<H>::new_with_salt(salt_len), &digest)
    } else {
        key.sign_with_rng(&mut random, Pkcs1v15Sign::new::<H>(), &digest)
    });
    Ok(signed.ok().map(Bytes))
}

fn verify(scheme: Text, hash: Text, key: Bytes, salt_len: usize, signature: Bytes, data: Bytes) -> bool {
    let Some(key) = public_key(&key.0) else { return false };
    let digest = digest(&hash.0, &data.0);
    with_hash!(hash.0.as_str(), H => if scheme.0 == "RSA-PSS" {
        key.verify(Pss::<H>::new_with_salt(salt_len), &digest, &signature.0)
    } else {
        key.verify(Pkcs1v15Sign::new::<H>(), &digest, &signature.0)
    })
    .is_ok()
}

fn encrypt(ctx: Ctx<'_>, hash: Text, key: Bytes, label: Bytes, data: Bytes) -> Result<Option<Bytes>> {
    let mut random = HostRandom::of(&ctx)?;
    let Some(key) = public_key(&key.0) else { return Ok(None) };
    let sealed = with_hash!(hash.0.as_str(), H => {
        key.encrypt(&mut random, Oaep::<H>::new_with_label(label.0), &data.0)
    });
    Ok(sealed.ok().map(Bytes))
}

fn decrypt(ctx: Ctx<'_>, hash: Text, key: Bytes, label: Bytes, data: Bytes) -> Result<Option<Bytes>> {
    let mut random = HostRandom::of(&ctx)?;
    let Ok(key) = PrivateKey::from_pkcs1_der(&key.0) else { return Ok(None) };
    let opened = with_hash!(hash.0.as_str(), H => {
        key.decrypt_blinded(&mut random, Oaep::<H>::new_with_label(label.0), &data.0)
    });
    Ok(opened.ok().map(Bytes))
}
