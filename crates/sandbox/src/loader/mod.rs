//! Workers by id: code is fetched, compiled and evaluated when the first request needs it, kept while it is used, and let
//! go when there is no room for it.
//!
//! [`Registry::get`] is synchronous: it neither waits nor fails nor does any work, whatever the worker is. The [`Stub`] it
//! gives does, when it is called: the first call of an id has its factory asked for the code, once, however many calls
//! arrive together and whether their callers stay or go. A failed load reaches all who wait for it, and is then forgotten.
//!
//! Code that was loaded runs from the base image first. Behind that first run an image is made of the worker's heap after
//! its top level, and from then on every run starts from there, with a heap of its own. The image is kept on disk too, as is
//! the native code of a component: whoever loads the same code again, after it was let go or in another process, finds it
//! there, and neither compiles nor evaluates anything.
//!
//! A run reaches other workers through what its code is bound to: `env` bindings and `ctx.exports`, the worker that answers
//! its `fetch`, `env.LOADER`. Each such call is a run of its own, in a slot of its own, on behalf of the same caller and at
//! the expense of the same budget; it ends at the latest with the run that made it, unless that one has its answer already.

mod bindings;
mod code;
mod digest;
mod host;
mod neighbours;
mod registry;
mod slot;
mod stub;
mod tails;
mod worker;

pub use bindings::{EnvBinding, Outbound, Props, WorkerBinding};
pub use host::{Host, NoHost};
pub use registry::{Bounds, Key, Registry, RegistryStats};
pub use slot::{Factory, LoadError};
pub use stub::Stub;
pub use worker::Code;
