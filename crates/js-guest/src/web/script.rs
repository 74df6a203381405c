//! Compiling the platform's own scripts so that only their bytecode stays in memory.

use rquickjs::{Ctx, Error, FromJs, Function, Result, Value, qjs};

/// Compiles one of the platform's scripts, whose value is a function.
///
/// Bytecode goes through its serial form because that drops the source text: it is a third of what the
/// scripts would keep in every heap image, and without it functions show themselves as `[native code]`,
/// as the standards want.
///
/// # Errors
/// A `SyntaxError` in JavaScript where the script does not parse.
#[expect(unsafe_code, reason = "the bindings offer serialised bytecode for modules only, not for scripts")]
pub fn compile<'js>(ctx: &Ctx<'js>, name: &str, text: &str) -> Result<Function<'js>> {
    // The engine wants both to end in a zero, which the length of the text does not count.
    let name = format!("{name}\0");
    let source = format!("{text}\0");
    let raw = ctx.as_raw().as_ptr();
    let only_compile = (qjs::JS_EVAL_TYPE_GLOBAL | qjs::JS_EVAL_FLAG_COMPILE_ONLY) as i32;
    // SAFETY: all pointers are those of live buffers; every value is owned by exactly one `Value`,
    // except the function that `JS_EvalFunction` consumes.
    unsafe {
        let compiled = qjs::JS_Eval(raw, source.as_ptr().cast(), text.len() as _, name.as_ptr().cast(), only_compile);
        let compiled = owned(ctx, compiled)?;
        let mut len = 0;
        let flags = (qjs::JS_WRITE_OBJ_BYTECODE | qjs::JS_WRITE_OBJ_STRIP_SOURCE) as i32;
        let bytecode = qjs::JS_WriteObject(raw, &mut len, compiled.as_raw(), flags);
        if bytecode.is_null() {
            return Err(Error::Exception);
        }
        let stripped = qjs::JS_ReadObject(raw, bytecode, len, qjs::JS_READ_OBJ_BYTECODE as i32);
        qjs::js_free(raw, bytecode.cast());
        if qjs::JS_IsException(stripped) {
            return Err(Error::Exception);
        }
        Function::from_js(ctx, owned(ctx, qjs::JS_EvalFunction(raw, stripped))?)
    }
}

/// Takes over a value that the engine has handed out.
#[expect(unsafe_code, reason = "adopts a raw value")]
unsafe fn owned<'js>(ctx: &Ctx<'js>, value: qjs::JSValue) -> Result<Value<'js>> {
    unsafe {
        if qjs::JS_IsException(value) {
            return Err(Error::Exception);
        }
        Ok(Value::from_raw(ctx.clone(), value))
    }
}
