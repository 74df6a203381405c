//! Commands and components that were compiled, kept for the next run: by content, single flight, least recently used
//! out first.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::OnceCell;
use wasmtime::{Engine, Linker};

use super::{Command, guest, wasi};
use crate::{
    Error,
    account::Account,
    cache::{ArtifactId, Loaded, Spot},
    compiler::Compiler,
    engine::codegen_config,
    guest::component::{self, Component},
    store::{End, State},
};

/// How many are kept.
const MAX_COMMANDS: usize = 256;

/// How much native code is kept; what is larger than that is used and forgotten.
const MAX_BYTES: usize = 256 << 20;

/// Makes something of an artifact that a compiler process sent. It is `unsafe`, so whoever owns that decides.
pub(crate) type Load = fn(&Engine, &[u8]) -> wasmtime::Result<Loaded>;

/// Users' WebAssembly, ready to run.
#[derive(Debug, Clone)]
pub(crate) enum Runnable {
    Command(Command),
    Component(Component),
}

/// Compiles commands and components, and keeps them in memory.
pub(crate) struct Commands {
    engine: Engine,
    linker: Linker<State>,
    components: wasmtime::component::Linker<State>,
    compiler: Compiler,
    load: Load,
    kept: Mutex<Kept>,
}

type Cell = Arc<OnceCell<Compiled>>;

/// What became of somebody's code.
#[derive(Clone)]
pub(crate) struct Compiled {
    pub(crate) runnable: Runnable,
    pub(crate) artifact_bytes: usize,
    /// Was it compiled before this process began?
    pub(crate) from_disk: bool,
}

#[derive(Default)]
struct Kept {
    entries: HashMap<blake3::Hash, Entry>,
    clock: u64,
}

struct Entry {
    cell: Cell,
    used: u64,
}

/// Somebody's interest in an entry, while it is filled or only looked at. The last one to go takes an entry
/// that stayed empty along, whether its work failed or was dropped halfway.
struct Claim<'a> {
    kept: &'a Mutex<Kept>,
    key: blake3::Hash,
    cell: Cell,
}

impl Commands {
    /// # Errors
    /// Where WASI cannot be linked.
    pub(crate) fn new(engine: &Engine, compiler: Compiler, load: Load) -> Result<Self, Error> {
        let linker = wasi::linker(engine).map_err(|source| Error::Engine { during: "linking WASI", source })?;
        let components =
            component::linker(engine).map_err(|source| Error::Engine { during: "linking WASI", source })?;
        Ok(Self { engine: engine.clone(), linker, components, compiler, load, kept: Mutex::default() })
    }

    /// What `code` is: from memory, from its spot on disk, or compiled now, once for all that ask at the same time. One
    /// that asked first and goes away leaves the work to the next. Failures are not kept.
    ///
    /// # Errors
    /// The guest's, where it does not compile or is nothing that can be run.
    pub(crate) async fn get(
        &self,
        code: &[u8],
        text: bool,
        account: &Arc<Account>,
        spot: Option<&Spot>,
    ) -> Result<Compiled, End> {
        let key = blake3::Hasher::new().update(&[u8::from(text)]).update(code).finalize();
        let claim = Claim::new(&self.kept, key);
        let compiled = claim.cell.get_or_try_init(|| async {
            account.mark_cold_start();
            match spot {
                Some(spot) => match self.find(spot, account).await {
                    Some(compiled) => Ok(compiled),
                    None => self.compile(code, text, account, Some(spot)).await,
                },
                None => self.compile(code, text, account, None).await,
            }
        });
        Ok(compiled.await?.clone())
    }

    /// What was compiled before, and runs on this engine.
    async fn find(&self, spot: &Spot, account: &Arc<Account>) -> Option<Compiled> {
        let (engine, load) = (self.engine.clone(), self.load);
        let read = move |artifact: Vec<u8>| Some((load(&engine, &artifact).ok()?, artifact.len()));
        let (loaded, artifact_bytes) = spot.find(self.artifact_id(spot), read).await?;
        let runnable = self.link(loaded, account).ok()?;
        Some(Compiled { runnable, artifact_bytes, from_disk: true })
    }

    async fn compile(
        &self,
        code: &[u8],
        text: bool,
        account: &Arc<Account>,
        spot: Option<&Spot>,
    ) -> Result<Compiled, End> {
        let compiled = self.compiler.wasm(code.to_vec(), text).await?;
        // Asked for here too: the pool refuses a module whose memory fits no slot, and does not say why.
        account.grow_memory(compiled.memory_bytes)?;
        let artifact = compiled.artifact;
        let loaded = (self.load)(&self.engine, &artifact).map_err(|refused| self.not_loaded(refused, &artifact))?;
        let (runnable, artifact_bytes) = (self.link(loaded, account)?, artifact.len());
        if let Some(spot) = spot.cloned() {
            let id = self.artifact_id(&spot);
            tokio::spawn(async move { spot.keep(id, move || artifact).await });
        }
        Ok(Compiled { runnable, artifact_bytes, from_disk: false })
    }

