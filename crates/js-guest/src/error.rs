//! What was thrown, told in the user's own lines and columns.

use std::{cell::RefCell, collections::BTreeMap};

use doer_guest_protocol::{Exception, Level, Source};
use rquickjs::{Ctx, Error, Object, Result, Value, object::Property};

use crate::{
    console, inspect, intrinsics,
    raw::{self, Kind},
    source_map::SourceMap,
};

/// Frames of files with this prefix are ours and are not shown.
const OWN_FILES: &str = "doer:";

struct File {
    map: Option<SourceMap>,
    last_line: u32,
    last_column: u32,
}

thread_local! {
    static FILES: RefCell<BTreeMap<String, File>> = const { RefCell::new(BTreeMap::new()) };
}

/// Makes a file's text known, so that positions in it can be told.
pub fn register(name: &str, source: &Source) {
    let file = File {
        map: source.mappings.as_deref().map(SourceMap::decode),
        last_line: source.code.matches('\n').count() as u32 + 1,
        last_column: source.code.rsplit('\n').next().unwrap_or("").chars().count() as u32 + 1,
    };
    FILES.with_borrow_mut(|files| files.insert(name.to_owned(), file));
}

/// A new error for user code to catch. Its stack begins where it is first thrown.
///
/// # Errors
/// Only out of memory.
pub fn named<'js>(ctx: &Ctx<'js>, name: &str, message: &str) -> Result<Object<'js>> {
    let error = with_message(ctx, message)?;
    error.prop("name", Property::from(name).writable().configurable())?;
    Ok(error)
}

/// A new `TypeError` for user code to catch.
///
/// # Errors
/// Only out of memory.
pub fn type_error<'js>(ctx: &Ctx<'js>, message: &str) -> Result<Object<'js>> {
    let error = with_message(ctx, message)?;
    error.set_prototype(Some(&intrinsics::type_error_prototype(ctx)?))?;
    Ok(error)
}

fn with_message<'js>(ctx: &Ctx<'js>, message: &str) -> Result<Object<'js>> {
    let error: Object<'js> = raw::bare_error(ctx)?.get()?;
    error.prop("message", Property::from(message).writable().configurable())?;
    Ok(error)
}

/// What `error` is to user code: the value that was thrown.
///
/// # Errors
/// Only out of memory.
pub fn thrown<'js>(ctx: &Ctx<'js>, error: Error) -> Result<Value<'js>> {
    match error {
        Error::Exception => Ok(ctx.catch()),
        other => named(ctx, "InternalError", &other.to_string()).map(Object::into_value),
    }
}

/// The exception behind `error`.
pub fn describe(ctx: &Ctx<'_>, error: Error) -> Exception<'static> {
    match error {
        Error::Exception => describe_value(ctx, &ctx.catch()),
        other => Exception { name: "InternalError".into(), message: other.to_string().into(), ..Exception::default() },
    }
}

/// A thrown value: an error as it is, anything else as its string.
pub fn describe_value<'js>(ctx: &Ctx<'js>, thrown: &Value<'js>) -> Exception<'static> {
    let is_error = thrown.is_object() && (raw::kind(thrown) == Kind::Error || is_error_like(thrown));
    if !is_error {
        return Exception {
            name: "Error".into(),
            message: if thrown.is_object() { inspect::value(ctx, thrown).into() } else { printed(ctx, thrown).into() },
            ..Exception::default()
        };
    }
    let part = |name: &str| -> Option<String> {
        let found = thrown.as_object()?.get::<_, Value<'js>>(name);
        match found {
            Ok(value) if value.is_string() => raw::text(ctx, &value).ok(),
            Ok(_) => None,
            Err(_) => {
                // A getter of the user's threw; that must not stand in for the error itself.
                ctx.catch();
                None
            }
        }
    };
    let (stack, position) = translate(&part("stack").unwrap_or_default());
    let name = part("name").unwrap_or_else(|| "Error".into());
    Exception {
        syntax: false,
        name: name.into(),
        message: part("message").unwrap_or_default().into(),
        stack: stack.into(),
        line: position.map(|(line, _)| line),
        column: position.map(|(_, column)| column),
    }
}

/// `DOMException`s and subclasses with a foreign slot: they quack like errors.
fn is_error_like(thrown: &Value<'_>) -> bool {
    let Some(object) = thrown.as_object() else { return false };
    let has = |name: &str| match object.get::<_, Value<'_>>(name) {
        Ok(value) => value.is_string(),
        Err(_) => {
            thrown.ctx().catch();
            false
        }
    };
    has("stack") && has("message")
}

fn printed<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> String {
    if value.is_symbol() {
        return inspect::value(ctx, value);
    }
    raw::text(ctx, value).unwrap_or_else(|_| {
        ctx.catch();
        String::new()
    })
}

/// A stack with every position led back, our own frames left out; and the position of its first frame.
fn translate(stack: &str) -> (String, Option<(u32, u32)>) {
    let mut out = String::with_capacity(stack.len());
    let mut first = None;
    for frame in stack.lines() {
        let Some((before, file, line, column, after)) = split_frame(frame) else {
            push_line(&mut out, frame);
            continue;
        };
        if file.starts_with(OWN_FILES) {
            continue;
        }
        let (line, column) = original(file, line, column);
        first.get_or_insert((line, column));
        push_line(&mut out, &format!("{before}{file}:{line}:{column}{after}"));
    }
    (out, first)
}

fn push_line(out: &mut String, line: &str) {
    if !out.is_empty() {
        out.push('\n');
    }
    out.push_str(line);
}

/// `    at f (main.js:3:7)` or `    at main.js:3:7`, taken apart.
fn split_frame(frame: &str) -> Option<(&str, &str, u32, u32, &str)> {
    let trimmed = frame.trim_end_matches(')');
    let after = &frame[trimmed.len()..];
    let (rest, column) = trimmed.rsplit_once(':')?;
    let (head, line) = rest.rsplit_once(':')?;
    let start = if after.is_empty() { head.find("at ").map(|at| at + 3)? } else { head.rfind('(')? + 1 };
    Some((&head[..start], &head[start..], line.parse().ok()?, column.parse().ok()?, after))
}

fn original(file: &str, line: u32, column: u32) -> (u32, u32) {
    FILES.with_borrow(|files| {
        let Some(file) = files.get(file) else {
            return (line, column);
        };
        // The wrapper's closing brace is where an unfinished text fails; to the user that is its end.
        let (line, column) = if line > file.last_line { (file.last_line, file.last_column) } else { (line, column) };
        file.map.as_ref().map_or((line, column), |map| map.original(line, column))
    })
}

/// Writes what nobody caught to the console.
pub fn report_uncaught(ctx: &Ctx<'_>, error: Error) {
    let exception = describe(ctx, error);
    let mut text = format!("Uncaught {}: {}", exception.name, exception.message);
    if !exception.stack.is_empty() {
        text.push('\n');
        text.push_str(&exception.stack);
    }
    console::emit(Level::Error, &text);
}
