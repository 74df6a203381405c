//! Sections that are read as a whole: lists and tables of the user's own, as serde reads them, with the path of what
//! is wrong.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de::DeserializeOwned, de::Error};

use super::{layers::lookup, reader::Reader, units::parse_duration};

impl Reader<'_> {
    /// A section as `T`; what is wrong is noted, and there is none then.
    pub fn section<T: DeserializeOwned>(&mut self, key: &str) -> Option<T> {
        let value = lookup(self.table, key).cloned()?;
        match serde_path_to_error::deserialize(value) {
            Ok(section) => Some(section),
            Err(error) => {
                let path = error.path().to_string();
                let place = if path == "." { key.to_owned() } else { format!("{key}.{path}") };
                self.wrong::<()>(&place, error.into_inner().to_string().trim_end().to_owned());
                None
            }
        }
    }
}

/// A duration as people write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period(pub Duration);

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parse_duration(&String::deserialize(deserializer)?).map(Self).map_err(D::Error::custom)
    }
}

/// Text, of which the empty one is none.
pub fn given(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}
