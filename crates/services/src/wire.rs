//! What every side that speaks HTTP to the outside needs: bodies read up to a limit, headers that belong to a
//! connection kept out, other people's texts shortened, and waits between attempts.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::{
    Response,
    header::{HeaderMap, HeaderName, HeaderValue},
};

/// All headers of a request or a response together.
pub const MAX_HEADER_BYTES: usize = 64 << 10;

/// Headers that are about one connection, or that we set ourselves; nobody's word on them is carried on.
const OURS: [&str; 13] = [
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
    "host",
    "content-length",
    "expect",
    // Bodies are decompressed here: whoever asks for an encoding would not get it.
    "accept-encoding",
    "forwarded",
    "x-real-ip",
];

/// Does this header stay behind? Names are in lower case.
pub fn stays_behind(name: &str) -> bool {
    OURS.contains(&name) || name.starts_with("proxy-") || name.starts_with("x-forwarded-")
}

/// A body that was not to be had.
#[derive(Debug)]
pub enum BodyError {
    /// It is larger than it may be.
    TooLarge,
    /// The connection broke, or the bytes are not what the headers say.
    Broken,
}

/// Reads a body, decompressed, and gives up as soon as it is too large: what a few compressed bytes blow up to is
/// counted while they do.
pub async fn read_body(mut response: Response, max_bytes: u64) -> Result<Bytes, BodyError> {
    if response.content_length().is_some_and(|length| length > max_bytes) {
        return Err(BodyError::TooLarge);
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|_| BodyError::Broken)? {
        if (body.len() + chunk.len()) as u64 > max_bytes {
            return Err(BodyError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// A header's value as text: Latin-1, as HTTP has it.
pub fn text(value: &HeaderValue) -> String {
    value.as_bytes().iter().copied().map(char::from).collect()
}

/// Bytes of all headers.
pub fn header_bytes(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum()
}

/// A header from text. `None` where it is none.
pub fn header(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    let bytes: Option<Vec<u8>> = value.chars().map(|letter| u8::try_from(u32::from(letter)).ok()).collect();
    Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_bytes(&bytes?).ok()?))
}

/// The beginning of somebody else's text, on one line.
pub fn shorten(text: &str) -> String {
    const MOST: usize = 300;
    let mut letters = text.trim().chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    let mut short: String = letters.by_ref().take(MOST).collect();
    if letters.next().is_some() {
        short.push_str("...");
    }
    short
}

/// How long to wait before the attempt after `attempt` (from 0): about 100 ms, 200 ms, 400 ms, 2 s at most. A random
/// part keeps callers that failed together from coming back together.
pub fn pause(attempt: u32) -> Duration {
    let most = Duration::from_millis(100).saturating_mul(1 << attempt.min(5)).min(Duration::from_secs(2));
    let mut random = [0; 1];
    // Without randomness the wait is the whole one.
    let share = getrandom::fill(&mut random).map_or(255, |()| random[0]);
    most / 2 + most / 2 * u32::from(share) / 255
}

/// Is it worth trying again? The request did not arrive, or the other side says that it is not ready.
pub fn is_transient(outcome: &Result<Response, reqwest::Error>) -> bool {
    match outcome {
        Ok(response) => matches!(response.status().as_u16(), 502..=504),
        Err(error) => error.is_connect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_and_stay_on_one_line() {
        assert_eq!(shorten(" a\nb "), "a b");
        assert_eq!(shorten(&"x".repeat(301)), "x".repeat(300) + "...");
        assert_eq!(shorten(&"x".repeat(300)), "x".repeat(300));
    }

    #[test]
    fn headers_of_the_connection_stay_behind() {
        for name in ["connection", "host", "proxy-authorization", "x-forwarded-for", "transfer-encoding"] {
            assert!(stays_behind(name), "{name}");
        }
        assert!(!stays_behind("authorization"));
        assert!(!stays_behind("x-request-id"));
    }

    #[test]
    fn headers_are_latin_1_without_line_breaks() {
        assert_eq!(header("x-a", "gr\u{fc}n").unwrap().1.as_bytes(), b"gr\xfcn");
        assert!(header("x-a", "a\r\nb: c").is_none());
        assert!(header("x-a", "\u{20ac}").is_none());
        assert!(header("x a", "b").is_none());
    }

    #[test]
    fn pauses_grow_to_a_limit() {
        assert!(pause(0) >= Duration::from_millis(50) && pause(0) <= Duration::from_millis(100));
        assert!(pause(40) >= Duration::from_secs(1) && pause(40) <= Duration::from_secs(2));
    }
}
