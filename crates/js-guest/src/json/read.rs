//! JSON text as a value. What services answer is read with every call, and the engine's own parser takes three times as
//! long: it makes a token of everything, and a string of every key.

#![expect(unsafe_code, reason = "calls of QuickJS's C interface; each block says what it relies on")]

use rquickjs::{Ctx, Error, Object, Result, Value, qjs};

/// Deeper nesting is left to the engine, which watches its stack.
const MAX_DEPTH: u32 = 128;
/// Keys that are remembered; a power of two.
const REMEMBERED_KEYS: usize = 32;
/// Integers below this are floating-point numbers of the same value.
const MAX_SAFE_DIGITS: usize = 15;

/// The value that a JSON text stands for.
///
/// # Errors
/// The engine's own `SyntaxError`, where it is none.
pub fn parse<'js>(ctx: &Ctx<'js>, text: &str) -> Result<Value<'js>> {
    match Reader::of(ctx, text, false).read(ctx)? {
        Some(value) => Ok(value),
        None => ctx.json_parse(text),
    }
}

/// The object that a JSON text stands for, as `Object.freeze` would leave its members and all that is in them; the object
/// itself can still be added to. `None`: the text has no object, or a rare form of one, and is to be read and frozen by
/// other means.
///
/// # Errors
/// Only out of memory.
pub fn parse_read_only<'js>(ctx: &Ctx<'js>, text: &str) -> Result<Option<Object<'js>>> {
    if !text.starts_with('{') {
        return Ok(None);
    }
    Ok(Reader::of(ctx, text, true).read(ctx)?.and_then(Value::into_object))
}

/// Ends what can be added to an object.
///
/// # Errors
/// Only out of memory.
pub fn close(object: &Object<'_>) -> Result<()> {
    // SAFETY: a live object of a live context.
    let closed = unsafe { qjs::JS_PreventExtensions(object.ctx().as_raw().as_ptr(), object.as_raw()) };
    if closed < 0 { Err(Error::Exception) } else { Ok(()) }
}

/// Why reading ends early.
enum Stop {
    /// Not JSON, or a rare form of it: the engine reads it, or says what is wrong.
    NotForUs,
    /// Memory is used up.
    Thrown,
}

struct Reader<'a> {
    ctx: *mut qjs::JSContext,
    text: &'a [u8],
    at: usize,
    depth: u32,
    /// Nothing but the outermost object can be changed afterwards.
    read_only: bool,
    keys: [Option<(&'a [u8], qjs::JSAtom)>; REMEMBERED_KEYS],
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        for (_, atom) in self.keys.iter().flatten() {
            // SAFETY: each remembered key holds one reference.
            unsafe { qjs::JS_FreeAtom(self.ctx, *atom) };
        }
    }
}

impl<'a> Reader<'a> {
    fn of(ctx: &Ctx<'_>, text: &'a str, read_only: bool) -> Self {
        let (ctx, text) = (ctx.as_raw().as_ptr(), text.as_bytes());
        Self { ctx, text, at: 0, depth: 0, read_only, keys: Default::default() }
    }

