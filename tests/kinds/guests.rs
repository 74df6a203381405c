//! One guest for each kind and scenario. What it does is the scenario's; here is what stands around that.

use super::{kind::Kind, scenarios::Scenario};

/// What is around a component's own module: the interfaces, and the wiring that `wit-component` makes.
const COMMAND_AROUND: &str = include_str!("../../crates/sandbox/tests/components/command.wat");
const HANDLER_AROUND: &str = include_str!("../../crates/sandbox/tests/components/worker.wat");

/// Where a module goes in there.
const PLACE: &str = "(core module $main)";

/// What every guest writes first.
pub const FIRST_LINE: &str = "before";

/// The source of a guest.
pub fn source(kind: Kind, scenario: &Scenario) -> String {
    let Scenario { js, wat, .. } = scenario;
    let js = format!("{ASK} console.log('{FIRST_LINE}'); {js}");
    match kind {
        Kind::Snippet => js,
        Kind::Module => format!("export default async (input, env, ctx) => {{ {js} }}"),
        Kind::Method => format!(
            "import {{ WorkerEntrypoint }} from 'cloudflare:workers';
             export default class extends WorkerEntrypoint {{ async act(input) {{ {js} }} }}"
        ),
        Kind::Worker => format!(
            "export default {{ async fetch(request) {{
                const input = await request.json();
                const result = await (async () => {{ {js} }})();
                return result instanceof Response ? result : Response.json(result);
            }} }}"
        ),
        Kind::Command => format!("(module {COMMAND_IMPORTS} {MEMORY} {} {COMMAND} {})", data(), act(wat)),
        Kind::ComponentCommand => {
            let parts = [COMPONENT_IMPORTS, COMPONENT_COMMAND_IMPORTS, MEMORY, &data(), COMPONENT, COMPONENT_COMMAND];
            component(COMMAND_AROUND, &parts, wat)
        }
        Kind::ComponentHandler | Kind::ComponentWorker => {
            let parts = [COMPONENT_IMPORTS, HANDLER_IMPORTS, MEMORY, &data(), COMPONENT, HANDLER];
            component(HANDLER_AROUND, &parts, wat)
        }
    }
}

fn component(around: &str, parts: &[&str], wat: &str) -> String {
    let module = format!("(core module $main {} {})", parts.concat(), act(wat));
    let text = around.replace(PLACE, &module);
    // Without the remarks above it: a component is known by how its text begins.
    text[text.find("(component").unwrap()..].to_owned()
}

fn act(wat: &str) -> String {
    format!("(func $act (call $log (i32.const 1024) (i32.const {})) {wat})", FIRST_LINE.len() + 1)
}

/// The same in every kind of JavaScript, whatever `env` it has.
const ASK: &str = "
    const ask = async () => {
        const body = JSON.stringify({ sql: 'SELECT 1 AS n' });
        const response = await fetch('http://db/rpc/query', { method: 'POST', body });
        return response.json();
    };";

