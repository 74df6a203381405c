//! One invocation: call what the program offers, then run jobs, timers and what calls have given until it is over.

use std::cell::{Cell, RefCell};

use doer_guest_protocol::{Answer, Event, Exception, Invoke, ResponseHead, Step, Surface};
use rquickjs::{
    Ctx, Function, Object, Persistent, Promise, Result, Value,
    function::{Opt, This},
    promise::PromiseState,
};

use crate::{
    error, intrinsics,
    json::{self, Unserializable},
    operations,
    program::{Entry, Script},
    random,
    raw::{self, Kind},
    scope, services, timers, web, worker,
};

/// The address that code run by `POST /execute` believes to be called at.
const EXECUTE_URL: &str = "http://execute/";

thread_local! {
    /// Is the result the answer to a request?
    static ASKED: Cell<bool> = const { Cell::new(false) };
    static RESULT: RefCell<Option<Persistent<Value<'static>>>> = const { RefCell::new(None) };
    static BACKGROUND: RefCell<Vec<Persistent<Promise<'static>>>> = const { RefCell::new(Vec::new()) };
}

/// Calls the entry and goes on as far as possible.
pub fn begin(ctx: &Ctx<'_>, entry: Entry, surface: Surface, message: Invoke) -> Step<'static> {
    random::seed(message.seed);
    // Code without bindings has no network either, whatever was granted.
    let granted = message.services.filter(|_| surface == Surface::Full);
    web::begin_invocation(granted.is_some());
    scope::set_global(false);
    ASKED.set(matches!(message.event, Event::Fetch { .. }));
    match call(ctx, entry, surface, granted, message) {
        Ok(value) => {
            RESULT.set(Some(Persistent::save(ctx, value)));
            resume(ctx)
        }
        Err(error) => Step::Failed(error::describe(ctx, error)),
    }
}

fn call<'js>(
    ctx: &Ctx<'js>,
    entry: Entry,
    surface: Surface,
    granted: Option<u32>,
    message: Invoke,
) -> Result<Value<'js>> {
    let env = match services::declared(ctx, &message.secrets)? {
        Some(env) => env,
        None => services::env(ctx, granted)?,
    };
    let context = make_context(ctx, &message.context)?;
    let value = match message.event {
        Event::Execute { input } => execute(ctx, entry, surface, env, context, input)?,
        Event::Fetch { entrypoint, method, url, headers, body } => {
            let entrypoint = exported(ctx, entry, entrypoint.as_deref())?;
            let request = web::new_request(ctx, &url, &method, &headers, body.as_deref())?;
            worker::fetch(ctx, entrypoint, request, env, context)?
        }
        Event::Call { entrypoint, method, arguments } => {
            let entrypoint = exported(ctx, entry, entrypoint.as_deref())?;
            worker::call(ctx, entrypoint, &method, &arguments, &env, &context)?
        }
    };
    // A native promise is watched as it is; anything else with a `then` is awaited like `await` would.
    if value.is_object() && raw::kind(&value) != Kind::Promise && has_then(&value)? {
        return Ok(intrinsics::settle(ctx, value)?.into_value());
    }
    Ok(value)
}

/// An entrypoint of a worker.
fn exported<'js>(ctx: &Ctx<'js>, entry: Entry, name: Option<&str>) -> Result<Value<'js>> {
    match entry {
        Entry::Module { default, namespace } => {
            worker::entrypoint(ctx, default.restore(ctx)?, &namespace.restore(ctx)?, name)
        }
        Entry::Snippet(_) | Entry::Expression(_) => {
            Err(rquickjs::Exception::throw_type(ctx, "The code exports nothing: a worker is a module"))
        }
    }
}

