//! What the safe bindings do not offer: scripts that start at a chosen line, strings with lone
//! surrogates, classes of objects that user code cannot forge.

#![expect(unsafe_code, reason = "calls of QuickJS's C interface; each block says what it relies on")]

use std::ffi::CString;

use rquickjs::{Array, Ctx, Error, Exception, Result, Value, qjs};

/// Runs a script whose first character stands at line `line` of `file`, so that a wrapper before the
/// user's text does not shift the lines in stack traces.
///
/// # Errors
/// Whatever it throws, a `SyntaxError` included.
pub fn eval_at<'js>(ctx: &Ctx<'js>, code: &str, file: &str, line: i32) -> Result<Value<'js>> {
    // QuickJS reads up to a terminating NUL; one inside the text would end it early and silently.
    let Ok(code) = CString::new(code) else {
        return Err(Exception::throw_syntax(ctx, "the code contains a NUL character"));
    };
    let file = CString::new(file).map_err(|_| Error::Unknown)?;
    let mut options = qjs::JSEvalOptions {
        version: qjs::JS_EVAL_OPTIONS_VERSION as i32,
        eval_flags: qjs::JS_EVAL_TYPE_GLOBAL as i32,
        filename: file.as_ptr(),
        line_num: line,
    };
    // SAFETY: both strings outlive the call, and the length excludes the NUL that follows the text.
    let value = unsafe {
        let length = code.as_bytes().len() as qjs::size_t;
        qjs::JS_Eval2(ctx.as_raw().as_ptr(), code.as_ptr(), length, &mut options)
    };
    own(ctx, value)
}

/// Takes over a value that QuickJS returned to us.
fn own<'js>(ctx: &Ctx<'js>, value: qjs::JSValue) -> Result<Value<'js>> {
    // SAFETY: the value was just returned with a reference of its own.
    unsafe {
        if qjs::JS_IsException(value) {
            return Err(Error::Exception);
        }
        Ok(Value::from_raw(ctx.clone(), value))
    }
}

/// A bare `Error` object, which has no stack yet: it gets the one of the place where it is first thrown, which for the
/// reason of a promise is the `await` of whoever waited. An error made by a constructor would have ours.
///
/// # Errors
/// Only out of memory.
pub fn bare_error<'js>(ctx: &Ctx<'js>) -> Result<Value<'js>> {
    let any = Exception::from_message(ctx.clone(), "")?;
    // SAFETY: the class is that of a live error, so the context knows it and its prototype.
    unsafe {
        let class = qjs::JS_GetClassID(any.as_object().as_value().as_raw());
        own(ctx, qjs::JS_NewObjectClass(ctx.as_raw().as_ptr(), class))
    }
}

/// A string's content as UTF-8 in which lone surrogates stand as three bytes each (WTF-8).
///
/// # Errors
/// Whatever converting the value to a string throws.
pub fn wtf8<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<Vec<u8>> {
    let mut len: qjs::size_t = 0;
    // SAFETY: the pointer is valid for `len` bytes until it is freed below.
    unsafe {
        let text = qjs::JS_ToCStringLen2(ctx.as_raw().as_ptr(), &mut len, value.as_raw(), false);
        if text.is_null() {
            return Err(Error::Exception);
        }
        let bytes = std::slice::from_raw_parts(text.cast::<u8>(), len as usize).to_vec();
        qjs::JS_FreeCString(ctx.as_raw().as_ptr(), text);
        Ok(bytes)
    }
}

/// A string's content; lone surrogates become U+FFFD.
///
/// # Errors
/// Whatever converting the value to a string throws.
pub fn text<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<String> {
    Ok(String::from_utf8(wtf8(ctx, value)?).unwrap_or_else(|error| {
        let mut out = String::new();
        for chunk in error.as_bytes().utf8_chunks() {
            out.push_str(chunk.valid());
            // A surrogate is three invalid bytes, which come as three chunks; the first stands for all.
            if chunk.invalid().first() == Some(&0xED) {
                out.push('\u{FFFD}');
            }
        }
        out
    }))
}

/// What an object is by its internal slots; prototypes and `Symbol.toStringTag` do not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An array.
    Array,
    /// Anything callable.
    Function,
    /// `Error` and its kin.
    Error,
    /// `Map`
    Map,
    /// `Set`
    Set,
    /// `Date`
    Date,
    /// `RegExp`
    RegExp,
    /// `ArrayBuffer`, a typed array or a `DataView`.
    Binary,
    /// `Promise`
    Promise,
    /// `Proxy`
    Proxy,
    /// Anything else.
    Plain,
}