/// What a guest in WebAssembly can do, in whatever way its kind has for it:
///
/// | function | does |
/// |---|---|
/// | `$log` | writes a line |
/// | `$answer` | writes a part of the answer |
/// | `$input` | puts the input at 4096, and gives its length |
/// | `$ask` | calls a service; what comes of it lies at `$reply` |
/// | `$wait` | waits for a minute |
/// | `$fail` | gives up |
/// | `$deep` | calls itself |
///
/// Answers of the host lie at 0.
const MEMORY: &str = r#"
    (memory (export "memory") 4)
    (global $top (mut i32) (i32.const 65536))
    (global $reply (mut i32) (i32.const 0))
    (global $length (mut i32) (i32.const 0))
    (global $n (mut i32) (i32.const 0))
    (func $allocate (param $length i32) (result i32)
        (local $at i32)
        (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
        (global.set $top (i32.add (local.get $at) (local.get $length)))
        (local.get $at))
    (func $deep (result i32) (i32.add (call $deep) (i32.const 1)))
"#;

const CALL: &str = r#"{"service": "db", "method": "query", "params": ["SELECT 1 AS n"]}"#;

fn data() -> String {
    let (call, line) = (CALL.replace('"', "\\22"), "x".repeat(63));
    format!(
        r#"(data (i32.const 1024) "{FIRST_LINE}\n")
           (data (i32.const 1040) "{line}\n")
           (data (i32.const 1200) "SELECT 1 AS n")
           (data (i32.const 1240) "{call}")
           (global $call_length i32 (i32.const {}))"#,
        CALL.len()
    )
}

const COMMAND_IMPORTS: &str = r#"
    (import "doer" "call" (func $call (param i32 i32) (result i64)))
    (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
"#;

const COMMAND: &str = r#"
    (export "doer_alloc" (func $allocate))
    (func $write (param $to i32) (param $at i32) (param $length i32)
        (i32.store (i32.const 0) (local.get $at))
        (i32.store (i32.const 4) (local.get $length))
        (if (call $fd_write (local.get $to) (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable)))
    (func $log (param i32 i32) (call $write (i32.const 2) (local.get 0) (local.get 1)))
    (func $answer (param i32 i32) (call $write (i32.const 1) (local.get 0) (local.get 1)))
    (func $input (result i32)
        (i32.store (i32.const 0) (i32.const 4096))
        (i32.store (i32.const 4) (i32.const 4096))
        (if (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable))
        (i32.load (i32.const 8)))
    (func $ask
        (local $answer i64)
        (local.set $answer (call $call (i32.const 1240) (global.get $call_length)))
        (global.set $reply (i32.wrap_i64 (i64.shr_u (local.get $answer) (i64.const 32))))
        (global.set $length (i32.wrap_i64 (local.get $answer))))
    ;; A subscription to the monotonic clock, relative to now.
    (func $wait
        (i32.store (i32.const 2064) (i32.const 1))
        (i64.store (i32.const 2072) (i64.const 60000000000))
        (if (call $poll (i32.const 2048) (i32.const 2112) (i32.const 1) (i32.const 2200)) (then unreachable)))
    (func $fail (call $exit (i32.const 7)))
    (func (export "_start") (call $act))
"#;

const COMPONENT_IMPORTS: &str = r#"
    (import "wasi:io/streams@0.2.10" "[method]output-stream.blocking-write-and-flush"
        (func $stream_write (param i32 i32 i32 i32)))
    (import "wasi:io/streams@0.2.10" "[method]input-stream.blocking-read" (func $stream_read (param i32 i64 i32)))
    (import "wasi:io/streams@0.2.10" "[resource-drop]output-stream" (func $drop_output (param i32)))
    (import "wasi:io/poll@0.2.10" "[method]pollable.block" (func $block (param i32)))
    (import "wasi:cli/stdout@0.2.10" "get-stdout" (func $stdout (result i32)))
    (import "wasi:cli/stderr@0.2.10" "get-stderr" (func $stderr (result i32)))
    (import "wasi:clocks/monotonic-clock@0.2.10" "subscribe-duration" (func $after (param i64) (result i32)))
    (import "doer:platform/db@0.1.0" "query" (func $db_query (param i32 i32 i32 i32 i32 i32)))
"#;

const COMPONENT: &str = r#"
    (global $errors (mut i32) (i32.const -1))
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (call $allocate (local.get 3)))
    (func $write (param $to i32) (param $at i32) (param $length i32)
        (call $stream_write (local.get $to) (local.get $at) (local.get $length) (i32.const 0))
        (if (i32.load8_u (i32.const 0)) (then unreachable)))
    (func $log (param i32 i32)
        (if (i32.eq (global.get $errors) (i32.const -1)) (then (global.set $errors (call $stderr))))
        (call $write (global.get $errors) (local.get 0) (local.get 1)))
    (func $read (param $from i32) (result i32)
        (call $stream_read (local.get $from) (i64.const 4096) (i32.const 0))
        (if (i32.load8_u (i32.const 0)) (then unreachable))
        (memory.copy (i32.const 4096) (i32.load (i32.const 4)) (i32.load (i32.const 8)))
        (i32.load (i32.const 8)))
    ;; The first row, or the code of the error.
    (func $ask
        (local $at i32)
        (call $db_query (i32.const 1200) (i32.const 13) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64))
        (local.set $at (if (result i32) (i32.load8_u (i32.const 64)) (then (i32.const 88)) (else (i32.load (i32.const 72)))))
        (global.set $reply (i32.load (local.get $at)))
        (global.set $length (i32.load offset=4 (local.get $at))))
    (func $wait (call $block (call $after (i64.const 60000000000))))
"#;

const COMPONENT_COMMAND_IMPORTS: &str = r#"
    (import "wasi:cli/stdin@0.2.10" "get-stdin" (func $stdin (result i32)))
    (import "wasi:cli/exit@0.2.10" "exit" (func $exit (param i32)))
"#;

const COMPONENT_COMMAND: &str = r#"
    (global $results (mut i32) (i32.const -1))
    (func $answer (param i32 i32)
        (if (i32.eq (global.get $results) (i32.const -1)) (then (global.set $results (call $stdout))))
        (call $write (global.get $results) (local.get 0) (local.get 1)))
    (func $input (result i32) (call $read (call $stdin)))
    (func $fail (call $exit (i32.const 1)))
    (func (export "wasi:cli/run@0.2.10#run") (result i32) (call $act) (i32.const 0))
"#;

const HANDLER_IMPORTS: &str = r#"
    (import "wasi:http/types@0.2.10" "[constructor]fields" (func $fields (result i32)))
    (import "wasi:http/types@0.2.10" "[constructor]outgoing-response" (func $response (param i32) (result i32)))
    (import "wasi:http/types@0.2.10" "[method]outgoing-response.body" (func $response_body (param i32 i32)))
    (import "wasi:http/types@0.2.10" "[static]response-outparam.set"
        (func $set (param i32 i32 i32 i32 i64 i32 i32 i32 i32)))
    (import "wasi:http/types@0.2.10" "[method]outgoing-body.write" (func $body_stream (param i32 i32)))
    (import "wasi:http/types@0.2.10" "[static]outgoing-body.finish" (func $finish (param i32 i32 i32 i32)))
    (import "wasi:http/types@0.2.10" "[method]incoming-request.consume" (func $consume (param i32 i32)))
    (import "wasi:http/types@0.2.10" "[method]incoming-body.stream" (func $incoming_stream (param i32 i32)))
"#;

/// The response is set with the first part of the answer, as late as can be: until then a run can fail with a status.
const HANDLER: &str = r#"
    (global $request (mut i32) (i32.const 0))
    (global $out (mut i32) (i32.const 0))
    (global $body (mut i32) (i32.const -1))
    (global $stream (mut i32) (i32.const 0))
    (func $open
        (local $new i32)
        (if (i32.ne (global.get $body) (i32.const -1)) (then (return)))
        (local.set $new (call $response (call $fields)))
        (call $response_body (local.get $new) (i32.const 0))
        (global.set $body (i32.load (i32.const 4)))
        (call $set (global.get $out) (i32.const 0) (local.get $new) (i32.const 0) (i64.const 0)
            (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
        (call $body_stream (global.get $body) (i32.const 0))
        (global.set $stream (i32.load (i32.const 4))))
    (func $answer (param i32 i32) (call $open) (call $write (global.get $stream) (local.get 0) (local.get 1)))
    (func $input (result i32)
        (call $consume (global.get $request) (i32.const 0))
        (call $incoming_stream (i32.load (i32.const 4)) (i32.const 0))
        (call $read (i32.load (i32.const 4))))
    (func $fail unreachable)
    (func (export "wasi:http/incoming-handler@0.2.10#handle") (param i32 i32)
        (global.set $request (local.get 0))
        (global.set $out (local.get 1))
        (call $act)
        (call $open)
        (call $drop_output (global.get $stream))
        (call $finish (global.get $body) (i32.const 0) (i32.const 0) (i32.const 0)))
"#;
