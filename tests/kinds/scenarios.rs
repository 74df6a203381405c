//! The table: what happens, and what must come of it for every kind of guest. What a guest does is said twice, in
//! JavaScript and in WebAssembly; what comes of it is said once. Kinds that differ stand beside it, with the reason.

use std::ops::RangeInclusive;

use super::kind::{Ending, Kind};
use Ending::{Answers, Ends, Fails};
use Kind::{Command, ComponentCommand, ComponentHandler, ComponentWorker, Method, Module, Snippet};

/// One thing that happens.
pub struct Scenario {
    pub name: &'static str,
    /// The body of an async function; `ask` calls a service.
    pub js: &'static str,
    /// The body of a function; what it can call stands in `guests.rs`.
    pub wat: &'static str,
    pub limits: Limits,
    /// Has it the service that `ask` calls?
    pub is_granted: bool,
    pub end: End,
    pub ending: Ending,
    /// Numbers of the receipt's `usage`.
    pub usage: &'static [(&'static str, RangeInclusive<f64>)],
    /// Does it write more lines than the one that every guest begins with?
    pub is_talkative: bool,
    pub except: &'static [Except],
}

/// Kinds for which it is different.
pub struct Except {
    pub kinds: &'static [Kind],
    /// What comes of it; nothing where it cannot happen to them.
    pub ending: Option<Ending>,
    /// Why it is.
    #[allow(dead_code, reason = "for those who read the table")]
    pub why: &'static str,
}

/// Who ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It does, or a limit.
    Itself,
    /// `DELETE /executions/{id}`
    Deleted,
    /// Whoever asked goes away.
    Gone,
}

/// Limits that the request or the worker sets.
pub struct Limits {
    pub wall_ms: u64,
    pub cpu_ms: Option<u64>,
    pub fuel: Option<u64>,
    pub memory_mb: Option<u64>,
    pub calls: Option<u32>,
}

/// Far above what any scenario needs: a limit that does nothing shows as the wrong code, not as a hang.
const AMPLE: Limits = Limits { wall_ms: 20_000, cpu_ms: None, fuel: None, memory_mb: None, calls: None };

/// Nothing in particular.
const PLAIN: Scenario = Scenario {
    name: "",
    js: "",
    wat: "",
    limits: AMPLE,
    is_granted: true,
    end: End::Itself,
    ending: Answers(""),
    usage: &[],
    is_talkative: false,
    except: &[],
};

const MEMORY: f64 = (32 << 20) as f64;

/// Waits for longer than anybody has patience.
const WAITS: Scenario = Scenario {
    js: "await new Promise((resolve) => setTimeout(resolve, 60000)); return 'waited'",
    wat: "(call $wait)",
    ..PLAIN
};

