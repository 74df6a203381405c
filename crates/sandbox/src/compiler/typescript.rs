//! TypeScript and JSX to JavaScript: types stripped, nothing else made older.

use std::path::{Path, PathBuf};

use oxc::{
    allocator::Allocator,
    ast::ast::{Program, Statement},
    codegen::{Codegen, CodegenOptions, CommentOptions},
    diagnostics::{Diagnostics, OxcDiagnostic},
    parser::{ParseOptions, Parser},
    semantic::SemanticBuilder,
    span::SourceType,
    transformer::{
        DecoratorOptions, HelperLoaderMode, HelperLoaderOptions, JsxOptions, JsxRuntime, TransformOptions, Transformer,
    },
};

use super::answer::{Compiled, Refusal, ScriptKind};

/// What decorators compile to, as TypeScript's `experimentalDecorators` has it. One line: the mappings count it.
const DECORATOR_HELPERS: &str = "const babelHelpers = { \
decorate(decorators, target, key, desc) { \
const count = arguments.length; \
let result = count < 3 ? target : desc === null ? (desc = Object.getOwnPropertyDescriptor(target, key)) : desc; \
for (let i = decorators.length - 1; i >= 0; i--) { \
const decorator = decorators[i]; \
if (decorator) result = (count < 3 ? decorator(result) : count > 3 ? decorator(target, key, result) : decorator(target, key)) || result; \
} \
if (count > 3 && result) Object.defineProperty(target, key, result); \
return result; \
}, \
decorateParam(index, decorator) { return (target, key) => decorator(target, key, index); } \
};\n";

/// Compiles one text. As with TypeScript's `isolatedModules`, an import that is used for types only goes away.
pub(super) fn compile(code: Vec<u8>, jsx: bool, kind: ScriptKind) -> Result<Compiled, Refusal> {
    let code = String::from_utf8(code).map_err(|_| Refusal::syntax("the code is not UTF-8", None))?;
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, &code, SourceType::mjs().with_typescript(true).with_jsx(jsx))
        .with_options(ParseOptions {
            allow_return_outside_function: kind == ScriptKind::Snippet,
            ..ParseOptions::default()
        })
        .parse();
    refuse_errors(&code, &parsed.diagnostics)?;
    let mut program = parsed.program;
    let analysed = SemanticBuilder::new().with_check_syntax_error(true).with_enum_eval(true).build(&program);
    refuse_errors(&code, &analysed.diagnostics)?;

    let transformed = Transformer::new(&allocator, Path::new("code"), &options(jsx))
        .build_with_scoping(analysed.semantic.into_scoping(), &mut program);
    refuse_errors(&code, &transformed.diagnostics)?;
    if kind == ScriptKind::Snippet {
        remove_module_marker(&mut program);
    }
    #[expect(deprecated, reason = "nothing else says whether a helper is needed")]
    let helpers = !transformed.helpers_used.is_empty();
    Ok(print(program, helpers))
}

fn options(jsx: bool) -> TransformOptions {
    TransformOptions {
        decorator: DecoratorOptions { legacy: true, ..DecoratorOptions::default() },
        jsx: if jsx {
            JsxOptions { runtime: JsxRuntime::Classic, display_name_plugin: false, ..JsxOptions::enable() }
        } else {
            JsxOptions::disable()
        },
        // The other mode imports helpers from a package that no guest has.
        helper_loader: HelperLoaderOptions { mode: HelperLoaderMode::External, ..HelperLoaderOptions::default() },
        ..TransformOptions::default()
    }
}

/// Removes the `export {}` that stands in where all imports and exports were of types. In a module it is
/// harmless; it would make a module of a snippet.
fn remove_module_marker(program: &mut Program<'_>) {
    if let Some(Statement::ExportNamedDeclaration(last)) = program.body.last()
        && last.span.is_unspanned()
        && last.specifiers.is_empty()
    {
        program.body.pop();
    }
}

fn print(mut program: Program<'_>, helpers: bool) -> Compiled {
    if helpers {
        // It would have to stay on the first line.
        program.hashbang = None;
    }
    let options = CodegenOptions {
        source_map_path: Some(PathBuf::from("code")),
        comments: CommentOptions::disabled(),
        ..CodegenOptions::default()
    };
    let printed = Codegen::new().with_options(options).build(&program);
    let mappings = printed.map.map_or_else(String::new, |mut map| {
        map.set_source_contents(Vec::new());
        map.to_json().mappings
    });
    if helpers {
        // A line more above: in the mappings, a `;`.
        return Compiled { code: format!("{DECORATOR_HELPERS}{}", printed.code), mappings: format!(";{mappings}") };
    }
    Compiled { code: printed.code, mappings }
}

fn refuse_errors(code: &str, diagnostics: &Diagnostics) -> Result<(), Refusal> {
    diagnostics.errors().next().map_or(Ok(()), |first| Err(refusal(code, first)))
}

fn refusal(code: &str, diagnostic: &OxcDiagnostic) -> Refusal {
    let position = diagnostic.labels.first().map(|label| position(code, label.offset() as usize));
    let message = diagnostic.message.to_string();
    // What was expected instead stands in the label.
    let detail = diagnostic.labels.first().and_then(|label| label.label());
    Refusal::syntax(detail.map_or_else(|| message.clone(), |detail| format!("{message}: {detail}")), position)
}

/// Line and column of a byte, both counted from 1; columns in UTF-16 code units.
fn position(code: &str, offset: usize) -> (u32, u32) {
    let before = code.get(..offset).unwrap_or(code);
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() as u32 + 1;
    (line, before[line_start..].encode_utf16().count() as u32 + 1)
}
