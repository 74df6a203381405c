//! Reading JSON strictly: every member is known and there once, and whatever is wrong has its path.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::InvalidCode;

/// The members of an object, in their order.
pub(super) type Members<'a> = Vec<(String, &'a RawValue)>;

/// serde's maps would let a second member of a name take the place of the first.
struct InOrder<'a>(Members<'a>);

impl<'de> Deserialize<'de> for InOrder<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = InOrder<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<InOrder<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    members.push((name, map.next_value::<&RawValue>()?));
                }
                Ok(InOrder(members))
            }
        }

        deserializer.deserialize_map(Collect)
    }
}

/// The members of an object, each of another name; `what` says what else it must be.
pub(super) fn members<'a>(path: &str, raw: &'a RawValue, what: &str) -> Result<Members<'a>, InvalidCode> {
    if !raw.get().starts_with('{') {
        return Err(InvalidCode::at(path, format_args!("must be an object{what}")));
    }
    // Text that is JSON but for a name: half a surrogate pair is no character.
    let InOrder(members) =
        serde_json::from_str(raw.get()).map_err(|error| InvalidCode::at(path, without_place(&error)))?;
    let mut names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(InvalidCode::at(&member(path, pair[0]), "is there twice")),
        None => Ok(members),
    }
}

/// An object whose members have names that are known.
pub(super) struct Fields<'a> {
    path: String,
    members: Members<'a>,
}

impl<'a> Fields<'a> {
    pub(super) fn read(path: &str, raw: &'a RawValue, known: &[&str]) -> Result<Self, InvalidCode> {
        Self::of(path, members(path, raw, "")?, known)
    }

    pub(super) fn of(path: &str, members: Members<'a>, known: &[&str]) -> Result<Self, InvalidCode> {
        match members.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, _)) => {
                let message = format_args!("is not known; known are {}", known.join(", "));
                Err(InvalidCode::at(&member(path, name), message))
            }
            None => Ok(Self { path: path.to_owned(), members }),
        }
    }

    /// Where a member stands.
    pub(super) fn path(&self, name: &str) -> String {
        member(&self.path, name)
    }

    /// A member that may be absent; `null` is as good as that.
    pub(super) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.get_or_null(name).filter(|raw| raw.get() != "null")
    }

    /// A member for which `null` says something.
    pub(super) fn get_or_null(&self, name: &str) -> Option<&'a RawValue> {
        self.members.iter().find(|(found, _)| found == name).map(|(_, raw)| *raw)
    }

    /// A member that must be there.
    pub(super) fn required(&self, name: &str) -> Result<&'a RawValue, InvalidCode> {
        self.get(name).ok_or_else(|| InvalidCode::at(&self.path(name), "is required"))
    }

    /// A text that may be absent.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, InvalidCode> {
        self.get(name).map(|raw| text(&self.path(name), raw)).transpose()
    }
}

/// A string.
pub(super) fn text(path: &str, raw: &RawValue) -> Result<String, InvalidCode> {
    if !raw.get().starts_with('"') {
        return Err(InvalidCode::at(path, "must be a string"));
    }
    parsed(path, raw)
}

/// The items of an array.
pub(super) fn items<'a>(path: &str, raw: &'a RawValue) -> Result<Vec<(String, &'a RawValue)>, InvalidCode> {
    if !raw.get().starts_with('[') {
        return Err(InvalidCode::at(path, "must be an array"));
    }
    let items: Vec<&RawValue> =
        serde_json::from_str(raw.get()).map_err(|error| InvalidCode::at(path, without_place(&error)))?;
    Ok(items.into_iter().enumerate().map(|(at, item)| (format!("{path}[{at}]"), item)).collect())
}

/// A value as serde reads it.
pub(super) fn parsed<T: DeserializeOwned>(path: &str, raw: &RawValue) -> Result<T, InvalidCode> {
    serde_json::from_str(raw.get()).map_err(|error| InvalidCode::at(path, without_place(&error)))
}

/// Where a member of an object stands.
pub(super) fn member(path: &str, name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_$".contains(&byte);
    let is_plain = !name.is_empty() && name.bytes().all(plain) && !name.as_bytes()[0].is_ascii_digit();
    match (path.is_empty(), is_plain) {
        (true, true) => shortened(name),
        (false, true) => format!("{path}.{}", shortened(name)),
        (_, false) => format!("{path}[{:?}]", shortened(name)),
    }
}

/// A name as it is told: its beginning will do.
pub(super) fn shortened(name: &str) -> String {
    const MOST: usize = 64;
    match name.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", &name[..end]),
        None => name.to_owned(),
    }
}

/// serde's message without line and column, which would be those within one field.
pub(super) fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).map(ToOwned::to_owned).unwrap_or(text)
}

/// JSON without the spaces between its parts. `text` is JSON.
pub(super) fn compact(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(quote) = rest.find('"') {
        kept.extend(rest[..quote].chars().filter(|c| !c.is_ascii_whitespace()));
        let end = string_end(&rest[quote..]);
        kept.push_str(&rest[quote..quote + end]);
        rest = &rest[quote + end..];
    }
    kept.extend(rest.chars().filter(|c| !c.is_ascii_whitespace()));
    kept
}

/// Where the string ends that `text` begins with.
fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Any JSON that code will see as a value, without spaces. What JavaScript could not read as the same is refused:
/// numbers that are too large, half surrogate pairs, nesting that would end a parser.
pub(super) fn data(path: &str, raw: &RawValue) -> Result<Box<RawValue>, InvalidCode> {
    parsed::<serde_json::Value>(path, raw)?;
    RawValue::from_string(compact(raw.get())).map_err(|error| InvalidCode::at(path, without_place(&error)))
}
