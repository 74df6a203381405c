//! A program's top level: which form the text has, and what it offers once it has been evaluated.

use doer_guest_protocol::{Evaluate, Exception, Program, Source, Surface};
use rquickjs::{Ctx, Filter, Function, Module, Object, Persistent, Value, module::Declared, promise::PromiseState};

use crate::{arrow, error, modules, raw, web};

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
    /// A module, by its exports.
    Module {
        /// The default one; `undefined` where there is none.
        default: Persistent<Value<'static>>,
        /// All of them.
        namespace: Persistent<Object<'static>>,
        /// `ctx.exports`, where there is a loader behind it.
        stubs: Option<Persistent<Object<'static>>>,
    },
}

/// A function around the user's text, whose parameters are what is in scope there.
#[derive(Clone)]
pub struct Script {
    /// Takes `input`, `env`, `ctx`, `request`, `$`, or `input` alone.
    pub function: Persistent<Function<'static>>,
    /// A `Request` is made only for texts that have the word in them.
    pub mentions_request: bool,
    /// Nor is `$` looked for where nothing asks for it.
    pub mentions_business: bool,
}

/// Runs the top level.
///
/// # Errors
/// What the parser or the top level threw; `syntax` says which.
pub fn evaluate(ctx: &Ctx<'_>, message: Evaluate) -> Result<Entry, Exception<'static>> {
    let loopback = message.loopback;
    let mut entry = evaluate_program(ctx, message)?;
    if let Entry::Module { namespace, stubs, .. } = &mut entry
        && loopback
    {
        let made = namespace.clone().restore(ctx).and_then(|namespace| stubs_of(ctx, &namespace));
        *stubs = Some(made.map_err(|error| error::describe(ctx, error))?);
    }
    Ok(entry)
}

/// `ctx.exports`: whatever the module exports that could be an entrypoint.
fn stubs_of<'js>(ctx: &Ctx<'js>, namespace: &Object<'js>) -> rquickjs::Result<Persistent<Object<'static>>> {
    let mut names = Vec::new();
    for name in namespace.own_keys::<String>(Filter::new().string()) {
        let name = name?;
        if namespace.get::<_, Value<'js>>(name.as_str())?.is_object() {
            names.push(name);
        }
    }
    Ok(Persistent::save(ctx, web::exports(ctx, &names)?))
}

