//! `multipart/form-data`, for bodies that are or become a `FormData`.

use std::fmt::Write;

use rquickjs::{Array, Ctx, Function, IntoJs, Object, Result, TypedArray, Value};
use sha2::{Digest, Sha256};

use super::{bytes, mime::Mime, text::Text};

/// Adds `formType`, `multipartEncode` and `multipartParse`.
///
/// A form is a flat list with four values for each entry: name, file name and content type (`undefined` for
/// an entry that is no file), and a string or a `Uint8Array`.
pub fn install(native: &Object<'_>) -> Result<()> {
    let ctx = native.ctx();
    native.set("formType", Function::new(ctx.clone(), form_type)?)?;
    native.set("multipartEncode", Function::new(ctx.clone(), multipart_encode)?)?;
    native.set("multipartParse", Function::new(ctx.clone(), multipart_parse)?)
}

/// What kind of form a `content-type` announces: the boundary of a multipart one, an empty string for a
/// URL-encoded one, `undefined` for all else.
fn form_type(content_type: Text) -> Option<String> {
    let mime = Mime::of_header(&content_type.0)?;
    match mime.essence.as_str() {
        "application/x-www-form-urlencoded" => Some(String::new()),
        "multipart/form-data" => mime.parameter("boundary").filter(|boundary| !boundary.is_empty()).map(str::to_owned),
        _ => None,
    }
}

/// The body and its boundary.
fn multipart_encode<'js>(ctx: Ctx<'js>, form: Array<'js>) -> Result<Array<'js>> {
    let parts: Vec<(String, Vec<u8>)> = (0..form.len()).step_by(4).map(|at| part(&form, at)).collect::<Result<_>>()?;
    let boundary = boundary(&parts);
    let mut body = Vec::new();
    for (head, value) in &parts {
        body.extend_from_slice(format!("--{boundary}\r\n{head}\r\n\r\n").as_bytes());
        body.extend_from_slice(value);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    let pair = Array::new(ctx.clone())?;
    pair.set(0, TypedArray::<u8>::new_copy(ctx, body)?)?;
    pair.set(1, boundary)?;
    Ok(pair)
}

/// Headers and content of one entry.
fn part(form: &Array<'_>, at: usize) -> Result<(String, Vec<u8>)> {
    let mut head = format!("Content-Disposition: form-data; name=\"{}\"", escape(&newlines(&form.get::<Text>(at)?.0)));
    let value: Value<'_> = form.get(at + 3)?;
    let Some(file_name) = form.get::<Option<Text>>(at + 1)? else {
        return Ok((head, newlines(&value.get::<Text>()?.0).into_bytes()));
    };
    let content_type = form.get::<Option<Text>>(at + 2)?.map(|text| text.0).filter(|text| !text.is_empty());
    let content_type = content_type.unwrap_or_else(|| "application/octet-stream".to_owned());
    head.push_str(&format!("; filename=\"{}\"\r\nContent-Type: {content_type}", escape(&file_name.0)));
    Ok((head, bytes::read(&value.get()?, <[u8]>::to_vec)))
}

/// A digest of the content: nobody can write content that holds its own boundary, and no randomness is
/// needed, which does not exist at top level.
fn boundary(parts: &[(String, Vec<u8>)]) -> String {
    let mut hash = Sha256::new();
    for (head, value) in parts {
        hash.update(head);
        hash.update(value);
    }
    hash.finalize().iter().take(16).fold("----formdata-".to_owned(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn escape(text: &str) -> String {
    text.replace('\n', "%0A").replace('\r', "%0D").replace('"', "%22")
}

fn unescape(text: &str) -> String {
    text.replace("%0A", "\n").replace("%0D", "\r").replace("%22", "\"")
}

/// Every kind of line break as CRLF.
fn newlines(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n")
}

/// The form in a body; `undefined` where it is malformed.
fn multipart_parse<'js>(ctx: Ctx<'js>, body: TypedArray<'js, u8>, boundary: Text) -> Result<Option<Array<'js>>> {
    let Some(entries) = bytes::read(&body, |body| parse(body, &boundary.0)) else {
        return Ok(None);
    };
    let form = Array::new(ctx.clone())?;
    for (index, entry) in entries.into_iter().enumerate() {
        let at = 4 * index;
        let value = match entry.file_name {
            Some(_) => TypedArray::<u8>::new_copy(ctx.clone(), entry.value)?.into_js(&ctx)?,
            None => String::from_utf8_lossy(&entry.value).as_ref().into_js(&ctx)?,
        };
        form.set(at, entry.name)?;
        form.set(at + 1, entry.file_name)?;
        form.set(at + 2, entry.content_type)?;
        form.set(at + 3, value)?;
    }
    Ok(Some(form))
}

struct Entry {
    name: String,
    file_name: Option<String>,
    content_type: String,
    value: Vec<u8>,
}

fn parse(body: &[u8], boundary: &str) -> Option<Vec<Entry>> {
    let mut entries = Vec::new();
    let mut rest = body.strip_prefix(b"--")?.strip_prefix(boundary.as_bytes())?;
    let end = format!("\r\n--{boundary}");
    while !rest.starts_with(b"--") {
        let (head, tail) = split(rest.strip_prefix(b"\r\n")?, b"\r\n\r\n")?;
        let (value, tail) = match tail.strip_prefix(&end.as_bytes()[2..]) {
            // An empty value that has not even the line break before the boundary.
            Some(tail) => (&[][..], tail),
            None => split(tail, end.as_bytes())?,
        };
        entries.push(entry(&String::from_utf8_lossy(head), value)?);
        rest = tail;
    }
    Some(entries)
}

fn entry(head: &str, value: &[u8]) -> Option<Entry> {
    let mut names = None;
    let mut content_type = "text/plain".to_owned();
    for line in head.split("\r\n") {
        let (name, content) = line.split_once(':')?;
        match name.trim().to_ascii_lowercase().as_str() {
            "content-disposition" => names = Some(disposition(content.trim())?),
            "content-type" => content_type = content.trim().to_owned(),
            _ => {}
        }
    }
    let (name, file_name) = names?;
    Some(Entry { name, file_name, content_type, value: value.to_vec() })
}

/// Name and file name of `form-data; name="a"; filename="b"`.
fn disposition(text: &str) -> Option<(String, Option<String>)> {
    let rest = text.strip_prefix("form-data;")?.trim_start().strip_prefix("name=\"")?;
    let (name, rest) = rest.split_once('"')?;
    let file_name = match rest.strip_prefix(';').map(|rest| rest.trim_start().strip_prefix("filename=\"")) {
        Some(file_name) => Some(unescape(file_name?.split_once('"')?.0)),
        None => None,
    };
    Some((unescape(name), file_name))
}

fn split<'a>(data: &'a [u8], at: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let start = data.windows(at.len()).position(|window| window == at)?;
    Some((&data[..start], &data[start + at.len()..]))
}
