//! Pools to test, and a look at the processes behind them.

use std::{fs, path::PathBuf, time::Duration};

use doer_sandbox::{
    CompilerConfig,
    compiler::{CompileError, Compiled, Compiler, ScriptKind, TypeScript},
};

/// What a server would have, with less patience.
pub fn config() -> CompilerConfig {
    CompilerConfig {
        program: env!("CARGO_BIN_EXE_doer-compiler").into(),
        args: Vec::new(),
        processes: 2,
        queue: 16,
        timeout: Duration::from_secs(10),
        memory_bytes: 1 << 30,
    }
}

/// A pool of its own for one test.
pub fn compiler() -> Compiler {
    Compiler::new(config())
}

/// Compiles a snippet without JSX.
pub async fn snippet(compiler: &Compiler, code: &str) -> Result<Compiled, CompileError> {
    compiler.typescript(TypeScript { code: code.to_owned(), jsx: false, kind: ScriptKind::Snippet }).await
}

/// A snippet that any working compiler takes.
pub async fn assert_works(compiler: &Compiler) {
    let compiled = snippet(compiler, "const a: number = 1; return a").await.unwrap();
    assert_eq!(compiled.code, "const a = 1;\nreturn a;\n");
}

/// Children of the tests' process that started with `args`, zombies included, as directories in `/proc`.
pub fn children(marker: &str) -> Vec<PathBuf> {
    let me = std::process::id().to_string();
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    processes
        .filter(|path| stat(path).is_some_and(|(_, parent)| parent == me))
        .filter(|path| {
            let command = fs::read(path.join("cmdline")).unwrap_or_default();
            // A zombie has no command line left.
            command.is_empty() || String::from_utf8_lossy(&command).contains(marker)
        })
        .collect()
}

/// State and parent of a process.
fn stat(path: &std::path::Path) -> Option<(char, String)> {
    let stat = fs::read_to_string(path.join("stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    Some((fields.next()?.chars().next()?, fields.next()?.to_owned()))
}