    fn link(&self, loaded: Loaded, account: &Arc<Account>) -> Result<Runnable, End> {
        Ok(match loaded {
            Loaded::Module(module) => Runnable::Command(Command::link(&self.linker, &module, account)?),
            Loaded::Component(component) => Runnable::Component(Component::link(&self.components, &component)?),
        })
    }

    fn artifact_id(&self, spot: &Spot) -> ArtifactId {
        ArtifactId::of(&self.engine, "WebAssembly of a worker", &[spot.code()])
    }

    /// Whose fault it is that `artifact` was refused. Where an engine without a pool takes it, the module is too
    /// large for a slot, which can be more than its memory: globals count, and functions in tables. Where that
    /// engine does not take it either, the compiler is not of this build: its program was replaced on disk.
    fn not_loaded(&self, refused: wasmtime::Error, artifact: &[u8]) -> End {
        let loaded = Engine::new(&codegen_config()).and_then(|engine| (self.load)(&engine, artifact));
        match loaded {
            Ok(_) => guest("CompileError", format!("{refused:#}")),
            Err(_) => End::Host(Error::Engine { during: "loading a compiled module", source: refused }),
        }
    }
}

impl<'a> Claim<'a> {
    fn new(kept: &'a Mutex<Kept>, key: blake3::Hash) -> Self {
        let cell = lock(kept).cell(key);
        Self { kept, key, cell }
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut kept = lock(self.kept);
        // Under the lock: of two that let go at once, one has to see that it is the last.
        drop(mem::take(&mut self.cell));
        kept.forget_empty(self.key);
        kept.trim();
    }
}

impl Kept {
    fn cell(&mut self, key: blake3::Hash) -> Cell {
        self.clock += 1;
        let used = self.clock;
        let entry = self.entries.entry(key).or_insert_with(|| Entry { cell: Cell::default(), used });
        entry.used = used;
        Arc::clone(&entry.cell)
    }

    /// Forgets `key` where there is nothing under it and nobody works at that.
    fn forget_empty(&mut self, key: blake3::Hash) {
        let empty = |entry: &Entry| !entry.cell.initialized() && Arc::strong_count(&entry.cell) == 1;
        if self.entries.get(&key).is_some_and(empty) {
            self.entries.remove(&key);
        }
    }

    /// Forgets the least recently used while there is too much. What is still compiled does not count: the compiler
    /// bounds how much that is.
    fn trim(&mut self) {
        while self.filled().count() > MAX_COMMANDS || self.bytes() > MAX_BYTES {
            let Some(oldest) = self.filled().min_by_key(|(_, entry, _)| entry.used).map(|(key, ..)| *key) else {
                return;
            };
            self.entries.remove(&oldest);
        }
    }

    fn bytes(&self) -> usize {
        self.filled().map(|(.., compiled)| compiled.artifact_bytes).sum()
    }

    fn filled(&self) -> impl Iterator<Item = (&blake3::Hash, &Entry, &Compiled)> {
        self.entries.iter().filter_map(|(key, entry)| entry.cell.get().map(|compiled| (key, entry, compiled)))
    }
}

