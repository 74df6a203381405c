//! Bodies that a guest reads and writes piece by piece.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::sync::Mutex as AsyncMutex;

use crate::{
    Body,
    account::{Account, Ended},
    body::Writer,
};

/// The number of the request's own body.
pub(super) const REQUEST: u32 = 0;
/// What nobody reads piece by piece need not be kept: bodies that come in at a time.
const MAX_SOURCES: usize = 1024;

type Source = Arc<AsyncMutex<Body>>;

/// The bodies of one run. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Pieces {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    sources: HashMap<u32, Source>,
    last: u32,
    response: Option<Writer>,
}

/// What a guest is told of a body.
pub(super) enum Piece {
    /// It goes on; at its end there is none.
    Next(Option<Bytes>),
    Failed(String),
}

impl Pieces {
    /// Those of a run, with the body of its request.
    pub(super) fn of(account: &Account) -> Self {
        let pieces = Self::default();
        if let Some(body) = account.take_incoming() {
            pieces.inner().sources.insert(REQUEST, Arc::new(AsyncMutex::new(body)));
        }
        pieces
    }

    /// A number under which the guest reads a body. `None`: there are too many that it has not read to their end.
    pub(super) fn add(&self, body: Body) -> Option<u32> {
        let mut inner = self.inner();
        if inner.sources.len() >= MAX_SOURCES {
            return None;
        }
        inner.last += 1;
        let number = inner.last;
        inner.sources.insert(number, Arc::new(AsyncMutex::new(body)));
        Some(number)
    }

    /// Nobody reads on.
    pub(super) fn close(&self, source: u32) {
        self.inner().sources.remove(&source);
    }

    /// Where the body of the response goes from now on.
    pub(super) fn respond(&self, writer: Writer) {
        self.inner().response = Some(writer);
    }

    /// The body of the response is complete, or breaks off.
    pub(super) fn finish(&self, end: Result<(), String>) {
        if let Some(writer) = self.inner().response.take() {
            writer.finish(end);
        }
    }

    /// The next piece of a body.
    pub(super) async fn read(self, account: Arc<Account>, source: u32) -> Result<Piece, Ended> {
        let Some(body) = self.inner().sources.get(&source).cloned() else { return Ok(Piece::Next(None)) };
        let next = body.lock().await.next().await;
        match next {
            Some(Ok(piece)) => {
                account.ledger().charge_bytes(piece.len()).map_err(Ended)?;
                Ok(Piece::Next(Some(piece)))
            }
            Some(Err(reason)) => {
                self.close(source);
                Ok(Piece::Failed(format!("the body broke off: {reason}")))
            }
            None => {
                self.close(source);
                Ok(Piece::Next(None))
            }
        }
    }

    /// Waits until there is room for a piece of the response.
    pub(super) async fn write(self, piece: Bytes) -> Piece {
        let writer = self.inner().response.clone();
        match writer {
            Some(writer) if writer.write(piece).await => Piece::Next(None),
            _ => Piece::Failed("nobody reads the response any more".to_owned()),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
