//! The compiler process itself: one job after the other, from standard input to standard output.

use std::{
    io::{self, BufWriter},
    thread,
};

use super::{
    answer::{Budget, Job, Reply},
    confine, frame, typescript, wasm,
};

/// Room for honest code: generated parsers and bundles nest a few thousand deep, and a level costs up to about
/// 1 KiB. Deeper code overflows the stack, and the process dies on its guard page.
const STACK_BYTES: usize = 32 << 20;

/// Runs a compiler process until its standard input ends. Whatever a
/// [`CompilerConfig`](crate::CompilerConfig) names as its program calls this before anything else, and with
/// no other thread running.
///
/// The first message says what the process may use; it limits itself to that before it reads another one.
///
/// # Errors
/// Where the pipes or the limits fail; the process is of no use then and should end.
pub fn serve() -> io::Result<()> {
    confine::renounce()?;
    let jobs = thread::Builder::new().name("compiler".to_owned()).stack_size(STACK_BYTES).spawn(jobs)?;
    // A panic in a compiler left who knows what behind: the process ends, and the parent starts another.
    jobs.join().unwrap_or_else(|_| Err(io::Error::other("a compiler panicked")))
}

fn jobs() -> io::Result<()> {
    let mut from = io::stdin().lock();
    let mut to = BufWriter::new(io::stdout().lock());
    let Some((budget, _)) = frame::read::<Budget>(&mut from)? else {
        return Ok(());
    };
    confine::confine(budget.memory_bytes)?;
    frame::write(&mut to, &Reply::Ready, &[])?;
    while let Some((job, body)) = frame::read::<Job>(&mut from)? {
        confine::allow_cpu(budget.cpu)?;
        let (reply, body) = run(job, body);
        frame::write(&mut to, &reply, &body)?;
    }
    Ok(())
}

fn run(job: Job, body: Vec<u8>) -> (Reply, Vec<u8>) {
    let outcome = match job {
        Job::TypeScript { jsx, kind } => typescript::compile(body, jsx, kind)
            .map(|compiled| (Reply::Script { mappings: compiled.mappings }, compiled.code.into_bytes())),
        Job::Wasm { text } => wasm::compile(body, text)
            .map(|module| (Reply::Module { memory_bytes: module.memory_bytes }, module.artifact)),
    };
    outcome.unwrap_or_else(|refusal| (Reply::Refused(refusal), Vec::new()))
}
