//! `URLPattern`: patterns and what they are held against, taken apart as the standard says. Regular expressions are
//! JavaScript's own, so matching is left to the script.

use std::{cell::Cell, ptr::NonNull};

use rquickjs::{Array, Ctx, Error, Exception, Function, IntoJs, JsLifetime, Object, Result, Value, qjs};
use url::Url;
use urlpattern::{
    RegexSyntax, UrlPatternInit, UrlPatternMatchInput, UrlPatternOptions,
    quirks::{self, UrlPatternComponent},
    regexp::RegExp,
};

use super::text::Text;

thread_local! {
    /// The context of the call that is running.
    static CONTEXT: Cell<Option<NonNull<qjs::JSContext>>> = const { Cell::new(None) };
}

/// The function of the script that says whether a regular expression matches a text.
struct Matcher<'js>(Function<'js>);

#[expect(unsafe_code, reason = "the lifetime of the type is that of the value in it")]
unsafe impl<'js> JsLifetime<'js> for Matcher<'js> {
    type Changed<'to> = Matcher<'to>;
}

/// Adds `keepMatcher`, `urlPatternParse` and `urlPatternInput`.
pub fn install(native: &Object<'_>) -> Result<()> {
    let ctx = native.ctx();
    native.set("keepMatcher", Function::new(ctx.clone(), keep_matcher)?)?;
    native.set("urlPatternParse", Function::new(ctx.clone(), parse)?)?;
    native.set("urlPatternInput", Function::new(ctx.clone(), input)?)
}

fn keep_matcher<'js>(ctx: Ctx<'js>, matcher: Function<'js>) -> Result<()> {
    ctx.store_userdata(Matcher(matcher)).map(|_| ()).map_err(|_| Error::Unknown)
}

/// A regular expression of JavaScript.
struct Expression(String);

impl RegExp for Expression {
    fn syntax() -> RegexSyntax {
        RegexSyntax::EcmaScript
    }

    /// The script finds out whether it is one.
    fn parse(pattern: &str, _flags: &str, _force_eval: bool) -> std::result::Result<Self, ()> {
        Ok(Self(pattern.to_owned()))
    }

    fn matches<'a>(&self, text: &'a str) -> Option<Vec<Option<&'a str>>> {
        asked(&self.0, text).then(Vec::new)
    }

    fn pattern_string(&self) -> &str {
        &self.0
    }
}

/// Asks the script. The parser wants to know only whether a protocol's pattern matches that of a special scheme.
#[expect(unsafe_code, reason = "the context is that of the call below us on the stack, which is alive")]
fn asked(pattern: &str, text: &str) -> bool {
    let Some(raw) = CONTEXT.get() else { return false };
    let ctx = unsafe { Ctx::from_raw(raw) };
    let matcher = ctx.userdata::<Matcher<'_>>().map(|matcher| matcher.0.clone());
    matches!(matcher.map(|matcher| matcher.call::<_, bool>((pattern, text))), Some(Ok(true)))
}

/// A string, or protocol, username, password, hostname, port, pathname, search, hash and base URL.
enum Given {
    Text(String),
    Parts(Pieces),
}

impl Given {
    fn of(value: &Value<'_>) -> Result<Self> {
        let Some(array) = value.as_array() else { return Ok(Self::Text(value.get::<Text>()?.0)) };
        let mut parts = [const { None }; 9];
        for (at, part) in parts.iter_mut().enumerate() {
            *part = array.get::<Option<Text>>(at)?.map(|text| text.0);
        }
        Ok(Self::Parts(parts))
    }
}

type Pieces = [Option<String>; 9];

fn init(parts: Pieces) -> std::result::Result<UrlPatternInit, String> {
    let [protocol, username, password, hostname, port, pathname, search, hash, base] = parts;
    let base_url = base.map(|base| Url::parse(&base)).transpose().map_err(|error| error.to_string())?;
    Ok(UrlPatternInit { protocol, username, password, hostname, port, pathname, search, hash, base_url })
}

/// The eight components, each `[pattern, regular expression, ...names of groups]`, and whether any has a group that is
/// a regular expression.
fn parse<'js>(ctx: Ctx<'js>, given: Value<'js>, base: Option<Text>, ignore_case: bool) -> Result<Array<'js>> {
    let given = Given::of(&given)?;
    CONTEXT.set(Some(ctx.as_raw()));
    let pattern = pattern(given, base, ignore_case);
    CONTEXT.set(None);
    let pattern = pattern.map_err(|reason| Exception::throw_type(&ctx, &format!("URLPattern: {reason}")))?;
    let components = Array::new(ctx.clone())?;
    let all = [
        pattern.protocol,
        pattern.username,
        pattern.password,
        pattern.hostname,
        pattern.port,
        pattern.pathname,
        pattern.search,
        pattern.hash,
    ];
    for (at, part) in all.into_iter().enumerate() {
        components.set(at, component(&ctx, part)?)?;
    }
    components.set(8, pattern.has_regexp_groups)?;
    Ok(components)
}

fn pattern(given: Given, base: Option<Text>, ignore_case: bool) -> std::result::Result<quirks::UrlPattern, String> {
    let init = match (given, base) {
        (Given::Parts(_), Some(_)) => return Err("a base URL goes into the dictionary, where there is one".to_owned()),
        (Given::Parts(parts), None) => init(parts)?,
        (Given::Text(text), base) => {
            let base = base.map(|base| Url::parse(&base.0)).transpose().map_err(|error| error.to_string())?;
            UrlPatternInit::parse_constructor_string::<Expression>(&text, base).map_err(|error| error.to_string())?
        }
    };
    let options = UrlPatternOptions { ignore_case, ..UrlPatternOptions::default() };
    quirks::parse_pattern::<Expression>(init, options).map_err(|error| error.to_string())
}

fn component<'js>(ctx: &Ctx<'js>, component: UrlPatternComponent) -> Result<Array<'js>> {
    let list = Array::new(ctx.clone())?;
    list.set(0, component.pattern_string)?;
    list.set(1, component.regexp_string)?;
    for (at, name) in component.group_name_list.into_iter().enumerate() {
        list.set(2 + at, name)?;
    }
    Ok(list)
}

/// The eight texts that the components are held against; `undefined` where nothing can match.
fn input<'js>(ctx: Ctx<'js>, given: Value<'js>, base: Option<Text>) -> Result<Option<Array<'js>>> {
    let input = match (Given::of(&given)?, base) {
        (Given::Parts(_), Some(_)) => {
            return Err(Exception::throw_type(
                &ctx,
                "URLPattern: a base URL goes into the dictionary, where there is one",
            ));
        }
        (Given::Parts(parts), None) => match init(parts) {
            Ok(init) => UrlPatternMatchInput::Init(init),
            Err(_) => return Ok(None),
        },
        (Given::Text(text), base) => {
            let Ok(base) = base.map(|base| Url::parse(&base.0)).transpose() else { return Ok(None) };
            match Url::options().base_url(base.as_ref()).parse(&text) {
                Ok(url) => UrlPatternMatchInput::Url(url),
                Err(_) => return Ok(None),
            }
        }
    };
    let Some(found) = quirks::parse_match_input(input) else { return Ok(None) };
    let texts = Array::new(ctx.clone())?;
    let all = [
        found.protocol,
        found.username,
        found.password,
        found.hostname,
        found.port,
        found.pathname,
        found.search,
        found.hash,
    ];
    for (at, text) in all.into_iter().enumerate() {
        texts.set(at, text.into_js(&ctx)?)?;
    }
    Ok(Some(texts))
}
