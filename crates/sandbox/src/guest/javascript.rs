//! JavaScript: the engine module on a heap image, and the messages between us and it.

mod asked;
mod kept;
pub(crate) mod operations;
mod pieces;
#[cfg(test)]
mod residue;
mod workers;

use std::{sync::Arc, time::Duration};

use doer_guest_protocol::{self as protocol, Evaluate, Exception, Invoke, Level, Step, decode, encode};
use serde_json::value::RawValue;
use wasmtime::{Caller, Engine, Extern, ExternType, Instance, Linker, Memory, Module, ModuleExport, Store, TypedFunc};

use crate::{
    Answer, Body, Error, GuestError, Invocation, Reply, ResponseHead,
    account::Account,
    body::Writer,
    cache::{ArtifactId, Cache},
    door::Door,
    linked,
    links::Outbound,
    memory::{self, Base, Image, Pool},
    outcome::{Cloned, Finished},
    store::{self, End, GuestClock, State},
};
use operations::Operations;

/// What is passed on of an error's name.
const MAX_NAME_BYTES: usize = 256;
/// What is passed on of an error's message, and of its stack.
const MAX_MESSAGE_BYTES: usize = 64 << 10;

/// What the pages of an image that is kept may have at most.
const MAX_IMAGE_BYTES: u64 = 16 << 20;

/// The JavaScript engine, compiled, and the memories with its heap after boot.
pub(crate) struct JavaScript {
    engine: Engine,
    code: Module,
    /// Declares the memory that the code imports.
    memory: Module,
    pool: Arc<Pool>,
    /// Tells code and base apart from any others: an image says nothing without them.
    base: ArtifactId,
    imports: Vec<Import>,
    linker: Linker<State>,
    exports: Exports,
}

/// What the engine module imports, in its order.
enum Import {
    Memory,
    Host(String, String),
}

/// Resolved once: looking an export up by index is cheaper than by name.
struct Exports {
    constructors: ModuleExport,
    stack_pointer: ModuleExport,
    boot: ModuleExport,
    evaluate: ModuleExport,
    invoke: ModuleExport,
    resume: ModuleExport,
}

impl JavaScript {
    /// Compiles the engine and boots it, or loads both from the cache.
    ///
    /// # Errors
    /// [`Error::Engine`], [`Error::Protocol`]: defects of the build, or of the machine.
    pub(crate) async fn start(
        engine: &Engine,
        cache: &Cache,
        memories: usize,
        keep_bytes: usize,
    ) -> Result<Self, Error> {
        let linked = linked::take_apart().map_err(Error::Protocol)?;
        let code_id = ArtifactId::of(engine, "engine", &[&linked.code]);
        let code = match cache.load(engine, code_id) {
            Some(code) => code,
            None => {
                tracing::info!("compiling the JavaScript engine; this happens once per build of doer");
                cache.compile(engine, code_id, &linked.code)?
            }
        };
        let refused = |source| Error::Engine { during: "compiling", source };
        let memory = Module::new(engine, &linked.memory).map_err(refused)?;
        // What there is to call lies in the heap: with another table it is another heap.
        let table = encode(&operations::table());
        let booted_id = ArtifactId::of(engine, "heap after boot", &[&linked.code, &linked.heap, &table]);
        let javascript = |heap: &[u8], memories| {
            let base = ArtifactId::of(engine, "base", &[&linked.code, heap]);
            let pool = Pool::new(Base::new(heap).map_err(no_memory)?, memories, keep_bytes);
            Self::assemble(engine, code.clone(), memory.clone(), pool, base)
        };
        let booted = match cache.load_bytes(booted_id) {
            Some(booted) => booted,
            None => {
                let booted = javascript(&linked.heap, 1)?.boot(table).await?;
                cache.keep(booted_id, &booted);
                booted
            }
        };
        javascript(&booted, memories)
    }