/// Runs a program, whatever its form.
fn execute<'js>(
    ctx: &Ctx<'js>,
    entry: Entry,
    surface: Surface,
    env: Object<'js>,
    context: Object<'js>,
    input_text: Option<String>,
) -> Result<Value<'js>> {
    let input = match &input_text {
        Some(text) => json::parse(ctx, text)?,
        None => Value::new_undefined(ctx.clone()),
    };
    let request = |ctx: &Ctx<'js>| {
        let headers = [("content-type".to_owned(), "application/json".to_owned())];
        let headers = if input_text.is_some() { &headers[..] } else { &[] };
        web::new_request(ctx, EXECUTE_URL, "POST", headers, input_text.as_deref().map(str::as_bytes))
    };
    let open = |ctx: &Ctx<'js>, script: Script| -> Result<Value<'js>> {
        let function = script.function.restore(ctx)?;
        match surface {
            Surface::Pure => function.call((input.clone(),)),
            Surface::Full if script.mentions_request => {
                function.call((input.clone(), env.clone(), context.clone(), request(ctx)?))
            }
            Surface::Full => function.call((input.clone(), env.clone(), context.clone())),
        }
    };
    Ok(match entry {
        Entry::Snippet(script) => open(ctx, script)?.get::<Function<'js>>()?.call(())?,
        Entry::Expression(script) => {
            let value = open(ctx, script)?;
            match (value.as_function(), surface) {
                (Some(arrow), Surface::Full) => arrow.call((input, env, context))?,
                (Some(arrow), Surface::Pure) => arrow.call((input,))?,
                (None, _) => value,
            }
        }
        Entry::Module { default, .. } => {
            let default = default.restore(ctx)?;
            if let Some(function) = default.as_function() {
                match surface {
                    Surface::Full => function.call((input, env, context))?,
                    Surface::Pure => function.call((input,))?,
                }
            } else {
                fetch_handler(ctx, &default)?.call((This(default), request(ctx)?, env, context))?
            }
        }
    })
}

fn has_then(value: &Value<'_>) -> Result<bool> {
    match value.as_object() {
        Some(object) => Ok(object.get::<_, Value<'_>>("then")?.is_function()),
        None => Ok(false),
    }
}

fn fetch_handler<'js>(ctx: &Ctx<'js>, default: &Value<'js>) -> Result<Function<'js>> {
    let handler = match default.as_object() {
        Some(object) => object.get::<_, Value<'js>>("fetch")?.into_function(),
        None => None,
    };
    handler.ok_or_else(|| {
        let text = if default.is_undefined() {
            "The module has no default export: export a function, or an object with a fetch method, as default"
        } else {
            "The default export has no fetch method: export a function, or an object with a fetch method, as default"
        };
        rquickjs::Exception::throw_type(ctx, text)
    })
}

/// `ctx`: what the host says about the caller, and `waitUntil`.
fn make_context<'js>(ctx: &Ctx<'js>, json: &str) -> Result<Object<'js>> {
    let context: Object<'js> = json::parse(ctx, json)?.get()?;
    let wait_until = |ctx: Ctx<'js>, value: Opt<Value<'js>>| {
        let value = value.0.unwrap_or_else(|| Value::new_undefined(ctx.clone()));
        let promise = intrinsics::settle(&ctx, value)?;
        BACKGROUND.with_borrow_mut(|background| background.push(Persistent::save(&ctx, promise)));
        Ok::<_, rquickjs::Error>(())
    };
    context.set("waitUntil", Function::new(ctx.clone(), wait_until)?.with_name("waitUntil")?)?;
    context.set("exports", Object::new(ctx.clone())?)?;
    intrinsics::freeze(ctx, context)
}

