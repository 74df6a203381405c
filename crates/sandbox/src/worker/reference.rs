//! Other workers that code names.

use doer_core::id::WorkerId;
use serde_json::value::RawValue;

use super::{
    InvalidCode,
    json::{self, Fields, Members},
};

const KNOWN: [&str; 3] = ["$worker", "entrypoint", "props"];
const MAX_ENTRYPOINT_BYTES: usize = 256;

/// An entrypoint of another worker of the same namespace.
#[derive(Debug, Clone)]
pub struct WorkerRef {
    /// Which worker.
    pub id: WorkerId,
    /// Which of its exports; the default one where there is none.
    pub entrypoint: Option<String>,
    /// What it sees as `ctx.props`.
    pub props: Option<Box<RawValue>>,
}

/// Where a worker's requests to the outside go.
#[derive(Debug, Clone)]
pub enum GlobalOutbound {
    /// Where the namespace's policy lets them.
    Policy,
    /// Nowhere: each one throws.
    Nowhere,
    /// To a worker, which answers them.
    Worker(WorkerRef),
}

impl WorkerRef {
    pub(super) fn decode(path: &str, raw: &RawValue) -> Result<Self, InvalidCode> {
        Self::of(path, json::members(path, raw, " like {\"$worker\": \"id\"}")?)
    }

    pub(super) fn of(path: &str, members: Members<'_>) -> Result<Self, InvalidCode> {
        let fields = Fields::of(path, members, &KNOWN)?;
        let at = fields.path("$worker");
        let id = json::text(&at, fields.required("$worker")?)?;
        let id = WorkerId::parse(&id).map_err(|error| InvalidCode::at(&at, error))?;
        let entrypoint = fields.text("entrypoint")?;
        if entrypoint.as_deref().is_some_and(|name| !is_name(name)) {
            let message = format_args!("must have 1 to {MAX_ENTRYPOINT_BYTES} bytes, and no NUL");
            return Err(InvalidCode::at(&fields.path("entrypoint"), message));
        }
        let props = fields.get("props").map(|raw| json::data(&fields.path("props"), raw)).transpose()?;
        Ok(Self { id, entrypoint, props })
    }
}

impl GlobalOutbound {
    pub(super) fn decode(path: &str, raw: Option<&RawValue>) -> Result<Self, InvalidCode> {
        match raw {
            None => Ok(Self::Policy),
            Some(raw) if raw.get() == "null" => Ok(Self::Nowhere),
            Some(raw) => {
                let members = json::members(path, raw, " like {\"$worker\": \"id\"}, or null")?;
                WorkerRef::of(path, members).map(Self::Worker)
            }
        }
    }
}

fn is_name(name: &str) -> bool {
    (1..=MAX_ENTRYPOINT_BYTES).contains(&name.len()) && !name.contains('\0')
}