    fn assemble(
        engine: &Engine,
        code: Module,
        memory: Module,
        pool: Arc<Pool>,
        base: ArtifactId,
    ) -> Result<Self, Error> {
        let export = |name: &str| {
            code.get_export_index(name).ok_or_else(|| Error::Protocol(format!("the guest does not export {name}")))
        };
        let exports = Exports {
            constructors: export("__wasm_call_ctors")?,
            stack_pointer: export("__stack_pointer")?,
            boot: export("boot")?,
            evaluate: export("evaluate")?,
            invoke: export("invoke")?,
            resume: export("resume")?,
        };
        let imports = code.imports().map(|import| match import.ty() {
            ExternType::Memory(_) => Import::Memory,
            _ => Import::Host(import.module().to_owned(), import.name().to_owned()),
        });
        let imports = imports.collect();
        let linker = host_functions(engine).map_err(|source| Error::Engine { during: "defining imports", source })?;
        Ok(Self { engine: engine.clone(), code, memory, pool, base, imports, linker, exports })
    }

    /// Boots the engine on the linker's data, with a table of what there is to call, and gives the heap after that.
    async fn boot(&self, table: Vec<u8>) -> Result<Vec<u8>, Error> {
        let broken = |end: End| match end {
            End::Host(error) => error,
            other => Error::Protocol(format!("the guest does not boot: {other:?}")),
        };
        let account = Arc::new(Account::unlimited());
        let mut guest = Guest::open(self, None, &account).map_err(broken)?;
        // The engine looks at the clock, and keeps what it saw. With one that stands still every boot gives the same heap,
        // on which all images hold that were ever made.
        guest.store.data_mut().clock = GuestClock::Frozen(0.0);
        let constructors: TypedFunc<(), ()> = guest.function(self.exports.constructors).map_err(broken)?;
        let failed = |source| Error::Engine { during: "booting the JavaScript engine", source };
        constructors.call_async(&mut guest.store, ()).await.map_err(failed)?;
        match guest.call(self.exports.boot, table).await.map_err(broken)? {
            Next::Ready => {
                let stack = guest.stack_top(self);
                let mut heap = guest.memory.data(&guest.store).to_vec();
                heap[..stack].fill(0);
                Ok(heap)
            }
            next => Err(broken(next.unexpected())),
        }
    }

    /// Evaluates a program and keeps its heap.
    ///
    /// # Errors
    /// [`End`]; a heap too large to be an image is [`End::Guest`].
    pub(crate) async fn image(&self, program: &Evaluate, account: &Arc<Account>) -> Result<Image, End> {
        let mut guest = Guest::open(self, None, account)?;
        guest.evaluate(self, program).await?;
        let stack = guest.stack_top(self);
        let image = self.pool.image(guest.memory.data(&guest.store), stack).map_err(no_memory)?;
        if image.applied_bytes() > MAX_IMAGE_BYTES {
            let message = format!("the heap is too large for an image: {} bytes", image.applied_bytes());
            return Err(End::Guest(GuestError { name: "RangeError".into(), message, ..GuestError::default() }));
        }
        Ok(image)
    }

    /// Runs a program on a heap of the engine alone.
    ///
    /// # Errors
    /// [`End`].
    pub(crate) async fn run(
        &self,
        program: &Evaluate,
        invocation: &Invocation,
        account: &Arc<Account>,
    ) -> Result<Finished, End> {
        account.mark_cold_start();
        let mut guest = Guest::open(self, None, account)?;
        guest.evaluate(self, program).await?;
        guest.invoke(self, invocation).await
    }

    /// Runs what an image holds.
    ///
    /// # Errors
    /// [`End`].
    pub(crate) async fn run_image(
        &self,
        image: &Image,
        invocation: &Invocation,
        account: &Arc<Account>,
    ) -> Result<Finished, End> {
        Guest::open(self, Some(image), account)?.invoke(self, invocation).await
    }
}

/// One isolate.
struct Guest {
    store: Store<State>,
    instance: Instance,
    memory: Memory,
}

impl Guest {
    fn open(javascript: &JavaScript, image: Option<&Image>, account: &Arc<Account>) -> Result<Self, End> {
        let failed = |error| End::from_wasmtime(error, "instantiating a guest");
        let mut store = store::open(&javascript.engine, account)?;
        let lent = javascript.pool.take(image).map_err(no_memory)?;
        let heap = memory::lend(lent, || Instance::new(&mut store, &javascript.memory, &[])).map_err(failed)?;
        let memory = heap
            .get_memory(&mut store, linked::MEMORY)
            .ok_or_else(|| Error::Protocol("the guest's memory is not exported".into()))?;
        // wasmtime knows only what such a memory has at least.
        account.grow_memory(memory.data_size(&store) as u64)?;
        store.data_mut().memory = Some(memory);
        let mut imports = Vec::with_capacity(javascript.imports.len());
        for import in &javascript.imports {
            imports.push(match import {
                Import::Memory => Extern::Memory(memory),
                Import::Host(module, name) => javascript
                    .linker
                    .get(&mut store, module, name)
                    .map_err(|source| Error::Engine { during: "giving a guest its imports", source })?,
            });
        }
        let instance = Instance::new(&mut store, &javascript.code, &imports).map_err(failed)?;
        Ok(Self { store, instance, memory })
    }

