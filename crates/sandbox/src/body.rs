//! Bodies of requests and responses: at hand, or piece by piece.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream::BoxStream};
use tokio::sync::mpsc;

/// Why a body breaks off.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// A body. As a stream it gives its pieces; it gives an error where it breaks off.
pub struct Body(Kind);

enum Kind {
    Whole(Option<Bytes>),
    // The lock is never waited for: it makes of the stream what can be shared, as all of an invocation is.
    Stream(Mutex<BoxStream<'static, Result<Bytes, BodyError>>>),
}

impl Body {
    /// No body at all.
    pub const fn empty() -> Self {
        Self(Kind::Whole(None))
    }

    /// A body that comes piece by piece, no faster than it is read.
    pub fn from_stream<S, E>(stream: S) -> Self
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<BodyError> + 'static,
    {
        Self(Kind::Stream(Mutex::new(stream.map_err(Into::into).boxed())))
    }

    /// What is in it, where all of it is at hand.
    pub const fn whole(&self) -> Option<&Option<Bytes>> {
        match &self.0 {
            Kind::Whole(bytes) => Some(bytes),
            Kind::Stream(_) => None,
        }
    }

    /// Reads it to its end.
    ///
    /// # Errors
    /// [`TooLarge`] where it is more than `max_bytes`; whatever breaks it off.
    pub async fn collect(mut self, max_bytes: u64) -> Result<Bytes, BodyError> {
        let fits = |bytes: usize| if bytes as u64 > max_bytes { Err(TooLarge(max_bytes)) } else { Ok(()) };
        if let Kind::Whole(bytes) = &mut self.0 {
            let bytes = bytes.take().unwrap_or_default();
            fits(bytes.len())?;
            return Ok(bytes);
        }
        let mut all = BytesMut::new();
        while let Some(piece) = self.next().await {
            let piece = piece?;
            fits(all.len() + piece.len())?;
            all.extend_from_slice(&piece);
        }
        Ok(all.freeze())
    }

    /// A body that is written piece by piece. There is room for one piece that nobody has read yet.
    pub(crate) fn channel() -> (Writer, Self) {
        let (pieces, mut read) = mpsc::channel(1);
        let end = Arc::<OnceLock<_>>::default();
        let writer = Writer { pieces, end: Arc::clone(&end) };
        let mut ended = false;
        let stream = futures_util::stream::poll_fn(move |context| {
            if ended {
                return Poll::Ready(None);
            }
            let piece: Option<Bytes> = std::task::ready!(read.poll_recv(context));
            ended = piece.is_none();
            Poll::Ready(match (piece, end.get()) {
                (Some(piece), _) => Some(Ok(piece)),
                (None, Some(Ok(()))) => None,
                (None, Some(Err(reason))) => Some(Err(BodyError::from(String::clone(reason)))),
                (None, None) => Some(Err("the run ended before its response was complete".into())),
            })
        });
        (writer, Self::from_stream(stream))
    }
}

/// A body was larger than whoever read it allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a body of more than {0} bytes")]
pub struct TooLarge(pub u64);

/// The other end of [`Body::channel`]. Dropped without [`Writer::finish`], the body breaks off.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    pieces: mpsc::Sender<Bytes>,
    end: Arc<OnceLock<Result<(), String>>>,
}

impl Writer {
    /// Waits until there is room. False: nobody reads any more.
    pub(crate) async fn write(&self, piece: Bytes) -> bool {
        self.pieces.send(piece).await.is_ok()
    }

    /// The body is complete, or breaks off.
    pub(crate) fn finish(self, end: Result<(), String>) {
        // Only the first counts.
        let _ = self.end.set(end);
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::empty()
    }
}

impl From<Option<Bytes>> for Body {
    fn from(bytes: Option<Bytes>) -> Self {
        Self(Kind::Whole(bytes))
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Some(bytes).into()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from(text).into()
    }
}

impl Stream for Body {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match &mut self.0 {
            Kind::Whole(bytes) => Poll::Ready(bytes.take().filter(|bytes| !bytes.is_empty()).map(Ok)),
            Kind::Stream(stream) => stream.get_mut().unwrap_or_else(PoisonError::into_inner).poll_next_unpin(context),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Whole(bytes) => f.debug_tuple("Whole").field(&bytes.as_ref().map(Bytes::len)).finish(),
            Kind::Stream(_) => f.write_str("Stream"),
        }
    }
}
