//! The module map: a name and either text, whose kind the extension says, or an object that says it.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::{InvalidCode, json};
use crate::ModuleSource;

const EXTENSIONS: &str = ".js .mjs .cjs .ts .mts .tsx .jsx .json .txt .wat .wasm";
const KINDS: &str = "js, ts, cjs, text, json, data, wasm";
const MAX_MODULES: usize = 1000;
const MAX_NAME_BYTES: usize = 512;

/// Reads a module map, and the name of the module to start with. A leading `./` of a name is left out: imports resolve
/// to the same module with it and without.
///
/// # Errors
/// [`InvalidCode`], with the path of the module.
pub fn decode_modules(modules: &RawValue, main: &str) -> Result<(String, BTreeMap<String, ModuleSource>), InvalidCode> {
    let members = json::members("modules", modules, " of modules by name")?;
    match members.len() {
        0 => return Err(InvalidCode::at("modules", "must have at least one module")),
        1..=MAX_MODULES => {}
        number => {
            let message = format_args!("there are {number} modules, and there may be {MAX_MODULES}");
            return Err(InvalidCode::at("modules", message));
        }
    }
    let mut modules = BTreeMap::new();
    for (given, value) in members {
        let path = format!("modules[{:?}]", json::shortened(&given));
        let name = plain_name(&given);
        check_name(&path, name)?;
        if modules.contains_key(name) {
            return Err(InvalidCode::at(&path, format_args!("is there twice: {name:?} is the same name")));
        }
        modules.insert(name.to_owned(), module(&path, name, value)?);
    }
    let name = plain_name(main);
    if !modules.contains_key(name) {
        return Err(InvalidCode::at("mainModule", format_args!("{:?} is not among modules", json::shortened(main))));
    }
    Ok((name.to_owned(), modules))
}

/// Bytes from base64; `path` says where it stood.
///
/// # Errors
/// [`InvalidCode`].
pub fn decode_base64(path: &str, text: &str) -> Result<Vec<u8>, InvalidCode> {
    STANDARD.decode(text.trim_ascii()).map_err(|error| InvalidCode::at(path, format_args!("not base64: {error}")))
}

fn plain_name(name: &str) -> &str {
    name.trim_start_matches("./")
}

fn check_name(path: &str, name: &str) -> Result<(), InvalidCode> {
    if name.contains('\0') {
        return Err(InvalidCode::at(path, "a name has no NUL"));
    }
    if !(1..=MAX_NAME_BYTES).contains(&name.len()) {
        let message = format_args!("a name has 1 to {MAX_NAME_BYTES} bytes, and this one has {}", name.len());
        return Err(InvalidCode::at(path, message));
    }
    Ok(())
}

fn module(path: &str, name: &str, value: &RawValue) -> Result<ModuleSource, InvalidCode> {
    match value.get().as_bytes().first() {
        Some(b'"') => plain(path, name, json::text(path, value)?),
        Some(b'{') => tagged(path, value),
        _ => Err(InvalidCode::at(path, format_args!("must be a string, or an object with exactly one of {KINDS}"))),
    }
}

fn plain(path: &str, name: &str, text: String) -> Result<ModuleSource, InvalidCode> {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    match extension {
        "js" | "mjs" => Ok(ModuleSource::Js(text)),
        "ts" | "mts" | "tsx" | "jsx" => Ok(ModuleSource::Ts(text)),
        "cjs" => Ok(ModuleSource::Cjs(text)),
        "txt" => Ok(ModuleSource::Text(text)),
        "wat" => Ok(ModuleSource::Wat(text)),
        "wasm" => decode_base64(path, &text).map(ModuleSource::Wasm),
        "json" => {
            serde_json::from_str::<IgnoredAny>(&text).map_err(|error| InvalidCode::at(path, error))?;
            Ok(ModuleSource::Json(text))
        }
        _ => Err(InvalidCode::at(
            path,
            format_args!("a text needs a name that ends in one of {EXTENSIONS}; or send an object with one of {KINDS}"),
        )),
    }
}

fn tagged(path: &str, value: &RawValue) -> Result<ModuleSource, InvalidCode> {
    let members = json::members(path, value, "")?;
    let [(kind, value)] = &members[..] else {
        return Err(InvalidCode::at(path, format_args!("must have exactly one of {KINDS}, and has {}", members.len())));
    };
    let at = json::member(path, kind);
    match kind.as_str() {
        "js" => json::text(&at, value).map(ModuleSource::Js),
        "ts" => json::text(&at, value).map(ModuleSource::Ts),
        "cjs" => json::text(&at, value).map(ModuleSource::Cjs),
        "text" => json::text(&at, value).map(ModuleSource::Text),
        "json" => Ok(ModuleSource::Json(value.get().to_owned())),
        "data" => decode_base64(&at, &json::text(&at, value)?).map(ModuleSource::Data),
        "wasm" => decode_base64(&at, &json::text(&at, value)?).map(ModuleSource::Wasm),
        _ => Err(InvalidCode::at(&at, format_args!("is not known; known are {KINDS}"))),
    }
}
