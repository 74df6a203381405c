//! One invocation: call what the program offers, then run jobs, timers and what calls have given until it is over.

use std::cell::{Cell, RefCell};

use doer_guest_protocol::{Answer, Data, Event, Exception, Invoke, RequestBody, ResponseHead, Step, Surface};
use rquickjs::{
    Ctx, Function, Object, Persistent, Promise, Result, Value,
    function::{Opt, This},
    object::Property,
    promise::PromiseState,
};

use crate::{
    error, intrinsics,
    json::{self, Unserializable},
    operations,
    program::{Entry, Script},
    random,
    raw::{self, Kind},
    scope, services, timers,
    web::{self, IncomingBody, ResponseKind, SentResponse},
    worker,
};

/// The address that code run by `POST /execute` believes to be called at.
const EXECUTE_URL: &str = "http://execute/";

thread_local! {
    static ASKED: Cell<Asked> = const { Cell::new(Asked::Result) };
    /// Has the answer been given? What is left is its body, and what `waitUntil` was given.
    static ANSWERED: Cell<bool> = const { Cell::new(false) };
    static RESULT: RefCell<Option<Persistent<Value<'static>>>> = const { RefCell::new(None) };
    static PARTS: RefCell<Option<Parts>> = const { RefCell::new(None) };
    static BACKGROUND: RefCell<Vec<Persistent<Promise<'static>>>> = const { RefCell::new(Vec::new()) };
}

/// What the answer has to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// JSON of the result, once all is over.
    Result,
    /// JSON of the result, as soon as it is there.
    Returned,
    /// The same as other heaps read it.
    Cloned,
    /// A response, as soon as it is there.
    Response,
    /// That it is over.
    Nothing,
}

impl Asked {
    fn by(event: &Event) -> Self {
        match event {
            Event::Execute { .. } => Self::Result,
            Event::Fetch { .. } => Self::Response,
            Event::Call { arguments: Data::Json(_), .. } => Self::Returned,
            Event::Call { arguments: Data::Cloned(_), .. } => Self::Cloned,
            Event::Handle { .. } => Self::Nothing,
        }
    }

    /// Is somebody waiting for the answer, who need not wait for the rest?
    fn early(self) -> bool {
        matches!(self, Self::Returned | Self::Cloned | Self::Response)
    }
}