/// Computes for as long as it is let.
const SPINS: Scenario = Scenario { js: "for (;;) {}", wat: "(loop $l (br $l))", ..PLAIN };

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "it answers with its input",
        js: "return input",
        wat: "(call $answer (i32.const 4096) (call $input))",
        ending: Answers("{\"n\":7}"),
        ..PLAIN
    },
    Scenario {
        name: "it fails",
        js: "throw new TypeError('no')",
        wat: "(call $fail)",
        ending: Fails("TypeError"),
        except: &[
            Except {
                kinds: &[Command, ComponentCommand],
                ending: Some(Fails("ExitError")),
                why: "a command says so by its exit code",
            },
            Except {
                kinds: &[ComponentHandler, ComponentWorker],
                ending: Some(Fails("RuntimeError")),
                why: "a handler has no exit code: it traps",
            },
        ],
        ..PLAIN
    },
    Scenario {
        name: "it calls itself without end",
        js: "const deep = () => deep() + 1; return deep()",
        wat: "(drop (call $deep))",
        ending: Fails("RangeError"),
        ..PLAIN
    },
    Scenario {
        name: "time on the clock is up while it waits",
        limits: Limits { wall_ms: 1_500, ..AMPLE },
        ending: Ends("timeout"),
        usage: &[("/wallMs", 1_500.0..=19_000.0)],
        ..WAITS
    },
    Scenario {
        name: "time on the clock is up while it computes",
        limits: Limits { wall_ms: 1_500, ..AMPLE },
        ending: Ends("timeout"),
        usage: &[("/wallMs", 1_500.0..=19_000.0)],
        ..SPINS
    },
    Scenario {
        name: "time on the processor is up",
        limits: Limits { cpu_ms: Some(100), ..AMPLE },
        ending: Ends("cpu_limit"),
        usage: &[("/cpuMs", 100.0..=19_000.0)],
        ..SPINS
    },
    Scenario {
        name: "fuel is used up",
        limits: Limits { fuel: Some(100_000_000), ..AMPLE },
        ending: Ends("fuel_exhausted"),
        usage: &[("/fuel", 99_000_000.0..=100_000_000.0)],
        ..SPINS
    },
    Scenario {
        name: "memory is used up",
        js: "const all = []; for (;;) all.push(new Uint8Array(1 << 20))",
        wat: "(loop $l (drop (memory.grow (i32.const 16))) (br $l))",
        limits: Limits { memory_mb: Some(32), ..AMPLE },
        ending: Ends("memory_limit"),
        usage: &[("/peakMemoryBytes", MEMORY / 2.0..=MEMORY)],
        ..PLAIN
    },
    Scenario {
        name: "it writes too many lines",
        js: "for (;;) console.log('x'.repeat(63))",
        wat: "(loop $l (call $log (i32.const 1040) (i32.const 64)) (br $l))",
        ending: Ends("output_limit"),
        usage: &[("/outputBytes", 3_000.0..=4_096.0)],
        is_talkative: true,
        ..PLAIN
    },
    Scenario {
        name: "its result is too large",
        js: "return 'x'.repeat(64 * 256)",
        wat: "(loop $l
            (call $answer (i32.const 1040) (i32.const 63))
            (global.set $n (i32.add (global.get $n) (i32.const 1)))
            (br_if $l (i32.lt_u (global.get $n) (i32.const 256))))",
        ending: Ends("output_limit"),
        except: &[Except {
            kinds: &[ComponentWorker],
            ending: Some(Answers("xxx")),
            why: "its response is a stream, which goes out as it is written; nothing of it is kept",
        }],
        ..PLAIN
    },
    Scenario {
        name: "it calls a service",
        js: "return await ask()",
        wat: "(call $ask) (call $answer (global.get $reply) (global.get $length))",
        ending: Answers("\"n\":1"),
        usage: &[("/calls/db", 1.0..=1.0)],
        ..PLAIN
    },
    Scenario {
        name: "it calls a service that it was not granted",
        js: "return await ask()",
        wat: "(call $ask) (call $answer (global.get $reply) (global.get $length))",
        is_granted: false,
        ending: Answers("forbidden"),
        ..PLAIN
    },
    Scenario {
        name: "it has used up its calls",
        js: "for (;;) await ask()",
        wat: "(loop $l (call $ask) (br $l))",
        limits: Limits { calls: Some(3), ..AMPLE },
        ending: Ends("call_limit"),
        usage: &[("/calls/db", 3.0..=3.0)],
        ..PLAIN
    },
    Scenario { name: "somebody ends it while it waits", end: End::Deleted, ending: Ends("cancelled"), ..WAITS },
    Scenario { name: "somebody ends it while it computes", end: End::Deleted, ending: Ends("cancelled"), ..SPINS },
    Scenario { name: "whoever asked goes away while it waits", end: End::Gone, ending: Ends("cancelled"), ..WAITS },
    Scenario { name: "whoever asked goes away while it computes", end: End::Gone, ending: Ends("cancelled"), ..SPINS },
];

/// What runs when the server stops: it waits, or computes.
pub const ENDLESS: [Scenario; 2] = [
    Scenario { name: "the server stops while it waits", ending: Ends("cancelled"), ..WAITS },
    Scenario { name: "the server stops while it computes", ending: Ends("cancelled"), ..SPINS },
];

/// An answer whose first piece is sent long before the last.
pub const STREAMED: Scenario = Scenario {
    name: "its answer is streamed",
    js: "return new Response(new ReadableStream({ async pull(controller) {
            if (this.sent) await new Promise((resolve) => setTimeout(resolve, 60000));
            this.sent = true;
            controller.enqueue(new TextEncoder().encode('xxx'));
        } }))",
    wat: "(call $answer (i32.const 1040) (i32.const 3)) (call $wait)",
    ending: Ends("cancelled"),
    except: &[Except {
        kinds: &[Snippet, Module, Command, ComponentCommand, ComponentHandler, Method],
        ending: None,
        why: "their answer is a result, which is there as a whole or not at all; their lines are streamed",
    }],
    ..PLAIN
};
