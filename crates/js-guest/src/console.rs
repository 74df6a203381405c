//! `console`: every call leaves the guest at once, so that it survives whatever ends the run.

use std::{cell::RefCell, collections::BTreeMap};

use doer_guest_protocol::Level;
use rquickjs::{
    Coerced, Ctx, Function, Object, Result, Value,
    function::{Opt, Rest},
};

use crate::{host, inspect};

thread_local! {
    static COUNTS: RefCell<BTreeMap<String, u32>> = RefCell::default();
    static TIMES: RefCell<BTreeMap<String, f64>> = RefCell::default();
    static INDENT: RefCell<String> = RefCell::default();
}

/// Puts `console` on the global object.
///
/// # Errors
/// Only out of memory.
pub fn install<'js>(ctx: &Ctx<'js>) -> Result<()> {
    let console = Object::new(ctx.clone())?;
    for (name, level) in [
        ("log", Level::Log),
        ("info", Level::Info),
        ("debug", Level::Debug),
        ("warn", Level::Warn),
        ("error", Level::Error),
        ("trace", Level::Log),
        ("dir", Level::Log),
        ("table", Level::Log),
    ] {
        let log = move |ctx: Ctx<'js>, arguments: Rest<Value<'js>>| write(&ctx, level, &arguments.0);
        console.set(name, Function::new(ctx.clone(), log)?.with_name(name)?)?;
    }
    let assert = |ctx: Ctx<'js>, condition: Opt<Coerced<bool>>, rest: Rest<Value<'js>>| {
        if !condition.0.is_some_and(|condition| condition.0) {
            let text = inspect::format(&ctx, &rest.0);
            emit(
                Level::Error,
                &if text.is_empty() { "Assertion failed".into() } else { format!("Assertion failed: {text}") },
            );
        }
    };
    console.set("assert", Function::new(ctx.clone(), assert)?.with_name("assert")?)?;
    install_groups(ctx, &console)?;
    install_counters(ctx, &console)?;
    ctx.globals().set("console", console)
}

fn install_groups<'js>(ctx: &Ctx<'js>, console: &Object<'js>) -> Result<()> {
    for name in ["group", "groupCollapsed"] {
        let group = |ctx: Ctx<'js>, label: Rest<Value<'js>>| {
            if !label.0.is_empty() {
                write(&ctx, Level::Log, &label.0);
            }
            INDENT.with_borrow_mut(|indent| indent.push_str("  "));
        };
        console.set(name, Function::new(ctx.clone(), group)?.with_name(name)?)?;
    }
    let end = || INDENT.with_borrow_mut(|indent| indent.truncate(indent.len().saturating_sub(2)));
    console.set("groupEnd", Function::new(ctx.clone(), end)?.with_name("groupEnd")?)
}

fn install_counters<'js>(ctx: &Ctx<'js>, console: &Object<'js>) -> Result<()> {
    let count = |label: Opt<Coerced<String>>| {
        let label = label_of(label);
        let count = COUNTS.with_borrow_mut(|counts| {
            let count = counts.entry(label.clone()).or_default();
            *count += 1;
            *count
        });
        emit(Level::Log, &format!("{label}: {count}"));
    };
    console.set("count", Function::new(ctx.clone(), count)?.with_name("count")?)?;
    let reset = |label: Opt<Coerced<String>>| {
        COUNTS.with_borrow_mut(|counts| counts.remove(&label_of(label)));
    };
    console.set("countReset", Function::new(ctx.clone(), reset)?.with_name("countReset")?)?;
    let time = |label: Opt<Coerced<String>>| {
        TIMES.with_borrow_mut(|times| times.insert(label_of(label), host::now_us()));
    };
    console.set("time", Function::new(ctx.clone(), time)?.with_name("time")?)?;
    for (name, ends) in [("timeLog", false), ("timeEnd", true)] {
        let elapsed = move |label: Opt<Coerced<String>>| {
            let label = label_of(label);
            let started =
                TIMES.with_borrow_mut(|times| if ends { times.remove(&label) } else { times.get(&label).copied() });
            if let Some(started) = started {
                emit(Level::Log, &format!("{label}: {:.3}ms", (host::now_us() - started) / 1_000.0));
            }
        };
        console.set(name, Function::new(ctx.clone(), elapsed)?.with_name(name)?)?;
    }
    Ok(())
}

fn label_of(label: Opt<Coerced<String>>) -> String {
    label.0.map_or_else(|| "default".to_owned(), |label| label.0)
}

fn write<'js>(ctx: &Ctx<'js>, level: Level, arguments: &[Value<'js>]) {
    emit(level, &inspect::format(ctx, arguments));
}

/// Writes a line that does not come from a call of the user's.
pub fn emit(level: Level, line: &str) {
    INDENT.with_borrow(|indent| {
        if indent.is_empty() {
            host::log(level, line);
        } else {
            host::log(level, &format!("{indent}{}", line.replace('\n', &format!("\n{indent}"))));
        }
    });
}
