//! The members of a JSON object as they were written, each name once. JSON lets a name come twice and does not say
//! which counts: two readers of one text could each take another, so that what one of them checked is not what the
//! other does.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// Names, and the texts of their values.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub(super) struct Members<'a>(BTreeMap<Cow<'a, str>, &'a RawValue>);

impl<'a> Members<'a> {
    /// Takes a member out.
    pub(super) fn take(&mut self, name: &str) -> Option<&'a RawValue> {
        self.0.remove(name)
    }

    /// The first that is there.
    pub(super) fn first(&self) -> Option<&str> {
        self.0.keys().next().map(AsRef::as_ref)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members::default())
    }
}

impl<'de: 'a, 'a> Visitor<'de> for Members<'a> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self, A::Error> {
        while let Some((name, value)) = map.next_entry::<Cow<'de, str>, &'de RawValue>()? {
            if self.0.contains_key(&name) {
                return Err(A::Error::custom(format_args!("{name}: is given twice")));
            }
            self.0.insert(name, value);
        }
        Ok(self)
    }
}
