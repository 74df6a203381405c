//! The registry against a small model of it: random sequences of everything that can happen to workers, in time that
//! stands still between the steps.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use common::{config, invocation};
use doer_core::{
    limits::Limits,
    tier::{Namespace, Tier},
};
use doer_sandbox::{
    Entrypoint, ModuleSource, Program, Sandbox,
    loader::{Bounds, Code, Factory, Key, LoadError, Outbound, Registry, Stub},
    worker::WorkerLimits,
};
use futures_util::{FutureExt as _, future::join_all};
use serde_json::Value;

const IDS: usize = 6;
const BOUNDS: Bounds = Bounds { workers: 3, bytes: 1 << 30, idle: Duration::from_secs(60) };
const STEPS: usize = 400;

/// What a factory gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Version(u32),
    Missing,
    Broken,
    /// Code that does not compile.
    Invalid,
}

/// What stands behind all factories: one source an id, and how often it was asked for.
#[derive(Default)]
struct Store(Mutex<HashMap<usize, (Source, u32)>>);

impl Store {
    fn set(&self, id: usize, source: Source) {
        self.0.lock().unwrap().entry(id).or_insert((Source::Missing, 0)).0 = source;
    }

    fn of(&self, id: usize) -> (Source, u32) {
        self.0.lock().unwrap().get(&id).copied().unwrap_or((Source::Missing, 0))
    }

    fn factory(self: &Arc<Self>, id: usize) -> impl Factory {
        let store = Arc::clone(self);
        move || {
            let store = Arc::clone(&store);
            async move {
                // Others come by before it has an answer.
                tokio::task::yield_now().await;
                let mut sources = store.0.lock().unwrap();
                let (source, asked) = sources.entry(id).or_insert((Source::Missing, 0));
                *asked += 1;
                match *source {
                    Source::Version(version) => Ok(code(id, version)),
                    Source::Missing => Err(LoadError::NotFound),
                    Source::Broken => Err(LoadError::Factory("the store is away".into())),
                    Source::Invalid => Ok(Code { program: typescript("let a: = 1"), ..code(id, 0) }),
                }
            }
        }
    }
}

fn typescript(text: &str) -> Program {
    Program::Modules { main: "main.ts".into(), modules: [("main.ts".into(), ModuleSource::Ts(text.into()))].into() }
}

fn hash(id: usize, version: u32) -> String {
    format!("{id}.{version}")
}

fn code(id: usize, version: u32) -> Code {
    let text = format!("export default {{ version: () => '{}' }}", hash(id, version));
    Code {
        program: Program::Modules {
            main: "main.js".into(),
            modules: [("main.js".into(), ModuleSource::Js(text))].into(),
        },
        env: None,
        outbound: Outbound::Policy,
        tails: Vec::new(),
        own_limits: WorkerLimits::default(),
        disallow_eval: false,
        hash: hash(id, version),
        limits: Limits::of(Tier::Tenant),
    }
}

/// What the registry should know: versions that are loaded, and when each was last called.
#[derive(Default)]
struct Model {
    loaded: HashMap<usize, (u32, u64)>,
    asked: HashMap<usize, u32>,
    loads: u64,
    failures: u64,
    evictions: u64,
}

impl Model {
    /// A call at this time, and what comes of it.
    fn call(&mut self, id: usize, source: Source, now: u64) -> Result<u32, Source> {
        if let Some((version, used)) = self.loaded.get_mut(&id) {
            *used = now;
            return Ok(*version);
        }
        *self.asked.entry(id).or_default() += 1;
        let Source::Version(version) = source else {
            self.failures += 1;
            return Err(source);
        };
        self.loads += 1;
        self.loaded.insert(id, (version, now));
        while self.loaded.len() > BOUNDS.workers {
            let oldest = self.loaded.iter().min_by_key(|(_, (_, used))| *used).map(|(id, _)| *id).unwrap();
            self.loaded.remove(&oldest);
            self.evictions += 1;
        }
        Ok(version)
    }

    fn let_go_of_idle(&mut self, now: u64) {
        let before = self.loaded.len();
        let oldest = now.saturating_sub(BOUNDS.idle.as_millis() as u64);
        self.loaded.retain(|_, (_, used)| *used >= oldest);
        self.evictions += (before - self.loaded.len()) as u64;
    }
}

/// Small numbers that look random: the same for the same seed everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

fn key(id: usize) -> Key {
    // The same names in two namespaces.
    let namespace = if id.is_multiple_of(2) { "tenant:even" } else { "tenant:odd" };
    Key { namespace: Namespace::parse(namespace).unwrap(), id: format!("worker-{}", id / 2) }
}

