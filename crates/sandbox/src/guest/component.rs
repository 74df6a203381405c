//! WebAssembly components: workers that export `wasi:http/incoming-handler`, commands that export `wasi:cli/run`.
//!
//! A component has what a command of preview 1 has, in preview 2's words: streams, clocks, randomness, no files, no
//! sockets, no environment. Requests that it sends leave through the door of its run (`outgoing.rs`). Everything that
//! waits is suspended on its fiber, and a timeout drops it with its store.

mod http;
mod outgoing;
mod platform;
mod value;
mod world;

use std::sync::Arc;

use serde_json::value::RawValue;
use wasmtime::{
    Store,
    component::{Component as Code, InstancePre, Linker},
};
use wasmtime_wasi::p2::bindings::CommandPre;
use wasmtime_wasi_http::p2::bindings::ProxyPre;

use super::module::{
    MAX_CALL_BYTES, answer, end, guest, is_exit_zero, link_error,
    streams::{Stderr, Stdout, StdoutFull},
};
use crate::{
    Answer, Error, Event, Invocation, Reply, Request,
    account::{Account, Ended},
    outcome::Finished,
    store::{self, End, State},
};
pub(crate) use world::{World, linker};

/// Handles of resources that live at a time, those that only the guest knows about included.
const MAX_HANDLES: usize = 10_000;

/// The address that a worker run by `POST /execute` believes to be called at.
const EXECUTE_URL: &str = "http://execute/";

/// A component that can be run: compiled, its imports found, its entry points there.
#[derive(Clone)]
pub(crate) struct Component {
    pre: InstancePre<State>,
    worker: Option<ProxyPre<State>>,
    command: Option<CommandPre<State>>,
}

impl std::fmt::Debug for Component {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (worker, command) = (self.worker.is_some(), self.command.is_some());
        f.debug_struct("Component").field("worker", &worker).field("command", &command).finish_non_exhaustive()
    }
}

impl Component {
    /// Checks that a component is a worker or a command, and gives it its imports.
    ///
    /// # Errors
    /// A `LinkError`, where it wants what there is not or lacks what there must be.
    pub(crate) fn link(linker: &Linker<State>, code: &Code) -> Result<Self, End> {
        let pre = linker.instantiate_pre(code).map_err(|error| link_error(format!("{error:#}")))?;
        let (worker, command) = (ProxyPre::new(pre.clone()).ok(), CommandPre::new(pre.clone()).ok());
        if worker.is_none() && command.is_none() {
            let message = "the component exports neither wasi:http/incoming-handler nor wasi:cli/run of WASI 0.2: it is \
                no worker and no command";
            return Err(link_error(message));
        }
        Ok(Self { pre, worker, command })
    }

    /// What it was loaded from.
    ///
    /// # Errors
    /// Where there is no memory for it.
    pub(crate) fn artifact(&self) -> wasmtime::Result<Vec<u8>> {
        self.pre.component().serialize()
    }

    /// Does once what is asked of it, in a store of its own.
    ///
    /// # Errors
    /// How it ended instead of answering.
    pub(crate) async fn run(&self, account: &Arc<Account>, invocation: &Invocation) -> Result<Finished, End> {
        match (&invocation.event, &self.worker, &self.command) {
            (Event::Execute(input), _, Some(command)) => {
                self.run_command(command, account, input.as_deref()).await.map(Finished::Result)
            }
            (Event::Execute(input), Some(worker), None) => {
                self.execute(worker, account, input.as_deref()).await.map(Finished::Result)
            }
            (Event::Fetch(entrypoint, request), Some(worker), _) => match &entrypoint.0 {
                None => self.fetch(worker, account, request).await,
                Some(name) => Err(guest("Error", format!("Worker has no such entrypoint: {name}"))),
            },
            (Event::Fetch(..), None, _) => Err(guest(
                "Error",
                "The component does not export wasi:http/incoming-handler: it answers no requests".to_owned(),
            )),
            (Event::Call(..) | Event::CallCloned(..) | Event::Handle(..), ..) => {
                Err(guest("Error", "A component has no methods to call, and no handlers but of requests".to_owned()))
            }
            // There is always one of the two.
            (Event::Execute(_), None, None) => Err(link_error("the component exports nothing to run")),
        }
    }

