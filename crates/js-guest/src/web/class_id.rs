//! What kind of built-in an object is, whatever its prototype says.

use rquickjs::{Function, Object, Result, Value, qjs};

/// Adds `classId`.
pub fn install(native: &Object<'_>) -> Result<()> {
    native.set("classId", Function::new(native.ctx().clone(), class_id)?)
}

/// The engine's number for the kind of object; 0 for what is no object.
///
/// Scripts learn the numbers at boot, from an object of each kind.
#[expect(unsafe_code, reason = "reads a header field of a live value; the engine answers for any value")]
fn class_id(value: Value<'_>) -> u32 {
    unsafe { qjs::JS_GetClassID(value.as_raw()) }
}