async fn answer(stub: &Stub) -> Result<String, LoadError> {
    let arguments = serde_json::value::to_raw_value(&[0; 0]).unwrap();
    let outcome = stub.call(Entrypoint::default(), "version".into(), arguments, invocation(Value::Null)).await?;
    Ok(serde_json::from_str(outcome.answer.expect("a version").result.get()).unwrap())
}

fn agree(answer: Result<String, LoadError>, expected: Result<u32, Source>, id: usize, at: &str) {
    match (answer, expected) {
        (Ok(answer), Ok(version)) => assert_eq!(answer, hash(id, version), "{at}"),
        (Err(LoadError::NotFound), Err(Source::Missing))
        | (Err(LoadError::Factory(_)), Err(Source::Broken))
        | (Err(LoadError::Code(_)), Err(Source::Invalid)) => {}
        (answer, expected) => panic!("{at}: {answer:?} where it should be {expected:?}"),
    }
}

async fn walk(sandbox: Sandbox, seed: u64) {
    let (registry, store) = (Registry::new(sandbox, BOUNDS), Arc::new(Store::default()));
    let (mut model, mut dice) = (Model::default(), Dice(seed));
    let mut held: HashMap<usize, Stub> = HashMap::new();
    let mut now = 0;
    for step in 0..STEPS {
        // No two things happen at the same time: which of two was used last is certain.
        tokio::time::advance(Duration::from_millis(1)).await;
        now += 1;
        let id = dice.below(IDS);
        let stub = held.get(&id).cloned().unwrap_or_else(|| registry.get(key(id), store.factory(id)));
        let (source, _) = store.of(id);
        let kind = dice.below(11);
        let at = format!("seed {seed}, step {step}, kind {kind}, worker {id}");
        match kind {
            0 | 1 => agree(answer(&stub).await, model.call(id, source, now), id, &at),
            2 => {
                let expected = model.call(id, source, now);
                for answer in join_all((0..5).map(|_| answer(&stub))).await {
                    agree(answer, expected, id, &at);
                }
            }
            // Somebody calls and goes away at once: what was begun goes on.
            3 => {
                assert!(answer(&stub).now_or_never().is_none_or(|answer| answer.is_ok()), "{at}");
                let _ = model.call(id, source, now);
                while registry.stats().loads + registry.stats().failures < model.loads + model.failures {
                    tokio::task::yield_now().await;
                }
                // And the room is made by whoever loads, not by whoever waits.
                while registry.stats().loaded > model.loaded.len() {
                    tokio::task::yield_now().await;
                }
            }
            4 | 5 => {
                let version = match source {
                    Source::Version(version) => version + 1,
                    _ => step as u32,
                };
                store.set(id, Source::Version(version));
                registry.replaced(&key(id), &hash(id, version));
                model.loaded.remove(&id);
            }
            // The same code again: what is loaded stays.
            6 => {
                if let Some((version, _)) = model.loaded.get(&id) {
                    registry.replaced(&key(id), &hash(id, *version));
                }
            }
            7 => {
                store.set(id, Source::Missing);
                registry.remove(&key(id));
                held.remove(&id);
                model.loaded.remove(&id);
            }
            // Nobody is told: what is loaded goes on.
            8 => store.set(id, if dice.below(2) == 0 { Source::Broken } else { Source::Invalid }),
            9 => {
                let pause = dice.below(90_000) as u64;
                tokio::time::advance(Duration::from_millis(pause)).await;
                now += pause;
                registry.let_go_of_idle();
                model.let_go_of_idle(now);
            }
            _ => {
                if held.remove(&id).is_none() {
                    held.insert(id, stub);
                }
            }
        }
        let stats = registry.stats();
        assert_eq!(
            (stats.loaded, stats.loads, stats.failures, stats.evictions),
            (model.loaded.len(), model.loads, model.failures, model.evictions),
            "{at}"
        );
        assert_eq!(store.of(id).1, model.asked.get(&id).copied().unwrap_or(0), "{at}: factories asked");
    }
}

#[tokio::test(start_paused = true)]
async fn the_registry_does_what_its_model_does() {
    // Time that nobody moves stands still: as long as something blocks, it is not moved on its own either.
    let (release, blocked) = mpsc::channel::<()>();
    let blocking = tokio::task::spawn_blocking(move || blocked.recv());
    let sandbox = Sandbox::start(config(8)).await.unwrap();
    for seed in [1, 0xD0E5, 88_172_645_463_325_252] {
        walk(sandbox.clone(), seed).await;
    }
    drop(release);
    let _ = blocking.await;
}