fn lock(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Waker},
        time::Duration,
    };

    use wasmtime::{InstanceAllocationStrategy, Module, PoolingAllocationConfig};

    use super::{super::tests::account_with, *};
    use crate::{CompilerConfig, cache::load_compiled};

    fn command(engine: &Engine) -> Runnable {
        let module = Module::new(engine, wat::parse_str("(module (func (export \"_start\")))").unwrap()).unwrap();
        Runnable::Command(Command { pre: wasi::linker(engine).unwrap().instantiate_pre(&module).unwrap() })
    }

    fn commands_of(engine: &Engine, program: &str, args: &[&str], load: Load) -> Commands {
        let compiler = Compiler::new(CompilerConfig {
            program: program.into(),
            args: args.iter().map(Into::into).collect(),
            processes: 1,
            queue: 1,
            timeout: Duration::from_secs(60),
            memory_bytes: 1 << 30,
        });
        Commands::new(engine, compiler, load).unwrap()
    }

    fn fill(kept: &Mutex<Kept>, command: &Runnable, name: &str, artifact_bytes: usize) -> blake3::Hash {
        let key = blake3::hash(name.as_bytes());
        let claim = Claim::new(kept, key);
        assert!(claim.cell.set(Compiled { runnable: command.clone(), artifact_bytes, from_disk: false }).is_ok());
        key
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let command = command(&Engine::new(&codegen_config()).unwrap());
        let kept = Mutex::default();
        let names: Vec<_> = (0..MAX_COMMANDS).map(|number| number.to_string()).collect();
        let keys: Vec<_> = names.iter().map(|name| fill(&kept, &command, name, 1)).collect();
        assert!(Claim::new(&kept, keys[0]).cell.initialized());
        let newest = fill(&kept, &command, "newest", 1);
        let has = |key| lock(&kept).entries.contains_key(&key);
        assert_eq!(lock(&kept).entries.len(), MAX_COMMANDS);
        assert!(has(keys[0]) && !has(keys[1]));

        let half = fill(&kept, &command, "half", MAX_BYTES - 10);
        assert!(lock(&kept).bytes() <= MAX_BYTES && has(newest));
        fill(&kept, &command, "too large", MAX_BYTES + 1);
        assert!(lock(&kept).entries.is_empty() && !has(half));
    }

    #[test]
    fn an_empty_entry_lives_as_long_as_somebody_works_at_it() {
        let kept = Mutex::default();
        let key = blake3::hash(b"failing");
        let (first, second) = (Claim::new(&kept, key), Claim::new(&kept, key));
        drop(first);
        assert_eq!(lock(&kept).entries.len(), 1);
        drop(second);
        assert!(lock(&kept).entries.is_empty());
    }

    #[tokio::test]
    async fn what_is_abandoned_leaves_nothing_behind_and_takes_no_room() {
        let engine = Engine::new(&codegen_config()).unwrap();
        // A compiler that never says anything.
        let commands = commands_of(&engine, "/bin/sleep", &["60"], load_compiled);
        let account = account_with(|_| {});
        let mut context = Context::from_waker(Waker::noop());
        let mut working = pin!(commands.get(b"working", false, &account, None));
        assert!(working.as_mut().poll(&mut context).is_pending());
        for number in 0..300 {
            let code = format!("abandoned {number}");
            let mut get = pin!(commands.get(code.as_bytes(), false, &account, None));
            assert!(get.as_mut().poll(&mut context).is_pending());
            assert_eq!(lock(&commands.kept).entries.len(), 2);
        }
        assert_eq!(lock(&commands.kept).entries.len(), 1);

        let key = blake3::Hasher::new().update(&[0]).update(b"code").finalize();
        let command = command(&engine);
        let compiled = Compiled { runnable: command, artifact_bytes: 1, from_disk: false };
        assert!(Claim::new(&commands.kept, key).cell.set(compiled).is_ok());
        for _ in 0..2 {
            assert!(commands.get(b"code", false, &account, None).await.is_ok());
            assert_eq!(lock(&commands.kept).filled().count(), 1);
        }
    }

    #[tokio::test]
    async fn two_that_fail_together_leave_nothing_behind() {
        let commands = commands_of(&Engine::new(&codegen_config()).unwrap(), "/nonexistent", &[], load_compiled);
        let account = account_with(|_| {});
        let get = || commands.get(b"code", false, &account, None);
        let (one, other) = tokio::join!(get(), get());
        assert!(matches!(one, Err(End::Host(Error::Compiler(_)))));
        assert!(matches!(other, Err(End::Host(Error::Compiler(_)))));
        assert!(lock(&commands.kept).entries.is_empty());
    }

    #[test]
    fn a_module_that_fits_no_slot_is_the_guests_fault_and_another_builds_artifact_ours() {
        let mut config = codegen_config();
        let mut pool = PoolingAllocationConfig::default();
        pool.total_core_instances(1).total_memories(1).total_tables(1).total_stacks(1).max_memory_size(1 << 20);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        let commands = commands_of(&Engine::new(&config).unwrap(), "/nonexistent", &[], load_compiled);
        let end = |artifact: &[u8]| {
            let refused = load_compiled(&commands.engine, artifact).err().unwrap();
            commands.not_loaded(refused, artifact)
        };

        let large = format!("(module {})", "(global i32 (i32.const 0))".repeat(100_000));
        let large = wat::parse_str(large).unwrap();
        match end(&Engine::new(&codegen_config()).unwrap().precompile_module(&large).unwrap()) {
            End::Guest(error) => assert_eq!(error.name, "CompileError"),
            other => panic!("{other:?}"),
        }

        let other = Engine::new(codegen_config().consume_fuel(false)).unwrap();
        let artifact = other.precompile_module(&wat::parse_str("(module)").unwrap()).unwrap();
        assert!(matches!(end(&artifact), End::Host(Error::Engine { .. })));
        assert!(matches!(end(b"nonsense"), End::Host(Error::Engine { .. })));
    }
}
