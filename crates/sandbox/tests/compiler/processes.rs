//! The processes themselves: how many there are, what they know, and that none is left behind.

use std::{ffi::OsString, fs, future::Future, path::Path, task::Poll, time::Duration};

use doer_sandbox::{
    CompilerConfig,
    compiler::{CompileError, Compiler},
};

use crate::support::{assert_works, children, config, snippet};

/// A pool whose processes can be told from those of the tests beside this one.
fn marked(marker: &str, processes: usize, queue: usize) -> Compiler {
    Compiler::new(CompilerConfig { args: vec![OsString::from(marker)], processes, queue, ..config() })
}

fn read(process: &Path, file: &str) -> String {
    String::from_utf8(fs::read(process.join(file)).unwrap()).unwrap()
}

/// Polls a future once.
async fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    std::future::poll_fn(|context| Poll::Ready(std::pin::Pin::new(&mut *future).poll(context))).await
}

#[tokio::test]
async fn none_is_started_before_it_is_needed_and_one_is_used_again() {
    let compiler = marked("lazy", 4, 0);
    assert!(children("lazy").iter().all(|path| !read(path, "cmdline").contains("lazy")));
    assert_works(&compiler).await;
    let first = living("lazy");
    assert_eq!(first.len(), 1);
    assert_works(&compiler).await;
    assert_eq!(living("lazy"), first);
}

#[tokio::test]
async fn a_process_knows_nothing_and_may_do_nothing() {
    let secret = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let _open = fs::File::open(secret).unwrap();
    let compiler = marked("confined", 1, 0);
    assert_works(&compiler).await;
    let process = living("confined").remove(0);
    assert_eq!(read(&process, "environ"), "");
    assert!(read(&process, "status").lines().any(|line| line == "NoNewPrivs:\t1"));
    assert_eq!(fs::read_link(process.join("cwd")).unwrap(), Path::new("/"));
    let mut open = fs::read_dir(process.join("fd")).unwrap().map(|entry| fs::read_link(entry.unwrap().path()).unwrap());
    assert!(open.all(|file| file != Path::new(secret)));
    let limits = read(&process, "limits");
    for (name, value) in [
        ("Max address space", "1073741824"),
        ("Max core file size", "0"),
        ("Max file size", "0"),
        ("Max open files", "16"),
        ("Max processes", "0"),
    ] {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        let values: Vec<&str> = line[name.len()..].split_whitespace().take(2).collect();
        assert_eq!(values, [value, value], "{line}");
    }
}

#[tokio::test]
async fn processes_and_the_queue_are_bounded() {
    let compiler = marked("bounded", 2, 3);
    let jobs: Vec<_> = (0..5)
        .map(|number| {
            let compiler = compiler.clone();
            tokio::spawn(async move { snippet(&compiler, &format!("return {number} as number")).await })
        })
        .collect();
    // Let each of them get as far as it gets; nothing can end, since nothing was read yet.
    tokio::task::yield_now().await;
    assert_eq!(snippet(&compiler, "return 6").await, Err(CompileError::Full { running: 2, waiting: 3 }));
    assert!(living("bounded").len() <= 2);
    for (number, job) in jobs.into_iter().enumerate() {
        assert_eq!(job.await.unwrap().unwrap().code, format!("return {number};\n"));
    }
    assert_eq!(living("bounded").len(), 2);
    // A process for Wasm takes the place of one that waits.
    compiler.wasm(b"(module)".to_vec(), true).await.unwrap();
    until(|| living("bounded").len() == 1).await;
}

#[tokio::test]
async fn a_cancelled_job_poisons_nothing_and_leaves_nothing() {
    let compiler = marked("cancelled", 1, 0);
    for polls in 0..40 {
        let mut job = Box::pin(snippet(&compiler, "return 'the wrong answer' as string"));
        for _ in 0..polls {
            if poll_once(&mut job).await.is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(job);
        assert_works(&compiler).await;
    }
    // That of the last job that was given up may be about to go.
    until(|| living("cancelled").len() == 1).await;
    drop(compiler);
    let gone = async {
        while !children("cancelled").is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone).await.expect("no zombie stays");
}

#[tokio::test]
async fn one_that_dies_while_it_waits_is_replaced() {
    let compiler = marked("victim", 1, 0);
    assert_works(&compiler).await;
    let process = living("victim").remove(0);
    let id: i32 = process.file_name().unwrap().to_str().unwrap().parse().unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_raw(id).unwrap(), rustix::process::Signal::KILL).unwrap();
    until(|| process.join("exe").read_link().is_err()).await;
    assert_works(&compiler).await;
}

#[tokio::test]
async fn what_is_no_compiler_is_the_hosts_fault() {
    for program in ["/bin/true", "/bin/cat", "/nonexistent"] {
        let timeout = Duration::from_millis(500);
        let compiler = Compiler::new(CompilerConfig { program: program.into(), timeout, ..config() });
        let outcome = snippet(&compiler, "return 1").await;
        assert!(matches!(outcome, Err(CompileError::Unavailable(_))), "{program}: {outcome:?}");
    }
}

/// Children with that mark that still run, as directories in `/proc`.
fn living(marker: &str) -> Vec<std::path::PathBuf> {
    children(marker).into_iter().filter(|path| read(path, "cmdline").contains(marker)).collect()
}

/// Waits until something is true; processes end when they end.
async fn until(mut condition: impl FnMut() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.expect("it never came true");
}
