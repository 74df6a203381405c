//! What TypeScript and JSX compile to.

use doer_sandbox::compiler::{CompileError, Compiled, Compiler, ScriptKind, TypeScript};

use crate::support::{compiler, snippet};

async fn module(compiler: &Compiler, code: &str) -> Result<Compiled, CompileError> {
    compiler.typescript(TypeScript { code: code.to_owned(), jsx: false, kind: ScriptKind::Module }).await
}

async fn jsx(compiler: &Compiler, code: &str) -> Result<Compiled, CompileError> {
    compiler.typescript(TypeScript { code: code.to_owned(), jsx: true, kind: ScriptKind::Snippet }).await
}

fn refused(outcome: Result<Compiled, CompileError>) -> (&'static str, String, Option<u32>, Option<u32>) {
    match outcome {
        Err(CompileError::Refused { name, message, line, column }) => (name, message, line, column),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn types_go_and_nothing_is_made_older() {
    let compiler = compiler();
    let cases = [
        ("interface A { b: string }\nreturn (x as A)!.b satisfies string", "return x.b;\n"),
        (
            "const a = b?.c ?? 1n; a ||= 2; class D { #e = 1; static { f() } }",
            "const a = b?.c ?? 1n;\na ||= 2;\nclass D {\n\t#e = 1;\n\tstatic {\n\t\tf();\n\t}\n}\n",
        ),
        ("const a = await fetch(url) as Response; return a.json()", "const a = await fetch(url);\nreturn a.json();\n"),
        ("for await (const a of b<number>()) c(a)", "for await (const a of b()) c(a);\n"),
        (
            "class A { constructor(private b: number) {} declare c: string; d?: number }",
            "class A {\n\tb;\n\tconstructor(b) {\n\t\tthis.b = b;\n\t}\n\td;\n}\n",
        ),
        ("function f(this: void, a?: number): asserts a is number {}", "function f(a) {}\n"),
        ("'use strict'; type A = 1", "\"use strict\";\n"),
        ("const a = <number>b", "const a = b;\n"),
        ("abstract class A { abstract b(): void; c(): void; c(d?: any) {} }", "class A {\n\tc(d) {}\n}\n"),
    ];
    for (from, to) in cases {
        assert_eq!(snippet(&compiler, from).await.unwrap().code, to, "{from}");
    }
}

#[tokio::test]
async fn an_arrow_function_stays_an_expression() {
    let compiler = compiler();
    let cases = [
        ("(input: { a: number }): number => input.a + 1", "(input) => input.a + 1;\n"),
        (
            "async (input: any, env, ctx) => { return await env.x() }\n",
            "async (input, env, ctx) => {\n\treturn await env.x();\n};\n",
        ),
        ("input => input;", "(input) => input;\n"),
        ("// first\n(a: A) => a", "(a) => a;\n"),
        ("import type { A } from './a';\n(a: A) => a", "(a) => a;\n"),
        ("<T,>(a: T) => a", "(a) => a;\n"),
        ("((a: number) => a)", "((a) => a);\n"),
        ("async function f(a: number) { return a }", "async function f(a) {\n\treturn a;\n}\n"),
    ];
    for (from, to) in cases {
        assert_eq!(snippet(&compiler, from).await.unwrap().code, to, "{from}");
    }
}

#[tokio::test]
async fn imports_that_are_only_types_go() {
    let compiler = compiler();
    let code = "import { A, b } from './a.ts';\nimport type { C } from './c';\nimport './d';\nimport E from 'e';\n\
        export default { fetch(r: A, e: C) { return b(r) } };\nexport type { C };\nexport { type A };";
    let to = "import { b } from \"./a.ts\";\nimport \"./d\";\nexport default { fetch(r, e) {\n\treturn b(r);\n} };\n";
    assert_eq!(module(&compiler, code).await.unwrap().code, to);
    assert_eq!(module(&compiler, "type A = 1; export type { A }").await.unwrap().code, "export {};\n");
    assert_eq!(snippet(&compiler, "export default (a: number) => a").await.unwrap().code, "export default (a) => a;\n");
}

#[tokio::test]
async fn enums_namespaces_and_decorators_become_javascript() {
    let compiler = compiler();
    let compiled = snippet(&compiler, "enum A { B, C = 'c', D = 1 << 3 }\nreturn A.B").await.unwrap();
    assert!(compiled.code.contains("A[A[\"B\"] = 0] = \"B\""), "{}", compiled.code);
    assert!(compiled.code.contains("A[\"C\"] = \"c\""), "{}", compiled.code);
    assert!(compiled.code.contains("A[A[\"D\"] = 8] = \"D\""), "{}", compiled.code);
    let compiled = snippet(&compiler, "namespace A { export const b = 1 }\nreturn A.b").await.unwrap();
    assert!(compiled.code.contains("_A.b = 1"), "{}", compiled.code);
    let code = "@seal class A { @log() b(@inject c: number) {} }\nreturn A";
    let compiled = snippet(&compiler, code).await.unwrap();
    assert!(compiled.code.starts_with("const babelHelpers = {"), "{}", compiled.code);
    assert!(compiled.code.contains("babelHelpers.decorate([seal], A)"), "{}", compiled.code);
    assert!(compiled.code.contains("babelHelpers.decorateParam(0, inject)"), "{}", compiled.code);
    assert_eq!(original(&compiled, "return A"), (2, 1));
}

#[tokio::test]
async fn jsx_is_compiled_where_it_is_asked_for() {
    let compiler = compiler();
    let to = "return React.createElement(\"a\", { b: 1 }, \"c\", d, React.createElement(React.Fragment, null));\n";
    assert_eq!(jsx(&compiler, "return <a b={1}>c{d}<></></a>").await.unwrap().code, to);
    let compiled = jsx(&compiler, "/** @jsx h */\nimport { h } from './h';\nexport default () => <a {...b as any} c/>")
        .await
        .unwrap();
    assert!(compiled.code.contains("import { h } from \"./h\""), "{}", compiled.code);
    assert!(compiled.code.contains("h(\"a\", {\n\t...b,\n\tc: true\n})"), "{}", compiled.code);
    assert_eq!(refused(snippet(&compiler, "return <a>b</a>").await).0, "SyntaxError");
}

#[tokio::test]
async fn errors_have_the_users_position() {
    let compiler = compiler();
    let (name, message, line, column) = refused(snippet(&compiler, "const a: number = 1;\nconst = 2;").await);
    assert_eq!((name, line, column), ("SyntaxError", Some(2), Some(7)), "{message}");
    // Columns count UTF-16 code units.
    let (_, _, line, column) = refused(snippet(&compiler, "\n\n'\u{1f600}\u{e9}' + ;").await);
    assert_eq!((line, column), (Some(3), Some(9)));
    let (_, message, line, column) = refused(snippet(&compiler, "let a: string;\nlet a = 1").await);
    assert_eq!((line, column), (Some(1), Some(5)), "{message}");
    let (_, _, line, _) = refused(module(&compiler, "export const a = 1;\nreturn a").await);
    assert_eq!(line, Some(2));
}

#[tokio::test]
async fn mappings_lead_back_to_the_users_text() {
    let compiler = compiler();
    let code = "interface A {\n  b: string\n}\n\n  const first: A = f();\n  throw   new Error('x' as string);";
    let compiled = snippet(&compiler, code).await.unwrap();
    assert_eq!(original(&compiled, "const first"), (5, 3));
    assert_eq!(original(&compiled, "f()"), (5, 20));
    assert_eq!(original(&compiled, "new Error"), (6, 11));
    assert!(!compiled.mappings.contains('{'), "{}", compiled.mappings);
}

#[tokio::test]
async fn odd_beginnings_are_taken() {
    let compiler = compiler();
    assert_eq!(snippet(&compiler, "").await.unwrap().code, "");
    assert_eq!(
        snippet(&compiler, "#!/usr/bin/env doer\nreturn 1").await.unwrap().code,
        "#!/usr/bin/env doer\nreturn 1;\n"
    );
    assert_eq!(snippet(&compiler, "\u{feff}return 1 as any\r\n").await.unwrap().code, "return 1;\n");
    assert_eq!(snippet(&compiler, "#!x\n@a class B {}").await.unwrap().code.lines().count(), 3);
}

/// Position in the original, counted from 1, of the first `text` in the JavaScript.
fn original(compiled: &Compiled, text: &str) -> (i64, i64) {
    let before = &compiled.code[..compiled.code.find(text).expect(text)];
    let line = before.matches('\n').count();
    let column = before.len() - before.rfind('\n').map_or(0, |end| end + 1);
    let mut source = (0, 0);
    let mut found = None;
    for (number, segments) in compiled.mappings.split(';').enumerate() {
        let mut generated = 0;
        for segment in segments.split(',').filter(|segment| !segment.is_empty()) {
            let fields = vlq(segment);
            generated += fields[0];
            source = (source.0 + fields[2], source.1 + fields[3]);
            if number == line && generated <= column as i64 {
                found = Some((source.0 + 1, source.1 + 1));
            }
        }
    }
    found.expect("a mapping at or before it")
}

fn vlq(segment: &str) -> Vec<i64> {
    const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut fields = Vec::new();
    let (mut value, mut shift) = (0, 0);
    for digit in segment.chars() {
        let digit = DIGITS.find(digit).unwrap() as i64;
        value |= (digit & 31) << shift;
        shift += 5;
        if digit & 32 == 0 {
            fields.push(if value & 1 == 1 { -(value >> 1) } else { value >> 1 });
            (value, shift) = (0, 0);
        }
    }
    fields
}
