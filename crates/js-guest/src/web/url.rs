//! URL records: parsing, reading and changing parts, as the URL standard has it.

use rquickjs::{
    Class, Ctx, Exception, Function, JsLifetime, Object, Result,
    class::{JsClass, Trace, Tracer, Writable},
    function::Constructor,
};
use url::{Url, quirks};

use super::text::Text;

/// A parsed URL, held by one `URL` object.
pub struct UrlRecord(Url);

impl<'js> Trace<'js> for UrlRecord {
    fn trace<'a>(&self, _tracer: Tracer<'a, 'js>) {}
}

#[expect(unsafe_code, reason = "the type holds no JavaScript value")]
unsafe impl<'js> JsLifetime<'js> for UrlRecord {
    type Changed<'to> = UrlRecord;
}

impl<'js> JsClass<'js> for UrlRecord {
    const NAME: &'static str = "UrlRecord";
    type Mutable = Writable;

    fn constructor(_ctx: &Ctx<'js>) -> Result<Option<Constructor<'js>>> {
        Ok(None)
    }
}

/// Adds `urlParse`, `urlGet` and `urlSet`; parts are numbered as in `web/url.js`.
pub fn install(native: &Object<'_>) -> Result<()> {
    let ctx = native.ctx();
    native.set("urlParse", Function::new(ctx.clone(), url_parse)?)?;
    native.set("urlHref", Function::new(ctx.clone(), url_href)?)?;
    native.set("requestUrl", Function::new(ctx.clone(), request_url)?)?;
    native.set("urlGet", Function::new(ctx.clone(), url_get)?)?;
    native.set("urlSet", Function::new(ctx.clone(), url_set)?)
}

/// A record, or `undefined` where the text is no URL.
fn url_parse<'js>(ctx: Ctx<'js>, input: Text, base: Option<Text>) -> Result<Option<Class<'js, UrlRecord>>> {
    match parse(&input.0, base.as_ref().map(|base| base.0.as_str())) {
        Some(url) => Class::instance(ctx, UrlRecord(url)).map(Some),
        None => Ok(None),
    }
}

/// The serialised form of an absolute URL, or `undefined`: for those who need no record.
fn url_href(input: Text) -> Option<String> {
    parse(&input.0, None).map(String::from)
}

/// The serialised form of a URL that a request may have: absolute, and without credentials.
fn request_url(ctx: Ctx<'_>, input: Text) -> Result<String> {
    match parse(&input.0, None) {
        None => Err(Exception::throw_type(&ctx, "Request: the URL is not absolute, or not valid")),
        Some(url) if url.username() != "" || url.password().is_some() => {
            Err(Exception::throw_type(&ctx, "Request: a URL must not hold credentials"))
        }
        Some(url) => Ok(url.into()),
    }
}

fn parse(input: &str, base: Option<&str>) -> Option<Url> {
    let base = base.map(Url::parse).transpose().ok()?;
    Url::options().base_url(base.as_ref()).parse(input).ok()
}

fn url_get(record: Class<'_, UrlRecord>, part: u32) -> Result<String> {
    let record = record.try_borrow()?;
    let url = &record.0;
    Ok(match part {
        0 => quirks::href(url),
        1 => return Ok(origin(url)),
        2 => quirks::protocol(url),
        3 => quirks::username(url),
        4 => quirks::password(url),
        5 => quirks::host(url),
        6 => quirks::hostname(url),
        7 => quirks::port(url),
        8 => quirks::pathname(url),
        9 => quirks::search(url),
        10 => quirks::hash(url),
        _ => url.query().unwrap_or_default(),
    }
    .to_owned())
}

/// A `blob:` URL has the origin of the URL inside it only where that is one of the web or a file's.
fn origin(url: &Url) -> String {
    let foreign = url.scheme() == "blob" && !["http:", "https:"].iter().any(|scheme| url.path().starts_with(scheme));
    if foreign { "null".to_owned() } else { quirks::origin(url) }
}

/// Changes a part; `false` where the whole URL was to be replaced and the text is no URL.
fn url_set(record: Class<'_, UrlRecord>, part: u32, text: Text) -> Result<bool> {
    let mut record = record.try_borrow_mut()?;
    let mut text = text.0;
    // The parser drops these everywhere but in credentials; `quirks` asks whether a host is empty before it does.
    if !matches!(part, 3 | 4) {
        text.retain(|c| !matches!(c, '\t' | '\n' | '\r'));
    }
    let (url, text) = (&mut record.0, text.as_str());
    // A part that the standard refuses is left as it is, without an error.
    let _refused = match part {
        0 => return Ok(quirks::set_href(url, text).is_ok()),
        2 => quirks::set_protocol(url, text),
        3 => quirks::set_username(url, text),
        4 => quirks::set_password(url, text),
        5 => quirks::set_host(url, text),
        6 => quirks::set_hostname(url, text),
        7 => quirks::set_port(url, text),
        8 => {
            quirks::set_pathname(url, text);
            Ok(())
        }
        9 => {
            quirks::set_search(url, text);
            Ok(())
        }
        10 => {
            quirks::set_hash(url, text);
            Ok(())
        }
        _ => {
            url.set_query((!text.is_empty()).then_some(text));
            Ok(())
        }
    };
    Ok(true)
}
