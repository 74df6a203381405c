//! The host's randomness, as RustCrypto takes it.

use std::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};
use rquickjs::{Ctx, Result};

use crate::{host, scope::refuse_global};

/// Randomness fit for keys.
pub struct HostRandom(());

impl HostRandom {
    /// For an operation that needs it.
    ///
    /// # Errors
    /// At top level, where there is none: its heap is used again.
    pub fn of(ctx: &Ctx<'_>) -> Result<Self> {
        refuse_global(ctx, "An operation of crypto.subtle that needs randomness")?;
        Ok(Self(()))
    }
}

impl TryRng for HostRandom {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> std::result::Result<u32, Infallible> {
        let mut bytes = [0; 4];
        host::random(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> std::result::Result<u64, Infallible> {
        let mut bytes = [0; 8];
        host::random(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> std::result::Result<(), Infallible> {
        host::random(bytes);
        Ok(())
    }
}

impl TryCryptoRng for HostRandom {}