    async fn evaluate(&mut self, javascript: &JavaScript, program: &Evaluate) -> Result<(), End> {
        let account = self.store.data().account.clone();
        account.startup_begins();
        self.store.data_mut().clock = GuestClock::freeze();
        let next = self.call(javascript.exports.evaluate, encode(program)).await?;
        self.store.data_mut().clock = GuestClock::Running;
        account.startup_ends();
        match next {
            Next::Ready => Ok(()),
            other => Err(other.unexpected()),
        }
    }

    async fn invoke(&mut self, javascript: &JavaScript, invocation: &Invocation) -> Result<Finished, End> {
        let mut seed = [0; 8];
        getrandom::fill(&mut seed).map_err(|error| Error::Protocol(error.to_string()))?;
        let account = Arc::clone(&self.store.data().account);
        let message = Invoke {
            event: asked::event(&invocation.event, account.has_incoming())?,
            context: invocation.context.get().to_owned(),
            seed: u64::from_le_bytes(seed),
            services: account.door.as_ref().map(Door::granted),
            secrets: account.links.secrets.clone(),
            props: account.links.props.clone(),
            outbound: account.links.outbound != Outbound::Policy,
        };
        // What is answered before the end, where nobody has asked to be told before it.
        let mut early = None;
        let mut next = self.call(javascript.exports.invoke, encode(&message)).await?;
        let mut resume: Option<TypedFunc<u32, u64>> = None;
        loop {
            match next {
                Next::Done(Finished::Over) => return Ok(early.unwrap_or(Finished::Over)),
                Next::Done(answer) => return Ok(answer),
                Next::Responded(_) | Next::Waiting(_) => {
                    let ended = match next {
                        Next::Waiting(pause) => self.wait(pause).await?,
                        Next::Responded(answer) => {
                            early = account.respond(answer);
                            Vec::new()
                        }
                        Next::Ready | Next::Done(_) => Vec::new(),
                    };
                    // Looked up once: code that makes many calls comes by here for each.
                    let resume = match &resume {
                        Some(found) => found,
                        None => resume.insert(self.function(javascript.exports.resume)?),
                    };
                    next = self.send(resume, ended).await?;
                }
                Next::Ready => return Err(next.unexpected()),
            }
        }
    }

    /// Waits for what the guest waits for, and gives the message that tells it. No frame of the guest is on a stack
    /// meanwhile: dropping us now is a clean end, of its operations too.
    async fn wait(&mut self, pause: Option<Duration>) -> Result<Vec<u8>, End> {
        match (&mut self.store.data_mut().operations, pause) {
            (Some(operations), _) if !operations.is_idle() => return Ok(operations.ended(pause).await?),
            (_, Some(pause)) => tokio::time::sleep(pause).await,
            (_, None) => return Err(Error::Protocol("the guest waits for nothing".into()).into()),
        }
        Ok(Vec::new())
    }

    async fn call(&mut self, export: ModuleExport, message: Vec<u8>) -> Result<Next, End> {
        let function = self.function(export)?;
        self.send(&function, message).await
    }

    async fn send(&mut self, function: &TypedFunc<u32, u64>, message: Vec<u8>) -> Result<Next, End> {
        let length = u32::try_from(message.len()).map_err(|error| Error::Protocol(error.to_string()))?;
        self.store.data_mut().message = message;
        let answer = function.call_async(&mut self.store, length).await;
        self.step(answer)
    }

