//! Commands that were compiled, kept for the next run: by content, single flight, least recently used out first.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::OnceCell;
use wasmtime::{Engine, Linker, Module};

use super::{Command, guest, wasi};
use crate::{
    Error, GuestError,
    account::Account,
    compiler::{CompileError, Compiler},
    store::{End, State},
};

/// How many are kept.
const MAX_COMMANDS: usize = 256;

/// How much native code is kept; what is larger than that is used and forgotten.
const MAX_BYTES: usize = 256 << 20;

/// Makes a module of an artifact that a compiler process sent. It is `unsafe`, so whoever owns that decides.
pub(crate) type Load = fn(&Engine, &[u8]) -> wasmtime::Result<Module>;

/// Compiles commands, and keeps them in memory.
pub(crate) struct Commands {
    engine: Engine,
    linker: Linker<State>,
    compiler: Compiler,
    load: Load,
    kept: Mutex<Kept>,
}

type Cell = Arc<OnceCell<Compiled>>;

struct Compiled {
    command: Command,
    artifact_bytes: usize,
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

impl Commands {
    /// # Errors
    /// Where WASI cannot be linked.
    pub(crate) fn new(engine: &Engine, compiler: Compiler, load: Load) -> Result<Self, Error> {
        let linker = wasi::linker(engine).map_err(|source| Error::Engine { during: "linking WASI", source })?;
        Ok(Self { engine: engine.clone(), linker, compiler, load, kept: Mutex::default() })
    }

    /// The command that `code` is: from memory, or compiled now, once for all that ask at the same time. One
    /// that asked first and goes away leaves the work to the next. Failures are not kept.
    ///
    /// # Errors
    /// The guest's, where it does not compile or is no command.
    pub(crate) async fn get(&self, code: &[u8], text: bool, account: &Arc<Account>) -> Result<Command, End> {
        let key = blake3::Hasher::new().update(&[u8::from(text)]).update(code).finalize();
        let cell = self.kept().cell(key);
        let made = cell
            .get_or_try_init(|| async {
                account.mark_cold_start();
                self.compile(code, text, account).await
            })
            .await
            .map(|compiled| compiled.command.clone());
        self.kept().trim(key);
        made
    }

    async fn compile(&self, code: &[u8], text: bool, account: &Arc<Account>) -> Result<Compiled, End> {
        let compiled = self.compiler.wasm(code.to_vec(), text).await.map_err(|error| self.failed(error))?;
        // Asked for here too: the pool refuses a module whose memory fits no slot, and does not say why.
        account.grow_memory(compiled.memory_bytes)?;
        let module = (self.load)(&self.engine, &compiled.artifact)
            .map_err(|error| guest("CompileError", format!("{error:#}")))?;
        let command = Command::link(&self.linker, &module, account)?;
        Ok(Compiled { command, artifact_bytes: compiled.artifact.len() })
    }

    fn failed(&self, error: CompileError) -> End {
        match error {
            CompileError::Refused { name, message, line, column } => {
                End::Guest(GuestError { name: name.to_owned(), message, line, column, ..GuestError::default() })
            }
            CompileError::Limit(_) => guest("CompileError", error.to_string()),
            CompileError::Full => {
                let (running, waiting) = self.compiler.capacity();
                End::Host(Error::Full { running, waiting })
            }
            CompileError::Unavailable(reason) => End::Host(Error::Compiler(reason)),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Forgets `key` where it failed and nobody else tries, and then the least recently used while there is too much.
    fn trim(&mut self, key: blake3::Hash) {
        // The other handle is the caller's.
        if self.entries.get(&key).is_some_and(|entry| !entry.cell.initialized() && Arc::strong_count(&entry.cell) <= 2)
        {
            self.entries.remove(&key);
        }
        while self.entries.len() > MAX_COMMANDS || self.bytes() > MAX_BYTES {
            let oldest = self.entries.iter().filter(|(_, entry)| entry.cell.initialized());
            let Some(oldest) = oldest.min_by_key(|(_, entry)| entry.used).map(|(key, _)| *key) else {
                return;
            };
            self.entries.remove(&oldest);
        }
    }

    fn bytes(&self) -> usize {
        self.entries.values().filter_map(|entry| entry.cell.get()).map(|compiled| compiled.artifact_bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::codegen_config;

    fn command(engine: &Engine) -> Command {
        let module = Module::new(engine, wat::parse_str("(module (func (export \"_start\")))").unwrap()).unwrap();
        Command { pre: wasi::linker(engine).unwrap().instantiate_pre(&module).unwrap() }
    }

    fn fill(kept: &mut Kept, command: &Command, name: &str, artifact_bytes: usize) -> blake3::Hash {
        let key = blake3::hash(name.as_bytes());
        let cell = kept.cell(key);
        assert!(cell.set(Compiled { command: command.clone(), artifact_bytes }).is_ok());
        kept.trim(key);
        key
    }

    #[test]
    fn the_least_recently_used_goes_first_and_failures_go_at_once() {
        let command = command(&Engine::new(&codegen_config()).unwrap());
        let mut kept = Kept::default();
        let names: Vec<_> = (0..MAX_COMMANDS).map(|number| number.to_string()).collect();
        let keys: Vec<_> = names.iter().map(|name| fill(&mut kept, &command, name, 1)).collect();
        assert!(kept.cell(keys[0]).initialized());
        let newest = fill(&mut kept, &command, "newest", 1);
        assert_eq!(kept.entries.len(), MAX_COMMANDS);
        assert!(kept.entries.contains_key(&keys[0]) && !kept.entries.contains_key(&keys[1]));

        let half = fill(&mut kept, &command, "half", MAX_BYTES - 10);
        assert!(kept.bytes() <= MAX_BYTES && kept.entries.contains_key(&newest));
        fill(&mut kept, &command, "too large", MAX_BYTES + 1);
        assert!(kept.entries.is_empty() && !kept.entries.contains_key(&half));

        let failing = blake3::hash(b"failing");
        let (first, second) = (kept.cell(failing), kept.cell(failing));
        kept.trim(failing);
        assert_eq!(kept.entries.len(), 1, "somebody else tries");
        drop(first);
        kept.trim(failing);
        assert!(kept.entries.is_empty());
        drop(second);
    }
}