/// Calls the entry and goes on as far as possible.
pub fn begin(ctx: &Ctx<'_>, entry: Entry, surface: Surface, message: Invoke) -> Step<'static> {
    random::seed(message.seed);
    // Code without bindings has no network either, whatever was granted.
    let granted = message.services.filter(|_| surface == Surface::Full);
    web::begin_invocation(granted.is_some() || (message.outbound && surface == Surface::Full));
    scope::set_global(false);
    ASKED.set(Asked::by(&message.event));
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
    let stubs = match &entry {
        Entry::Module { stubs: Some(stubs), .. } => Some(stubs.clone().restore(ctx)?),
        _ => None,
    };
    if !matches!(message.event, Event::Execute { .. }) {
        services::complete(ctx, &env, stubs.as_ref())?;
    }
    let context = make_context(ctx, &message.context, message.props.as_deref(), stubs)?;
    web::begin_for(ctx, &context);
    let value = match message.event {
        Event::Execute { input } => execute(ctx, entry, surface, env, context, input)?,
        Event::Fetch { entrypoint, method, url, headers, body } => {
            let entrypoint = exported(ctx, entry, entrypoint.as_deref())?;
            let body = body.as_ref().map(|body| match body {
                RequestBody::Whole(bytes) => IncomingBody::Whole(bytes),
                RequestBody::Stream(number) => IncomingBody::Stream(*number),
            });
            let request = web::new_request(ctx, &url, &method, &headers, body)?;
            worker::fetch(ctx, entrypoint, request, env, context)?
        }
        Event::Call { entrypoint, method, arguments } => {
            let entrypoint = exported(ctx, entry, entrypoint.as_deref())?;
            let arguments = match arguments {
                Data::Json(text) => json::parse(ctx, &text)?,
                Data::Cloned(text) => web::from_wire(ctx, &text)?,
            };
            worker::call(ctx, entrypoint, &method, arguments, &env, &context)?
        }
        Event::Handle { entrypoint, handler, event } => {
            let entrypoint = exported(ctx, entry, entrypoint.as_deref())?;
            worker::handle(ctx, entrypoint, &handler, json::parse(ctx, &event)?, env, context)?
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
        Entry::Module { default, namespace, .. } => {
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
        let body = input_text.as_deref().map(|text| IncomingBody::Whole(text.as_bytes()));
        web::new_request(ctx, EXECUTE_URL, "POST", headers, body)
    };
    let open = |ctx: &Ctx<'js>, script: Script| -> Result<Value<'js>> {
        let function = script.function.restore(ctx)?;
        match surface {
            Surface::Pure => function.call((input.clone(),)),
            Surface::Full if script.mentions_request || script.mentions_business => {
                let request = script.mentions_request.then(|| request(ctx)).transpose()?;
                let business = script.mentions_business.then(|| web::business(ctx)).transpose()?;
                function.call((input.clone(), env.clone(), context.clone(), request, business))
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
fn make_context<'js>(
    ctx: &Ctx<'js>,
    json: &str,
    props: Option<&str>,
    stubs: Option<Object<'js>>,
) -> Result<Object<'js>> {
    let (wait_until, no_exports) = PARTS.with_borrow(|parts| {
        let parts = parts.as_ref().ok_or(rquickjs::Error::Unknown)?;
        Ok::<_, rquickjs::Error>((parts.wait_until.clone().restore(ctx)?, parts.no_exports.clone().restore(ctx)?))
    })?;
    let exports = match stubs {
        Some(stubs) => intrinsics::freeze(ctx, stubs, None)?,
        None => no_exports,
    };
    let read_only = if props.is_none() { json::parse_read_only(ctx, json)? } else { None };
    if let Some(context) = read_only {
        context.prop("waitUntil", Property::from(wait_until).enumerable())?;
        context.prop("exports", Property::from(exports).enumerable())?;
        json::close(&context)?;
        return Ok(context);
    }
    let context: Object<'js> = json::parse(ctx, json)?.get()?;
    context.set("waitUntil", wait_until)?;
    context.set("exports", exports)?;
    let Some(props) = props else { return intrinsics::freeze(ctx, context, None) };
    // They may hold what can't be frozen: bytes.
    context.set("props", web::from_wire(ctx, props)?)?;
    intrinsics::freeze(ctx, context, Some("props"))
}

/// Parts of every `ctx`, made at boot: a heap serves one run.
struct Parts {
    wait_until: Persistent<Function<'static>>,
    no_exports: Persistent<Object<'static>>,
}

/// Makes them; to be called before any user code.
///
/// # Errors
/// Only out of memory.
pub fn install<'js>(ctx: &Ctx<'js>) -> Result<()> {
    let wait_until = |ctx: Ctx<'js>, value: Opt<Value<'js>>| {
        let value = value.0.unwrap_or_else(|| Value::new_undefined(ctx.clone()));
        let promise = intrinsics::settle(&ctx, value)?;
        BACKGROUND.with_borrow_mut(|background| background.push(Persistent::save(&ctx, promise)));
        Ok::<_, rquickjs::Error>(())
    };
    let wait_until = Function::new(ctx.clone(), wait_until)?.with_name("waitUntil")?;
    let no_exports = intrinsics::freeze(ctx, Object::new(ctx.clone())?, None)?;
    PARTS.set(Some(Parts {
        wait_until: Persistent::save(ctx, wait_until),
        no_exports: Persistent::save(ctx, no_exports),
    }));
    Ok(())
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
        if ANSWERED.get() {
            if background_is_done(ctx)? {
                return Ok(Step::Finished);
            }
        } else if let Some(outcome) = outcome_of(ctx)? {
            let kind = outcome.as_ref().ok().and_then(|value| web::response_kind(ctx, value));
            if let Ok(value) = &outcome
                && kind == Some(ResponseKind::Streamed)
            {
                if ASKED.get() == Asked::Response {
                    return send(ctx, value.clone());
                }
                if let Some(buffered) = web::buffer_response(ctx, value)? {
                    RESULT.set(Some(Persistent::save(ctx, buffered)));
                    continue;
                }
            }
            if background_is_done(ctx)? {
                break;
            }
            if let Ok(value) = outcome
                && ASKED.get().early()
            {
                let step = finish(ctx, value, kind.is_some())?;
                let Step::Done(answer) = step else { return Ok(step) };
                ANSWERED.set(true);
                return Ok(Step::Responded(answer));
            }
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
                if ANSWERED.get() {
                    // What `waitUntil` was given can be settled by nothing any more.
                    return Ok(Step::Finished);
                }
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
        Some(Ok(value)) => {
            let is_response = web::response_kind(ctx, &value).is_some();
            finish(ctx, value, is_response)?
        }
    })
}

/// Gives a response whose body comes piece by piece; it is sent from now on.
fn send<'js>(ctx: &Ctx<'js>, value: Value<'js>) -> Result<Step<'static>> {
    let SentResponse { status, headers, end } = web::send_response(ctx, value)?;
    BACKGROUND.with_borrow_mut(|background| background.push(Persistent::save(ctx, end)));
    ANSWERED.set(true);
    let answer = Answer::Response { head: head(status, headers), body: Vec::new().into(), streamed: true };
    Ok(Step::Responded(answer))
}

fn head(status: u16, headers: Vec<(String, String)>) -> ResponseHead<'static> {
    let headers = headers.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
    ResponseHead { status, headers }
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

fn finish<'js>(ctx: &Ctx<'js>, value: Value<'js>, is_response: bool) -> Result<Step<'static>> {
    match ASKED.get() {
        Asked::Nothing => return Ok(Step::Done(Answer::Result { json: "null".into(), response: None })),
        Asked::Cloned => return Ok(Step::Done(Answer::Cloned(web::to_wire(ctx, value, "result")?.into()))),
        Asked::Response if !is_response => {
            let text = format!("The handler's fetch() must return a Response, and returned {}", value.type_of());
            return Err(rquickjs::Exception::throw_type(ctx, &text));
        }
        Asked::Result | Asked::Returned | Asked::Response => {}
    }
    if is_response {
        let response = web::take_response(ctx, value)?;
        let body = response.body.unwrap_or_default();
        if ASKED.get() == Asked::Response {
            let head = head(response.status, response.headers);
            return Ok(Step::Done(Answer::Response { head, body: body.into(), streamed: false }));
        }
        let json = body_as_json(ctx, &response.headers, body).into();
        let head = head(response.status, response.headers);
        return Ok(Step::Done(Answer::Result { json, response: Some(head) }));
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
