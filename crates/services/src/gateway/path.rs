//! Paths in the one form that routes are compared with.
//!
//! Whatever could be read in two ways is put into its simplest form or refused, so that a path cannot look like one
//! route here and be another resource to the upstream: dot segments are resolved, empty segments dropped, letters that
//! need no encoding decoded; encoded slashes and encoded dots that survive a decoding are refused.

use doer_core::service::ServiceError;

const MAX_PATH_BYTES: usize = 8 << 10;

/// Where a request goes to, before it is known which route that is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// Segments of the path, encoded, none of them empty, `.` or `..`.
    pub(super) segments: Vec<String>,
    /// Did the path end with `/`?
    pub(super) is_folder: bool,
    /// As it was given.
    pub(super) query: Option<String>,
}

impl Target {
    /// Reads a path with its query.
    ///
    /// # Errors
    /// `invalid_request`, saying what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, ServiceError> {
        let invalid = |problem: &str| ServiceError::invalid(format!("path: {problem}"));
        if text.len() > MAX_PATH_BYTES {
            return Err(invalid(&format!("must have at most {MAX_PATH_BYTES} bytes")));
        }
        if text.contains('#') || text.chars().any(char::is_control) {
            return Err(invalid("must not hold `#` or control characters"));
        }
        let (path, query) = match text.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (text, None),
        };
        let Some(path) = path.strip_prefix('/') else { return Err(invalid("must begin with `/`")) };
        let mut segments = Vec::new();
        let mut is_folder = false;
        for raw in path.split('/') {
            let segment = normalize(raw).map_err(invalid)?;
            is_folder = matches!(segment.as_str(), "" | "." | "..");
            match segment.as_str() {
                "" | "." => {}
                // The root has no parent: more of these change nothing, as in URLs.
                ".." => drop(segments.pop()),
                _ => segments.push(segment),
            }
        }
        Ok(Self { segments, is_folder, query })
    }
}

/// One segment: what needs no encoding decoded, the rest encoded in upper case.
fn normalize(segment: &str) -> Result<String, &'static str> {
    const HIDDEN: &str = "must not hold `/`, `\\` or `..` behind percent-encoding";
    const BROKEN: &str = "must have two hexadecimal digits after each `%`";
    let mut normal = String::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => return Err("must not hold `\\`"),
            b'%' => {
                let digits = [bytes.next().ok_or(BROKEN)?, bytes.next().ok_or(BROKEN)?];
                let byte = decode(digits).ok_or(BROKEN)?;
                if matches!(byte, b'/' | b'\\' | 0) {
                    return Err(HIDDEN);
                }
                push(&mut normal, byte);
            }
            byte => push_raw(&mut normal, byte),
        }
    }
    // Encoded twice: an upstream that decodes twice would see what we did not.
    let lower = normal.to_ascii_lowercase();
    if ["%252e", "%252f", "%255c"].iter().any(|hidden| lower.contains(hidden)) {
        return Err(HIDDEN);
    }
    // `..;x` is `..` to servers that strip path parameters.
    let bare = bare(&normal);
    if bare.len() < normal.len() && matches!(bare, "." | "..") {
        return Err(HIDDEN);
    }
    Ok(normal)
}

/// A segment without its parameters, which begin at `;` even where that is encoded.
pub(super) fn bare(segment: &str) -> &str {
    let end = [";", "%3B"].iter().filter_map(|mark| segment.find(mark)).min();
    segment.get(..end.unwrap_or(segment.len())).unwrap_or(segment)
}

fn decode(digits: [u8; 2]) -> Option<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    u8::try_from(digit(digits[0])? * 16 + digit(digits[1])?).ok()
}

/// A byte that was encoded: decoded where encoding it says nothing (RFC 3986, 6.2.2.2).
fn push(normal: &mut String, byte: u8) {
    match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => normal.push(char::from(byte)),
        byte => encode(normal, byte),
    }
}

/// A byte that stood there as it is: kept where a path may hold it.
fn push_raw(normal: &mut String, byte: u8) {
    match byte {
        b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'@' => {
            normal.push(char::from(byte));
        }
        byte => push(normal, byte),
    }
}

fn encode(normal: &mut String, byte: u8) {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    normal.extend(['%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> String {
        let target = Target::parse(text).unwrap();
        let mut path: String = target.segments.iter().map(|segment| format!("/{segment}")).collect();
        if target.is_folder {
            path.push('/');
        }
        path
    }

    #[test]
    fn there_is_one_form_of_each_path() {
        for (given, expected) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/b/", "/a/b/"),
            ("//a///b", "/a/b"),
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/../../b", "/b"),
            ("/a/%2e%2E/b", "/b"),
            ("/a/.%2e", "/"),
            ("/%61dmin", "/admin"),
            ("/a b\u{fc}", "/a%20b%C3%BC"),
            ("/a%3ab%2B", "/a%3Ab%2B"),
            ("/a:b+c", "/a:b+c"),
            ("/a%25b", "/a%25b"),
            ("/...", "/..."),
        ] {
            assert_eq!(path(given), expected, "{given}");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for text in [
            "",
            "a",
            "https://evil.example/",
            "/a%2fb",
            "/a%5Cb",
            "/a\\b",
            "/..\\b",
            "/%252e%252e/b",
            "/a%252Fb",
            "/..;/b",
            "/.;x/b",
            "/..%3bx/b",
            "/a%",
            "/a%4",
            "/a%zz",
            "/a%00",
            "/a\nb",
            "/a#b",
        ] {
            let error = Target::parse(text).unwrap_err();
            assert!(error.message.starts_with("path: must "), "{text}: {error}");
        }
        let long = format!("/{}", "a".repeat(MAX_PATH_BYTES - 1));
        assert!(Target::parse(&long).is_ok());
        assert!(Target::parse(&(long + "a")).is_err());
    }

    #[test]
    fn the_query_stays_as_it_is() {
        assert_eq!(Target::parse("/a?b=/../c&d=?").unwrap().query.as_deref(), Some("b=/../c&d=?"));
    }
}
