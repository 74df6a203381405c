//! What a program is: WebAssembly, or JavaScript as the guest takes it.

use doer_guest_protocol as protocol;

use crate::{
    Language, ModuleSource, Program,
    compiler::{Compiler, ScriptKind, TypeScript},
    store::End,
};

/// The WebAssembly that a program is, and whether it is text; else the program again.
pub(crate) fn wasm_of(program: Program) -> Result<(Vec<u8>, bool), Program> {
    match program {
        Program::Wasm(binary) => Ok((binary, false)),
        Program::Text { code, language: Some(Language::Wat) } => Ok((code.into_bytes(), true)),
        Program::Modules { main, mut modules } => match modules.remove(&main) {
            Some(ModuleSource::Wasm(binary)) => Ok((binary, false)),
            Some(ModuleSource::Wat(text)) => Ok((text.into_bytes(), true)),
            Some(other) => {
                modules.insert(main.clone(), other);
                Err(Program::Modules { main, modules })
            }
            None => Err(Program::Modules { main, modules }),
        },
        other => Err(other),
    }
}

/// The program as the guest takes it: everything JavaScript.
pub(crate) async fn translate(compiler: &Compiler, program: Program) -> Result<protocol::Program, End> {
    match program {
        Program::Text { code, language: Some(Language::TypeScript) } => {
            Ok(protocol::Program::Text(typescript(compiler, code, true, ScriptKind::Snippet).await?))
        }
        Program::Text { code, .. } => Ok(protocol::Program::Text(plain(code))),
        Program::Modules { main, modules } => {
            let mut translated = Vec::with_capacity(modules.len());
            for (name, source) in modules {
                let body = translate_module(compiler, &name, source).await?;
                translated.push(protocol::Module { name, body });
            }
            Ok(protocol::Program::Modules { main, modules: translated })
        }
        Program::Wasm(_) => Err(End::refusal("this program is no JavaScript")),
    }
}

async fn translate_module(compiler: &Compiler, name: &str, source: ModuleSource) -> Result<protocol::ModuleBody, End> {
    Ok(match source {
        ModuleSource::Js(code) => protocol::ModuleBody::Js(plain(code)),
        ModuleSource::Ts(code) => {
            let jsx = name.ends_with('x');
            protocol::ModuleBody::Js(typescript(compiler, code, jsx, ScriptKind::Module).await?)
        }
        ModuleSource::Cjs(code) => protocol::ModuleBody::Cjs(plain(code)),
        ModuleSource::Text(text) => protocol::ModuleBody::Text(text),
        ModuleSource::Json(text) => protocol::ModuleBody::Json(text),
        ModuleSource::Data(bytes) => protocol::ModuleBody::Data(bytes),
        ModuleSource::Wasm(_) | ModuleSource::Wat(_) => {
            return Err(End::refusal(&format!("module {name:?}: WebAssembly can only be the main module")));
        }
    })
}

/// TypeScript as JavaScript, with the way back to its own lines.
pub(crate) async fn typescript(
    compiler: &Compiler,
    code: String,
    jsx: bool,
    kind: ScriptKind,
) -> Result<protocol::Source, End> {
    let compiled = compiler.typescript(TypeScript { code, jsx, kind }).await.map_err(End::from)?;
    Ok(protocol::Source { code: compiled.code, mappings: Some(compiled.mappings) })
}

fn plain(code: String) -> protocol::Source {
    protocol::Source { code, mappings: None }
}
