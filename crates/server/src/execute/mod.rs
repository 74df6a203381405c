//! `POST /execute` and `POST /eval`: from a body to a plan, from a plan to an outcome, from an outcome to an
//! answer.

mod background;
mod cache;
mod cache_key;
mod context;
mod done;
mod flight;
mod plan;
mod program;
mod request;
mod response;
mod runner;
pub mod schema;
mod sse;
mod verdict;
mod worker;

pub use cache::ResultCache;
pub use context::{guest_context, visitor_context};
pub use done::Done;
pub use plan::{Plan, Route};
pub use program::language_of_extension;
pub use request::ExecuteRequest;
pub use response::{ExecuteResponse, UsageBody, ms};
pub use runner::{Runner, invocation};
pub use sse::{finished, stream};
pub use verdict::Verdict;
pub use worker::WorkerCall;
