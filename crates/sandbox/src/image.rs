//! Heap images: a linear memory as a module of its own.
//!
//! A module that has a memory, its content as data segments and no function costs nothing to compile, and
//! wasmtime maps it copy-on-write: instantiating it *is* restoring the heap. The engine module imports that
//! memory. There are three generations, all of the same form: what the linker put into the guest's data
//! segments, the guest after boot, and a program after its top level.

use wasm_encoder::{
    ConstExpr, DataSection, DataSegment, DataSegmentMode, ExportKind, ExportSection, MemorySection, MemoryType, Module,
};

/// A gap of zeros shorter than this does not end a segment: a segment costs more than it.
const GAP_BYTES: usize = 4096;
/// wasmtime maps images up to this size copy-on-write whatever they look like; larger ones it may copy at every
/// instantiation, silently.
pub(crate) const MAX_IMAGE_BYTES: usize = 16 << 20;
/// WebAssembly's page.
pub(crate) const PAGE_BYTES: usize = 64 << 10;
/// The name that every image exports its memory by.
pub(crate) const MEMORY: &str = "memory";

/// Bytes at a place in memory.
pub(crate) struct Run<'a> {
    pub(crate) offset: u32,
    pub(crate) bytes: &'a [u8],
}

/// A module with a memory of `pages` (growing up to `max_pages`) and the given content.
pub(crate) fn module<'a>(pages: u64, max_pages: Option<u64>, runs: impl IntoIterator<Item = Run<'a>>) -> Vec<u8> {
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: pages,
        maximum: max_pages,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    let mut exports = ExportSection::new();
    exports.export(MEMORY, ExportKind::Memory, 0);
    let mut data = DataSection::new();
    for run in runs {
        let offset = ConstExpr::i32_const(run.offset.cast_signed());
        let mode = DataSegmentMode::Active { memory_index: 0, offset: &offset };
        data.segment(DataSegment { mode, data: run.bytes.iter().copied() });
    }
    let mut module = Module::new();
    module.section(&memories).section(&exports).section(&data);
    module.finish()
}

/// The parts of a memory that are not zero, from the page of `start` on.
pub(crate) fn runs(memory: &[u8], start: usize) -> Vec<Run<'_>> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (index, page) in memory.chunks(GAP_BYTES).enumerate().skip(start / GAP_BYTES) {
        if page.iter().all(|byte| *byte == 0) {
            continue;
        }
        let (start, end) = (index * GAP_BYTES, index * GAP_BYTES + page.len());
        match runs.last_mut() {
            Some(last) if last.1 + GAP_BYTES >= start => last.1 = end,
            _ => runs.push((start, end)),
        }
    }
    runs.into_iter()
        .filter_map(|(start, end)| Some(Run { offset: u32::try_from(start).ok()?, bytes: memory.get(start..end)? }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_what_is_not_zero() {
        let mut memory = vec![0; 10 * GAP_BYTES];
        memory[5] = 1;
        memory[GAP_BYTES * 2 + 1] = 1;
        memory[GAP_BYTES * 7] = 1;
        let found: Vec<_> = runs(&memory, 0).iter().map(|run| (run.offset as usize, run.bytes.len())).collect();
        // The second page is a gap short enough to be carried along.
        assert_eq!(found, [(0, 3 * GAP_BYTES), (7 * GAP_BYTES, GAP_BYTES)]);
        assert_eq!(runs(&memory, 3 * GAP_BYTES).len(), 1);
    }

    #[test]
    fn an_image_is_a_valid_module() {
        let bytes = [7; 10];
        let binary = module(2, Some(4), [Run { offset: 100, bytes: &bytes }]);
        assert!(wasmparser::validate(&binary).is_ok());
    }
}
