//! Who runs a guest, and when.
//!
//! Most executions end within their first slice, and are polled where the request is: no thread hop. One that
//! the epoch interrupts moves to background threads of low priority, where such executions take turns; a busy
//! guest never keeps a thread that serves requests.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::runtime::{Builder, Runtime};
use tokio_util::task::AbortOnDropHandle;

use crate::{Error, account::Account};

/// How much background threads yield to the others; 19 is the most.
const NICE: i32 = 10;

/// The background threads.
#[derive(Debug)]
pub(crate) struct Background(Option<Runtime>);

impl Background {
    pub(crate) fn start(threads: usize) -> Result<Self, Error> {
        let lower_priority = || {
            if let Err(error) = rustix::process::nice(NICE) {
                tracing::warn!(%error, "background threads run at normal priority");
            }
        };
        Builder::new_multi_thread()
            .worker_threads(threads.max(1))
            .thread_name("doer-background")
            .on_thread_start(lower_priority)
            .enable_time()
            .build()
            .map(|runtime| Self(Some(runtime)))
            .map_err(|source| Error::Io { path: "the background threads".into(), source })
    }

    /// Runs `future` to its end: its first slice here, the rest in the background. Dropping this drops it, there
    /// at the latest when it yields next.
    pub(crate) async fn run<F>(&self, account: Arc<Account>, future: F) -> Option<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let future = Metered::new(account, future);
        match (FirstSlice { future: Some(future) }).await {
            Slice::Finished(output) => Some(output),
            Slice::Unfinished(rest) => {
                let task = AbortOnDropHandle::new(self.0.as_ref()?.spawn(rest));
                // A panic inside has been reported by its hook; the caller answers for it.
                task.await.ok()
            }
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // Dropping a runtime would wait for its threads, which is not allowed on an async one.
            runtime.shutdown_background();
        }
    }
}

/// Charges CPU time of each poll to an account.
pub(crate) struct Metered<F> {
    future: Pin<Box<F>>,
    account: Arc<Account>,
}

impl<F> Metered<F> {
    pub(crate) fn new(account: Arc<Account>, future: F) -> Self {
        Self { future: Box::pin(future), account }
    }
}

impl<F: Future> Future for Metered<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.account.poll_begins();
        let polled = self.future.as_mut().poll(context);
        self.account.poll_ends();
        polled
    }
}

enum Slice<F: Future> {
    Finished(F::Output),
    Unfinished(Metered<F>),
}

struct FirstSlice<F: Future> {
    future: Option<Metered<F>>,
}

// The future inside is boxed: nothing here is ever pinned in place.
impl<F: Future> Unpin for FirstSlice<F> {}

impl<F: Future> Future for FirstSlice<F> {
    type Output = Slice<F>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Slice<F>> {
        let Some(mut future) = self.future.take() else {
            return Poll::Pending;
        };
        match Pin::new(&mut future).poll(context) {
            Poll::Ready(output) => Poll::Ready(Slice::Finished(output)),
            Poll::Pending if future.account.has_used_slice() => Poll::Ready(Slice::Unfinished(future)),
            Poll::Pending => {
                self.future = Some(future);
                Poll::Pending
            }
        }
    }
}
