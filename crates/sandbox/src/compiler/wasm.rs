//! Users' Wasm to native code.

use wasmtime::Engine;

use super::{
    answer::{CompiledModule, Refusal},
    shape,
};
use crate::engine::codegen_config;

/// Compiles one module or component, from its binary or its text.
pub(super) fn compile(bytes: Vec<u8>, text: bool) -> Result<CompiledModule, Refusal> {
    let bytes = if text { parse(bytes)? } else { bytes };
    let shape = shape::check(&bytes)?;
    // Threads are beyond this process's limits, and the scheduler has other guests to think of.
    let engine = Engine::new(codegen_config().parallel_compilation(false)).map_err(refusal)?;
    let artifact = if shape.component { engine.precompile_component(&bytes) } else { engine.precompile_module(&bytes) };
    Ok(CompiledModule { artifact: artifact.map_err(refusal)?, memory_bytes: shape.memory_bytes })
}

fn parse(text: Vec<u8>) -> Result<Vec<u8>, Refusal> {
    let text = String::from_utf8(text).map_err(|_| Refusal::syntax("the text is not UTF-8", None))?;
    wat::parse_str(text).map_err(|error| {
        let shown = error.to_string();
        match split_position(&shown) {
            Some((message, position)) => Refusal::syntax(message, Some(position)),
            None => Refusal::syntax(shown, None),
        }
    })
}

/// Takes message and position out of `message\n     --> <anon>:1:2\n...` or, where the line is long,
/// `message at <anon>:1:2`: there is no other way to get at them.
fn split_position(shown: &str) -> Option<(&str, (u32, u32))> {
    let (message, rest) = shown.split_once("\n     --> <anon>:").or_else(|| shown.rsplit_once(" at <anon>:"))?;
    let (line, column) = rest.lines().next()?.split_once(':')?;
    Some((message, (line.parse().ok()?, column.parse().ok()?)))
}

fn refusal(error: wasmtime::Error) -> Refusal {
    Refusal::compile(format!("{error:#}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_in_text_says_where() {
        let short = parse(b"(module\n  (func i32.nope))".to_vec()).unwrap_err();
        assert_eq!((short.name.as_str(), short.position), ("SyntaxError", Some((2, 9))));
        assert_eq!(short.message, "unknown operator or unexpected token");
        let long = parse(format!("(module{}(func i32.nope))", " ".repeat(600)).into_bytes()).unwrap_err();
        assert_eq!(long.position, Some((1, 614)));
        assert_eq!(long.message, "unknown operator or unexpected token");
    }
}
