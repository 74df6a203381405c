//! The linked JavaScript guest, taken apart: code that works on any heap, and the data that is the first heap.

use wasm_encoder::{ExportKind, ExportSection, MemorySection, MemoryType, Module, RawSection};
use wasmparser::{DataKind, Operator, Parser, Payload, TypeRef};

use crate::memory::WASM_PAGE_BYTES;

/// The guest as the linker made it (crates/js-guest/build.sh).
const ARTIFACT: &[u8] = include_bytes!("../../js-guest/doer-js-guest.wasm");

/// The name by which the module of the memory exports it.
pub(crate) const MEMORY: &str = "memory";

/// The parts of the artifact.
pub(crate) struct Linked {
    /// The guest without data segments and start function, which would wipe the heap it is given: a module.
    pub(crate) code: Vec<u8>,
    /// The memory that it imports, and nothing else: a module.
    pub(crate) memory: Vec<u8>,
    /// What those data segments make of such a memory.
    pub(crate) heap: Vec<u8>,
}

/// Takes the artifact apart.
///
/// # Errors
/// A text, where the artifact is not what the build script makes.
pub(crate) fn take_apart() -> Result<Linked, String> {
    let mut code = Module::new();
    let mut memory = None;
    let mut segments = Vec::new();
    for payload in Parser::new(0).parse_all(ARTIFACT) {
        let payload = payload.map_err(|error| error.to_string())?;
        match &payload {
            // `__wasm_init_memory` clears what no segment covers: in a heap of ours that is the heap.
            Payload::StartSection { .. } | Payload::DataCountSection { .. } | Payload::CustomSection(_) => continue,
            Payload::DataSection(section) => {
                for segment in section.clone() {
                    segments.push(segment.map_err(|error| error.to_string())?);
                }
                continue;
            }
            Payload::ImportSection(section) => {
                for import in section.clone().into_imports() {
                    if let TypeRef::Memory(found) = import.map_err(|error| error.to_string())?.ty {
                        memory = Some(found);
                    }
                }
            }
            _ => {}
        }
        if let Some((id, range)) = payload.as_section() {
            code.section(&RawSection { id, data: &ARTIFACT[range] });
        }
    }
    let memory = memory.ok_or("the guest imports no memory")?;
    Ok(Linked { code: code.finish(), memory: declaration(memory), heap: heap(memory, &segments)? })
}

fn declaration(memory: wasmparser::MemoryType) -> Vec<u8> {
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: memory.initial,
        maximum: memory.maximum,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    let mut exports = ExportSection::new();
    exports.export(MEMORY, ExportKind::Memory, 0);
    let mut module = Module::new();
    module.section(&memories).section(&exports);
    module.finish()
}

fn heap(memory: wasmparser::MemoryType, segments: &[wasmparser::Data<'_>]) -> Result<Vec<u8>, String> {
    let pages = usize::try_from(memory.initial).map_err(|error| error.to_string())?;
    let mut heap = vec![0; pages * WASM_PAGE_BYTES];
    for segment in segments {
        let DataKind::Active { offset_expr, .. } = &segment.kind else {
            return Err("the guest has a passive data segment".into());
        };
        let Ok(Operator::I32Const { value }) = offset_expr.get_operators_reader().read() else {
            return Err("a data segment of the guest has no constant offset".into());
        };
        let place = heap.get_mut(value.cast_unsigned() as usize..).and_then(|rest| rest.get_mut(..segment.data.len()));
        place.ok_or("a data segment of the guest lies outside of its memory")?.copy_from_slice(segment.data);
    }
    Ok(heap)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_has_no_data_and_the_memory_nothing_else() {
        let linked = take_apart().unwrap();
        assert!(wasmparser::validate(&linked.code).is_ok());
        assert!(wasmparser::validate(&linked.memory).is_ok());
        let has = |binary: &[u8], wanted: fn(&Payload<'_>) -> bool| {
            Parser::new(0).parse_all(binary).any(|payload| wanted(&payload.unwrap()))
        };
        let data = |payload: &Payload<'_>| matches!(payload, Payload::DataSection(_) | Payload::StartSection { .. });
        assert!(!has(&linked.code, data) && !has(&linked.memory, data));
        assert!(!has(&linked.memory, |payload| matches!(payload, Payload::CodeSectionStart { .. })));
        assert!(linked.heap.iter().any(|byte| *byte != 0));
    }
}