/// The kind of an object.
pub fn kind(value: &Value<'_>) -> Kind {
    let raw = value.as_raw();
    // SAFETY: these only look at the tag and the class of a live value.
    unsafe {
        if qjs::JS_IsProxy(raw) {
            Kind::Proxy
        } else if value.is_function() {
            Kind::Function
        } else if qjs::JS_IsArray(raw) {
            Kind::Array
        } else if qjs::JS_IsError(raw) {
            Kind::Error
        } else if qjs::JS_IsDate(raw) {
            Kind::Date
        } else if qjs::JS_IsMap(raw) {
            Kind::Map
        } else if qjs::JS_IsSet(raw) {
            Kind::Set
        } else if qjs::JS_IsRegExp(raw) {
            Kind::RegExp
        } else if qjs::JS_IsPromise(raw) {
            Kind::Promise
        } else if qjs::JS_IsArrayBuffer(raw) || qjs::JS_GetTypedArrayType(raw) >= 0 || qjs::JS_IsDataView(raw) {
            Kind::Binary
        } else {
            Kind::Plain
        }
    }
}

/// Do two values share one object?
pub fn same_object(a: &Value<'_>, b: &Value<'_>) -> bool {
    // SAFETY: compares pointers; nothing is followed.
    unsafe {
        qjs::JS_VALUE_GET_TAG(a.as_raw()) == qjs::JS_VALUE_GET_TAG(b.as_raw())
            && qjs::JS_VALUE_GET_PTR(a.as_raw()) == qjs::JS_VALUE_GET_PTR(b.as_raw())
    }
}

/// An array of these. Filling one item by item could run setters that user code put on its prototype.
///
/// # Errors
/// Only out of memory.
pub fn array<'js>(ctx: &Ctx<'js>, items: &[Value<'js>]) -> Result<Array<'js>> {
    let count = i32::try_from(items.len()).map_err(|_| Error::Unknown)?;
    // SAFETY: the array takes over a reference of each item, made for it; it is ours.
    let array = unsafe {
        let items: Vec<_> = items.iter().map(|item| qjs::JS_DupValue(ctx.as_raw().as_ptr(), item.as_raw())).collect();
        let array = qjs::JS_NewArrayFrom(ctx.as_raw().as_ptr(), count, items.as_ptr());
        if qjs::JS_IsException(array) {
            return Err(Error::Exception);
        }
        Value::from_raw(ctx.clone(), array)
    };
    array.get()
}

/// A copy of the bytes behind an `ArrayBuffer` or a view of one; `None` for anything else and where the
/// buffer is detached.
pub fn bytes(value: &Value<'_>) -> Option<Vec<u8>> {
    let ctx = value.ctx().as_raw().as_ptr();
    let raw = value.as_raw();
    // SAFETY: the pointer is read at once, before anything can run that would free or move the buffer.
    unsafe {
        let mut size: qjs::size_t = 0;
        if qjs::JS_IsArrayBuffer(raw) {
            let start = qjs::JS_GetArrayBuffer(ctx, &mut size, raw);
            return copy(value, start, size as usize);
        }
        let (buffer, offset, length) = if qjs::JS_GetTypedArrayType(raw) >= 0 {
            let (mut offset, mut length, mut width) = (0, 0, 0);
            let buffer = own(value.ctx(), qjs::JS_GetTypedArrayBuffer(ctx, raw, &mut offset, &mut length, &mut width));
            (buffer.ok()?, offset as usize, length as usize)
        } else {
            let object = value.as_object()?;
            let buffer: Value<'_> = object.get("buffer").ok()?;
            (
                buffer,
                object.get::<_, f64>("byteOffset").ok()? as usize,
                object.get::<_, f64>("byteLength").ok()? as usize,
            )
        };
        let start = qjs::JS_GetArrayBuffer(ctx, &mut size, buffer.as_raw());
        let all = copy(value, start, size as usize)?;
        Some(all.get(offset..offset.checked_add(length)?)?.to_vec())
    }
}

/// # Safety
/// `start` is null or valid for `size` bytes.
unsafe fn copy(value: &Value<'_>, start: *const u8, size: usize) -> Option<Vec<u8>> {
    if start.is_null() {
        // Detached: QuickJS has thrown; nobody is interested.
        value.ctx().catch();
        return (size == 0).then(Vec::new);
    }
    // SAFETY: the caller's promise.
    Some(unsafe { std::slice::from_raw_parts(start, size) }.to_vec())
}
