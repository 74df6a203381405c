//! Access to the memory of typed arrays.

use rquickjs::TypedArray;

/// Calls `read` with the bytes of `array`: none where its buffer is detached or has shrunk away.
///
/// `read` has no way into the engine, so nothing can move the memory meanwhile.
#[expect(unsafe_code, reason = "no JavaScript runs while the slice is alive: `read` cannot reach the engine")]
pub fn read<R>(array: &TypedArray<'_, u8>, read: impl FnOnce(&[u8]) -> R) -> R {
    match array.as_raw() {
        Some(raw) => read(unsafe { raw.as_ref() }),
        None => read(&[]),
    }
}

/// Calls `write` with the bytes of `array`, under the same rules as [`read`].
#[expect(unsafe_code, reason = "no JavaScript runs while the slice is alive: `write` cannot reach the engine")]
pub fn write<R>(array: &TypedArray<'_, u8>, write: impl FnOnce(&mut [u8]) -> R) -> R {
    match array.as_raw() {
        Some(mut raw) => write(unsafe { raw.as_mut() }),
        None => write(&mut []),
    }
}
