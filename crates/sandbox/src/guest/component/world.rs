//! What a component may import, and what of the world one run sees.

use std::sync::Arc;

use serde_json::value::RawValue;
use wasmtime::{
    Engine,
    component::{Linker, ResourceTable},
};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView, p2::pipe::MemoryInputPipe};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::{
    outgoing::{Ending, Endings, Outgoing},
    platform,
};
use crate::{
    account::Account,
    guest::module::{
        streams::{Stderr, Stdout},
        wasi::{PROGRAM_NAME, closed},
    },
    store::State,
};

/// Streams, requests, headers, things that are waited for: what the host keeps of them no account counts. Guests that
/// collect garbage let go late: JavaScript's engine leaves one behind for every piece of a body that it reads.
const MAX_RESOURCES: usize = 8192;

/// Headers of one request or response that the component makes, as they take memory.
const MAX_FIELDS_BYTES: usize = 8 << 10;

/// One run's view of the world.
pub(crate) struct World {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    table: ResourceTable,
    outgoing: Outgoing,
}

/// Everything that a component can import.
///
/// # Errors
/// Never: the names are all different.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    // Files and sockets too, of which there are none to be had: what links standard libraries imports them all.
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    platform::add_to_linker(&mut linker)?;
    Ok(linker)
}

impl World {
    /// A command's: `input` on standard input, and the result on standard output.
    pub(super) fn of_command(
        account: &Arc<Account>,
        input: Option<&RawValue>,
        stdout: Stdout,
        [_, stderr]: &[Stderr; 2],
    ) -> (Self, Endings) {
        let mut wasi = closed();
        let input = input.map(RawValue::get).unwrap_or_default().to_owned();
        wasi.arg(PROGRAM_NAME).stdin(MemoryInputPipe::new(input)).stdout(stdout).stderr(stderr.clone());
        Self::new(account, wasi)
    }

    /// A worker's: both streams are logs.
    pub(super) fn of_worker(account: &Arc<Account>, [stdout, stderr]: &[Stderr; 2]) -> (Self, Endings) {
        let mut wasi = closed();
        wasi.arg(PROGRAM_NAME).stdout(stdout.clone()).stderr(stderr.clone());
        Self::new(account, wasi)
    }

    fn new(account: &Arc<Account>, mut wasi: WasiCtxBuilder) -> (Self, Endings) {
        let (outgoing, ended) = Outgoing::new(account);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(MAX_FIELDS_BYTES);
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_RESOURCES);
        (Self { wasi: wasi.build(), http, table, outgoing }, ended)
    }
}

impl World {
    /// How the run is ended from outside of the component.
    pub(super) fn ending(&self) -> Ending {
        self.outgoing.ending()
    }
}

impl State {
    /// A run is given its own before it starts.
    pub(super) fn world(&mut self) -> &mut World {
        let account = &self.account;
        self.component.get_or_insert_with(|| World::new(account, closed()).0)
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let world = self.world();
        WasiCtxView { ctx: &mut world.wasi, table: &mut world.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let world = self.world();
        WasiHttpCtxView { ctx: &mut world.http, table: &mut world.table, hooks: &mut world.outgoing }
    }
}
