//! The sandbox itself: admission to the pool, and one execution at a time from there.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use doer_core::fault::Termination;
use doer_guest_protocol::{self as protocol, Evaluate};
use futures_util::FutureExt as _;
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};

use crate::{
    Answered, Error, Event, GuestError, Image, Invocation, Outcome, Program, Running, SandboxConfig,
    account::Account,
    cache::{Cache, Shelf, Spot, load_compiled},
    compiler::{Compiler, ScriptKind},
    engine::{self, Ticker},
    explain::{explained, into_guest_error},
    guest::{
        javascript::JavaScript,
        module::{Commands, Compiled, Runnable},
    },
    links::Links,
    outcome::Finished,
    schedule::Background,
    store::End,
    translate::{translate, typescript, wasm_of},
};

/// The longest that a run waits for a slot which another run waits for, in a slot of its own.
const LONGEST_CALL_WAIT: Duration = Duration::from_secs(2);

/// Runs programs. Cheap to clone; all clones share one pool.
#[derive(Clone)]
pub struct Sandbox {
    inner: Arc<Inner>,
}

struct Inner {
    javascript: JavaScript,
    commands: Commands,
    compiler: Compiler,
    /// What workers have become, where that is kept.
    shelf: Option<Arc<Shelf>>,
    background: Background,
    ticker: Ticker,
    slots: Semaphore,
    slot_count: usize,
    waiting: AtomicUsize,
    queue: usize,
}

/// What the sandbox is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Slots there are.
    pub slots: usize,
    /// Executions that hold a slot.
    pub running: usize,
    /// Executions that wait for one.
    pub waiting: usize,
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

