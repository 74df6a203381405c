//! Components that are written to hurt whoever compiles or instantiates them. Each is refused or stopped within its
//! budget, and says so, while others are answered.

use std::time::Duration;

use doer_core::fault::Termination;
use doer_sandbox::{
    CompilerConfig, Program,
    compiler::{CompileError, Compiler, Exhausted},
};
use serde_json::Value;

use crate::{
    common::{self, block_on, invocation, run, text},
    guest::leb,
};

/// Runs `binary` with ordinary executions beside it, and gives the error.
async fn bomb(binary: Vec<u8>) -> String {
    let bomb = tokio::spawn(run(Program::Wasm(binary), invocation(Value::Null)));
    let mut answered = 0;
    while !bomb.is_finished() || answered == 0 {
        assert_eq!(run(text("return 1"), invocation(Value::Null)).await.answer.unwrap().result.get(), "1");
        answered += 1;
    }
    let error = bomb.await.unwrap().answer.unwrap_err();
    assert_eq!(error.name, "CompileError", "{error:?}");
    error.message
}

fn wat(text: String) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [vec![id], leb(content.len()), content.to_vec()].concat()
}

const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
const MODULE: &[u8] = b"\0asm\x01\0\0\0";

#[test]
fn deep_nesting_of_components_is_refused() {
    block_on(async {
        let nested =
            |depth: usize| (0..depth).fold(COMPONENT.to_vec(), |inner, _| [COMPONENT, &section(4, &inner)].concat());
        let message = bomb(nested(16)).await;
        assert_eq!(message, "the component is nested too deeply; at most 16 levels are compiled");
        assert_eq!(bomb(nested(10_000)).await, message);
        let wide = [COMPONENT, &section(4, COMPONENT).repeat(1000)].concat();
        assert_eq!(bomb(wide).await, "the module has 1001 components; at most 1000 are compiled");
    });
}

#[test]
fn a_million_functions_are_refused_however_they_are_spread() {
    block_on(async {
        let functions = |count: usize| {
            let types = section(1, &[1, 0x60, 0, 0]);
            let declared = section(3, &[leb(count), vec![0; count]].concat());
            let code = section(10, &[leb(count), [2, 0, 0x0B].repeat(count)].concat());
            [MODULE, &types, &declared, &code].concat()
        };
        let one = bomb([COMPONENT, &section(1, &functions(1_000_000))].concat()).await;
        assert_eq!(one, "the module has 1000000 functions; at most 100000 are compiled");
        let spread = [COMPONENT, &section(1, &functions(50_000)).repeat(20)].concat();
        assert_eq!(bomb(spread).await, "the module has 150000 functions; at most 100000 are compiled");
        let modules = [COMPONENT, &section(1, MODULE).repeat(65)].concat();
        assert_eq!(bomb(modules).await, "the module has 65 modules inside; at most 64 are compiled");
    });
}

#[test]
fn huge_element_segments_are_refused() {
    block_on(async {
        let element = |count: usize| {
            let types = section(1, &[1, 0x60, 0, 0]);
            let declared = section(3, &[1, 0]);
            let table = section(4, &[1, 0x70, 0, 1]);
            let elements = section(9, &[vec![1, 0, 0x41, 0, 0x0B], leb(count), vec![0; count]].concat());
            let code = section(10, &[1, 2, 0, 0x0B]);
            [MODULE, &types, &declared, &table, &elements, &code].concat()
        };
        let message = bomb([COMPONENT, &section(1, &element(2_000_000))].concat()).await;
        assert_eq!(message, "the module has 2000000 elements in its segments; at most 1000000 are compiled");
        let segments = format!("(component (core module (table 1 funcref) {}))", "(elem func)".repeat(100_001));
        assert_eq!(bomb(wat(segments)).await, "the module has 100001 element segments; at most 100000 are compiled");
    });
}

#[test]
fn definitions_without_end_are_refused() {
    block_on(async {
        let types = format!("(component {})", "(type string)".repeat(100_001));
        assert_eq!(bomb(wat(types)).await, "the module has 100001 types; at most 100000 are compiled");
        // Each level has the one before twice: 2^30 texts in all.
        let levels: String = (1..30).map(|n| format!("(type $t{n} (tuple $t{0} $t{0}))", n - 1)).collect();
        let doubled = format!("(component (type $t0 (tuple string string)) {levels})");
        let message = bomb(wat(doubled)).await;
        assert!(message.contains("exceeds"), "{message}");
    });
}

#[test]
fn more_instances_than_a_slot_has_are_refused() {
    block_on(async {
        let instances = |what: &str, count: usize| {
            let core = format!("(core module $m {what}) {}", "(core instance (instantiate $m))".repeat(count));
            wat(format!("(component {core})"))
        };
        for (what, count, kind) in
            [("(memory 1)", 5, "memories"), ("(table 1 funcref)", 17, "tables"), ("", 65, "core")]
        {
            let message = bomb(instances(what, count)).await;
            assert!(message.contains(kind) && message.contains("exceeds"), "{kind}: {message}");
        }
    });
}

/// Ten levels, each of which has ten of the one below: ten billion instances of a module.
fn instances() -> Vec<u8> {
    let mut inner = "(component $c0 (core module $m) (core instance (instantiate $m)))".to_owned();
    for level in 1..=9 {
        let below = level - 1;
        inner = format!("(component $c{level} {inner} {})", format!("(instance (instantiate $c{below}))").repeat(10));
    }
    wat(format!("(component {inner} (instance (instantiate $c9)))"))
}

#[test]
fn what_multiplies_when_it_is_instantiated_is_stopped() {
    block_on(async {
        let limit = Duration::from_secs(3);
        let compiler =
            Compiler::new(CompilerConfig { timeout: limit, memory_bytes: 1 << 30, ..common::config(1).compiler });
        let working = tokio::spawn({
            let compiler = compiler.clone();
            async move { compiler.wasm(instances(), false).await }
        });
        while !working.is_finished() {
            assert_eq!(run(text("return 1"), invocation(Value::Null)).await.answer.unwrap().result.get(), "1");
        }
        match working.await.unwrap() {
            Err(CompileError::Limit(Exhausted::Time | Exhausted::Memory) | CompileError::Refused { .. }) => {}
            other => panic!("{:?}", other.map(|compiled| compiled.artifact.len())),
        }
        compiler.wasm(b"(component)".to_vec(), true).await.unwrap();
    });
}

#[test]
fn a_memory_that_is_too_large_is_a_limit_and_no_crash() {
    block_on(async {
        let large = wat("(component (core module $m (memory 60000)) (core instance (instantiate $m)))".to_owned());
        let error = run(Program::Wasm(large), invocation(Value::Null)).await.answer.unwrap_err();
        assert_eq!(error.code, Some(Termination::MemoryLimit));
    });
}