    fn read<'js>(mut self, ctx: &Ctx<'js>) -> Result<Option<Value<'js>>> {
        match self.document() {
            // SAFETY: the value is a new one, with a reference of its own.
            Ok(value) => Ok(Some(unsafe { Value::from_raw(ctx.clone(), value) })),
            Err(Stop::Thrown) => Err(Error::Exception),
            Err(Stop::NotForUs) => Ok(None),
        }
    }

    fn document(&mut self) -> std::result::Result<qjs::JSValue, Stop> {
        let value = self.value()?;
        self.skip_space();
        if self.at == self.text.len() {
            return Ok(value);
        }
        self.free(value);
        Err(Stop::NotForUs)
    }

    fn value(&mut self) -> std::result::Result<qjs::JSValue, Stop> {
        self.skip_space();
        match self.peek() {
            Some(b'"') => self.string(),
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b't') => self.word(b"true", qjs::JS_TRUE),
            Some(b'f') => self.word(b"false", qjs::JS_FALSE),
            Some(b'n') => self.word(b"null", qjs::JS_NULL),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(Stop::NotForUs),
        }
    }

    fn nested(
        &mut self,
        read: fn(&mut Self) -> std::result::Result<qjs::JSValue, Stop>,
    ) -> std::result::Result<qjs::JSValue, Stop> {
        if self.depth == MAX_DEPTH {
            return Err(Stop::NotForUs);
        }
        self.depth += 1;
        self.at += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn object(&mut self) -> std::result::Result<qjs::JSValue, Stop> {
        // SAFETY: the context is live; what comes back is checked.
        let object = self.made(unsafe { qjs::JS_NewObject(self.ctx) })?;
        let closed = |reader: &Self| {
            if !reader.read_only || reader.depth == 1 {
                return Ok(());
            }
            // SAFETY: a live object of ours.
            if unsafe { qjs::JS_PreventExtensions(reader.ctx, object) } < 0 { Err(Stop::Thrown) } else { Ok(()) }
        };
        match self.members(object).and_then(|()| closed(self)) {
            Ok(()) => Ok(object),
            Err(stop) => {
                self.free(object);
                Err(stop)
            }
        }
    }

    fn members(&mut self, object: qjs::JSValue) -> std::result::Result<(), Stop> {
        if self.takes(b'}') {
            return Ok(());
        }
        loop {
            let key = self.key()?;
            let value = if self.takes(b':') { self.value() } else { Err(Stop::NotForUs) };
            let defined = value.map(|value| {
                let flags = (if self.read_only { qjs::JS_PROP_ENUMERABLE } else { qjs::JS_PROP_C_W_E }) as i32;
                // SAFETY: the object is ours; the value's reference goes over to it.
                unsafe { qjs::JS_DefinePropertyValue(self.ctx, object, key, value, flags) }
            });
            // SAFETY: `key` gave one reference.
            unsafe { qjs::JS_FreeAtom(self.ctx, key) };
            match defined? {
                ..0 => return Err(Stop::Thrown),
                // A key that comes twice: the last counts, which it cannot any more.
                0 => return Err(Stop::NotForUs),
                1.. => {}
            }
            if self.takes(b'}') {
                return Ok(());
            }
            if !self.takes(b',') {
                return Err(Stop::NotForUs);
            }
        }
    }

    fn array(&mut self) -> std::result::Result<qjs::JSValue, Stop> {
        let mut items = Vec::new();
        match self.items(&mut items) {
            Ok(()) => {
                let count = i32::try_from(items.len()).map_err(|_| Stop::NotForUs)?;
                // SAFETY: the references of all items go over to the array.
                let array = self.made(unsafe { qjs::JS_NewArrayFrom(self.ctx, count, items.as_ptr()) })?;
                // SAFETY: a live array of ours.
                if self.read_only && unsafe { qjs::JS_FreezeObject(self.ctx, array) } < 0 {
                    self.free(array);
                    return Err(Stop::Thrown);
                }
                Ok(array)
            }
            Err(stop) => {
                items.into_iter().for_each(|item| self.free(item));
                Err(stop)
            }
        }
    }

    fn items(&mut self, items: &mut Vec<qjs::JSValue>) -> std::result::Result<(), Stop> {
        if self.takes(b']') {
            return Ok(());
        }
        loop {
            items.push(self.value()?);
            if self.takes(b']') {
                return Ok(());
            }
            if !self.takes(b',') {
                return Err(Stop::NotForUs);
            }
        }
    }

    /// A key, with a reference to be given back.
    fn key(&mut self) -> std::result::Result<qjs::JSAtom, Stop> {
        self.skip_space();
        let (text, plain) = self.quoted()?;
        if !plain || !text.is_ascii() {
            let value = self.text(text, plain)?;
            // SAFETY: a live string of ours.
            let atom = unsafe { qjs::JS_ValueToAtom(self.ctx, value) };
            self.free(value);
            return if atom == qjs::JS_ATOM_NULL { Err(Stop::Thrown) } else { Ok(atom) };
        }
        let (first, last) = (text.first().copied().unwrap_or(0), text.last().copied().unwrap_or(0));
        let place = (usize::from(first) * 31 + usize::from(last) * 7 + text.len()) % REMEMBERED_KEYS;
        // SAFETY: atoms that are remembered are live; the bytes are those of a live slice.
        unsafe {
            if let Some((known, atom)) = self.keys[place]
                && known == text
            {
                return Ok(qjs::JS_DupAtom(self.ctx, atom));
            }
            let atom = qjs::JS_NewAtomLen(self.ctx, text.as_ptr().cast(), text.len() as qjs::size_t);
            if atom == qjs::JS_ATOM_NULL {
                return Err(Stop::Thrown);
            }
            if let Some((_, forgotten)) = self.keys[place].replace((text, qjs::JS_DupAtom(self.ctx, atom))) {
                qjs::JS_FreeAtom(self.ctx, forgotten);
            }
            Ok(atom)
        }
    }

    fn string(&mut self) -> std::result::Result<qjs::JSValue, Stop> {
        let (text, plain) = self.quoted()?;
        self.text(text, plain)
    }

    /// What stands between two quotes, and whether it has no escape in it.
    fn quoted(&mut self) -> std::result::Result<(&'a [u8], bool), Stop> {
        if self.peek() != Some(b'"') {
            return Err(Stop::NotForUs);
        }
        let start = self.at + 1;
        let mut plain = true;
        let mut at = start;
        loop {
            match self.text.get(at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    plain = false;
                    at += 2;
                }
                Some(0..=0x1F) | None => return Err(Stop::NotForUs),
                Some(_) => at += 1,
            }
        }
        self.at = at + 1;
        Ok((&self.text[start..at], plain))
    }

    fn text(&mut self, text: &[u8], plain: bool) -> std::result::Result<qjs::JSValue, Stop> {
        let unescaped;
        let text = if plain {
            text
        } else {
            unescaped = unescape(text).ok_or(Stop::NotForUs)?;
            &unescaped
        };
        // SAFETY: the bytes are those of a live slice, and UTF-8.
        self.made(unsafe { qjs::JS_NewStringLen(self.ctx, text.as_ptr().cast(), text.len() as qjs::size_t) })
    }

    fn number(&mut self) -> std::result::Result<qjs::JSValue, Stop> {
        let start = self.at;
        let negative = self.peek() == Some(b'-');
        self.at += usize::from(negative);
        let digits = self.digits()?;
        if digits.len() > 1 && digits[0] == b'0' {
            return Err(Stop::NotForUs);
        }
        let whole = !matches!(self.peek(), Some(b'.' | b'e' | b'E'));
        if whole && digits.len() <= MAX_SAFE_DIGITS && !(negative && digits == b"0") {
            let size = digits.iter().fold(0i64, |size, digit| size * 10 + i64::from(digit - b'0'));
            let number = if negative { -size } else { size };
            return Ok(match i32::try_from(number) {
                Ok(number) => qjs::JS_MKVAL(qjs::JS_TAG_INT, number),
                Err(_) => qjs::JS_NewFloat64(number as f64),
            });
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        let text = str::from_utf8(&self.text[start..self.at]).map_err(|_| Stop::NotForUs)?;
        text.parse().map(qjs::JS_NewFloat64).map_err(|_| Stop::NotForUs)
    }

    /// One digit or more.
    fn digits(&mut self) -> std::result::Result<&'a [u8], Stop> {
        let rest = &self.text[self.at..];
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        if count == 0 { Err(Stop::NotForUs) } else { Ok(&rest[..count]) }
    }

    fn word(&mut self, word: &[u8], value: qjs::JSValue) -> std::result::Result<qjs::JSValue, Stop> {
        if !self.text[self.at..].starts_with(word) {
            return Err(Stop::NotForUs);
        }
        self.at += word.len();
        Ok(value)
    }

    fn takes(&mut self, wanted: u8) -> bool {
        self.skip_space();
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn made(&self, value: qjs::JSValue) -> std::result::Result<qjs::JSValue, Stop> {
        // SAFETY: looks at the value's tag and nothing else.
        if unsafe { qjs::JS_IsException(value) } { Err(Stop::Thrown) } else { Ok(value) }
    }

    fn free(&self, value: qjs::JSValue) {
        // SAFETY: callers give up the reference they hold.
        unsafe { qjs::JS_FreeValue(self.ctx, value) };
    }
}

