//! Which program a request brings: one text or modules, and in which language.

use doer_sandbox::{
    Language, Program,
    worker::{decode_base64, decode_modules},
};

use super::request::ExecuteRequest;
use crate::http::error::ApiError;

/// Magic number and version of a core module, in base64.
const WASM_BASE64: &str = "AGFzbQEAAA";

/// Takes the program out of a request.
///
/// # Errors
/// `invalid_request`: neither or both of `code` and `modules`, or either malformed.
pub fn take(request: &mut ExecuteRequest<'_>) -> Result<Program, ApiError> {
    match (request.code.take(), request.modules.take(), request.main_module.take()) {
        (Some(_), Some(_), _) => Err(ApiError::invalid("code and modules contradict each other; send one of them")),
        (Some(_), None, Some(_)) => Err(ApiError::invalid("mainModule belongs to modules, and there is code")),
        (Some(code), None, None) => of_text(code, request.language),
        (None, Some(_), None) => Err(ApiError::invalid("mainModule is required with modules")),
        (None, Some(_), Some(_)) if request.language.is_some() => {
            Err(ApiError::invalid("language belongs to code; modules say theirs by name"))
        }
        (None, Some(modules), Some(main)) => {
            let (main, modules) = decode_modules(modules, &main).map_err(ApiError::invalid)?;
            Ok(Program::Modules { main, modules })
        }
        (None, None, Some(_)) => Err(ApiError::invalid("modules is required with mainModule")),
        (None, None, None) => Err(ApiError::invalid("code field is required")),
    }
}

/// The program that one text is.
///
/// # Errors
/// `invalid_request` for Wasm that is not base64.
fn of_text(code: String, language: Option<Language>) -> Result<Program, ApiError> {
    match language.or_else(|| found_out(&code)) {
        Some(Language::Wasm) => decode_base64("code", &code).map(Program::Wasm).map_err(ApiError::invalid),
        language @ (None | Some(Language::JavaScript | Language::TypeScript | Language::Wat)) => {
            Ok(Program::Text { code, language })
        }
    }
}

/// Wasm and its text format are recognised by how they begin. JavaScript and TypeScript are told apart where
/// they are parsed.
fn found_out(code: &str) -> Option<Language> {
    if code.starts_with(WASM_BASE64) {
        return Some(Language::Wasm);
    }
    let module = code.trim_start().strip_prefix("(module")?;
    let rest = module.trim_start();
    // `(module) => 1` and `(module, x)` are JavaScript.
    let is_wat = rest.len() < module.len() && rest.starts_with(['(', '$', ';']);
    is_wat.then_some(Language::Wat)
}

/// The language that a file's extension stands for.
pub fn language_of_extension(extension: &str) -> Option<Language> {
    match extension {
        "js" | "mjs" => Some(Language::JavaScript),
        "ts" | "mts" | "tsx" | "jsx" => Some(Language::TypeScript),
        "wasm" => Some(Language::Wasm),
        "wat" => Some(Language::Wat),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(body: &str) -> Result<Program, String> {
        let mut request = ExecuteRequest::decode(body.as_bytes()).unwrap();
        take(&mut request).map_err(|error| error.message.into_owned())
    }

    #[test]
    fn code_or_modules_and_not_both() {
        let message = |body| taken(body).unwrap_err();
        assert_eq!(message("{}"), "Invalid request: code field is required");
        assert!(message(r#"{"code": "1", "modules": {}}"#).contains("contradict"));
        assert!(message(r#"{"code": "1", "mainModule": "a.js"}"#).contains("mainModule"));
        assert!(message(r#"{"modules": {"a.js": ""}}"#).contains("mainModule is required"));
        assert!(message(r#"{"mainModule": "a.js"}"#).contains("modules is required"));
        assert!(message(r#"{"modules": {"a.js": ""}, "mainModule": "a.js", "language": "wat"}"#).contains("language"));
    }

    #[test]
    fn the_language_is_found_out_where_it_can_be() {
        let language = |code: &str| match of_text(code.to_owned(), None).unwrap() {
            Program::Text { language, .. } => language,
            Program::Wasm(_) => Some(Language::Wasm),
            Program::Modules { .. } => unreachable!(),
        };
        assert_eq!(language("(module (memory 1))"), Some(Language::Wat));
        assert_eq!(language("\n(module\n  $name"), Some(Language::Wat));
        for javascript in ["(module) => 1", "(module, x) => 1", "(module).x", "(modules (1))", "return 1"] {
            assert_eq!(language(javascript), None, "{javascript}");
        }
        assert_eq!(language("AGFzbQEAAAA="), Some(Language::Wasm));
    }

    #[test]
    fn what_is_wrong_with_modules_has_its_path() {
        let error = taken(r#"{"mainModule": "a.js", "modules": {"a.js": "", "b.js": {"ts": 1}}}"#).unwrap_err();
        assert_eq!(error, r#"Invalid request: modules["b.js"].ts: must be a string"#);
        let error = taken(r#"{"mainModule": "b.js", "modules": {"a.js": ""}}"#).unwrap_err();
        assert_eq!(error, r#"Invalid request: mainModule: "b.js" is not among modules"#);
    }

    #[test]
    fn wasm_that_is_not_base64_says_so() {
        let error = taken(r#"{"code": "%", "language": "wasm"}"#).unwrap_err();
        assert!(error.starts_with("Invalid request: code: not base64"), "{error}");
    }
}
