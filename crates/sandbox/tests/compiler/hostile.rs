//! Code that is written to hurt the compiler.

use std::time::{Duration, Instant};

use doer_sandbox::{
    CompilerConfig,
    compiler::{CompileError, Compiler, Exhausted},
};

use crate::support::{assert_works, compiler, config, snippet};

#[tokio::test]
async fn deep_nesting_ends_one_job_and_nothing_else() {
    let compiler = compiler();
    assert_works(&compiler).await;
    for (open, close) in [("(", ")"), ("[", "]"), ("{a:", "}"), ("!(", ")"), ("a=>", ""), ("`${", "}`")] {
        let code = format!("return {}1{}", open.repeat(200_000), close.repeat(200_000));
        let outcome = snippet(&compiler, &code).await.map(drop);
        assert_eq!(outcome, Err(CompileError::Limit(Exhausted::Depth)), "{open}");
        assert_works(&compiler).await;
    }
    let types = format!("type A = {}1{}; return 1", "(".repeat(200_000), ")".repeat(200_000));
    assert_eq!(snippet(&compiler, &types).await, Err(CompileError::Limit(Exhausted::Depth)));
    assert_works(&compiler).await;
}

#[tokio::test]
async fn honest_nesting_compiles() {
    let compiler = compiler();
    let sum = format!("return 0{}", " + (1 as number)".repeat(10_000));
    assert_eq!(snippet(&compiler, &sum).await.unwrap().code.matches('1').count(), 10_000);
    let arrays = format!("return {}1{}", "[".repeat(2000), "]".repeat(2000));
    snippet(&compiler, &arrays).await.unwrap();
    let chain = format!("return a{}", "?b".repeat(2000) + &":c".repeat(2000));
    snippet(&compiler, &chain).await.unwrap();
}

#[tokio::test]
async fn a_memory_bomb_ends_one_job_and_nothing_else() {
    let compiler = Compiler::new(CompilerConfig { memory_bytes: 256 << 20, ..config() });
    assert_works(&compiler).await;
    let code = "a;".repeat(8 << 20);
    assert_eq!(snippet(&compiler, &code).await, Err(CompileError::Limit(Exhausted::Memory)));
    assert_works(&compiler).await;
}

#[tokio::test]
async fn endless_wasm_is_stopped_in_time_while_others_are_answered() {
    let limit = Duration::from_secs(2);
    let compiler = Compiler::new(CompilerConfig { timeout: limit, ..config() });
    assert_works(&compiler).await;
    let start = Instant::now();
    let slow = tokio::spawn({
        let compiler = compiler.clone();
        async move { compiler.wasm(slow_module(), false).await }
    });
    // As many as there are processes, and more: Wasm never takes all of them.
    let second = tokio::spawn({
        let compiler = compiler.clone();
        async move { compiler.wasm(slow_module(), false).await }
    });
    assert_works(&compiler).await;
    assert!(!slow.is_finished() && !second.is_finished());
    assert_eq!(slow.await.unwrap(), Err(CompileError::Limit(Exhausted::Time)));
    assert_eq!(second.await.unwrap(), Err(CompileError::Limit(Exhausted::Time)));
    assert!(start.elapsed() < limit * 5, "{:?}", start.elapsed());
    compiler.wasm(b"(module)".to_vec(), true).await.unwrap();
}

/// Keeps Cranelift busy for longer than any of these tests takes: many functions, each of as many nested loops as are
/// allowed, in less code than gets more time.
fn slow_module() -> Vec<u8> {
    let function = format!("(func {} {})", "(loop (br_if 0 (i32.const 1)) ".repeat(64), ")".repeat(64));
    wat::parse_str(format!("(module {})", function.repeat(3_000))).unwrap()
}
