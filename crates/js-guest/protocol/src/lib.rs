//! What the sandbox and the JavaScript runtime inside it say to each other.
//!
//! The host writes one message, calls one export, and reads one [`Step`] back:
//!
//! | export     | message      | meaning                                                         |
//! |------------|--------------|-----------------------------------------------------------------|
//! | `boot`     | [`Boot`]     | bring the engine and the web platform up; once, for the base image |
//! | `evaluate` | [`Evaluate`] | compile and run a program's top level                           |
//! | `invoke`   | [`Invoke`]   | call what the program offers                                    |
//! | `resume`   | [`Resume`], or none | run what has become due since the last step              |
//!
//! Console output does not wait for a step: it leaves through the `log` import as it happens, so it
//! survives whatever ends the run. Neither does an [`Operation`]: the `submit` import takes it and gives a number
//! for it, under which a later `resume` tells how it ended. Messages are [postcard](https://postcard.jamesmunns.com).

use serde::{Deserialize, Serialize};

extern crate alloc;
use alloc::{borrow::Cow, string::String, vec::Vec};

/// What there is to call, so that everything for it lies in the base image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boot {
    /// In the order of the bits of [`Invoke::services`].
    pub services: Vec<Service>,
}

/// One service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Its member of `env`.
    pub name: String,
    /// Its methods. Counted through all services, their places are the numbers of [`Operation::Call`].
    pub methods: Vec<Method>,
}

/// One method of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Method {
    /// The member of its service.
    pub name: String,
    /// The member of `env.DO`.
    pub flat_name: String,
}

/// A program to evaluate. Evaluating runs its top level, where there is no I/O, no randomness and a
/// clock that stands still.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluate {
    /// The code itself.
    pub program: Program,
    /// What the code gets to see.
    pub surface: Surface,
    /// The members of a worker's `env`; absent where it is made of the services that are granted.
    pub env: Option<Vec<(String, Binding)>>,
    /// Is there a loader that answers calls of the program's own exports, `ctx.exports`?
    pub loopback: bool,
}

/// A member of a worker's `env`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Binding {
    /// A value, as JSON text.
    Value(String),
    /// A value that came from JavaScript: what it wrote for another heap to read.
    Cloned(String),
    /// Another worker, by a number of the host's.
    Worker(u32),
    /// The loader of workers itself.
    Loader,
    /// A service, by its bit in [`Invoke::services`].
    Service(u32),
    /// All services as one object.
    Unified,
    /// One of [`Invoke::secrets`]: it is no part of an image.
    Secret(u32),
}

/// The two shapes in which code arrives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Program {
    /// One text, whose form the guest finds out: body of an async function, arrow function or module.
    Text(Source),
    /// ES modules that import each other by name.
    Modules {
        /// The key of the module to start with.
        main: String,
        /// All modules.
        modules: Vec<Module>,
    },
}

/// JavaScript text and, where it was compiled from something else, the way back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// JavaScript.
    pub code: String,
    /// The `mappings` field of a source map (version 3) that leads back to the user's own text.
    pub mappings: Option<String>,
}

/// One named module.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Module {
    /// The name that others import it by.
    pub name: String,
    /// Its content.
    pub body: ModuleBody,
}

/// What a module may consist of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ModuleBody {
    /// An ES module.
    Js(Source),
    /// A CommonJS module; its `module.exports` is the default export.
    Cjs(Source),
    /// JSON text; its value is the default export.
    Json(String),
    /// Text; a string is the default export.
    Text(String),
    /// Bytes; an `ArrayBuffer` is the default export.
    Data(Vec<u8>),
}

/// What a program gets to see beside the language and the web platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Surface {
    /// `input`, `env`, `ctx`, `request`, `$`.
    Full,
    /// `input` only: no bindings, no context, no network.
    Pure,
}

/// A call of what the evaluated program offers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Invoke {
    /// What is asked of the program.
    pub event: Event,
    /// JSON text of the read-only `ctx`.
    pub context: String,
    /// Seeds `Math.random`.
    pub seed: u64,
    /// The services that are granted, one bit each; absent where there are none at all, and no network either.
    pub services: Option<u32>,
    /// What the secrets of `env` are.
    pub secrets: Vec<String>,
    /// `ctx.props`, where they came from JavaScript; they take the place of those in `context`.
    pub props: Option<String>,
    /// Does something answer `fetch`, though no service is granted?
    pub outbound: bool,
}

/// What is asked of a program. An entrypoint is the name of an export; absent, the default export.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// Run it, whatever its form.
    Execute {
        /// JSON text of `input`; `undefined` where absent.
        input: Option<String>,
    },
    /// Have it answer a request: [`Answer::Response`] comes of it.
    Fetch {
        /// Whose `fetch`.
        entrypoint: Option<String>,
        /// Method, in upper case.
        method: String,
        /// One that a request may have, as the URL standard serialises it.
        url: String,
        /// Each `char` of a value stands for one byte.
        headers: Vec<(String, String)>,
        /// The body, where there is one.
        body: Option<RequestBody>,
    },
    /// Call one of its methods.
    Call {
        /// Whose method.
        entrypoint: Option<String>,
        /// Its name.
        method: String,
        /// An array.
        arguments: Data,
    },
    /// Have one of its handlers (`scheduled`, `queue`, `tail`) take an event.
    Handle {
        /// Whose handler.
        entrypoint: Option<String>,
        /// Its name.
        handler: String,
        /// JSON text of the event.
        event: String,
    },
}