impl Sandbox {
    /// Compiles the engine, or loads it from the cache, and brings up everything else.
    ///
    /// # Errors
    /// [`Error::Engine`] or [`Error::Io`] where the host cannot give what is needed.
    pub async fn start(config: SandboxConfig) -> Result<Self, Error> {
        let (javascript, modules) = (engine::for_javascript()?, engine::for_modules(&config)?);
        let cache = Cache::open(&config.cache_dir, &config.installation_key)?;
        let shelf = shelf(&config)?;
        let slot_count = config.concurrency as usize;
        let compiler = Compiler::new(config.compiler);
        let inner = Inner {
            javascript: JavaScript::start(&javascript, &cache, slot_count, config.keep_resident_bytes).await?,
            commands: Commands::new(&modules, compiler.clone(), load_compiled)?,
            compiler,
            shelf,
            background: Background::start(config.background_threads)?,
            ticker: Ticker::start(vec![javascript, modules])?,
            slots: Semaphore::new(slot_count),
            slot_count,
            waiting: AtomicUsize::new(0),
            queue: config.queue,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Runs `program` once in a pristine heap. Dropping the future ends the run and frees its slot.
    ///
    /// # Errors
    /// Only what is the host's doing: [`Error::Full`] and worse. A guest that fails has an [`Outcome`].
    pub async fn execute(&self, program: Program, invocation: Invocation) -> Result<Outcome, Error> {
        outcome(self.supervise(invocation, |run| run.program(program)).await)
    }

    /// As [`Sandbox::execute`], connected with other workers.
    pub(crate) async fn execute_linked(
        &self,
        program: Program,
        mut invocation: Invocation,
        links: Links,
    ) -> Result<Outcome, Error> {
        let account = Arc::new(Account::linked(&mut invocation, links, None));
        let ended = self.limited(invocation, Arc::clone(&account), |run| run.program(program)).await;
        outcome((ended, account))
    }

    /// Runs what an image holds, in a heap of its own.
    ///
    /// # Errors
    /// As [`Sandbox::execute`].
    pub async fn execute_image(&self, image: Image, invocation: Invocation) -> Result<Outcome, Error> {
        outcome(self.supervise(invocation, |run| run.image(image)).await)
    }

    /// Evaluates a program's top level and keeps its heap. Errors of the program are in the inner result.
    ///
    /// # Errors
    /// As [`Sandbox::execute`].
    pub async fn image(&self, program: Program, invocation: Invocation) -> Result<Result<Image, GuestError>, Error> {
        let (ended, account) = self.supervise(invocation, |run| run.make_image(program)).await;
        match ended {
            Ok(image) => Ok(Ok(image)),
            Err(end) => into_guest_error(end, &account).map(Err),
        }
    }

    /// Compiles what has to be compiled before a program can be run: TypeScript and WebAssembly. What has become of it
    /// before, and was kept in its spot, is not made again.
    pub(crate) async fn prepare(
        &self,
        program: Program,
        spot: Option<&Spot>,
    ) -> Result<Result<Prepared, GuestError>, Error> {
        let prepared = match wasm_of(program) {
            // Nobody's run yet: each brings limits of its own.
            Ok((binary, text)) => {
                let account = Arc::new(Account::unlimited());
                self.inner.commands.get(&binary, text, &account, spot).await.map(Prepared::Wasm)
            }
            Err(program) => match self.find_image(spot).await {
                Some(image) => Ok(Prepared::Image(image)),
                None => translate(&self.inner.compiler, program).await.map(Prepared::Script),
            },
        };
        match prepared {
            Ok(prepared) => Ok(Ok(prepared)),
            Err(End::Syntax(error) | End::Guest(error)) => Ok(Err(error)),
            Err(End::Host(error)) => Err(error),
            Err(End::Terminated(termination)) => Ok(Err(explained(termination))),
        }
    }

    async fn find_image(&self, spot: Option<&Spot>) -> Option<Image> {
        self.inner.javascript.find_image(spot?).await
    }

    /// Keeps the image of a worker in its spot.
    pub(crate) async fn keep_image(&self, spot: &Spot, image: Image) {
        self.inner.javascript.keep_image(spot, image).await;
    }

    /// What workers have become, where that is kept.
    pub(crate) fn shelf(&self) -> Option<&Arc<Shelf>> {
        self.inner.shelf.as_ref()
    }

    /// Runs a worker until it answers, and in the background from then on. What `watch` is told comes at the end of the
    /// run; it is dropped without where the run is.
    pub(crate) async fn answer<A>(
        &self,
        code: Loaded,
        invocation: Invocation,
        account: Arc<Account>,
        response: oneshot::Receiver<Finished>,
        watch: impl FnOnce(&Outcome<()>) + Send + 'static,
    ) -> Result<Answered<A>, Error>
    where
        A: TryFrom<Finished, Error = Error>,
    {
        let sandbox = self.clone();
        let mut run = async move {
            let work = |run: Run| async move {
                match code {
                    Loaded::Source(source) => run.source(source).await,
                    Loaded::Image(image) => run.image(image).await,
                    Loaded::Wasm(wasm) => run.wasm(wasm).await,
                }
            };
            let ended = sandbox.limited(invocation, Arc::clone(&account), work).await;
            let (finished, answer) = match ended {
                Ok(finished) => (Some(finished), Ok(())),
                Err(end) => (None, Err(into_guest_error(end, &account)?)),
            };
            let (logs, truncated, usage) = account.close();
            let outcome = Outcome { answer, logs, truncated, requests: account.requests(), usage };
            watch(&outcome);
            Ok::<_, Error>((finished, outcome))
        }
        .boxed();
        let mut response = response;
        tokio::select! {
            biased;
            ended = &mut run => {
                let (finished, outcome) = ended?;
                let answer = match (response.try_recv().ok().or(finished), &outcome.answer) {
                    (Some(finished), _) => Ok(finished.try_into()?),
                    (None, Err(error)) => Err(error.clone()),
                    (None, Ok(())) => return Err(Error::Protocol("a run ended without an answer".to_owned())),
                };
                Ok(Answered { answer, run: Running::over(outcome) })
            }
            Ok(early) = &mut response => {
                let run = Running::going(tokio::spawn(run.map(|ended| ended.map(|(_, outcome)| outcome))));
                Ok(Answered { answer: Ok(early.try_into()?), run })
            }
        }
    }

    /// As [`Sandbox::image`], of a program that was translated.
    pub(crate) async fn image_of(
        &self,
        source: Arc<Evaluate>,
        invocation: Invocation,
    ) -> Result<Result<Image, GuestError>, Error> {
        let (ended, account) = self.supervise(invocation, |run| async move { run.image_of_source(source).await }).await;
        match ended {
            Ok(image) => Ok(Ok(image)),
            Err(end) => into_guest_error(end, &account).map(Err),
        }
    }

    /// What the sandbox is doing now.
    pub fn stats(&self) -> Stats {
        let inner = &self.inner;
        Stats {
            slots: inner.slot_count,
            running: inner.slot_count - inner.slots.available_permits(),
            waiting: inner.waiting.load(Ordering::Relaxed),
        }
    }

    /// Everything that can end a run from outside: its deadline, the wait for a slot included, and its caller.
    async fn supervise<T, F>(
        &self,
        mut invocation: Invocation,
        work: impl FnOnce(Run) -> F,
    ) -> (Result<T, End>, Arc<Account>)
    where
        F: Future<Output = Result<T, End>>,
    {
        let account = Arc::new(Account::open(&mut invocation));
        (self.limited(invocation, Arc::clone(&account), work).await, account)
    }

    async fn limited<T, F>(
        &self,
        invocation: Invocation,
        account: Arc<Account>,
        work: impl FnOnce(Run) -> F,
    ) -> Result<T, End>
    where
        F: Future<Output = Result<T, End>>,
    {
        let cancel = invocation.cancel.clone();
        let time_left = invocation.limits.wall.saturating_sub(invocation.started.elapsed());
        let run = Run { inner: self.inner.clone(), invocation: Arc::new(invocation), account: account.clone() };
        // The clocks below are looked at only once something runs.
        for (limit, termination) in [(time_left, Termination::Timeout), (account.limits.cpu, Termination::CpuLimit)] {
            if limit.is_zero() {
                return Err(End::Terminated(termination));
            }
        }
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(End::Terminated(Termination::Cancelled)),
            ended = work(run) => ended,
            () = tokio::time::sleep(time_left) => Err(End::Terminated(Termination::Timeout)),
        }
    }
}

/// What workers have become; nothing of it stays where nothing is to be kept.
fn shelf(config: &SandboxConfig) -> Result<Option<Arc<Shelf>>, Error> {
    let dir = config.cache_dir.join("workers");
    if config.disk_bytes == 0 {
        Shelf::clear(&dir);
        return Ok(None);
    }
    Ok(Some(Arc::new(Shelf::open(&dir, &config.installation_key, config.disk_bytes)?)))
}

fn outcome<A>((ended, account): (Result<Finished, End>, Arc<Account>)) -> Result<Outcome<A>, Error>
where
    A: TryFrom<Finished, Error = Error>,
{
    let (logs, truncated, usage) = account.close();
    let answer = match ended {
        Ok(finished) => Ok(finished.try_into()?),
        Err(end) => Err(into_guest_error(end, &account)?),
    };
    Ok(Outcome { answer, logs, truncated, requests: account.requests(), usage })
}

/// A program that was compiled as far as that is done before it runs.
pub(crate) enum Prepared {
    Script(protocol::Program),
    /// It was evaluated before.
    Image(Image),
    Wasm(Compiled),
}

/// A worker, loaded.
pub(crate) enum Loaded {
    /// To be evaluated from the base image.
    Source(Arc<Evaluate>),
    /// Evaluated before.
    Image(Image),
    /// Compiled.
    Wasm(Runnable),
}

/// One execution on its way.
struct Run {
    inner: Arc<Inner>,
    invocation: Arc<Invocation>,
    account: Arc<Account>,
}

impl Run {
    async fn program(self, program: Program) -> Result<Finished, End> {
        let program = match wasm_of(program) {
            Ok((binary, text)) => {
                let compiled = self.inner.commands.get(&binary, text, &self.account, None).await?;
                return self.wasm(compiled.runnable).await;
            }
            Err(program) => program,
        };
        // Nobody said what it is: JavaScript, and TypeScript only if that does not parse.
        let undeclared = match &program {
            Program::Text { code, language: None } => Some(code.clone()),
            _ => None,
        };
        let source = translate(&self.inner.compiler, program).await?;
        let refused = match self.javascript(source).await {
            Err(End::Syntax(refused)) => refused,
            ended => return ended,
        };
        let Some(code) = undeclared else {
            return Err(End::Guest(refused));
        };
        match typescript(&self.inner.compiler, code, true, ScriptKind::Snippet).await {
            Ok(source) => self.javascript(protocol::Program::Text(source)).await,
            // Neither language: the parser that got further has understood more of it.
            Err(End::Guest(other)) if (other.line, other.column) > (refused.line, refused.column) => {
                Err(End::Guest(other))
            }
            Err(End::Guest(_)) => Err(End::Guest(refused)),
            Err(end) => Err(end),
        }
    }

