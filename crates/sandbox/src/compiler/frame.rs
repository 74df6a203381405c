//! Messages on a pipe: two lengths, a JSON head and a body of raw bytes.

use std::io::{self, Read, Write};

use serde::{Serialize, de::DeserializeOwned};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Bytes before the head: its length and the body's, each an `u64` in little endian.
const PREFIX_BYTES: usize = 16;

/// Writes one message, and hands it on to the reader.
pub(super) fn write(to: &mut impl Write, head: &impl Serialize, body: &[u8]) -> io::Result<()> {
    let (prefix, head) = encode(head, body)?;
    to.write_all(&prefix)?;
    to.write_all(&head)?;
    to.write_all(body)?;
    to.flush()
}

/// As [`write()`], without blocking a thread.
pub(super) async fn send(to: &mut (impl AsyncWrite + Unpin), head: &impl Serialize, body: &[u8]) -> io::Result<()> {
    let (prefix, head) = encode(head, body)?;
    to.write_all(&prefix).await?;
    to.write_all(&head).await?;
    to.write_all(body).await?;
    to.flush().await
}

/// Reads one message; none where the other side closed the pipe between two. Trusts the lengths: only for
/// messages of the parent.
pub(super) fn read<H: DeserializeOwned>(from: &mut impl Read) -> io::Result<Option<(H, Vec<u8>)>> {
    let mut prefix = [0; PREFIX_BYTES];
    match from.read_exact(&mut prefix) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let (head_bytes, body_bytes) = lengths(prefix);
    let mut head = Vec::new();
    from.take(head_bytes).read_to_end(&mut head)?;
    let mut body = Vec::new();
    from.take(body_bytes).read_to_end(&mut body)?;
    if body.len() as u64 != body_bytes {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some((serde_json::from_slice(&head)?, body)))
}

/// Reads one message of at most `max_bytes`.
///
/// # Errors
/// [`io::ErrorKind::FileTooLarge`] where it is larger, [`io::ErrorKind::UnexpectedEof`] where it is cut off.
pub(super) async fn receive<H: DeserializeOwned>(
    from: &mut (impl AsyncRead + Unpin),
    max_bytes: u64,
) -> io::Result<(H, Vec<u8>)> {
    let mut prefix = [0; PREFIX_BYTES];
    from.read_exact(&mut prefix).await?;
    let (head_bytes, body_bytes) = lengths(prefix);
    if head_bytes.saturating_add(body_bytes) > max_bytes {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    // Room is made as bytes arrive: a length is only a claim.
    let mut head = Vec::new();
    let mut body = Vec::new();
    (&mut *from).take(head_bytes).read_to_end(&mut head).await?;
    (&mut *from).take(body_bytes).read_to_end(&mut body).await?;
    if body.len() as u64 != body_bytes {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok((serde_json::from_slice(&head)?, body))
}

fn encode(head: &impl Serialize, body: &[u8]) -> io::Result<([u8; PREFIX_BYTES], Vec<u8>)> {
    let head = serde_json::to_vec(head)?;
    let mut prefix = [0; PREFIX_BYTES];
    prefix[..8].copy_from_slice(&(head.len() as u64).to_le_bytes());
    prefix[8..].copy_from_slice(&(body.len() as u64).to_le_bytes());
    Ok((prefix, head))
}

fn lengths(prefix: [u8; PREFIX_BYTES]) -> (u64, u64) {
    let both = u128::from_le_bytes(prefix);
    (both as u64, (both >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_arrives_as_it_was_sent_and_the_end_is_no_error() {
        let mut pipe = Vec::new();
        write(&mut pipe, &("head", 7), b"body").unwrap();
        write(&mut pipe, &("next", 8), b"").unwrap();
        let mut from = pipe.as_slice();
        assert_eq!(read::<(String, u32)>(&mut from).unwrap().unwrap(), (("head".to_owned(), 7), b"body".to_vec()));
        assert_eq!(read::<(String, u32)>(&mut from).unwrap().unwrap(), (("next".to_owned(), 8), Vec::new()));
        assert!(read::<(String, u32)>(&mut from).unwrap().is_none());
    }

    #[tokio::test]
    async fn a_claim_of_too_many_bytes_is_refused_before_they_are_read() {
        let mut pipe = Vec::new();
        write(&mut pipe, &1, &[0; 100]).unwrap();
        let exact = pipe.len() as u64 - PREFIX_BYTES as u64;
        assert_eq!(receive::<u32>(&mut pipe.as_slice(), exact).await.unwrap().0, 1);
        let error = receive::<u32>(&mut pipe.as_slice(), exact - 1).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        let error = receive::<u32>(&mut &pipe[..pipe.len() - 1], exact).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
