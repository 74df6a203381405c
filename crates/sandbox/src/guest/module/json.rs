//! Which texts may be passed on as JSON: those that every reader of JSON takes.
//!
//! serde_json checks a raw value only superficially: halves of surrogate pairs pass, and any depth. Spliced into an
//! answer, such a value makes all of it unreadable to a strict parser or to one that limits its depth.

use std::fmt;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};

/// Arrays and objects inside of each other. Parsers stop at 128 and more, and an answer has a few around this.
const MAX_DEPTH: u32 = 100;

/// The value that `text` is, without the space around it.
pub(in crate::guest) fn value(text: &str) -> Option<&str> {
    let mut parser = serde_json::Deserializer::from_str(text);
    Strict { depth: 0 }.deserialize(&mut parser).ok()?;
    parser.end().ok()?;
    Some(text.trim_matches([' ', '\t', '\r', '\n']))
}

/// Reads a value in full and keeps nothing: a tree of it may take many times its text.
#[derive(Clone, Copy)]
struct Strict {
    depth: u32,
}

impl Strict {
    fn inner<E: Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(E::custom("nested too deeply"));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = ();

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let inner = self.inner()?;
        while items.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let inner = self.inner()?;
        while entries.next_key_seed(inner)?.is_some() {
            entries.next_value_seed(inner)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_value_is_taken_without_the_space_around_it() {
        for text in
            ["null", "true", "-1", "18446744073709551615", "1.5e3", r#""\ud83d\ude00""#, r#"{"a":[1,{}],"b":""}"#]
        {
            assert_eq!(value(text), Some(text));
            assert_eq!(value(&format!(" \r\n{text}\t\n")), Some(text));
        }
        for text in ["", " ", "1 2", "{a:1}", "[1,]", "nul", "NaN", "'a'", "\u{a0}1", "1e999"] {
            assert_eq!(value(text), None, "{text}");
        }
    }

    #[test]
    fn halves_of_surrogate_pairs_are_refused_wherever_they_stand() {
        for text in [r#""\ud800""#, r#"["\udc00"]"#, r#"{"\ud800":1}"#, r#"{"a":"\ud800\u0041"}"#] {
            assert_eq!(value(text), None, "{text}");
        }
    }

    #[test]
    fn depth_is_limited() {
        let nested = |open: &str, close: &str, depth| open.repeat(depth) + "1" + &close.repeat(depth);
        for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
            assert!(value(&nested(open, close, 100)).is_some());
            assert_eq!(value(&nested(open, close, 101)), None);
            assert_eq!(value(&nested(open, close, 1_000_000)), None);
        }
    }
}
