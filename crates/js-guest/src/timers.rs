//! `setTimeout` and its kin. The guest keeps the list; the host only learns when to come back.

use std::{cell::RefCell, collections::BTreeMap};

use rquickjs::{
    Coerced, Ctx, Function, Object, Persistent, Result, Value,
    function::{Args, Opt, Rest},
};

use crate::{host, intrinsics, scope, web};

/// Intervals below this would starve everything else.
const SHORTEST_INTERVAL_US: f64 = 1_000.0;
/// As in browsers: a delay beyond 31 bits of milliseconds is no delay at all.
const LONGEST_DELAY_MS: f64 = 2_147_483_647.0;

/// What a timer runs.
#[derive(Clone)]
enum Callback {
    Function(Persistent<Function<'static>>),
    /// Code as a text, as the standard still has it.
    Code(String),
}

struct Timer {
    callback: Callback,
    arguments: Vec<Persistent<Value<'static>>>,
    interval_us: Option<f64>,
}

#[derive(Default)]
struct Timers {
    next_id: u32,
    /// By due time in microseconds, then by the order of registration.
    due: BTreeMap<(u64, u32), u32>,
    by_id: BTreeMap<u32, (u64, u32, Timer)>,
    sequence: u32,
}

thread_local! {
    static TIMERS: RefCell<Timers> = RefCell::default();
}

/// Puts the four functions on the global object.
///
/// # Errors
/// Only out of memory.
pub fn install(ctx: &Ctx<'_>) -> Result<()> {
    let globals = ctx.globals();
    define(ctx, &globals, "setTimeout", false)?;
    define(ctx, &globals, "setInterval", true)?;
    for name in ["clearTimeout", "clearInterval"] {
        let clear = Function::new(ctx.clone(), |id: Opt<Value<'_>>| {
            if let Some(id) = id.0.and_then(|id| id.as_number()) {
                remove(id as u32);
            }
        })?;
        globals.set(name, clear.with_name(name)?)?;
    }
    Ok(())
}

fn define<'js>(ctx: &Ctx<'js>, globals: &Object<'js>, name: &'static str, repeat: bool) -> Result<()> {
    let set = move |ctx: Ctx<'js>, callback: Value<'js>, delay: Opt<Coerced<f64>>, arguments: Rest<Value<'js>>| {
        scope::refuse_global(&ctx, &format!("{name}()"))?;
        let callback = match callback.as_function() {
            Some(function) => Callback::Function(Persistent::save(&ctx, function.clone())),
            None if callback.is_undefined() || callback.is_null() => {
                let text = format!("{name}: the first argument must be a function");
                return Err(rquickjs::Exception::throw_type(&ctx, &text));
            }
            None => Callback::Code(callback.get::<Coerced<String>>()?.0),
        };
        let delay_ms = delay.0.map_or(0.0, |delay| delay.0);
        let delay_us = if delay_ms > 0.0 && delay_ms <= LONGEST_DELAY_MS { delay_ms * 1_000.0 } else { 0.0 };
        let timer = Timer {
            callback,
            arguments: arguments.0.into_iter().map(|argument| Persistent::save(&ctx, argument)).collect(),
            interval_us: repeat.then_some(delay_us.max(SHORTEST_INTERVAL_US)),
        };
        Ok(TIMERS.with_borrow_mut(|timers| {
            timers.next_id = timers.next_id.wrapping_add(1).max(1);
            let id = timers.next_id;
            timers.schedule(id, delay_us, timer);
            id
        }))
    };
    globals.set(name, Function::new(ctx.clone(), set)?.with_name(name)?)
}

impl Timers {
    fn schedule(&mut self, id: u32, delay_us: f64, timer: Timer) {
        let due = (host::now_us() + delay_us) as u64;
        self.sequence = self.sequence.wrapping_add(1);
        self.due.insert((due, self.sequence), id);
        self.by_id.insert(id, (due, self.sequence, timer));
    }
}

fn remove(id: u32) {
    // Dropped after the borrow ends: freeing a callback may run finalizers.
    let _removed = TIMERS.with_borrow_mut(|timers| {
        let removed = timers.by_id.remove(&id);
        if let Some((due, sequence, _)) = &removed {
            timers.due.remove(&(*due, *sequence));
        }
        removed
    });
}

/// Microseconds until the next timer is due; zero where one already is.
pub fn next_due_us() -> Option<u64> {
    let due = TIMERS.with_borrow(|timers| timers.due.keys().next().map(|(due, _)| *due))?;
    Some(due.saturating_sub(host::now_us() as u64))
}

/// Runs the callback that is due, if one is. What it throws is written to the console.
///
/// # Errors
/// Only if a saved value cannot be restored.
pub fn run_one(ctx: &Ctx<'_>) -> Result<bool> {
    if next_due_us() != Some(0) {
        return Ok(false);
    }
    let Some((id, timer)) = TIMERS.with_borrow_mut(|timers| {
        let ((_, _), id) = timers.due.pop_first()?;
        timers.by_id.remove(&id).map(|(_, _, timer)| (id, timer))
    }) else {
        return Ok(false);
    };
    let callback = timer.callback.clone();
    let mut arguments = Args::new(ctx.clone(), timer.arguments.len());
    for argument in &timer.arguments {
        arguments.push_arg(argument.clone().restore(ctx)?)?;
    }
    if let Some(interval_us) = timer.interval_us {
        // Scheduled before the call, so that the callback can clear it.
        TIMERS.with_borrow_mut(|timers| timers.schedule(id, interval_us, timer));
    }
    let ran = match callback {
        Callback::Function(function) => function.restore(ctx)?.call_arg::<Value<'_>>(arguments),
        Callback::Code(code) => intrinsics::run_code(ctx, &code),
    };
    if let Err(error) = ran {
        web::report(ctx, error);
    }
    Ok(true)
}
