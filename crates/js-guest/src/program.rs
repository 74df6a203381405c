//! A program's top level: which form the text has, and what it offers once it has been evaluated.

use doer_guest_protocol::{Evaluate, Exception, Program, Source, Surface};
use rquickjs::{Ctx, Function, Persistent, Value, promise::PromiseState};

use crate::{arrow, error, modules, raw};

/// Where snippets stand in stack traces.
const MAIN: &str = "main.js";
/// The wrappers below end with two line breaks; starting them at line -1 puts the user's text at line 1.
const WRAPPER_LINE: i32 = -1;

/// What an evaluated program offers.
#[derive(Clone)]
pub enum Entry {
    /// Called with what is in scope, gives the async function whose body is the snippet.
    Snippet(Script),
    /// Called with what is in scope, gives the value of the expression, an arrow function as a rule.
    Expression(Script),
    /// The default export.
    Module(Persistent<Value<'static>>),
}

/// A function around the user's text, whose parameters are what is in scope there.
#[derive(Clone)]
pub struct Script {
    /// Takes `input`, `env`, `ctx`, `request`, or `input` alone.
    pub function: Persistent<Function<'static>>,
    /// A `Request` is made only for texts that have the word in them.
    pub mentions_request: bool,
}

/// Runs the top level.
///
/// # Errors
/// What the parser or the top level threw; `syntax` says which.
pub fn evaluate(ctx: &Ctx<'_>, message: Evaluate) -> Result<Entry, Exception> {
    match message.program {
        Program::Text(source) => evaluate_text(ctx, source, message.surface),
        Program::Modules { main, modules } => {
            modules::provide(modules);
            evaluate_module(ctx, &main)
        }
    }
}

/// An arrow function or the body of an async function, else a module: the parser decides, and `export`
/// never parses inside a function.
fn evaluate_text(ctx: &Ctx<'_>, source: Source, surface: Surface) -> Result<Entry, Exception> {
    error::register(MAIN, &source);
    let scope = match surface {
        Surface::Full => "input,env,ctx,request",
        Surface::Pure => "input",
    };
    if arrow::looks_like_arrow(&source.code) {
        let expression = arrow::without_final_semicolon(&source.code);
        let wrapped = format!("(function({scope}){{return (\n\n{expression}\n)}})");
        // Where this does not parse, something follows the arrow function: it is a statement among others.
        if let Ok(script) = compile(ctx, &source.code, &wrapped) {
            return Ok(Entry::Expression(script));
        }
    }
    let wrapped = format!("(function({scope}){{return async function(){{\n\n{}\n}}}})", source.code);
    let refused = match compile(ctx, &source.code, &wrapped) {
        Ok(script) => return Ok(Entry::Snippet(script)),
        Err(exception) => exception,
    };
    if !["export", "import"].iter().any(|word| source.code.contains(word)) {
        return Err(refused);
    }
    modules::provide(vec![doer_guest_protocol::Module {
        name: MAIN.to_owned(),
        body: doer_guest_protocol::ModuleBody::Js(source),
    }]);
    evaluate_module(ctx, MAIN).map_err(|exception| {
        // Neither form parses: the parser that got further has understood more of it.
        let reached = |exception: &Exception| (exception.line, exception.column);
        if exception.syntax && reached(&exception) < reached(&refused) { refused } else { exception }
    })
}

fn compile<'js>(ctx: &Ctx<'js>, text: &str, wrapped: &str) -> Result<Script, Exception> {
    let function = raw::eval_at(ctx, wrapped, MAIN, WRAPPER_LINE).and_then(|value| value.get::<Function<'js>>());
    match function {
        Ok(function) => {
            Ok(Script { function: Persistent::save(ctx, function), mentions_request: text.contains("request") })
        }
        Err(error) => Err(Exception { syntax: true, ..error::describe(ctx, error) }),
    }
}

fn evaluate_module(ctx: &Ctx<'_>, main: &str) -> Result<Entry, Exception> {
    let module = modules::declare(ctx, main).map_err(|error| {
        let exception = error::describe(ctx, error);
        Exception { syntax: exception.name == "SyntaxError", ..exception }
    })?;
    let run = || {
        let (module, promise) = module.eval()?;
        while ctx.execute_pending_job() {}
        match promise.state() {
            PromiseState::Pending => Err(rquickjs::Exception::throw_message(
                ctx,
                "The top level of the module never finishes: it awaits something that cannot happen in global scope",
            )),
            PromiseState::Rejected => {
                promise.result::<Value<'_>>().unwrap_or(Err(rquickjs::Error::Unknown))?;
                Err(rquickjs::Error::Unknown)
            }
            PromiseState::Resolved => module.namespace()?.get::<_, Value<'_>>("default"),
        }
    };
    match run() {
        Ok(default) => Ok(Entry::Module(Persistent::save(ctx, default))),
        Err(error) => Err(error::describe(ctx, error)),
    }
}
