//! The WebAssembly engine: one configuration for everything that runs, and the clock that preempts it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, WasmFeatures};

use crate::{Error, SandboxConfig, memory};

/// Native stack of a guest. QuickJS watches its own stack inside linear memory and must run out of that one
/// first, or its error could not be caught. Pages of this one stay with the slot once they were touched: wiping
/// it would cost each execution a system call, and no guest can read it.
const WASM_STACK_BYTES: usize = 16 << 20;
/// What host functions may use on top of it.
const HOST_STACK_BYTES: usize = 512 << 10;
/// How often a running guest is interrupted: the grain of CPU limits and of sharing a thread.
const TICK: Duration = Duration::from_millis(1);
/// Ticks without any execution after which the clock stops: starting it costs a system call, which a steady
/// stream of short executions should not pay each time.
const TICKS_BEFORE_SLEEP: u32 = 200;
/// Largest table of a user's module; 8 bytes of address space each, per slot.
pub(crate) const TABLE_ELEMENTS: usize = 100_000;
/// What a component may consist of, the components inside of it included. What toolchains make has one memory, two or
/// three tables and up to twenty instances; several such composed into one have that several times.
pub(crate) const COMPONENT_PARTS: Parts = Parts { instances: 64, memories: 4, tables: 16 };

/// So many of each.
pub(crate) struct Parts {
    pub(crate) instances: u32,
    pub(crate) memories: u32,
    pub(crate) tables: u32,
}

/// Everything that decides what native code comes out of a compilation. The process that runs it and the one
/// that compiles for users must agree on it to the letter; wasmtime refuses artifacts where they do not.
pub(crate) fn codegen_config() -> Config {
    let mut config = Config::new();
    // Both kinds of metering: fuel is a budget that comes out the same on every machine, epochs are what
    // gives a thread back and holds the limit on CPU time.
    config.consume_fuel(true).epoch_interruption(true);
    // Cranelift only: Winch, the baseline compiler, has had a sandbox escape.
    config.cranelift_opt_level(OptLevel::Speed);
    // What WASI toolchains emit, and nothing more: each feature is attack surface.
    config.wasm_features(WasmFeatures::all(), false);
    config.wasm_features(
        WasmFeatures::MUTABLE_GLOBAL
            | WasmFeatures::SATURATING_FLOAT_TO_INT
            | WasmFeatures::SIGN_EXTENSION
            | WasmFeatures::REFERENCE_TYPES
            | WasmFeatures::CALL_INDIRECT_OVERLONG
            | WasmFeatures::MULTI_VALUE
            | WasmFeatures::BULK_MEMORY
            | WasmFeatures::BULK_MEMORY_OPT
            | WasmFeatures::SIMD
            | WasmFeatures::FLOATS
            | WasmFeatures::EXTENDED_CONST
            | WasmFeatures::TAIL_CALL
            | WasmFeatures::COMPONENT_MODEL,
        true,
    );
    // Traps are told by their kind; a backtrace of native frames helps no user and costs each trap.
    config.wasm_backtrace_max_frames(None).native_unwind_info(false).generate_address_map(false);
    // What addresses need no check. A memory never moves.
    config.memory_reservation(memory::RESERVED_BYTES as u64).memory_guard_size(memory::GUARD_BYTES as u64);
    config.guard_before_linear_memory(true).memory_may_move(false);
    config
}

/// The engine that runs JavaScript: its memories and stacks are ours.
///
/// # Errors
/// [`Error::Engine`] where the host cannot run it.
pub(crate) fn for_javascript() -> Result<Engine, Error> {
    let mut config = codegen_config();
    config.max_wasm_stack(WASM_STACK_BYTES).async_stack_size(WASM_STACK_BYTES + HOST_STACK_BYTES);
    config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    config.with_host_memory(Arc::new(memory::Creator)).with_host_stack(Arc::new(memory::Stacks::default()));
    Engine::new(&config).map_err(|source| Error::Engine { during: "setting the engine of JavaScript up", source })
}

