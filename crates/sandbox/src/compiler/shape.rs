//! How large and how deep a module or a component may be before Cranelift sees it.
//!
//! Time and memory of a compilation are limited in any case. These checks turn down at once, and with the reason,
//! what is known to take Cranelift for ever and what no compiler of another language emits. Of a component everything is
//! counted together, however it is spread over the modules inside of it.

use wasmparser::{Encoding, FunctionBody, Operator, Parser, Payload};

use super::answer::Refusal;
use crate::{
    engine::{COMPONENT_PARTS, TABLE_ELEMENTS},
    memory::WASM_PAGE_BYTES,
};

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

/// Functions that all element segments name together: each is written into a table when an instance is made.
const MAX_ELEMENTS: u64 = 1_000_000;

/// Memories of a module, as many as a slot of the pool has.
const MAX_MEMORIES: u32 = 1;

/// Tables of a module, as many as a slot of the pool has.
const MAX_TABLES: u32 = 1;

/// Components inside of each other. Composed ones have two or three levels.
const MAX_NESTED_COMPONENTS: usize = 16;

/// Components in a component, all levels together.
const MAX_COMPONENTS: u32 = 1000;

/// Types, aliases, functions and whatever else a component defines, each kind by itself. A large interface has
/// some hundreds.
const MAX_DEFINITIONS: u32 = 100_000;

/// What there is to a binary that passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    /// It is a component, and no module.
    pub component: bool,
    /// The linear memory that it begins with, where each module inside becomes one instance.
    pub memory_bytes: u64,
}

/// What was counted so far.
#[derive(Default)]
struct Counts {
    functions: u32,
    segments: [u32; 2],
    elements: u64,
    memory_bytes: u64,
    modules: u32,
    components: u32,
    definitions: [u32; 4],
    /// Whether each of what is open is a component, the outermost first.
    open: Vec<bool>,
}

/// Checks everything but validity, which the compiler checks by itself.
pub(super) fn check(bytes: &[u8]) -> Result<Shape, Refusal> {
    let mut counts = Counts::default();
    let mut component = false;
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(invalid)?;
        if let Payload::Version { encoding, .. } = &payload {
            component |= counts.open.is_empty() && *encoding == Encoding::Component;
        }
        counts.take(payload)?;
    }
    Ok(Shape { component, memory_bytes: counts.memory_bytes })
}

impl Counts {
    fn take(&mut self, payload: Payload<'_>) -> Result<(), Refusal> {
        match payload {
            Payload::Version { encoding, .. } => self.begin(encoding == Encoding::Component)?,
            Payload::End(_) => {
                self.open.pop();
            }
            Payload::CodeSectionStart { count, .. } => {
                // Not all of them have been read: a count is a claim, and is checked before that.
                at_most(self.functions.saturating_add(count), MAX_FUNCTIONS, "functions")?;
            }
            Payload::CodeSectionEntry(body) => {
                check_function(self.functions, &body)?;
                self.functions += 1;
            }
            Payload::MemorySection(section) => {
                at_most(section.count(), MAX_MEMORIES, "memories")?;
                for memory in section {
                    let bytes = memory.map_err(invalid)?.initial.saturating_mul(WASM_PAGE_BYTES as u64);
                    self.memory_bytes = self.memory_bytes.saturating_add(bytes);
                }
            }
            Payload::TableSection(section) => {
                at_most(section.count(), MAX_TABLES, "tables")?;
                for table in section {
                    at_most(table.map_err(invalid)?.ty.initial, TABLE_ELEMENTS as u64, "elements in its table")?;
                }
            }
            Payload::DataSection(section) => {
                add(&mut self.segments[0], section.count(), MAX_SEGMENTS, "data segments")?
            }
            Payload::ElementSection(section) => {
                add(&mut self.segments[1], section.count(), MAX_SEGMENTS, "element segments")?;
                for segment in section {
                    self.elements += match segment.map_err(invalid)?.items {
                        wasmparser::ElementItems::Functions(functions) => u64::from(functions.count()),
                        wasmparser::ElementItems::Expressions(_, expressions) => u64::from(expressions.count()),
                    };
                    at_most(self.elements, MAX_ELEMENTS, "elements in its segments")?;
                }
            }
            Payload::ComponentTypeSection(section) => self.define(0, section.count(), "types")?,
            Payload::CoreTypeSection(section) => self.define(0, section.count(), "types")?,
            Payload::ComponentAliasSection(section) => self.define(1, section.count(), "aliases")?,
            Payload::ComponentCanonicalSection(section) => self.define(2, section.count(), "canonical functions")?,
            Payload::InstanceSection(section) => self.define(3, section.count(), "instances")?,
            Payload::ComponentInstanceSection(section) => self.define(3, section.count(), "instances")?,
            _ => {}
        }
        Ok(())
    }

    /// A module or a component begins, inside of another one or by itself.
    fn begin(&mut self, component: bool) -> Result<(), Refusal> {
        self.open.push(component);
        if component {
            let message = "the component is nested too deeply";
            if self.open.len() > MAX_NESTED_COMPONENTS {
                return Err(Refusal::compile(format!(
                    "{message}; at most {MAX_NESTED_COMPONENTS} levels are compiled"
                )));
            }
            return add(&mut self.components, 1, MAX_COMPONENTS, "components");
        }
        add(&mut self.modules, 1, COMPONENT_PARTS.instances, "modules inside")
    }

    fn define(&mut self, kind: usize, count: u32, what: &str) -> Result<(), Refusal> {
        add(&mut self.definitions[kind], count, MAX_DEFINITIONS, what)
    }
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

fn add(sum: &mut u32, count: u32, limit: u32, what: &str) -> Result<(), Refusal> {
    *sum = sum.saturating_add(count);
    at_most(*sum, limit, what)
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
