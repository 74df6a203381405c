//! MIME types, as the MIME Sniffing and Fetch standards take them out of a `content-type`.

use rquickjs::{Function, Object, Result};

use super::text::Text;

/// Adds `mimeType` and `mimeEssence`.
pub fn install(native: &Object<'_>) -> Result<()> {
    let serialised = |header: Text| Mime::of_header(&header.0).map(|mime| mime.to_string()).unwrap_or_default();
    let essence = |header: Text| Mime::of_header(&header.0).map(|mime| mime.essence);
    native.set("mimeEssence", Function::new(native.ctx().clone(), essence)?)?;
    native.set("mimeType", Function::new(native.ctx().clone(), serialised)?)
}

/// A type with its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mime {
    /// `type/subtype`, in lower case.
    pub essence: String,
    parameters: Vec<(String, String)>,
}

impl Mime {
    /// The type that a `content-type` means, which may be several values in one.
    pub fn of_header(header: &str) -> Option<Self> {
        let mut found: Option<Self> = None;
        for value in values(header) {
            let Some(mut mime) = Self::parse(value).filter(|mime| mime.essence != "*/*") else { continue };
            if let Some(before) = found.filter(|before| before.essence == mime.essence)
                && mime.parameter("charset").is_none()
                && let Some(charset) = before.parameter("charset")
            {
                mime.parameters.push(("charset".to_owned(), charset.to_owned()));
            }
            found = Some(mime);
        }
        found
    }

    /// A parameter, by its name in lower case.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn parse(text: &str) -> Option<Self> {
        let text = text.trim_matches(WHITESPACE);
        let (essence, mut rest) = text.split_once(';').unwrap_or((text, ""));
        let essence = essence.trim_end_matches(WHITESPACE);
        let (kind, subtype) = essence.split_once('/')?;
        if !is_token(kind) || !is_token(subtype) {
            return None;
        }
        let mut mime = Self { essence: essence.to_ascii_lowercase(), parameters: Vec::new() };
        while !rest.is_empty() {
            rest = rest.trim_start_matches(WHITESPACE);
            let end = rest.find([';', '=']).unwrap_or(rest.len());
            let name = rest[..end].to_ascii_lowercase();
            rest = &rest[end..];
            if let Some(after) = rest.strip_prefix(';') {
                rest = after;
                continue;
            }
            let Some(after) = rest.strip_prefix('=') else { break };
            let value;
            (value, rest) = if after.starts_with('"') {
                let (value, after) = quoted(after);
                (value, after.split_once(';').map_or("", |(_, after)| after))
            } else {
                let (value, after) = after.split_once(';').unwrap_or((after, ""));
                let value = value.trim_end_matches(WHITESPACE);
                if value.is_empty() {
                    rest = after;
                    continue;
                }
                (value.to_owned(), after)
            };
            let valid = value.chars().all(|c| matches!(c, '\t' | ' '..='~' | '\u{80}'..='\u{FF}'));
            if is_token(&name) && valid && mime.parameter(&name).is_none() {
                mime.parameters.push((name, value));
            }
        }
        Some(mime)
    }
}

impl std::fmt::Display for Mime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.essence)?;
        for (name, value) in &self.parameters {
            if is_token(value) {
                write!(f, ";{name}={value}")?;
            } else {
                write!(f, ";{name}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))?;
            }
        }
        Ok(())
    }
}

const WHITESPACE: [char; 4] = ['\t', '\n', '\r', ' '];

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// The value of a quoted string, and what follows it.
fn quoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &text[at + 1..]),
            '\\' => value.push(chars.next().map_or('\\', |(_, c)| c)),
            c => value.push(c),
        }
    }
    (value, "")
}

/// The values of a header, which commas part that are not within quotes.
fn values(header: &str) -> Vec<&str> {
    let (mut values, mut start, mut in_quotes, mut escaped) = (Vec::new(), 0, false, false);
    for (at, c) in header.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_quotes => escaped = true,
            '"' => in_quotes = !in_quotes,
            ',' if !in_quotes => {
                values.push(&header[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    values.push(&header[start..]);
    values
}
