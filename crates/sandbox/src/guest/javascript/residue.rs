//! No heap survives its execution: whatever a guest did and however it ended, the next one on its slot finds
//! the image and zeros, to the byte.

use std::{path::Path, sync::Arc, time::Duration};

use doer_core::{limits::Limits, tier::Tier};
use doer_guest_protocol::{Program, Source, Surface};
use wasmtime::Engine;

use super::*;
use crate::{CompilerConfig, Event, SandboxConfig, engine, memory::WASM_PAGE_BYTES, schedule::Metered};

const SLOTS: usize = 4;
const ROUNDS: usize = 300;

/// Ways to leave a heap behind, each with marks all over it.
const ENDINGS: [&str; 8] = [
    "return 1",
    "throw new Error('x')",
    "for (;;) {}",
    "await new Promise(r => setTimeout(r, 1e6))",
    "for (;;) kept.push(mark(1 << 20))",
    "for (;;) console.log('x'.repeat(1e5))",
    "const f = () => f() + 1; f()",
    "/(a+)+$/.test('a'.repeat(60) + 'b')",
];

fn settings(keep_resident_bytes: usize, cache_dir: &Path) -> SandboxConfig {
    SandboxConfig {
        concurrency: SLOTS as u32,
        queue: 0,
        max_memory_bytes: 256 << 20,
        keep_resident_bytes,
        cache_dir: cache_dir.to_owned(),
        disk_bytes: 0,
        installation_key: [7; 32],
        background_threads: 1,
        compiler: CompilerConfig {
            program: "/nonexistent".into(),
            args: Vec::new(),
            processes: 1,
            queue: 0,
            timeout: Duration::ZERO,
            memory_bytes: 0,
        },
    }
}

fn text(code: &str) -> Program {
    Program::Text(Source { code: code.to_owned(), mappings: None })
}

fn marked(ending: &str) -> Evaluate {
    let code = format!(
        "const kept = [];
         const mark = (size) => new Uint8Array(size).fill(0xA7);
         for (let i = 0; i < 40; i++) kept.push(mark(1000 << (i % 12)), 'secret '.repeat(100 + i), {{ ['s' + i]: i }});
         {ending}"
    );
    Evaluate { program: text(&code), surface: Surface::Full, env: None, loopback: false, disallow_eval: false }
}

fn invocation() -> Invocation {
    let limits =
        Limits { memory_bytes: 48 << 20, fuel: 300_000_000, output_bytes: 1 << 20, ..Limits::of(Tier::Tenant) };
    Invocation::new(Event::Execute(None), limits)
}

async fn run(javascript: Arc<JavaScript>, program: Evaluate) -> Result<Finished, End> {
    let mut invocation = invocation();
    let account = Arc::new(Account::open(&mut invocation));
    Metered::new(account.clone(), async move { javascript.run(&program, &invocation, &account).await }).await
}

async fn no_heap_survives(keep_resident_bytes: usize) {
    let dir = tempfile::tempdir().unwrap();
    let settings = settings(keep_resident_bytes, &dir.path().join("artifacts"));
    let wasm: Engine = engine::for_javascript().unwrap();
    let cache = Cache::open(&settings.cache_dir, &settings.installation_key).unwrap();
    let javascript = Arc::new(JavaScript::start(&wasm, &cache, SLOTS, keep_resident_bytes).await.unwrap());
    let ticker = engine::Ticker::start(vec![wasm]).unwrap();
    let _ticking = ticker.tick();
    let account = Arc::new(Account::unlimited());
    let open = || Guest::open(&javascript, None, &account).unwrap();
    let pristine = {
        let guest = open();
        guest.memory.data(&guest.store).to_vec()
    };
    let zeros = vec![0; 48 << 20];

    for round in 0..ROUNDS {
        // All slots at once, so that none is left out.
        let mut killed = Vec::new();
        for slot in 0..SLOTS {
            let javascript = javascript.clone();
            killed.push(tokio::spawn(async move {
                let run = run(javascript, marked(ENDINGS[(round + slot) % ENDINGS.len()]));
                // Some end by themselves, some by a limit, the rest is dropped where it stands.
                let _ = tokio::time::timeout(Duration::from_millis(20), run).await;
            }));
        }
        for task in killed {
            task.await.unwrap();
        }
        let mut guests: Vec<_> = (0..SLOTS).map(|_| open()).collect();
        for guest in &mut guests {
            assert!(guest.memory.data(&guest.store) == pristine.as_slice(), "round {round}: the heap is not the image");
            let grown = (48 << 20) / WASM_PAGE_BYTES - pristine.len() / WASM_PAGE_BYTES;
            if round % 10 == 0 {
                guest.memory.grow(&mut guest.store, grown as u64).unwrap();
                let beyond = &guest.memory.data(&guest.store)[pristine.len()..];
                assert!(beyond == &zeros[..beyond.len()], "round {round}: memory beyond the image is not zero");
            }
        }
        drop(guests);
        // And it works: every slot gives a right answer after every kind of end.
        for _ in 0..SLOTS {
            let clean = Evaluate {
                program: text("return 6 * 7"),
                surface: Surface::Full,
                env: None,
                loopback: false,
                disallow_eval: false,
            };
            let answer = Answer::try_from(run(javascript.clone(), clean).await.unwrap()).unwrap();
            assert_eq!(answer.result.get(), "42");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_heap_survives_its_execution_where_slots_keep_their_pages() {
    no_heap_survives(1600 << 10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_heap_survives_its_execution_where_slots_keep_nothing() {
    no_heap_survives(0).await;
}