    async fn javascript(&self, source: protocol::Program) -> Result<Finished, End> {
        self.source(Arc::new(Evaluate {
            program: source,
            surface: self.invocation.surface,
            env: None,
            loopback: false,
            disallow_eval: false,
        }))
        .await
    }

    async fn source(&self, source: Arc<Evaluate>) -> Result<Finished, End> {
        let (inner, invocation, account) = (self.inner.clone(), self.invocation.clone(), self.account.clone());
        self.in_slot(async move { inner.javascript.run(&source, &invocation, &account).await }).await
    }

    async fn wasm(&self, wasm: Runnable) -> Result<Finished, End> {
        let (invocation, account) = (self.invocation.clone(), self.account.clone());
        let command = match wasm {
            Runnable::Command(command) => command,
            Runnable::Component(component) => {
                return self.in_slot(async move { component.run(&account, &invocation).await }).await;
            }
        };
        let Event::Execute(input) = &invocation.event else {
            return Err(End::refusal(
                "a WebAssembly command answers no requests and has no methods to call: use POST /execute",
            ));
        };
        let input = input.as_ref().map(|input| input.get().to_owned());
        self.in_slot(async move { command.run(&account, input.as_deref()).await.map(Finished::Result) }).await
    }

    async fn image(self, image: Image) -> Result<Finished, End> {
        let (inner, invocation, account) = (self.inner.clone(), self.invocation.clone(), self.account.clone());
        self.in_slot(async move { inner.javascript.run_image(&image, &invocation, &account).await }).await
    }

