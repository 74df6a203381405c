//! Guests in WebAssembly text. Each is a core module; what makes a component of it is in `worker.wat` and
//! `command.wat`, which were made once of the interfaces that are published.

use crate::common::{invocation, run, sandbox};
use doer_core::outbound::{HttpRequest, Redirect};
use doer_sandbox::{
    Answered, Entrypoint, GuestError, Invocation, Outcome, Program, Reply, Request, WholeReply,
    loader::{Bounds, Code, Outbound, Registry},
    worker::WorkerLimits,
};
use serde_json::Value;

/// What is around a worker's module.
const WORKER_AROUND: &str = include_str!("worker.wat");

/// What is around a command's.
pub const COMMAND_AROUND: &str = include_str!("command.wat");

/// Bytes before the first section.
const HEADER: usize = 8;

/// The id of a section that is a module.
const MODULE_SECTION: u8 = 1;

/// What both kinds share: streams, and memory that is given and never taken back. Answers lie at 0, data from 1024.
const COMMON: &str = r#"
    (import "wasi:io/streams@0.2.10" "[method]output-stream.blocking-write-and-flush"
        (func $stream_write (param i32 i32 i32 i32)))
    (import "wasi:io/streams@0.2.10" "[method]input-stream.blocking-read" (func $stream_read (param i32 i64 i32)))
    (import "wasi:io/streams@0.2.10" "[resource-drop]output-stream" (func $drop_output (param i32)))
    (import "wasi:io/streams@0.2.10" "[resource-drop]input-stream" (func $drop_input (param i32)))
    (import "wasi:io/poll@0.2.10" "[method]pollable.block" (func $block (param i32)))
    (import "wasi:io/poll@0.2.10" "[resource-drop]pollable" (func $drop_pollable (param i32)))
    (import "wasi:cli/stdout@0.2.10" "get-stdout" (func $stdout (result i32)))
    (import "wasi:cli/stderr@0.2.10" "get-stderr" (func $stderr (result i32)))
    (import "wasi:clocks/monotonic-clock@0.2.10" "subscribe-duration" (func $after (param i64) (result i32)))
    (import "doer:platform/db@0.1.0" "count" (func $db_count (param i32 i32 i32 i32 i32 i32 i32 i32 i32)))
    (import "doer:platform/db@0.1.0" "get" (func $db_get (param i32 i32 i32 i32 i32)))
    (import "doer:platform/db@0.1.0" "query" (func $db_query (param i32 i32 i32 i32 i32 i32)))
    (import "doer:platform/db@0.1.0" "upsert"
        (func $db_upsert (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
    (memory (export "memory") 4)
    (global $top (mut i32) (i32.const 65536))
    (func $allocate (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
        (local $start i32)
        (local.set $start (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
        (global.set $top (i32.add (local.get $start) (local.get 3)))
        (loop $grow
            (if (i32.gt_u (global.get $top) (i32.mul (memory.size) (i32.const 65536)))
                (then (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then unreachable)) (br $grow))))
        (if (local.get 0) (then (memory.copy (local.get $start) (local.get 0) (local.get 1))))
        (local.get $start))
    ;; At most 4096 bytes at a time.
    (func $write (param $stream i32) (param $at i32) (param $len i32)
        (local $piece i32)
        (loop $more
            (local.set $piece (select (i32.const 4096) (local.get $len) (i32.gt_u (local.get $len) (i32.const 4096))))
            (call $stream_write (local.get $stream) (local.get $at) (local.get $piece) (i32.const 0))
            (if (i32.load8_u (i32.const 0)) (then unreachable))
            (local.set $at (i32.add (local.get $at) (local.get $piece)))
            (local.set $len (i32.sub (local.get $len) (local.get $piece)))
            (br_if $more (local.get $len))))
"#;

/// What a worker does: `$open` sets a response and gives the handle of its body, `$say` writes to it what it is
/// given, `$close` ends it, and `$read` puts the request's body to 2048.
const WORKER: &str = r#"
    (import "wasi:http/types@0.2.10" "[constructor]fields" (func $fields (result i32)))
    (import "wasi:http/types@0.2.10" "[method]fields.append" (func $append (param i32 i32 i32 i32 i32 i32)))
    (import "wasi:http/types@0.2.10" "[constructor]outgoing-response" (func $response (param i32) (result i32)))
    (import "wasi:http/types@0.2.10" "[method]outgoing-response.set-status-code" (func $status (param i32 i32) (result i32)))
    (import "wasi:http/types@0.2.10" "[method]outgoing-response.body" (func $response_body (param i32 i32)))
    (import "wasi:http/types@0.2.10" "[static]response-outparam.set" (func $set (param i32 i32 i32 i32 i64 i32 i32 i32 i32)))
    (import "wasi:http/types@0.2.10" "[method]outgoing-body.write" (func $body_stream (param i32 i32)))
    (import "wasi:http/types@0.2.10" "[static]outgoing-body.finish" (func $finish (param i32 i32 i32 i32)))
    (import "wasi:http/types@0.2.10" "[method]incoming-request.consume" (func $consume (param i32 i32)))
    (import "wasi:http/types@0.2.10" "[method]incoming-request.path-with-query" (func $path (param i32 i32)))
    (import "wasi:http/types@0.2.10" "[method]incoming-body.stream" (func $incoming_stream (param i32 i32)))
    (import "wasi:http/types@0.2.10" "[constructor]outgoing-request" (func $request (param i32) (result i32)))
    (import "wasi:http/types@0.2.10" "[method]outgoing-request.set-method" (func $set_method (param i32 i32 i32 i32) (result i32)))
    (import "wasi:http/types@0.2.10" "[method]outgoing-request.set-scheme" (func $set_scheme (param i32 i32 i32 i32 i32) (result i32)))
    (import "wasi:http/types@0.2.10" "[method]outgoing-request.set-authority" (func $set_authority (param i32 i32 i32 i32) (result i32)))
    (import "wasi:http/types@0.2.10" "[method]outgoing-request.set-path-with-query" (func $set_path (param i32 i32 i32 i32) (result i32)))
    (import "wasi:http/types@0.2.10" "[method]outgoing-request.body" (func $request_body (param i32 i32)))
    (import "wasi:http/outgoing-handler@0.2.10" "handle" (func $send (param i32 i32 i32 i32)))
    (import "wasi:http/types@0.2.10" "[method]future-incoming-response.subscribe" (func $awaited (param i32) (result i32)))
    (import "wasi:http/types@0.2.10" "[method]future-incoming-response.get" (func $received (param i32 i32)))
    (import "wasi:http/types@0.2.10" "[method]incoming-response.status" (func $received_status (param i32) (result i32)))
    (import "wasi:http/types@0.2.10" "[method]incoming-response.consume" (func $received_body (param i32 i32)))
    (global $body (mut i32) (i32.const 0))
    (global $stream (mut i32) (i32.const 0))
    (func $open (param $out i32) (param $code i32)
        (local $response i32) (local $fields i32)
        (local.set $fields (call $fields))
        (call $append (local.get $fields) (i32.const 16) (i32.const 3) (i32.const 19) (i32.const 2) (i32.const 0))
        (if (i32.load8_u (i32.const 0)) (then unreachable))
        (local.set $response (call $response (local.get $fields)))
        (if (call $status (local.get $response) (local.get $code)) (then unreachable))
        (call $response_body (local.get $response) (i32.const 0))
        (global.set $body (i32.load (i32.const 4)))
        (call $set (local.get $out) (i32.const 0) (local.get $response) (i32.const 0) (i64.const 0)
            (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
        (call $body_stream (global.get $body) (i32.const 0))
        (global.set $stream (i32.load (i32.const 4))))
    (func $say (param $at i32) (param $len i32) (call $write (global.get $stream) (local.get $at) (local.get $len)))
    (func $close
        (call $drop_output (global.get $stream))
        (call $finish (global.get $body) (i32.const 0) (i32.const 0) (i32.const 0)))
    (data (i32.const 16) "x-a\c3\a9")
"#;

/// A worker that does `body` with `$in` and `$out`, and has `data` at 1024.
pub fn worker(data: &str, body: &str) -> Vec<u8> {
    worker_with("", data, body)
}

/// The same with more functions.
pub fn worker_with(functions: &str, data: &str, body: &str) -> Vec<u8> {
    let handle = "wasi:http/incoming-handler@0.2.10#handle";
    let main = format!("(func (export \"{handle}\") (param $in i32) (param $out i32) {body})");
    component(WORKER_AROUND, &format!("{WORKER}{functions}(data (i32.const 1024) \"{data}\") {main}"))
}

/// A command that does `body`, which gives its exit code, and has `data` at 1024.
pub fn command(data: &str, body: &str) -> Vec<u8> {
    let imports = r#"
        (import "wasi:cli/stdin@0.2.10" "get-stdin" (func $stdin (result i32)))
        (import "wasi:cli/exit@0.2.10" "exit" (func $exit (param i32)))
        (import "wasi:cli/environment@0.2.10" "get-environment" (func $environment (param i32)))
        (import "wasi:random/random@0.2.10" "get-random-bytes" (func $random (param i64 i32)))"#;
    let main = format!("(func (export \"wasi:cli/run@0.2.10#run\") (result i32) {body})");
    component(COMMAND_AROUND, &format!("{imports}(data (i32.const 1024) \"{data}\") {main}"))
}

/// A component of a core module with these parts. Imports have to stand before everything else.
fn component(around: &str, parts: &str) -> Vec<u8> {
    let parts = [split(COMMON), split(parts)].concat();
    let (imports, others): (Vec<&str>, Vec<&str>) = parts.into_iter().partition(|part| part.starts_with("(import"));
    from_module(around, &wat::parse_str(format!("(module {})", [imports, others].concat().join("\n"))).unwrap())
}

/// A component that has `module` in the place of the first module of `around`.
pub fn from_module(around: &str, module: &[u8]) -> Vec<u8> {
    let around = wat::parse_str(around).unwrap();
    let mut start = HEADER;
    while around[start] != MODULE_SECTION {
        start += section(&around[start..]);
    }
    let end = start + section(&around[start..]);
    [&around[..=start], &leb(module.len()), module, &around[end..]].concat()
}

/// Bytes of a section: its id, its length, and what it holds.
fn section(bytes: &[u8]) -> usize {
    let (mut length, mut place) = (0, 1);
    loop {
        length |= usize::from(bytes[place] & 0x7F) << (7 * (place - 1));
        place += 1;
        if bytes[place - 1] & 0x80 == 0 {
            return place + length;
        }
    }
}

/// A number as WebAssembly writes it.
pub fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (number & 0x7F) as u8;
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// The expressions that a text consists of.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start, mut quoted) = (Vec::new(), 0, 0, false);
    for (place, byte) in text.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b'(' if !quoted => {
                if depth == 0 {
                    start = place;
                }
                depth += 1;
            }
            b')' if !quoted => {
                depth -= 1;
                if depth == 0 {
                    parts.push(&text[start..=place]);
                }
            }
            _ => {}
        }
    }
    parts
}

/// A request to a worker.
pub fn request(path: &str, body: &str) -> HttpRequest {
    HttpRequest {
        method: "POST".to_owned(),
        url: format!("https://worker.test{path}"),
        headers: vec![("x-name".to_owned(), "caf\u{e9}".to_owned())],
        body: (!body.is_empty()).then(|| body.to_owned().into()),
        redirect: Redirect::Follow,
    }
}

/// Room for all workers of a test.
pub const ROOM: Bounds = Bounds { workers: 100, bytes: 1 << 30, idle: std::time::Duration::from_secs(60) };

/// A registry of its own.
pub async fn registry() -> Registry {
    Registry::new(sandbox().await, ROOM)
}

/// A worker's code.
pub fn code(binary: Vec<u8>) -> Code {
    Code {
        program: Program::Wasm(binary),
        env: None,
        outbound: Outbound::Policy,
        tails: Vec::new(),
        own_limits: WorkerLimits::default(),
        disallow_eval: false,
        hash: "h".to_owned(),
        limits: invocation(Value::Null).limits,
    }
}

/// Has a worker answer a request.
pub async fn fetch(binary: Vec<u8>, request: HttpRequest, invocation: Invocation) -> Outcome<WholeReply> {
    let code = code(binary);
    registry().await.load(code).fetch_whole(Entrypoint(None), request, invocation).await.unwrap()
}

/// Has a worker answer a request, and gives the answer as soon as there is one.
pub async fn answered(binary: Vec<u8>, request: Request, invocation: Invocation) -> Answered<Reply> {
    let code = code(binary);
    registry().await.load(code).fetch(Entrypoint(None), request, invocation).await.unwrap()
}

/// Has a worker answer an ordinary request, and gives its body.
pub async fn text(binary: Vec<u8>) -> String {
    let reply = fetch(binary, request("/", ""), invocation(Value::Null)).await.answer.unwrap();
    String::from_utf8(reply.body.to_vec()).unwrap()
}

/// How a worker fails with an ordinary request.
pub async fn failure(binary: Vec<u8>, invocation: Invocation) -> GuestError {
    fetch(binary, request("/", ""), invocation).await.answer.unwrap_err()
}

/// Runs a component as `POST /execute` does.
pub async fn execute(binary: Vec<u8>, invocation: Invocation) -> Outcome {
    run(Program::Wasm(binary), invocation).await
}
