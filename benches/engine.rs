//! What the engine costs without HTTP: warm image, code never seen before, image making.
//!
//! `cargo bench --bench engine`. Every cold iteration evaluates different source. Medians count: the machine
//! this runs on is rarely quiet.

#![allow(clippy::expect_used, reason = "a bench that cannot run has nothing to say")]

use std::{hint::black_box, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use doer_core::{limits::Limits, tier::Tier};
use doer_sandbox::{CompilerConfig, Console, Invocation, Program, Sandbox, SandboxConfig, Surface};
use serde_json::value::RawValue;
use tokio::runtime::Builder;

/// A handler that parses JSON, looks something up in a table built at top level, and answers JSON.
fn handler(salt: u64) -> String {
    format!(
        "const table = new Map(Array.from({{ length: 10 }}, (_, i) => ['key' + i, i * {salt}]));
         export default (input) => {{
            const wanted = JSON.parse(input.text).key;
            return JSON.stringify({{ wanted, found: table.get(wanted) }});
         }}"
    )
}

fn program(code: String) -> Program {
    Program::Text { code, language: None }
}

fn invocation() -> Invocation {
    let raw = |text: &str| RawValue::from_string(text.to_owned()).expect("JSON");
    Invocation {
        input: Some(raw(r#"{"text":"{\"key\":\"key7\"}"}"#)),
        context: raw(r#"{"namespace":"bench"}"#),
        surface: Surface::Full,
        limits: Limits::of(Tier::Tenant),
        services: None,
        started: std::time::Instant::now(),
        truncate: false,
        console: Console::Capture,
        cancel: Default::default(),
    }
}

fn engine(criterion: &mut Criterion) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("runtime");
    let dir = tempfile::tempdir().expect("directory");
    let config = SandboxConfig {
        concurrency: 16,
        queue: 16,
        max_memory_bytes: 256 << 20,
        keep_resident_bytes: 1600 << 10,
        cache_dir: dir.path().join("artifacts"),
        installation_key: [7; 32],
        background_threads: 1,
        compiler: CompilerConfig {
            program: "/nonexistent".into(),
            args: Vec::new(),
            processes: 1,
            queue: 1,
            timeout: Duration::from_secs(1),
            memory_bytes: 1 << 30,
        },
    };
    let sandbox = runtime.block_on(Sandbox::start(config)).expect("sandbox");
    let answer = |outcome: doer_sandbox::Outcome| black_box(outcome.answer.expect("an answer").result);

    let image = runtime.block_on(sandbox.image(program(handler(1)), invocation()));
    let image = image.expect("no failure of ours").expect("a program that evaluates");
    criterion.bench_function("warm image: instantiate, run, reset", |bencher| {
        bencher
            .to_async(&runtime)
            .iter(|| async { answer(sandbox.execute_image(image.clone(), invocation()).await.expect("an outcome")) });
    });

    let mut salt = 1;
    criterion.bench_function("cold code: instantiate, evaluate, run, reset", |bencher| {
        bencher.to_async(&runtime).iter(|| {
            salt += 1;
            let code = handler(salt);
            async { answer(sandbox.execute(program(code), invocation()).await.expect("an outcome")) }
        });
    });

    criterion.bench_function("cold snippet: return 2 + n", |bencher| {
        bencher.to_async(&runtime).iter(|| {
            salt += 1;
            let code = format!("return 2 + {salt}");
            async { answer(sandbox.execute(program(code), invocation()).await.expect("an outcome")) }
        });
    });

    criterion.bench_function("make an image of a worker", |bencher| {
        bencher.to_async(&runtime).iter(|| {
            salt += 1;
            let code = program(handler(salt));
            async { sandbox.image(code, invocation()).await.expect("no failure of ours").expect("an image") }
        });
    });
}

criterion_group!(benches, engine);
criterion_main!(benches);
