//! Typed values out of the merged table. What is wrong is noted, and reading goes on, so that all of it is
//! told at once.

use std::{net::SocketAddr, ops::RangeInclusive, time::Duration};

use toml::{Table, Value};

use super::{
    layers::lookup,
    problem::{Origin, Problem},
    units::parse_duration,
};

/// Reads one table, below one path.
pub struct Reader<'a> {
    /// The table that is read from.
    pub table: &'a Table,
    /// Stands before every key in what is told.
    pub prefix: String,
    /// Where a value came from, by its whole path.
    pub origin: &'a dyn Fn(&str) -> Origin,
    /// What was wrong.
    pub problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    /// A string.
    pub fn string(&mut self, key: &str) -> String {
        match self.value(key) {
            Some(Value::String(text)) => text,
            other => self.mistyped(key, other.as_ref()),
        }
    }

    /// True or false.
    pub fn boolean(&mut self, key: &str) -> bool {
        match self.value(key) {
            Some(Value::Boolean(value)) => value,
            other => self.mistyped(key, other.as_ref()),
        }
    }

    /// An integer within a range.
    pub fn integer<T: TryFrom<i64> + Default>(&mut self, key: &str, range: RangeInclusive<i64>) -> T {
        let number = match self.value(key) {
            Some(Value::Integer(number)) => number,
            other => return self.mistyped(key, other.as_ref()),
        };
        match T::try_from(number).ok().filter(|_| range.contains(&number)) {
            Some(value) => value,
            None => self.wrong(key, format!("{number} is not between {} and {}", range.start(), range.end())),
        }
    }

    /// A size given in units of `unit` bytes, in bytes.
    pub fn bytes(&mut self, key: &str, unit: u64) -> u64 {
        // Up to 1 TiB: far beyond any machine, and far from overflow.
        let most = i64::try_from((1_u64 << 40) / unit).unwrap_or(i64::MAX);
        self.integer::<u64>(key, 0..=most) * unit
    }

    /// A duration.
    pub fn duration(&mut self, key: &str) -> Duration {
        let text = self.string(key);
        parse_duration(&text).unwrap_or_else(|message| self.wrong(key, message))
    }

    /// A duration for what cannot be done in no time.
    pub fn positive_duration(&mut self, key: &str) -> Duration {
        let before = self.problems.len();
        let duration = self.duration(key);
        if duration.is_zero() && self.problems.len() == before {
            self.wrong::<()>(key, "must be more than nothing".to_owned());
        }
        duration
    }

    /// An IP address with a port.
    pub fn address(&mut self, key: &str) -> SocketAddr {
        let text = self.string(key);
        match text.parse() {
            Ok(address) => address,
            Err(_) => {
                self.wrong::<()>(
                    key,
                    format!("`{text}` is no address; write an IP and a port, like \"127.0.0.1:8080\""),
                );
                SocketAddr::from(([127, 0, 0, 1], 0))
            }
        }
    }

    /// One of a few words.
    pub fn choice<T: Copy>(&mut self, key: &str, choices: &[(&str, T)], fallback: T) -> T {
        let text = self.string(key);
        if let Some((_, value)) = choices.iter().find(|(name, _)| *name == text) {
            return *value;
        }
        let names: Vec<String> = choices.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        self.wrong::<()>(key, format!("`{text}` is none of {}", names.join(", ")));
        fallback
    }

    /// Notes that a value is wrong.
    pub fn wrong<T: Default>(&mut self, key: &str, message: String) -> T {
        let key = format!("{}{key}", self.prefix);
        self.problems.push(Problem { origin: (self.origin)(&key), key, message });
        T::default()
    }

    fn value(&self, key: &str) -> Option<Value> {
        lookup(self.table, key).cloned()
    }

    /// The layers have checked the types against the defaults, so only the defaults can be at fault.
    fn mistyped<T: Default>(&mut self, key: &str, found: Option<&Value>) -> T {
        let found = found.map_or("nothing", Value::type_str);
        self.wrong(key, format!("the defaults hold {found} here, which is a fault of doer itself"))
    }
}
