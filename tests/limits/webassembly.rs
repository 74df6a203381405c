//! WebAssembly runs under the limits that JavaScript runs under.

use serde_json::json;

use super::ends;
use crate::support::Server;

#[tokio::test]
async fn webassembly_has_the_same_limits() {
    let server = Server::dev().await;
    let module = |body: &str| {
        let write =
            "(import \"wasi_snapshot_preview1\" \"fd_write\" (func $write (param i32 i32 i32 i32) (result i32)))";
        format!(
            "(module {write} (memory (export \"memory\") 1) (data (i32.const 16) \"before\\n\")
             (func $say (param i32) (i32.store (i32.const 0) (i32.const 16)) (i32.store (i32.const 4) (i32.const 7))
               (drop (call $write (local.get 0) (i32.const 0) (i32.const 1) (i32.const 8))))
             (func (export \"_start\") (call $say (i32.const 2)) {body}))"
        )
    };
    let spin = module("(loop (br 0))");
    let grow = module("(loop (drop (memory.grow (i32.const 16))) (br 0))");
    let print = module("(loop (call $say (i32.const 1)) (br 0))");
    for (code, wat, limits) in [
        ("timeout", &spin, json!({})),
        ("cpu_limit", &spin, json!({ "cpuMs": 50 })),
        ("fuel_exhausted", &spin, json!({ "fuel": 1_000_000 })),
        ("memory_limit", &grow, json!({ "memoryMb": 8 })),
        ("output_limit", &print, json!({ "outputBytes": 1000 })),
    ] {
        let timeout = if code == "timeout" { 150 } else { 20_000 };
        ends(&server, code, json!({ "language": "wat", "code": wat, "timeout": timeout, "limits": limits })).await;
    }
}