/// A value on its way between two programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Data {
    /// JSON text; what is answered is JSON too.
    Json(String),
    /// What a guest wrote for another to read; what is answered is the same.
    Cloned(String),
}

/// The body of a request that comes in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RequestBody {
    /// All of it.
    Whole(Vec<u8>),
    /// To be read piece by piece, by [`Operation::Read`] of this number.
    Stream(u32),
}

/// Something that the guest wants done outside, for the `submit` import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operation<'a> {
    /// A call of a service.
    Call {
        /// Place of the method in [`Boot`].
        method: u32,
        /// JSON text of an array.
        arguments: &'a str,
    },
    /// A request.
    #[serde(borrow)]
    Fetch(Request<'a>),
    /// The next piece of a body that comes in: [`End::Chunk`].
    Read {
        /// The body's number.
        source: u32,
    },
    /// Nobody reads on in a body that comes in.
    Close {
        /// The body's number.
        source: u32,
    },
    /// A piece of the body of the response, after [`Step::Responded`]. It ends when there is room for more, and fails when
    /// nobody reads on.
    #[serde(borrow)]
    Write(Bytes<'a>),
    /// The body of the response is complete, or breaks off.
    Finish {
        /// Why it breaks off.
        #[serde(borrow)]
        error: Option<&'a str>,
    },
    /// A call of another worker's method, or one's own: [`End::Cloned`].
    CallWorker(#[serde(borrow)] Target<'a>, #[serde(borrow)] WorkerCall<'a>),
    /// A request to another worker, or oneself.
    FetchWorker(#[serde(borrow)] Target<'a>, #[serde(borrow)] Request<'a>),
    /// Loads a worker: [`End::Result`] with its number, or `null` where it has that id and no code, and is not loaded.
    Load {
        /// Its id, by which it is found again; it is anonymous where there is none.
        #[serde(borrow)]
        id: Option<&'a str>,
        /// JSON text of its code.
        #[serde(borrow)]
        code: Option<&'a str>,
    },
}

/// Whom a call of a worker is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target<'a> {
    /// The number of a [`Binding::Worker`], or of one that was loaded; oneself where there is none.
    pub worker: Option<u32>,
    /// The export; the default one, or that of the binding, where there is none.
    #[serde(borrow)]
    pub entrypoint: Option<&'a str>,
    /// `ctx.props`, as a guest writes values; those of the binding where there are none.
    #[serde(borrow)]
    pub props: Option<&'a str>,
    /// JSON text of limits that are lower than the caller's own.
    #[serde(borrow)]
    pub limits: Option<&'a str>,
}

/// A call of a worker's method.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerCall<'a> {
    /// Its name.
    pub method: &'a str,
    /// An array, as a guest writes values.
    pub arguments: &'a str,
}

/// What `submit` answers where it takes nothing more for now.
pub const REFUSED: u32 = u32::MAX;

/// A request that `fetch` sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request<'a> {
    /// As the Fetch standard normalises it.
    pub method: &'a str,
    /// Absolute.
    pub url: &'a str,
    /// Names in lower case; each `char` of a value stands for one byte.
    #[serde(borrow)]
    pub headers: Vec<(&'a str, &'a str)>,
    /// The whole body.
    #[serde(borrow)]
    pub body: Option<Bytes<'a>>,
    /// What becomes of redirects.
    pub redirect: Redirect,
}

/// What becomes of redirects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Redirect {
    /// Followed.
    Follow,
    /// Given back.
    Manual,
    /// An error.
    Error,
}

/// Bytes that are written and read in one piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bytes<'a>(#[serde(borrow, serialize_with = "write_bytes")] pub &'a [u8]);

fn write_bytes<S: serde::Serializer>(bytes: &&[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes)
}

/// How operations ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resume<'a> {
    /// In the order in which they ended.
    #[serde(borrow)]
    pub completions: Vec<Completion<'a>>,
}

/// How one operation ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Completion<'a> {
    /// The number that `submit` gave it.
    pub operation: u32,
    /// How.
    #[serde(borrow)]
    pub end: End<'a>,
}

