//! The linked JavaScript guest, taken apart: code that works on any heap, and the data that is the first heap.

use wasm_encoder::{Module, RawSection};
use wasmparser::{DataKind, Operator, Parser, Payload, TypeRef};

use crate::image::{self, Run};

/// The guest as the linker made it (crates/js-guest/build.sh).
const ARTIFACT: &[u8] = include_bytes!("../../js-guest/doer-js-guest.wasm");

/// The two halves of the artifact, each a module.
pub(crate) struct Linked {
    /// The guest without data segments and start function, which would wipe the heap it is given.
    pub(crate) code: Vec<u8>,
    /// An image of nothing but those data segments.
    pub(crate) data: Vec<u8>,
    /// The most pages that the guest's memory may have.
    pub(crate) max_pages: Option<u64>,
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
    let runs = segments.iter().map(run).collect::<Result<Vec<_>, _>>()?;
    Ok(Linked {
        code: code.finish(),
        data: image::module(memory.initial, memory.maximum, runs),
        max_pages: memory.maximum,
    })
}

fn run<'a>(segment: &wasmparser::Data<'a>) -> Result<Run<'a>, String> {
    let DataKind::Active { offset_expr, .. } = &segment.kind else {
        return Err("the guest has a passive data segment".into());
    };
    match offset_expr.get_operators_reader().read() {
        Ok(Operator::I32Const { value }) => Ok(Run { offset: value.cast_unsigned(), bytes: segment.data }),
        _ => Err("a data segment of the guest has no constant offset".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_halves_are_valid_and_neither_has_the_other() {
        let linked = take_apart().unwrap();
        assert!(wasmparser::validate(&linked.code).is_ok());
        assert!(wasmparser::validate(&linked.data).is_ok());
        let has = |binary: &[u8], wanted: fn(&Payload<'_>) -> bool| {
            Parser::new(0).parse_all(binary).any(|payload| wanted(&payload.unwrap()))
        };
        assert!(!has(&linked.code, |payload| matches!(
            payload,
            Payload::DataSection(_) | Payload::StartSection { .. }
        )));
        assert!(!has(&linked.data, |payload| matches!(payload, Payload::CodeSectionStart { .. })));
        assert!(has(&linked.data, |payload| matches!(payload, Payload::DataSection(_))));
    }
}
