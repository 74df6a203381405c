//! What a command may import: WASI with everything off but its streams, time and randomness; and calls of services.

use std::sync::Arc;

use wasmtime::{Engine, Linker};
use wasmtime_wasi::{
    WasiCtxBuilder, WasiView as _,
    p1::{self, WasiP1Ctx},
    p2::pipe::MemoryInputPipe,
};

use super::{
    calls,
    streams::{Stderr, Stdout},
};
use crate::{account::Account, store::State};

/// What a command finds as its first argument; there is no other.
pub(in crate::guest) const PROGRAM_NAME: &str = "main.wasm";

/// Bytes of one call for randomness: the host makes them before the guest can be interrupted again.
const MAX_RANDOM_BYTES: u64 = 1 << 20;

/// What WASI may keep for one run: its streams, and two for each thing that a `poll_oneoff` waits for. Those cost the
/// host a few hundred bytes that no account counts, and one call may name a million things.
const MAX_RESOURCES: usize = 256;

/// What one run sees of the world, and both of its streams.
pub(super) fn context(account: &Arc<Account>, input: Option<&str>) -> (WasiP1Ctx, Stdout, Stderr) {
    let stdout = Stdout::new(account.limits.output_bytes);
    let stderr = Stderr::new(Arc::clone(account));
    let mut wasi = closed();
    wasi.arg(PROGRAM_NAME)
        .stdin(MemoryInputPipe::new(input.unwrap_or_default().to_owned()))
        .stdout(stdout.clone())
        .stderr(stderr.clone());
    (bounded(&mut wasi), stdout, stderr)
}

/// Everything that a command can import.
///
/// # Errors
/// Never: the names are all different.
pub(super) fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    p1::add_to_linker_async(&mut linker, |state: &mut State| {
        // A run is given its own before it starts.
        state.wasi.get_or_insert_with(|| bounded(&mut closed()))
    })?;
    calls::add_to_linker(&mut linker)?;
    Ok(linker)
}

/// No files, no environment and no streams are the builder's own defaults; the network has to be switched off.
pub(in crate::guest) fn closed() -> WasiCtxBuilder {
    let mut wasi = WasiCtxBuilder::new();
    wasi.allow_tcp(false).allow_udp(false).max_random_size(MAX_RANDOM_BYTES);
    wasi
}

fn bounded(wasi: &mut WasiCtxBuilder) -> WasiP1Ctx {
    let mut wasi = wasi.build_p1();
    wasi.ctx().table.set_max_capacity(MAX_RESOURCES);
    wasi
}