/// The engine that runs WebAssembly of users: instances come from wasmtime's pool.
///
/// # Errors
/// [`Error::Engine`] where the host cannot reserve what the pool needs.
pub(crate) fn for_modules(settings: &SandboxConfig) -> Result<Engine, Error> {
    let mut config = codegen_config();
    config.max_wasm_stack(WASM_STACK_BYTES).async_stack_size(WASM_STACK_BYTES + HOST_STACK_BYTES);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(settings)));
    Engine::new(&config).map_err(|source| Error::Engine { during: "reserving the instance pool", source })
}

fn pool(settings: &SandboxConfig) -> PoolingAllocationConfig {
    let slots = settings.concurrency;
    let mut pool = PoolingAllocationConfig::default();
    // A command that gives memory for the answer to a call runs on a second stack.
    // What no component uses of its share is address space only.
    let Parts { instances, memories, tables } = COMPONENT_PARTS;
    pool.total_core_instances(instances * slots).total_memories(memories * slots).total_tables(tables * slots);
    pool.max_core_instances_per_component(instances).max_memories_per_component(memories);
    pool.max_tables_per_component(tables).total_component_instances(slots).total_stacks(2 * slots);
    pool.max_memory_size(usize::try_from(settings.max_memory_bytes).unwrap_or(usize::MAX));
    pool.table_elements(TABLE_ELEMENTS);
    // A slot that was used for an image before keeps that image mapped: as many may be warm as there are.
    pool.max_unused_warm_slots(slots);
    // The lowest pages of a slot stay, and are wiped by memcpy, which is cheaper than page faults.
    pool.linear_memory_keep_resident(settings.keep_resident_bytes).table_keep_resident(16 << 10);
    // Never ask the kernel which pages were touched, fast as that is: wasmtime 48 takes "not present" for "not
    // written", and a page that is being migrated (compaction does that at any time) or swapped out is both
    // written and not present. Such a page would survive the wipe, for the next guest to read.
    pool.pagemap_scan(Enabled::No);
    pool
}

/// Advances the engines' epochs once a millisecond while anything runs, from one thread for all: a timer per
/// execution would cost more than most executions do.
#[derive(Debug, Clone)]
pub(crate) struct Ticker {
    running: Arc<AtomicUsize>,
    thread: thread::Thread,
}

/// While one exists, epochs advance.
#[derive(Debug)]
pub(crate) struct Ticking(Ticker);

impl Ticker {
    pub(crate) fn start(engines: Vec<Engine>) -> Result<Self, Error> {
        let running = Arc::new(AtomicUsize::new(0));
        let weak = Arc::downgrade(&running);
        let body = move || {
            let mut idle_ticks = 0;
            // Ends with the last handle on the sandbox; `Drop` below wakes it for that.
            while let Some(running) = weak.upgrade() {
                idle_ticks = if running.load(Ordering::Acquire) == 0 { idle_ticks + 1 } else { 0 };
                drop(running);
                if idle_ticks > TICKS_BEFORE_SLEEP {
                    thread::park();
                    idle_ticks = 0;
                } else {
                    thread::sleep(TICK);
                    engines.iter().for_each(Engine::increment_epoch);
                }
            }
        };
        let handle = thread::Builder::new()
            .name("doer-epoch".into())
            .spawn(body)
            .map_err(|source| Error::Io { path: "the epoch thread".into(), source })?;
        Ok(Self { running, thread: handle.thread().clone() })
    }

    pub(crate) fn tick(&self) -> Ticking {
        if self.running.fetch_add(1, Ordering::AcqRel) == 0 {
            self.thread.unpark();
        }
        Ticking(self.clone())
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        // Only the last handle ends the thread, which looks for itself.
        self.thread.unpark();
    }
}

impl Drop for Ticking {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::AcqRel);
    }
}