/// The text that escapes stand for; `None` where one is wrong, or stands for half of a character.
fn unescape(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        out.extend_from_slice(&rest[..at]);
        let escape = *rest.get(at + 1)?;
        rest = &rest[at + 2..];
        out.push(match escape {
            b'"' | b'\\' | b'/' => escape,
            b'b' => 0x08,
            b'f' => 0x0C,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let mut unit = code_unit(rest)?;
                rest = &rest[4..];
                if (0xD800..0xDC00).contains(&unit) {
                    let low = code_unit(rest.strip_prefix(b"\\u")?)?;
                    rest = &rest[6..];
                    unit = 0x10000 + ((unit - 0xD800) << 10) + low.checked_sub(0xDC00).filter(|low| *low < 0x400)?;
                }
                let mut bytes = [0; 4];
                out.extend_from_slice(char::from_u32(unit)?.encode_utf8(&mut bytes).as_bytes());
                continue;
            }
            _ => return None,
        });
    }
    out.extend_from_slice(rest);
    Some(out)
}

fn code_unit(text: &[u8]) -> Option<u32> {
    text.get(..4)?.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use rquickjs::{Context, Ctx, Function, Runtime};

    use super::parse;

    fn with_context(test: impl FnOnce(&Ctx<'_>)) {
        let context = Context::full(&Runtime::new().unwrap()).unwrap();
        context.with(|ctx| test(&ctx));
    }

    /// The engine's reading and ours, each printed by the engine; `None` where it throws.
    fn readings<'js>(ctx: &Ctx<'js>, text: &str) -> (Option<String>, Option<String>) {
        let print: Function<'js> = ctx.eval("(v) => JSON.stringify(v) + Object.is(v, -0)").unwrap();
        let printed = |value: rquickjs::Result<rquickjs::Value<'js>>| match value {
            Ok(value) => Some(print.call::<_, String>((value,)).unwrap()),
            Err(_) => {
                ctx.catch();
                None
            }
        };
        (printed(ctx.json_parse(text)), printed(parse(ctx, text)))
    }

    #[test]
    fn what_the_engine_reads_is_read_alike() {
        let texts = [
            "null",
            " true ",
            "false",
            "0",
            "-0",
            "-0.0",
            "7",
            "-7",
            "2147483647",
            "2147483648",
            "-2147483649",
            "999999999999999",
            "9007199254740993",
            "123456789012345678901234567890",
            "1.5",
            "-1.25e-7",
            "1E3",
            "1e400",
            "5e-324",
            "\"\"",
            "\"a\"",
            "\"é ü\"",
            "\"\u{1F600} \u{FFFF}\"",
            r#""\"\\\/\b\f\n\r\t""#,
            r#""é\u00FC""#,
            r#""\ud83d\ude00""#,
            r#""\ud83d""#,
            r#""\ude00\ud83d""#,
            r#""\ud83d\n""#,
            "[]",
            "{}",
            "[1,[2,[3]],{}]",
            r#"{"a":1,"b":{"a":2,"b":[]}}"#,
            r#"{"2":1,"1":2,"a":3,"0":4}"#,
            r#"{"a":1,"a":2}"#,
            r#"{"__proto__":{"x":1}}"#,
            r#"{"é":1,"Ã©":2,"\u00e9":3,"":4}"#,
            r#"[{"aa":1,"ba":2},{"aa":3,"ba":4}]"#,
            "\n{ \"a\" :\t[ 1 , 2 ] }\r\n",
        ];
        let deep = format!("{}1{}", "[".repeat(300), "]".repeat(300));
        with_context(|ctx| {
            for text in texts.into_iter().chain([deep.as_str()]) {
                let (engine, ours) = readings(ctx, text);
                assert!(engine.is_some(), "{text}");
                assert_eq!(engine, ours, "{text}");
            }
        });
    }

    #[test]
    fn what_is_read_only_is_what_freezing_leaves() {
        with_context(|ctx| {
            let text = r#"{"a":1,"b":{"c":[1,{"d":null}],"e":{}},"__proto__":{"x":1},"0":[]}"#;
            let ours = super::parse_read_only(ctx, text).unwrap().unwrap();
            ours.prop("more", rquickjs::object::Property::from(1).enumerable()).unwrap();
            super::close(&ours).unwrap();
            let check: Function<'_> = ctx
                .eval(
                    "(ours, text) => {
                        const deep = (v) => typeof v !== 'object' || v === null || Object.isFrozen(v) && Reflect.ownKeys(v).every((k) => deep(v[k]));
                        return deep(ours) + JSON.stringify({ ...ours, more: undefined }) + (JSON.stringify(ours) === text.slice(0, -1) + ',\"more\":1}');
                    }",
                )
                .unwrap();
            // Keys that are numbers come first, as they do everywhere.
            let canonical = r#"{"0":[],"a":1,"b":{"c":[1,{"d":null}],"e":{}},"__proto__":{"x":1}}"#;
            let told: String = check.call((ours, canonical)).unwrap();
            assert!(told.starts_with("true") && told.ends_with("true"), "{told}");
            for text in [r#"{"a":1,"a":2}"#, r#"{"a":{"b":1,"b":2}}"#, "[]", "1", "{"] {
                assert!(super::parse_read_only(ctx, text).unwrap().is_none(), "{text}");
            }
        });
    }

    #[test]
    fn what_the_engine_refuses_is_refused() {
        let texts = [
            "",
            " ",
            "nul",
            "truee",
            "01",
            "-",
            "1.",
            ".5",
            "1e",
            "+1",
            "\"",
            "\"\\",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\n\"",
            "[1,]",
            "[1",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "[1 2]",
            "1 2",
            "{\"a\":1 \"b\":2}",
            "\u{feff}1",
            "'a'",
            "[,]",
        ];
        with_context(|ctx| {
            for text in texts {
                assert_eq!(readings(ctx, text), (None, None), "{text:?}");
            }
        });
    }
}
