//! One sandbox for all tests of a binary, and short words for what they run.
#![allow(dead_code, reason = "no binary of tests needs all of it")]

use std::{sync::LazyLock, time::Duration};

use doer_core::{limits::Limits, tier::Tier};
use doer_sandbox::{CompilerConfig, Event, Invocation, Outcome, Program, Sandbox, SandboxConfig};
use serde_json::{Value, value::RawValue};
use tokio::{runtime::Runtime, sync::OnceCell};

/// Runs a test on the runtime that all tests share: the sandbox they share belongs to it.
pub fn block_on<F: Future>(test: F) -> F::Output {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
    RUNTIME.block_on(test)
}

/// The sandbox that the tests of this binary share.
pub async fn sandbox() -> Sandbox {
    static SANDBOX: OnceCell<Sandbox> = OnceCell::const_new();
    SANDBOX.get_or_init(|| async { Sandbox::start(config(8)).await.unwrap() }).await.clone()
}

/// How tests set a sandbox up: compiled artifacts are shared between test binaries and runs.
pub fn config(concurrency: u32) -> SandboxConfig {
    SandboxConfig {
        concurrency,
        queue: 1000,
        max_memory_bytes: 256 << 20,
        keep_resident_bytes: 1600 << 10,
        cache_dir: std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("artifacts"),
        // Whatever ran before is not to be seen.
        disk_bytes: 0,
        installation_key: [7; 32],
        background_threads: 2,
        compiler: CompilerConfig {
            program: env!("CARGO_BIN_EXE_doer-compiler").into(),
            args: Vec::new(),
            processes: 2,
            queue: 100,
            timeout: Duration::from_secs(20),
            memory_bytes: 4 << 30,
        },
    }
}

/// How tests set a sandbox up that keeps workers on disk, in a directory of its own, with the compiled engine of the
/// others in it. It compiles nothing where `compiles` is not true.
pub async fn config_on(dir: &std::path::Path, compiles: bool) -> SandboxConfig {
    sandbox().await;
    let shared = config(4);
    let cache_dir = dir.join("artifacts");
    if !cache_dir.exists() {
        std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700).create(&cache_dir).unwrap();
        for entry in std::fs::read_dir(&shared.cache_dir).unwrap() {
            let entry = entry.unwrap();
            if entry.path().extension().is_some_and(|extension| extension == "cwasm" || extension == "seal") {
                std::fs::copy(entry.path(), cache_dir.join(entry.file_name())).unwrap();
            }
        }
    }
    let mut config = SandboxConfig { cache_dir, disk_bytes: 1 << 30, ..shared };
    if !compiles {
        config.compiler.program = "/nonexistent".into();
    }
    config
}

/// One text in a language that nobody declared.
pub fn text(code: &str) -> Program {
    Program::Text { code: code.to_owned(), language: None }
}

/// A run with the limits of the tenant tier.
pub fn invocation(input: Value) -> Invocation {
    let event = Event::Execute((!input.is_null()).then(|| RawValue::from_string(input.to_string()).unwrap()));
    Invocation {
        context: RawValue::from_string("{\"namespace\":\"tenant:test\"}".into()).unwrap(),
        loader: true,
        ..Invocation::new(event, Limits::of(Tier::Tenant))
    }
}

/// Runs a program in the shared sandbox.
pub async fn run(program: Program, invocation: Invocation) -> Outcome {
    sandbox().await.execute(program, invocation).await.unwrap()
}