    /// `input` on standard input, the result from standard output.
    async fn run_command(
        &self,
        command: &CommandPre<State>,
        account: &Arc<Account>,
        input: Option<&RawValue>,
    ) -> Result<Answer, End> {
        let stdout = Stdout::new(account.limits.output_bytes);
        let mut running = Running::open(self, account, |logs| World::of_command(account, input, stdout.clone(), logs))?;
        let store = &mut running.store;
        let call = async {
            let command = command.instantiate_async(&mut *store).await?;
            command.wasi_cli_run().call_run(&mut *store).await
        };
        match ended_or(&mut running.ended, call).await? {
            Ok(Err(())) => return Err(guest("ExitError", "exited with code 1".to_owned())),
            Err(error) if !is_exit_zero(&error) && !error.is::<StdoutFull>() => return Err(end(error)),
            Ok(Ok(())) | Err(_) => {}
        }
        running.finish()?;
        let (written, overflowed) = stdout.take();
        answer(account, written, overflowed, None)
    }

    /// Has a worker answer a request that stands for `POST /execute`, as workers in JavaScript do.
    async fn execute(
        &self,
        worker: &ProxyPre<State>,
        account: &Arc<Account>,
        input: Option<&RawValue>,
    ) -> Result<Answer, End> {
        let header = ("content-type".to_owned(), "application/json".to_owned());
        let request = Request {
            method: "POST".to_owned(),
            url: EXECUTE_URL.to_owned(),
            headers: input.map(|_| header).into_iter().collect(),
            body: input.map(|input| input.get().to_owned().into()).into(),
        };
        match self.handle(worker, account, &request, false).await? {
            http::Answered::Whole(collected) => {
                answer(account, collected.body, collected.overflowed, Some(collected.head))
            }
            http::Answered::Given => Err(Error::Protocol("a response that nobody waited for".to_owned()).into()),
        }
    }

    async fn fetch(
        &self,
        worker: &ProxyPre<State>,
        account: &Arc<Account>,
        request: &Request,
    ) -> Result<Finished, End> {
        match self.handle(worker, account, request, true).await? {
            http::Answered::Given => Ok(Finished::Over),
            http::Answered::Whole(http::Collected { head, body, .. }) => {
                // Its headers were counted when it was set.
                let body = account.take_response(&body, 0)?.into();
                Ok(Finished::Response(Reply { head, body }))
            }
        }
    }

    async fn handle(
        &self,
        worker: &ProxyPre<State>,
        account: &Arc<Account>,
        request: &Request,
        early: bool,
    ) -> Result<http::Answered, End> {
        let mut running = Running::open(self, account, |logs| World::of_worker(account, logs))?;
        let handled = http::handle(worker, &mut running.store, account, request, early);
        let answered = ended_or(&mut running.ended, handled).await??;
        running.finish()?;
        Ok(answered)
    }
}

/// A store, and the promise that its fuel and its last words are accounted for however it ends.
struct Running {
    store: Store<State>,
    logs: [Stderr; 2],
    ended: outgoing::Endings,
}

impl Running {
    fn open(
        component: &Component,
        account: &Arc<Account>,
        world: impl FnOnce(&[Stderr; 2]) -> (World, outgoing::Endings),
    ) -> Result<Self, End> {
        let mut store = store::open(component.pre.engine(), account)?;
        // Before a budget sees them: what one call hands over, as it lies in the host's memory.
        let most = usize::try_from(account.limits.transfer_bytes).unwrap_or(usize::MAX).saturating_add(1 << 20);
        store.set_hostcall_fuel(MAX_CALL_BYTES.min(most));
        store.set_max_component_handles(MAX_HANDLES);
        // Two streams with lines of their own: a worker's standard output is a log too.
        let logs = [Stderr::new(Arc::clone(account)), Stderr::new(Arc::clone(account))];
        let (world, ended) = world(&logs);
        store.data_mut().component = Some(world);
        Ok(Self { store, logs, ended })
    }

    fn finish(&self) -> Result<(), Ended> {
        self.logs.iter().try_for_each(Stderr::finish)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Too much of it ended the run already, or would have.
        let _ = self.finish();
        store::note_fuel(&mut self.store);
    }
}

/// What `run` gives, unless a request that it sent was beyond its budget: that ends all of it.
async fn ended_or<T>(ended: &mut outgoing::Endings, run: impl Future<Output = T>) -> Result<T, End> {
    let outcome = tokio::select! {
        biased;
        Some(termination) = ended.recv() => return Err(End::Terminated(termination)),
        outcome = run => outcome,
    };
    // The request may have said so in another thread, while this one was already past the question.
    match ended.try_recv() {
        Ok(termination) => Err(End::Terminated(termination)),
        Err(_) => Ok(outcome),
    }
}
