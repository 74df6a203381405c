//! How large and how deep a module may be before Cranelift sees it.
//!
//! Time and memory of a compilation are limited in any case. These checks turn down at once, and with the reason,
//! what is known to take Cranelift for ever and what no compiler of another language emits.

use wasmparser::{Encoding, FunctionBody, Operator, Parser, Payload};

use super::answer::Refusal;
use crate::{engine::TABLE_ELEMENTS, memory::WASM_PAGE_BYTES};

/// Functions with a body. A whole Python interpreter has 20,000.
const MAX_FUNCTIONS: u32 = 100_000;

/// Bytes of one function's body. The bytecode loops of interpreters have up to 300,000.
const MAX_BODY_BYTES: usize = 1 << 20;

/// Blocks inside of each other. A `switch` is one per case.
const MAX_NESTED_BLOCKS: usize = 4096;

/// Loops inside of each other: Cranelift's time grows with the cube of them.
const MAX_NESTED_LOOPS: usize = 64;

/// Data segments, and as many element segments.
const MAX_SEGMENTS: u32 = 100_000;

/// Memories, as many as a slot of the pool has.
const MAX_MEMORIES: u32 = 1;

/// Tables, as many as a slot of the pool has.
const MAX_TABLES: u32 = 1;

/// Checks everything but validity, which the compiler checks by itself. Returns the bytes of linear memory
/// that the module begins with.
pub(super) fn check(bytes: &[u8]) -> Result<u64, Refusal> {
    let mut functions = 0;
    let mut memory_bytes = 0;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(invalid)? {
            Payload::Version { encoding: Encoding::Component, .. } => {
                return Err(Refusal::compile("components are not supported; only core modules are"));
            }
            Payload::CodeSectionStart { count, .. } => at_most(count, MAX_FUNCTIONS, "functions")?,
            Payload::CodeSectionEntry(body) => {
                check_function(functions, &body)?;
                functions += 1;
            }
            Payload::MemorySection(section) => {
                at_most(section.count(), MAX_MEMORIES, "memories")?;
                for memory in section {
                    memory_bytes += memory.map_err(invalid)?.initial.saturating_mul(WASM_PAGE_BYTES as u64);
                }
            }
            Payload::TableSection(section) => {
                at_most(section.count(), MAX_TABLES, "tables")?;
                for table in section {
                    at_most(table.map_err(invalid)?.ty.initial, TABLE_ELEMENTS as u64, "elements in its table")?;
                }
            }
            Payload::DataSection(section) => at_most(section.count(), MAX_SEGMENTS, "data segments")?,
            Payload::ElementSection(section) => at_most(section.count(), MAX_SEGMENTS, "element segments")?,
            _ => {}
        }
    }
    Ok(memory_bytes)
}

/// `index` counts the functions that have a body.
fn check_function(index: u32, body: &FunctionBody<'_>) -> Result<(), Refusal> {
    let size = body.range().len();
    if size > MAX_BODY_BYTES {
        let message = format!("function {index} has {size} bytes of code; at most {MAX_BODY_BYTES} are compiled");
        return Err(Refusal::compile(message));
    }
    let mut is_loop = Vec::new();
    let mut loops = 0;
    for operator in body.get_operators_reader().map_err(invalid)? {
        match operator.map_err(invalid)? {
            Operator::Loop { .. } => {
                loops += 1;
                is_loop.push(true);
            }
            Operator::Block { .. } | Operator::If { .. } | Operator::TryTable { .. } => is_loop.push(false),
            Operator::End => loops -= usize::from(is_loop.pop() == Some(true)),
            _ => continue,
        }
        if is_loop.len() > MAX_NESTED_BLOCKS || loops > MAX_NESTED_LOOPS {
            let message = format!(
                "function {index} is nested too deeply; at most {MAX_NESTED_BLOCKS} blocks and {MAX_NESTED_LOOPS} loops are compiled"
            );
            return Err(Refusal::compile(message));
        }
    }
    Ok(())
}

fn at_most(count: impl Into<u64>, limit: impl Into<u64>, what: &str) -> Result<(), Refusal> {
    let (count, limit) = (count.into(), limit.into());
    if count <= limit {
        return Ok(());
    }
    Err(Refusal::compile(format!("the module has {count} {what}; at most {limit} are compiled")))
}

fn invalid(error: wasmparser::BinaryReaderError) -> Refusal {
    Refusal::compile(format!("invalid WebAssembly: {error}"))
}