fn evaluate_program(ctx: &Ctx<'_>, message: Evaluate) -> Result<Entry, Exception<'static>> {
    match message.program {
        Program::Text(source) => evaluate_text(ctx, source, message.surface),
        Program::Modules { main, modules } => {
            modules::provide(modules);
            declare(ctx, &main).and_then(|module| evaluate_module(ctx, module).0)
        }
    }
}

/// Module, arrow function or body of an async function: the parser decides. `export` never parses inside a
/// function, so the order of trying only saves work: with a line that begins with it, a module is likely.
fn evaluate_text(ctx: &Ctx<'_>, source: Source, surface: Surface) -> Result<Entry, Exception<'static>> {
    error::register(MAIN, &source);
    let mut refused_module = None;
    if source.code.lines().any(begins_export) {
        match declare_text(ctx, &source).map(|module| evaluate_module(ctx, module)) {
            // Nothing is exported after all: the line was part of a template or a comment.
            Ok((_, false)) => {}
            Ok((evaluated, true)) => return evaluated,
            Err(exception) => refused_module = Some(exception),
        }
    }
    let refused = match evaluate_script(ctx, &source, surface) {
        Ok(entry) => return Ok(entry),
        Err(exception) => exception,
    };
    if refused_module.is_none() && ["export", "import"].iter().any(|word| source.code.contains(word)) {
        match declare_text(ctx, &source) {
            Ok(module) => return evaluate_module(ctx, module).0,
            Err(exception) => refused_module = Some(exception),
        }
    }
    // No form parses: the parser that got further has understood more of it. What is no fault of the
    // grammar, as an import that does not exist, comes after parsing.
    let reached = |exception: &Exception<'_>| (!exception.syntax, exception.line, exception.column);
    Err(refused_module.filter(|other| reached(other) > reached(&refused)).unwrap_or(refused))
}

fn begins_export(line: &str) -> bool {
    line.trim_start().strip_prefix("export").is_some_and(|rest| rest.starts_with([' ', '\t', '{', '*']))
}

fn evaluate_script(ctx: &Ctx<'_>, source: &Source, surface: Surface) -> Result<Entry, Exception<'static>> {
    let scope = match surface {
        Surface::Full => "input,env,ctx,request,$",
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
    // A hashbang line is one only at the very beginning, which the text no longer is.
    let hashbang = if source.code.starts_with("#!") { "//" } else { "" };
    let wrapped = format!("(function({scope}){{return async function(){{\n\n{hashbang}{}\n}}}})", source.code);
    compile(ctx, &source.code, &wrapped).map(Entry::Snippet)
}

fn declare_text<'js>(ctx: &Ctx<'js>, source: &Source) -> Result<Module<'js, Declared>, Exception<'static>> {
    modules::provide(vec![doer_guest_protocol::Module {
        name: MAIN.to_owned(),
        body: doer_guest_protocol::ModuleBody::Js(source.clone()),
    }]);
    declare(ctx, MAIN)
}

fn compile<'js>(ctx: &Ctx<'js>, text: &str, wrapped: &str) -> Result<Script, Exception<'static>> {
    let function = raw::eval_at(ctx, wrapped, MAIN, WRAPPER_LINE).and_then(|value| value.get::<Function<'js>>());
    match function {
        Ok(function) => Ok(Script {
            function: Persistent::save(ctx, function),
            mentions_request: text.contains("request"),
            mentions_business: mentions_business(text),
        }),
        Err(error) => {
            let exception = error::describe(ctx, error);
            // A text that closes the wrapper can run code here, and throw whatever it likes.
            Err(Exception { syntax: exception.name == "SyntaxError", ..exception })
        }
    }
}

/// Does a text have `$` in it other than in `${`? Where it is part of a name or of a text, that costs little.
fn mentions_business(text: &str) -> bool {
    text.match_indices('$').any(|(at, _)| !text[at + 1..].starts_with('{'))
}

fn declare<'js>(ctx: &Ctx<'js>, main: &str) -> Result<Module<'js, Declared>, Exception<'static>> {
    modules::declare(ctx, main).map_err(|error| {
        let exception = error::describe(ctx, error);
        Exception { syntax: exception.name == "SyntaxError", ..exception }
    })
}

/// What the module offers after its top level, and whether it exports anything at all.
fn evaluate_module<'js>(ctx: &Ctx<'js>, module: Module<'js, Declared>) -> (Result<Entry, Exception<'static>>, bool) {
    let (module, promise) = match module.eval() {
        Ok(evaluating) => evaluating,
        Err(error) => return (Err(error::describe(ctx, error)), true),
    };
    while ctx.execute_pending_job() {}
    let names = module.namespace().map(|namespace| namespace.own_keys::<Value<'_>>(Filter::new().string()).count());
    let default = match promise.state() {
        PromiseState::Pending => Err(rquickjs::Exception::throw_message(
            ctx,
            "The top level of the module never finishes: it awaits something that cannot happen in global scope",
        )),
        // Reading a rejected promise throws its reason.
        PromiseState::Rejected => promise.result::<Value<'_>>().unwrap_or(Err(rquickjs::Error::Unknown)),
        PromiseState::Resolved => module.get::<_, Value<'_>>("default"),
    };
    let entry = match default.and_then(|default| Ok((default, module.namespace()?))) {
        Ok((default, namespace)) => Ok(Entry::Module {
            default: Persistent::save(ctx, default),
            namespace: Persistent::save(ctx, namespace),
            stubs: None,
        }),
        Err(error) => Err(error::describe(ctx, error)),
    };
    (entry, names.is_ok_and(|names| names > 0))
}
