//! What Wasm compiles to, and what is turned down before Cranelift sees it.

use doer_sandbox::compiler::{CompileError, Compiler};
use wasmtime::{Engine, Precompiled};

use crate::support::compiler;

async fn refused(compiler: &Compiler, bytes: &[u8], text: bool) -> (&'static str, String, Option<u32>, Option<u32>) {
    match compiler.wasm(bytes.to_vec(), text).await {
        Err(CompileError::Refused { name, message, line, column }) => (name, message, line, column),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn text_and_binary_become_the_same_module() {
    let compiler = compiler();
    let text = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;
    let from_text = compiler.wasm(text.as_bytes().to_vec(), true).await.unwrap();
    assert_eq!(Engine::detect_precompiled(&from_text.artifact), Some(Precompiled::Module));
    let from_binary = compiler.wasm(wat::parse_str(text).unwrap(), false).await.unwrap();
    assert_eq!(from_text, from_binary);
    assert_eq!(from_text.memory_bytes, 64 << 10);
}

#[tokio::test]
async fn components_are_known_by_their_binary() {
    let compiler = compiler();
    let text = "(component (core module (memory 2)) (core module $m (memory 1)) (core instance (instantiate $m)))";
    let from_text = compiler.wasm(text.as_bytes().to_vec(), true).await.unwrap();
    assert_eq!(Engine::detect_precompiled(&from_text.artifact), Some(Precompiled::Component));
    assert_eq!(from_text, compiler.wasm(wat::parse_str(text).unwrap(), false).await.unwrap());
    assert_eq!(from_text.memory_bytes, 3 * (64 << 10));
    compiler.wasm(b"\0asm\x0d\0\x01\0".to_vec(), false).await.unwrap();
    let (name, message, ..) = refused(&compiler, b"(component (core module (func i32.add)))", true).await;
    assert_eq!(name, "CompileError");
    assert!(message.contains("type mismatch"), "{message}");
}

#[tokio::test]
async fn malformed_modules_are_the_guests_fault() {
    let compiler = compiler();
    for bytes in [&b""[..], b"nonsense", b"\0asm", b"\0asm\x01\0\0\0\xff", b"(module)"] {
        let (name, message, line, _) = refused(&compiler, bytes, false).await;
        assert_eq!((name, line), ("CompileError", None), "{message}");
    }
    let invalid = wat::parse_str("(module (func (result i32) i64.const 1))").unwrap();
    let (name, message, ..) = refused(&compiler, &invalid, false).await;
    assert_eq!(name, "CompileError");
    assert!(message.contains("type mismatch"), "{message}");
    let (name, _, line, column) = refused(&compiler, b"(module\n (func nope))", true).await;
    assert_eq!((name, line, column), ("SyntaxError", Some(2), Some(8)));
    // Text is asked for: a binary is none.
    assert_eq!(refused(&compiler, b"\0asm\x01\0\0\0", true).await.0, "SyntaxError");
    // A finished artifact is never taken.
    let artifact = compiler.wasm(b"(module)".to_vec(), true).await.unwrap();
    assert_eq!(refused(&compiler, &artifact.artifact, false).await.0, "CompileError");
}

#[tokio::test]
async fn what_no_compiler_emits_is_turned_down_with_the_reason() {
    let compiler = compiler();
    let loops = |depth| format!("(module (func {} {}))", "(loop ".repeat(depth), ")".repeat(depth));
    let blocks = |depth| format!("(module (func {} {}))", "block ".repeat(depth), "end ".repeat(depth));
    compiler.wasm(loops(64).into_bytes(), true).await.unwrap();
    compiler.wasm(blocks(4096).into_bytes(), true).await.unwrap();
    let too_deep = "function 0 is nested too deeply; at most 4096 blocks and 64 loops are compiled";
    assert_eq!(refused(&compiler, loops(65).as_bytes(), true).await.1, too_deep);
    assert_eq!(refused(&compiler, blocks(4097).as_bytes(), true).await.1, too_deep);

    let large = format!("(module (func) (func {}))", "nop ".repeat(1 << 20));
    let (_, message, ..) = refused(&compiler, large.as_bytes(), true).await;
    assert_eq!(message, "function 1 has 1048578 bytes of code; at most 1048576 are compiled");
    let many = format!("(module {})", "(func)".repeat(100_001));
    let (_, message, ..) = refused(&compiler, many.as_bytes(), true).await;
    assert_eq!(message, "the module has 100001 functions; at most 100000 are compiled");
    let table = b"(module (table 100001 funcref))";
    let (_, message, ..) = refused(&compiler, table, true).await;
    assert_eq!(message, "the module has 100001 elements in its table; at most 100000 are compiled");
    let memories = b"(module (memory 1) (memory 1))";
    assert_eq!(refused(&compiler, memories, true).await.1, "the module has 2 memories; at most 1 are compiled");
}
