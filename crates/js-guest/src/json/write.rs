//! A result as JSON, by the rules of `JSON.stringify`, and stricter: what JSON cannot carry is an error
//! that names its path, instead of being dropped. Maps and sets become arrays, bytes become
//! `{"$base64": ...}`, and no built-in that user code can replace is involved.

use base64::{Engine, prelude::BASE64_STANDARD};
use rquickjs::{Ctx, Function, Object, Value, function::This};

use crate::{
    intrinsics,
    raw::{self, Kind},
};

/// Deeper nesting than this is refused rather than recursed into.
const MAX_DEPTH: usize = 256;

/// Why a value has no JSON.
pub enum Unserializable {
    /// Something in it cannot be carried; the text names the path.
    Value(String),
    /// User code threw on the way (a getter, a `toJSON`).
    Thrown(rquickjs::Error),
}

impl From<rquickjs::Error> for Unserializable {
    fn from(error: rquickjs::Error) -> Self {
        Self::Thrown(error)
    }
}

/// The JSON text of a result; `undefined` is `null`.
///
/// # Errors
/// [`Unserializable`].
pub fn stringify<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> std::result::Result<String, Unserializable> {
    let mut writer = Writer::new(ctx, Subject::Result);
    writer.value(value)?;
    writer.finish()
}

/// The JSON text of a call's arguments, an array: trailing `undefined` is left out, any other is `null`.
///
/// # Errors
/// [`Unserializable`].
pub fn arguments<'js>(ctx: &Ctx<'js>, given: &[Value<'js>]) -> std::result::Result<String, Unserializable> {
    let count = given.iter().rposition(|argument| !argument.is_undefined()).map_or(0, |last| last + 1);
    let mut writer = Writer::new(ctx, Subject::Arguments);
    writer.list(count, |writer, index| writer.value(&given[index]))?;
    writer.finish()
}

/// What is being written, as errors call it.
#[derive(Clone, Copy)]
enum Subject {
    Result,
    Arguments,
}

struct Writer<'a, 'js> {
    ctx: &'a Ctx<'js>,
    subject: Subject,
    out: Vec<u8>,
    /// Objects that are being written: meeting one again is a cycle.
    open: Vec<Value<'js>>,
    path: Vec<Step>,
}

enum Step {
    Key(String),
    Index(usize),
}

impl<'a, 'js> Writer<'a, 'js> {
    fn new(ctx: &'a Ctx<'js>, subject: Subject) -> Self {
        Self { ctx, subject, out: Vec::with_capacity(128), open: Vec::new(), path: Vec::new() }
    }

    fn finish(self) -> std::result::Result<String, Unserializable> {
        // Only ASCII escapes and valid UTF-8 are ever written.
        String::from_utf8(self.out).map_err(|_| Unserializable::Value("the text is not valid Unicode".into()))
    }

    fn value(&mut self, value: &Value<'js>) -> std::result::Result<(), Unserializable> {
        if value.is_null() || value.is_undefined() {
            self.out.extend_from_slice(b"null");
        } else if let Some(flag) = value.as_bool() {
            self.out.extend_from_slice(if flag { b"true" } else { b"false" });
        } else if let Some(int) = value.as_int() {
            self.out.extend_from_slice(int.to_string().as_bytes());
        } else if let Some(float) = value.as_float() {
            // The engine's own conversion: shortest form, as every JavaScript prints it.
            let text = if float.is_finite() { raw::wtf8(self.ctx, value)? } else { b"null".to_vec() };
            self.out.extend_from_slice(&text);
        } else if value.is_string() {
            let text = raw::wtf8(self.ctx, value)?;
            write_string(&mut self.out, &text);
        } else if value.is_object() {
            return self.object(value);
        } else {
            return Err(self.refuse(if value.is_symbol() { "a symbol" } else { "a BigInt" }));
        }
        Ok(())
    }

    fn object(&mut self, value: &Value<'js>) -> std::result::Result<(), Unserializable> {
        let kind = raw::kind(value);
        match kind {
            Kind::Function => return Err(self.refuse("a function")),
            Kind::Promise => return Err(self.refuse("a promise (is an `await` missing?)")),
            _ => {}
        }
        if self.open.iter().any(|open| raw::same_object(open, value)) {
            return Err(self.refuse("a cycle"));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(self.refuse("nested too deeply"));
        }
        self.open.push(value.clone());
        self.contents(kind, value)?;
        self.open.pop();
        Ok(())
    }

    fn contents(&mut self, kind: Kind, value: &Value<'js>) -> std::result::Result<(), Unserializable> {
        let ctx = self.ctx;
        match kind {
            Kind::Date => match intrinsics::iso_string(ctx, value.clone()) {
                Ok(text) => write_string(&mut self.out, text.as_bytes()),
                Err(_) => {
                    ctx.catch();
                    self.out.extend_from_slice(b"null");
                }
            },
            Kind::Binary => {
                let bytes = raw::bytes(value).unwrap_or_default();
                self.out.extend_from_slice(b"{\"$base64\":\"");
                self.out.extend_from_slice(BASE64_STANDARD.encode(bytes).as_bytes());
                self.out.extend_from_slice(b"\"}");
            }
            Kind::Map => {
                let entries = intrinsics::map_entries(ctx, value.clone())?;
                self.list(entries.len(), |writer, index| {
                    let (key, value) = &entries[index];
                    writer.list(2, |writer, side| writer.value(if side == 0 { key } else { value }))
                })?;
            }
            Kind::Set => {
                let values = intrinsics::set_values(ctx, value.clone())?;
                self.list(values.len(), |writer, index| writer.value(&values[index]))?;
            }
            _ => {
                let object: Object<'js> = value.get()?;
                let to_json: Value<'js> = object.get("toJSON")?;
                if let Some(to_json) = to_json.as_function() {
                    return self.replaced(to_json, value);
                }
                if is_array(kind, value) { self.array(&object)? } else { self.properties(kind, &object)? }
            }
        }
        Ok(())
    }