/// Runs what is due, and says where the invocation stands.
pub fn resume(ctx: &Ctx<'_>) -> Step<'static> {
    match advance(ctx) {
        Ok(step) => step,
        Err(error) => Step::Failed(error::describe(ctx, error)),
    }
}

fn advance(ctx: &Ctx<'_>) -> Result<Step<'static>> {
    let mut ran_timer = false;
    loop {
        while ctx.execute_pending_job() {}
        let outcome = outcome_of(ctx)?;
        if let Some(Ok(value)) = &outcome
            && web::is_response(ctx, value)
            && let Some(buffered) = web::buffer_response(ctx, value)?
        {
            RESULT.set(Some(Persistent::save(ctx, buffered)));
            continue;
        }
        if outcome.is_some() && background_is_done(ctx)? {
            break;
        }
        if operations::settle_ended(ctx) {
            continue;
        }
        // Also between two timers that are due: code that polls by them would never hear of its calls.
        if ran_timer && operations::any_pending() {
            return Ok(Step::Waiting { wake_after_us: timers::next_due_us() });
        }
        ran_timer = timers::run_one(ctx)?;
        if !ran_timer {
            let wake_after_us = timers::next_due_us();
            if wake_after_us.is_none() && !operations::any_pending() {
                break;
            }
            return Ok(Step::Waiting { wake_after_us });
        }
    }
    Ok(match outcome_of(ctx)? {
        None => Step::Failed(Exception {
            name: "Error".into(),
            message: "The code awaits a promise that nothing can settle: no timer or call is pending".into(),
            ..Exception::default()
        }),
        Some(Err(thrown)) => Step::Failed(error::describe_value(ctx, &thrown)),
        Some(Ok(value)) => finish(ctx, value)?,
    })
}

/// What the entry returned or threw; `None` while its promise is pending.
fn outcome_of<'js>(ctx: &Ctx<'js>) -> Result<Option<std::result::Result<Value<'js>, Value<'js>>>> {
    let Some(value) = RESULT.with_borrow(Clone::clone) else {
        return Err(rquickjs::Error::Unknown);
    };
    let value = value.restore(ctx)?;
    let Some(promise) = value.as_promise() else {
        return Ok(Some(Ok(value)));
    };
    Ok(match promise.state() {
        PromiseState::Pending => None,
        PromiseState::Resolved => promise.result::<Value<'js>>().and_then(Result::ok).map(Ok),
        PromiseState::Rejected => {
            // Reading a rejected promise throws its reason.
            let _ = promise.result::<Value<'js>>();
            Some(Err(ctx.catch()))
        }
    })
}

fn background_is_done(ctx: &Ctx<'_>) -> Result<bool> {
    let background = BACKGROUND.take();
    let mut pending = Vec::new();
    for promise in background {
        let restored = promise.clone().restore(ctx)?;
        match restored.state() {
            PromiseState::Pending => pending.push(promise),
            PromiseState::Resolved => {}
            PromiseState::Rejected => {
                if let Some(Err(error)) = restored.result::<Value<'_>>() {
                    error::report_uncaught(ctx, error);
                }
            }
        }
    }
    let done = pending.is_empty();
    BACKGROUND.with_borrow_mut(|background| background.extend(pending));
    Ok(done)
}

fn finish<'js>(ctx: &Ctx<'js>, value: Value<'js>) -> Result<Step<'static>> {
    if web::is_response(ctx, &value) {
        let response = web::take_response(ctx, value)?;
        if ASKED.get() {
            let headers = response.headers.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
            let head = ResponseHead { status: response.status, headers };
            return Ok(Step::Done(Answer::Response { head, body: response.body.unwrap_or_default().into() }));
        }
        let result = body_as_json(ctx, &response.headers, response.body.unwrap_or_default());
        let headers = response.headers.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        let head = ResponseHead { status: response.status, headers };
        return Ok(Step::Done(Answer::Result { json: result.into(), response: Some(head) }));
    }
    if ASKED.get() {
        let text = format!("The handler's fetch() must return a Response, and returned {}", value.type_of());
        return Err(rquickjs::Exception::throw_type(ctx, &text));
    }
    match json::stringify(ctx, &value) {
        Ok(json) => Ok(Step::Done(Answer::Result { json: json.into(), response: None })),
        Err(Unserializable::Value(message)) => Ok(Step::Failed(Exception {
            name: "SerializationError".into(),
            message: message.into(),
            ..Exception::default()
        })),
        Err(Unserializable::Thrown(error)) => Err(error),
    }
}

/// A body as a result: parsed where it says it is JSON, text where it is text, else base64.
fn body_as_json(ctx: &Ctx<'_>, headers: &[(String, String)], body: Vec<u8>) -> String {
    use base64::{Engine, prelude::BASE64_STANDARD};
    let media_type = headers.iter().find(|(name, _)| name == "content-type").map_or("", |(_, value)| value);
    let essence = media_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    match String::from_utf8(body) {
        Ok(text) if essence == "application/json" || essence.ends_with("+json") => {
            // Parsed and printed again by the engine, so that what we pass on is JSON for certain.
            let parsed = json::parse(ctx, &text);
            let printed = parsed.ok().and_then(|value| json::stringify(ctx, &value).ok());
            printed.unwrap_or_else(|| {
                ctx.catch();
                json::quote(&text)
            })
        }
        Ok(text) => json::quote(&text),
        Err(error) => format!("{{\"$base64\":\"{}\"}}", BASE64_STANDARD.encode(error.as_bytes())),
    }
}
