//! The kinds of guests. Each only decodes: limits, logs, time and the end of a run are the same for all.

pub(crate) mod component;
pub(crate) mod javascript;
pub(crate) mod module;