    async fn make_image(self, program: Program) -> Result<Image, End> {
        let source = translate(&self.inner.compiler, program).await?;
        self.image_of_source(Arc::new(Evaluate {
            program: source,
            surface: self.invocation.surface,
            env: None,
            loopback: false,
            disallow_eval: false,
        }))
        .await
    }

    async fn image_of_source(&self, source: Arc<Evaluate>) -> Result<Image, End> {
        let (inner, account) = (self.inner.clone(), self.account.clone());
        self.in_slot(async move { inner.javascript.image(&source, &account).await }).await
    }

    /// Runs `work` under a permit, on this thread for its first slice and in the background from then on.
    async fn in_slot<T, F>(&self, work: F) -> Result<T, End>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, End>> + Send + 'static,
    {
        let (inner, account) = (self.inner.clone(), self.account.clone());
        let held = async move {
            // Declared first, dropped last: the slot is free only when the store is gone.
            let _slot = inner.admit_run(&account).await?;
            let _ticking = inner.ticker.tick();
            work.await
        };
        self.inner.background.run(self.account.clone(), held).await.unwrap_or(Err(End::Host(Error::Panicked)))
    }
}

impl Inner {
    /// Waits for a slot. A run that another one has called is waited for by that one, which has a slot meanwhile: it must
    /// not wait for ever for others that wait in the same way.
    async fn admit_run(&self, account: &Account) -> Result<SemaphorePermit<'_>, End> {
        let callers = account.callers().count();
        if callers == 0 {
            return Ok(self.admit().await?);
        }
        // All slots that there are may be its callers'.
        let wait = if callers < self.slot_count { account.wall_left().min(LONGEST_CALL_WAIT) } else { Duration::ZERO };
        match tokio::time::timeout(wait, self.admit()).await {
            Ok(admitted) => Ok(admitted?),
            Err(_) => Err(End::refusal("No slot is free for a call of a worker")),
        }
    }

    /// Waits for a slot, in a queue of bounded length.
    async fn admit(&self) -> Result<SemaphorePermit<'_>, Error> {
        if let Ok(permit) = self.slots.try_acquire() {
            return Ok(permit);
        }
        let _place = Place::take(&self.waiting, self.queue).ok_or_else(|| Error::Full {
            running: self.slot_count - self.slots.available_permits(),
            waiting: self.waiting.load(Ordering::Relaxed),
        })?;
        self.slots.acquire().await.map_err(|_| Error::Panicked)
    }
}

/// A place in the queue; leaving it gives it back.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize, limit: usize) -> Option<Self> {
        let taken = waiting.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |now| (now < limit).then_some(now + 1));
        taken.ok().map(|_| Self(waiting))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
