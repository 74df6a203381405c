//! What a compiler process takes away from itself before it reads a byte of anyone's code.

use std::{io, time::Duration};

use rustix::{
    process::{Resource, Rlimit, chdir, getrlimit, nice, setrlimit},
    thread::set_no_new_privs,
    time::{ClockId, clock_gettime},
};

/// Descriptors: the three pipes it was given, and a few for the engine to look at the processor with.
const FILES: u64 = 16;

/// How much less important than the server it is to the scheduler.
const NICENESS: i32 = 10;

/// Gives up what threads inherit, so it has to be done before there is a second one: privileges to be gained, and
/// the right to as much of the processors as the server has.
pub(super) fn renounce() -> io::Result<()> {
    set_no_new_privs(true)?;
    chdir("/")?;
    nice(NICENESS)?;
    Ok(())
}

/// Limits this process, for good, to computing: no core to dump, no file to write, no thread or process to start.
pub(super) fn confine(memory_bytes: u64) -> io::Result<()> {
    limit(Resource::Core, 0)?;
    limit(Resource::Fsize, 0)?;
    limit(Resource::Nofile, FILES)?;
    limit(Resource::As, memory_bytes)?;
    // Root is exempt from this one.
    limit(Resource::Nproc, 0)
}

/// Gives the process `budget` of CPU time from now on; it dies of SIGXCPU when that is used up. The limit is
/// on all it ever used and in whole seconds, so it is counted from what was used already and rounded up.
pub(super) fn allow_cpu(budget: Duration) -> io::Result<()> {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    let used = Duration::new(used.tv_sec.unsigned_abs(), 0);
    let seconds = (used + budget).as_secs() + 1;
    // Only the soft limit: the hard one could never be raised again for the next job.
    let maximum = getrlimit(Resource::Cpu).maximum;
    let current = maximum.map_or(seconds, |maximum| maximum.min(seconds));
    Ok(setrlimit(Resource::Cpu, Rlimit { current: Some(current), maximum })?)
}

fn limit(resource: Resource, value: u64) -> io::Result<()> {
    let value = getrlimit(resource).maximum.map_or(value, |maximum| maximum.min(value));
    Ok(setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) })?)
}
