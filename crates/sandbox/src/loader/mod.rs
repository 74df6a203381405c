//! Workers by id: code is fetched, compiled and evaluated when the first request needs it, kept while it is used, and let
//! go when there is no room for it.
//!
//! [`Registry::get`] is synchronous: it neither waits nor fails nor does any work, whatever the worker is. The [`Stub`] it
//! gives does, when it is called: the first call of an id has its factory asked for the code, once, however many calls
//! arrive together and whether their callers stay or go. A failed load reaches all who wait for it, and is then forgotten.
//!
//! Code that was loaded runs from the base image first. Behind that first run an image is made of the worker's heap after
//! its top level, and from then on every run starts from there, with a heap of its own.

mod registry;
mod slot;
mod stub;
mod worker;

pub use registry::{Bounds, Key, Registry, RegistryStats};
pub use slot::{Factory, LoadError};
pub use stub::Stub;
pub use worker::{Code, EnvBinding};