    /// What a call of the guest gave. Its texts still lie in the guest's memory: nothing is copied before the
    /// account has agreed to its size.
    fn step(&mut self, answer: wasmtime::Result<u64>) -> Result<Next, End> {
        store::note_fuel(&mut self.store);
        let answer = answer.map_err(|error| End::from_wasmtime(error, "running a guest"))?;
        let (start, length) = ((answer >> 32) as usize, (answer & 0xFFFF_FFFF) as usize);
        let bytes = start
            .checked_add(length)
            .and_then(|end| self.memory.data(&self.store).get(start..end))
            .ok_or_else(|| Error::Protocol("an answer lies outside of memory".into()))?;
        match decode(bytes).map_err(|error| Error::Protocol(error.to_string()))? {
            Step::Ready => Ok(Next::Ready),
            Step::Waiting { wake_after_us } => Ok(Next::Waiting(wake_after_us.map(Duration::from_micros))),
            Step::Done(answer) => Ok(Next::Done(self.answer(answer)?.0)),
            Step::Finished => Ok(Next::Done(Finished::Over)),
            Step::Responded(answer) => {
                let (answer, writer) = self.answer(answer)?;
                if let Some(writer) = writer {
                    let state = self.store.data_mut();
                    state.operations.get_or_insert_with(|| Operations::new(&state.account)).respond(writer);
                }
                Ok(Next::Responded(answer))
            }
            Step::Failed(exception) if exception.syntax => Err(End::Syntax(guest_error(&exception))),
            Step::Failed(exception) => Err(End::Guest(guest_error(&exception))),
        }
    }

    /// An answer, copied out of the guest, and where its body is written, if it comes piece by piece.
    fn answer(&self, answer: protocol::Answer<'_>) -> Result<(Finished, Option<Writer>), End> {
        let account = &self.store.data().account;
        match answer {
            protocol::Answer::Result { json, response } => {
                let result = account.take_result(&json, response.as_ref().map_or(0, header_bytes))?;
                // The guest's text goes into our answer as it is: it must be JSON, whatever has become of the guest.
                let result = RawValue::from_string(result).map_err(|error| Error::Protocol(error.to_string()))?;
                Ok((Finished::Result(Answer { result, response: response.map(owned_head) }), None))
            }
            protocol::Answer::Response { head, body, streamed: false } => {
                let body = account.take_response(&body, header_bytes(&head))?.into();
                Ok((Finished::Response(Reply { head: owned_head(head), body }), None))
            }
            protocol::Answer::Response { head, streamed: true, .. } => {
                account.take_head(header_bytes(&head))?;
                let (writer, body) = Body::channel();
                Ok((Finished::Response(Reply { head: owned_head(head), body }), Some(writer)))
            }
            protocol::Answer::Cloned(text) => Ok((Finished::Cloned(Cloned(account.take_cloned(&text)?)), None)),
        }
    }

    fn function<P: wasmtime::WasmParams, R: wasmtime::WasmResults>(
        &mut self,
        export: ModuleExport,
    ) -> Result<TypedFunc<P, R>, End> {
        let found = self.instance.get_module_export(&mut self.store, &export).and_then(Extern::into_func);
        let function = found.ok_or_else(|| Error::Protocol("an export of the guest is no function".into()))?;
        Ok(function.typed(&self.store).map_err(|source| Error::Engine { during: "looking up an export", source })?)
    }

    /// Where the stack is that lies at the bottom of the heap. At rest, what is below is dead: it belongs into no image.
    fn stack_top(&mut self, javascript: &JavaScript) -> usize {
        let export = &javascript.exports.stack_pointer;
        let pointer = self.instance.get_module_export(&mut self.store, export).and_then(Extern::into_global);
        pointer.and_then(|global| global.get(&mut self.store).i32()).unwrap_or(0).cast_unsigned() as usize
    }
}

fn no_memory(source: std::io::Error) -> Error {
    Error::Io { path: "the memory of a guest".to_owned(), source }
}

/// Where a guest stands after a call.
#[derive(Debug)]
enum Next {
    Ready,
    Waiting(Option<Duration>),
    Done(Finished),
    Responded(Finished),
}

impl Next {
    fn unexpected(&self) -> End {
        End::Host(Error::Protocol(format!("unexpected step: {self:?}")))
    }
}

fn header_bytes(head: &protocol::ResponseHead<'_>) -> u64 {
    head.headers.iter().map(|(name, value)| (name.len() + value.len()) as u64).sum()
}