/// How an operation ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum End<'a> {
    /// A call's result: JSON text.
    Result(&'a str),
    /// The answer to a request.
    #[serde(borrow)]
    Response(Response<'a>),
    /// The next piece of a body; none at its end.
    #[serde(borrow)]
    Chunk(Option<Bytes<'a>>),
    /// What a worker's method returned, as a guest writes values.
    Cloned(&'a str),
    /// It is done, and there is nothing to tell.
    Done,
    /// A refusal or failure.
    #[serde(borrow)]
    Failed(Failure<'a>),
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response<'a> {
    /// HTTP status.
    pub status: u16,
    /// Names in lower case; a name may come more than once.
    #[serde(borrow)]
    pub headers: Vec<(&'a str, &'a str)>,
    /// The whole body.
    #[serde(borrow)]
    pub body: Bytes<'a>,
    /// Where the body is not at hand: its number, for [`Operation::Read`].
    pub stream: Option<u32>,
    /// Where it came from, after redirects.
    pub url: &'a str,
    /// Was there a redirect?
    pub redirected: bool,
}

/// Why an operation gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure<'a> {
    /// What kind: `not_found`, `forbidden`, ...
    pub code: &'a str,
    /// For whoever called.
    pub message: &'a str,
    /// The name of the error that a worker threw.
    #[serde(borrow)]
    pub name: Option<&'a str>,
    /// When it is worth trying again, where that is known.
    pub retry_after_ms: Option<u64>,
}

/// Where the guest stands when it gives control back. Its texts may be borrowed from the message: the host looks
/// at their length before it copies anything.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Step<'a> {
    /// Booted, or evaluated and at rest: the heap may be kept as an image.
    Ready,
    /// The invocation has finished, `waitUntil` included.
    Done(#[serde(borrow)] Answer<'a>),
    /// There is an answer, and the invocation goes on: its body is written, or what `waitUntil` was given is not settled.
    Responded(#[serde(borrow)] Answer<'a>),
    /// The invocation that gave its answer before has finished.
    Finished,
    /// The code threw, or could not be evaluated.
    Failed(#[serde(borrow)] Exception<'a>),
    /// Nothing to do until an operation ends or a timer is due.
    Waiting {
        /// Microseconds until a timer is due, where there is one.
        wake_after_us: Option<u64>,
    },
}

/// What an invocation returned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Answer<'a> {
    /// A value.
    Result {
        /// JSON text.
        #[serde(borrow)]
        json: Cow<'a, str>,
        /// Where the result was the body of a `Response`.
        #[serde(borrow)]
        response: Option<ResponseHead<'a>>,
    },
    /// The answer to a request.
    Response {
        /// Status and headers.
        #[serde(borrow)]
        head: ResponseHead<'a>,
        /// The whole body; empty where it is written piece by piece.
        #[serde(borrow, serialize_with = "write_cow")]
        body: Cow<'a, [u8]>,
        /// Is the body written piece by piece, by [`Operation::Write`]?
        streamed: bool,
    },
    /// What a method returned that another worker called, as a guest writes values.
    Cloned(#[serde(borrow)] Cow<'a, str>),
}

#[expect(clippy::ptr_arg, reason = "the signature that serde asks for")]
fn write_cow<S: serde::Serializer>(bytes: &Cow<'_, [u8]>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes)
}

/// Status and headers of a `Response`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResponseHead<'a> {
    /// HTTP status.
    pub status: u16,
    /// Names in lower case; a name may come more than once (`set-cookie`).
    #[serde(borrow)]
    pub headers: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

/// Something that was thrown.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Exception<'a> {
    /// The error's `name`; `Error` where something else was thrown.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// The error's `message`, or the thrown value as a string.
    #[serde(borrow)]
    pub message: Cow<'a, str>,
    /// Frames in the user's own lines and columns; empty where there are none.
    #[serde(borrow)]
    pub stack: Cow<'a, str>,
    /// Line, counted from 1.
    pub line: Option<u32>,
    /// Column, counted from 1.
    pub column: Option<u32>,
    /// The text was refused by the parser; nothing has run.
    pub syntax: bool,
}

/// How a console call was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Level {
    /// `console.debug`
    Debug = 0,
    /// `console.log`
    Log = 1,
    /// `console.info`
    Info = 2,
    /// `console.warn`
    Warn = 3,
    /// `console.error`
    Error = 4,
}

impl Level {
    /// The level that a number stands for; an unknown one counts as `log`.
    pub fn from_code(code: u32) -> Self {
        match code {
            0 => Self::Debug,
            2 => Self::Info,
            3 => Self::Warn,
            4 => Self::Error,
            _ => Self::Log,
        }
    }
}

/// A message that its receiver could not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed(pub String);

impl core::fmt::Display for Malformed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "malformed message: {}", self.0)
    }
}

impl core::error::Error for Malformed {}

/// A message as bytes.
///
/// # Panics
/// Never: every type here is a plain value, and the buffer grows.
pub fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    postcard::to_allocvec(message).expect("plain values always encode")
}

/// A message from bytes.
///
/// # Errors
/// [`Malformed`] where the bytes are not that message, or more than it.
pub fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Malformed> {
    match postcard::take_from_bytes(bytes) {
        Ok((message, [])) => Ok(message),
        Ok((_, rest)) => Err(Malformed(alloc::format!("{} bytes too many", rest.len()))),
        Err(error) => Err(Malformed(alloc::format!("{error}"))),
    }
}
