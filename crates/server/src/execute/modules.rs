//! The module map: a name and either text, whose kind the extension says, or an object that says it.

use std::collections::BTreeMap;

use doer_sandbox::{ModuleSource, Program};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use super::program::decode_base64;
use crate::http::error::ApiError;

const EXTENSIONS: &str = ".js .mjs .cjs .ts .mts .tsx .jsx .json .txt .wat .wasm";
const KINDS: &str = "js, ts, cjs, text, json, data, wasm";

/// Externally tagged: serde itself takes exactly one key.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Tagged {
    Js(String),
    Ts(String),
    Cjs(String),
    Text(String),
    Json(Box<RawValue>),
    Data(String),
    Wasm(String),
}

/// Reads a module map.
///
/// # Errors
/// `invalid_request`, with the path of the module.
pub fn decode(modules: &RawValue, main: String) -> Result<Program, ApiError> {
    let raw: BTreeMap<String, &RawValue> = serde_json::from_str(modules.get())
        .map_err(|_| ApiError::invalid("modules: must be an object of modules by name"))?;
    if !raw.contains_key(&main) {
        return Err(ApiError::invalid(format_args!("mainModule: {main:?} is not among modules")));
    }
    let mut modules = BTreeMap::new();
    for (name, value) in raw {
        let path = format!("modules[{name:?}]");
        if name.contains('\0') {
            return Err(at(&path, "a name has no NUL"));
        }
        let module = if value.get().starts_with('"') { plain(&path, &name, value) } else { tagged(&path, value) }?;
        modules.insert(name, module);
    }
    Ok(Program::Modules { main, modules })
}

fn plain(path: &str, name: &str, value: &RawValue) -> Result<ModuleSource, ApiError> {
    let text: String = serde_json::from_str(value.get()).map_err(|error| at(path, error))?;
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    match extension {
        "js" | "mjs" => Ok(ModuleSource::Js(text)),
        "ts" | "mts" | "tsx" | "jsx" => Ok(ModuleSource::Ts(text)),
        "cjs" => Ok(ModuleSource::Cjs(text)),
        "txt" => Ok(ModuleSource::Text(text)),
        "wat" => Ok(ModuleSource::Wat(text)),
        "wasm" => decode_base64(path, &text).map(ModuleSource::Wasm),
        "json" => {
            serde_json::from_str::<IgnoredAny>(&text).map_err(|error| at(path, error))?;
            Ok(ModuleSource::Json(text))
        }
        _ => Err(at(
            path,
            format_args!("a text needs a name that ends in one of {EXTENSIONS}; or send an object with one of {KINDS}"),
        )),
    }
}

fn tagged(path: &str, value: &RawValue) -> Result<ModuleSource, ApiError> {
    let tagged = serde_json::from_str(value.get()).map_err(|error| {
        at(path, format_args!("must be a string, or an object with exactly one of {KINDS}: {error}"))
    })?;
    match tagged {
        Tagged::Js(text) => Ok(ModuleSource::Js(text)),
        Tagged::Ts(text) => Ok(ModuleSource::Ts(text)),
        Tagged::Cjs(text) => Ok(ModuleSource::Cjs(text)),
        Tagged::Text(text) => Ok(ModuleSource::Text(text)),
        Tagged::Json(json) => Ok(ModuleSource::Json(json.get().to_owned())),
        Tagged::Data(data) => decode_base64(path, &data).map(ModuleSource::Data),
        Tagged::Wasm(wasm) => decode_base64(path, &wasm).map(ModuleSource::Wasm),
    }
}

fn at(path: &str, what: impl std::fmt::Display) -> ApiError {
    ApiError::invalid(format_args!("{path}: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, value: &str) -> Result<ModuleSource, String> {
        let map = format!("{{{name:?}: {value}}}");
        let raw: &RawValue = serde_json::from_str(&map).unwrap();
        match decode(raw, name.to_owned()).map_err(|error| error.message.into_owned())? {
            Program::Modules { mut modules, .. } => Ok(modules.remove(name).unwrap()),
            Program::Text { .. } | Program::Wasm(_) => unreachable!(),
        }
    }

    #[test]
    fn the_extension_says_the_kind() {
        assert_eq!(one("a.mjs", "\"1\""), Ok(ModuleSource::Js("1".to_owned())));
        assert_eq!(one("a.tsx", "\"1\""), Ok(ModuleSource::Ts("1".to_owned())));
        assert_eq!(one("d.json", r#""[1]""#), Ok(ModuleSource::Json("[1]".to_owned())));
        assert_eq!(one("a.wasm", "\"AGE=\""), Ok(ModuleSource::Wasm(b"\0a".to_vec())));
    }

    #[test]
    fn an_object_says_it_itself() {
        assert_eq!(one("x", r#"{"json": {"n": 21}}"#), Ok(ModuleSource::Json(r#"{"n": 21}"#.to_owned())));
        assert_eq!(one("x", r#"{"json": null}"#), Ok(ModuleSource::Json("null".to_owned())));
        assert_eq!(one("x", r#"{"data": "AGE="}"#), Ok(ModuleSource::Data(b"\0a".to_vec())));
    }

    #[test]
    fn what_is_wrong_has_its_path() {
        for (name, value) in [
            ("x", "\"1\""),
            ("x.js", "1"),
            ("x.js", "null"),
            ("x.js", "{}"),
            ("x.js", r#"{"js": "1", "ts": "1"}"#),
            ("x.js", r#"{"rb": "1"}"#),
            ("x.js", r#"{"js": 1}"#),
            ("x.json", "\"{\""),
            ("x.wasm", "\"%\""),
        ] {
            let error = one(name, value).unwrap_err();
            assert!(error.starts_with(&format!("Invalid request: modules[{name:?}]: ")), "{error}");
        }
    }

    #[test]
    fn a_name_has_no_nul() {
        let raw: &RawValue = serde_json::from_str(r#"{"a.js": "1", "b\u0000.js": "1"}"#).unwrap();
        let error = decode(raw, "a.js".to_owned()).unwrap_err();
        assert_eq!(error.message, r#"Invalid request: modules["b\0.js"]: a name has no NUL"#);
    }

    #[test]
    fn the_main_module_must_be_there() {
        let raw: &RawValue = serde_json::from_str(r#"{"a.js": ""}"#).unwrap();
        let error = decode(raw, "b.js".to_owned()).unwrap_err();
        assert_eq!(error.message, "Invalid request: mainModule: \"b.js\" is not among modules");
    }
}