    /// What `toJSON` gives is written as it is: its own `toJSON` is not asked again.
    fn replaced(&mut self, to_json: &Function<'js>, value: &Value<'js>) -> std::result::Result<(), Unserializable> {
        let key = match self.path.last() {
            Some(Step::Key(key)) => key.clone(),
            Some(Step::Index(index)) => index.to_string(),
            None => String::new(),
        };
        let replacement: Value<'js> = to_json.call((This(value.clone()), key))?;
        if !replacement.is_object() || raw::same_object(&replacement, value) {
            if !replacement.is_object() {
                return self.value(&replacement);
            }
            let object: Object<'js> = replacement.get()?;
            return self.properties(raw::kind(&replacement), &object);
        }
        self.object(&replacement)
    }

    fn array(&mut self, object: &Object<'js>) -> std::result::Result<(), Unserializable> {
        let length: f64 = object.get("length")?;
        self.list(length as usize, |writer, index| {
            let item: Value<'js> = object.get(index as f64)?;
            writer.value(&item)
        })
    }

    fn properties(&mut self, kind: Kind, object: &Object<'js>) -> std::result::Result<(), Unserializable> {
        self.out.push(b'{');
        let mut first = true;
        if kind == Kind::Error {
            // An error's name and message are not enumerable; `{}` would tell nobody anything.
            for name in ["name", "message"] {
                let value: Value<'js> = object.get(name)?;
                self.member(&mut first, name.to_owned(), &value)?;
            }
        }
        let keys = object.own_keys::<Value<'js>>(rquickjs::Filter::new().string().enum_only());
        for key in keys {
            let key = key?;
            let value: Value<'js> = object.get(key.clone())?;
            self.member(&mut first, raw::text(self.ctx, &key)?, &value)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    fn member(&mut self, first: &mut bool, key: String, value: &Value<'js>) -> std::result::Result<(), Unserializable> {
        if value.is_undefined() {
            return Ok(());
        }
        if !std::mem::replace(first, false) {
            self.out.push(b',');
        }
        write_string(&mut self.out, key.as_bytes());
        self.out.push(b':');
        self.path.push(Step::Key(key));
        self.value(value)?;
        self.path.pop();
        Ok(())
    }

    fn list(
        &mut self,
        length: usize,
        mut item: impl FnMut(&mut Self, usize) -> std::result::Result<(), Unserializable>,
    ) -> std::result::Result<(), Unserializable> {
        self.out.push(b'[');
        for index in 0..length {
            if index > 0 {
                self.out.push(b',');
            }
            self.path.push(Step::Index(index));
            item(self, index)?;
            self.path.pop();
        }
        self.out.push(b']');
        Ok(())
    }

    fn refuse(&self, what: &str) -> Unserializable {
        let (root, fate) = match self.subject {
            Subject::Result => ("result", "returned"),
            Subject::Arguments => ("arguments", "sent"),
        };
        let mut path = String::from(root);
        for step in &self.path {
            match step {
                Step::Key(key) if is_identifier(key) => path.push_str(&format!(".{key}")),
                Step::Key(key) => path.push_str(&format!("[{key:?}]")),
                Step::Index(index) => path.push_str(&format!("[{index}]")),
            }
        }
        Unserializable::Value(format!("{path} cannot be {fate} as JSON: it is {what}"))
    }
}

/// `Array.isArray` sees through proxies.
fn is_array(kind: Kind, value: &Value<'_>) -> bool {
    match kind {
        Kind::Array => true,
        Kind::Proxy => value.as_proxy().and_then(|proxy| proxy.target().ok()).is_some_and(|target| target.is_array()),
        _ => false,
    }
}

fn is_identifier(key: &str) -> bool {
    !key.is_empty()
        && !key.starts_with(|c: char| c.is_ascii_digit())
        && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '$')
}

/// A JSON string from WTF-8. A lone surrogate becomes U+FFFD: escaped, as `JSON.stringify` leaves it, it is JSON that
/// strict readers refuse (RFC 8259, section 8.2), and the whole answer with it.
fn write_string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    let mut rest = text;
    while let [byte, tail @ ..] = rest {
        match (*byte, tail) {
            (b'"', _) => out.extend_from_slice(b"\\\""),
            (b'\\', _) => out.extend_from_slice(b"\\\\"),
            (b'\n', _) => out.extend_from_slice(b"\\n"),
            (b'\r', _) => out.extend_from_slice(b"\\r"),
            (b'\t', _) => out.extend_from_slice(b"\\t"),
            (control @ 0..=0x1F, _) => out.extend_from_slice(format!("\\u{control:04x}").as_bytes()),
            (0xED, [0xA0..=0xBF, _, after @ ..]) => {
                out.extend_from_slice("\u{FFFD}".as_bytes());
                rest = after;
                continue;
            }
            (other, _) => out.push(other),
        }
        rest = tail;
    }
    out.push(b'"');
}

/// Text as a JSON string.
pub fn quote(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    write_string(&mut out, text.as_bytes());
    String::from_utf8_lossy(&out).into_owned()
}