fn owned_head(head: protocol::ResponseHead<'_>) -> ResponseHead {
    let headers = head.headers.into_iter().map(|(name, value)| (name.into_owned(), value.into_owned()));
    ResponseHead { status: head.status, headers: headers.collect() }
}

/// An error's texts are the guest's to choose, and count towards no limit: they are cut.
fn guest_error(exception: &Exception<'_>) -> GuestError {
    GuestError {
        name: cut(&exception.name, MAX_NAME_BYTES),
        message: cut(&exception.message, MAX_MESSAGE_BYTES),
        stack: (!exception.stack.is_empty()).then(|| cut(&exception.stack, MAX_MESSAGE_BYTES)),
        line: exception.line,
        column: exception.column,
        code: None,
    }
}

fn cut(text: &str, max_bytes: usize) -> String {
    if text.len() <= max_bytes {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(max_bytes)])
}

/// The guest's imports, but for its memory.
fn host_functions(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    linker.func_wrap("env", "__rquickjs_host_now_us", |caller: Caller<'_, State>| caller.data().clock.now_us())?;
    linker.func_wrap("doer", "random", |mut caller: Caller<'_, State>, start: u32, length: u32| {
        let bytes = slice(&mut caller, start, length)?.0;
        getrandom::fill(bytes).map_err(|error| wasmtime::Error::msg(error.to_string()))
    })?;
    linker.func_wrap("doer", "message", |mut caller: Caller<'_, State>, start: u32, length: u32| {
        let message = std::mem::take(&mut caller.data_mut().message);
        let bytes = slice(&mut caller, start, length)?.0;
        if bytes.len() != message.len() {
            return Err(wasmtime::Error::msg("the guest asks for another message than it was given"));
        }
        bytes.copy_from_slice(&message);
        Ok(())
    })?;
    linker.func_wrap("doer", "submit", |mut caller: Caller<'_, State>, start: u32, length: u32| {
        let (bytes, state) = slice(&mut caller, start, length)?;
        if state.clock != GuestClock::Running {
            // The guest refuses this by itself: a top level has no door.
            return Ok(protocol::REFUSED);
        }
        let account = &state.account;
        state.operations.get_or_insert_with(|| Operations::new(account)).submit(bytes)
    })?;
    linker.func_wrap("doer", "ended", |mut caller: Caller<'_, State>| {
        let state = caller.data_mut();
        let Some(operations) = &mut state.operations else { return Ok(0) };
        state.message = operations.ended_already()?;
        u32::try_from(state.message.len()).map_err(wasmtime::Error::from)
    })?;
    linker.func_wrap("doer", "cancel", |mut caller: Caller<'_, State>, number: u32| {
        if let Some(operations) = &mut caller.data_mut().operations {
            operations.cancel(number);
        }
    })?;
    linker.func_wrap("doer", "log", |mut caller: Caller<'_, State>, level: u32, start: u32, length: u32| {
        let (bytes, state) = slice(&mut caller, start, length)?;
        // More than could ever be kept is not even looked at.
        let most = usize::try_from(state.account.limits.output_bytes).unwrap_or(usize::MAX).saturating_add(4);
        let bytes = &bytes[..bytes.len().min(most)];
        let prefix = match Level::from_code(level) {
            Level::Warn => "[warn] ",
            Level::Error => "[error] ",
            Level::Debug | Level::Log | Level::Info => "",
        };
        state.account.log(prefix, &String::from_utf8_lossy(bytes))?;
        Ok(())
    })?;
    Ok(linker)
}

/// A piece of the guest's memory. Its memory is an import of the engine module, exported by none: the store
/// keeps it for us.
fn slice<'a>(
    caller: &'a mut Caller<'_, State>,
    start: u32,
    length: u32,
) -> wasmtime::Result<(&'a mut [u8], &'a mut State)> {
    let memory = caller.data().memory.ok_or_else(|| wasmtime::Error::msg("the guest has no memory"))?;
    let (bytes, state) = memory.data_and_store_mut(caller);
    let piece = bytes.get_mut(start as usize..).and_then(|bytes| bytes.get_mut(..length as usize));
    Ok((piece.ok_or_else(|| wasmtime::Error::from(wasmtime::Trap::MemoryOutOfBounds))?, state))
}
