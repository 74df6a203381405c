//! A worker's code, and what it has become.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

use doer_core::limits::Limits;
use doer_guest_protocol::{Evaluate, Surface};

use super::{
    bindings::{EnvBinding, Links, Outbound, WorkerBinding, guest_bindings},
    slot::Factory,
};
use crate::{Image, Program, cache::Spot, guest::module::Runnable, worker::WorkerLimits};

/// What a worker is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Code {
    /// Its modules.
    pub program: Program,
    /// The members of its `env`; absent, `env` is the services it is granted.
    pub env: Option<Vec<(String, EnvBinding)>>,
    /// What answers its `fetch`.
    pub outbound: Outbound,
    /// Workers that are told of each of its runs, when it has ended.
    pub tails: Vec<WorkerBinding>,
    /// What each of its runs may use, where that is less than its caller may.
    pub own_limits: WorkerLimits,
    /// Does it get neither `eval` nor anything else that makes code of text?
    pub disallow_eval: bool,
    /// Tells code apart: the same for the same code, another for any other.
    pub hash: String,
    /// What its top level may use, when an image is made of it.
    pub limits: Limits,
}

impl Code {
    /// Bytes that are kept of it: its program, and what it is bound to.
    pub(super) fn size_bytes(&self) -> u64 {
        self.program.size_bytes() + self.bound_bytes()
    }

    fn bound_bytes(&self) -> u64 {
        let env = self.env.iter().flatten().map(|(name, member)| name.len() as u64 + member.size_bytes());
        let outbound = match &self.outbound {
            Outbound::Worker(binding) => binding.size_bytes(),
            Outbound::Policy | Outbound::Nothing => 0,
        };
        let tails = self.tails.iter().map(WorkerBinding::size_bytes);
        env.sum::<u64>() + outbound + tails.sum::<u64>()
    }
}

/// A worker that is loaded. Runs that have begun hold on to it: it may have been let go, or replaced, meanwhile.
pub(super) struct Worker {
    /// What tells its code apart.
    pub(super) hash: String,
    pub(super) source: Source,
    pub(super) limits: Limits,
    pub(super) own_limits: WorkerLimits,
    /// Whom it is bound to.
    pub(super) links: Arc<Links>,
    /// What gave its code.
    pub(super) factory: Arc<dyn Factory>,
    /// Where its image is to be kept, once there is one.
    pub(super) spot: Option<Spot>,
    source_bytes: u64,
    image: OnceLock<Image>,
    /// Somebody makes an image, or has found that there can be none.
    asked: AtomicBool,
    last_used: AtomicU64,
}

/// What a worker is run from.
#[derive(Debug)]
pub(super) enum Source {
    /// Evaluated where there is no image.
    Script(Arc<Evaluate>),
    /// Evaluated before this load, and never again.
    Image(Image),
    /// Native code, and how many bytes that is.
    Wasm(Runnable, u64),
}

impl Source {
    /// What is evaluated of a program that was translated.
    pub(super) fn script(code: &Code, program: doer_guest_protocol::Program) -> Self {
        let env = code.env.as_deref().map(guest_bindings);
        Self::Script(Arc::new(Evaluate {
            program,
            surface: Surface::Full,
            env,
            loopback: true,
            disallow_eval: code.disallow_eval,
        }))
    }
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker").field("hash", &self.hash).field("links", &self.links).finish_non_exhaustive()
    }
}

impl Worker {
    pub(super) fn new(code: &Code, source: Source, factory: Arc<dyn Factory>, spot: Option<Spot>) -> Self {
        let program_bytes = match &source {
            Source::Script(_) => code.program.size_bytes(),
            Source::Image(image) => image.bytes(),
            Source::Wasm(_, bytes) => code.program.size_bytes() + bytes,
        };
        Self {
            hash: code.hash.clone(),
            source,
            limits: code.limits,
            own_limits: code.own_limits,
            links: Arc::new(Links::of(code)),
            source_bytes: program_bytes + code.bound_bytes() + factory.held_bytes(),
            factory,
            spot,
            image: OnceLock::new(),
            asked: AtomicBool::new(false),
            last_used: AtomicU64::new(0),
        }
    }

    pub(super) fn image(&self) -> Option<&Image> {
        self.image.get()
    }

    /// Is it this caller's to make the image?
    pub(super) fn claims_image(&self) -> bool {
        self.image.get().is_none() && !self.asked.swap(true, Relaxed)
    }

    pub(super) fn keep_image(&self, image: Image) {
        // One at a time is claimed.
        let _ = self.image.set(image);
    }

    /// It could not be made just now: whoever comes next may try again.
    pub(super) fn give_image_up(&self) {
        self.asked.store(false, Relaxed);
    }

    /// What it takes, as far as we keep it.
    pub(super) fn bytes(&self) -> u64 {
        self.source_bytes + self.image.get().map_or(0, Image::bytes)
    }

    pub(super) fn touch(&self, now: u64) {
        self.last_used.store(now, Relaxed);
    }

    pub(super) fn last_used(&self) -> u64 {
        self.last_used.load(Relaxed)
    }
}
