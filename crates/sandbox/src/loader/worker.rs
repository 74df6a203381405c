//! A worker's code, and what it has become.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

use doer_core::limits::Limits;
use doer_guest_protocol::{Evaluate, Surface};

use super::bindings::{EnvBinding, Links, Outbound, WorkerBinding, guest_bindings};
use crate::{Image, Program, cache::Spot, guest::module::Runnable};

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
    /// Tells code apart: the same for the same code, another for any other.
    pub hash: String,
    /// What its top level may use, when an image is made of it.
    pub limits: Limits,
}

/// A worker that is loaded. Runs that have begun hold on to it: it may have been let go, or replaced, meanwhile.
#[derive(Debug)]
pub(super) struct Worker {
    /// What tells its code apart.
    pub(super) hash: String,
    pub(super) source: Source,
    pub(super) limits: Limits,
    /// Whom it is bound to.
    pub(super) links: Links,
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
        Self::Script(Arc::new(Evaluate { program, surface: Surface::Full, env, loopback: true }))
    }
}

impl Worker {
    pub(super) fn new(code: &Code, source: Source, spot: Option<Spot>) -> Self {
        let env = code.env.iter().flatten().map(|(name, member)| name.len() + member.size_bytes());
        let program_bytes = match &source {
            Source::Script(_) => code.program.size_bytes(),
            Source::Image(image) => image.bytes(),
            Source::Wasm(_, bytes) => code.program.size_bytes() + bytes,
        };
        Self {
            hash: code.hash.clone(),
            source,
            limits: code.limits,
            links: Links::of(code),
            spot,
            source_bytes: program_bytes + env.sum::<usize>() as u64,
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
