//! JavaScript through the sandbox: every form of code, errors, limits, images.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::{block_on, invocation, run, sandbox, text};
use doer_core::fault::Termination;
use doer_sandbox::Program;
use serde_json::json;

#[test]
fn every_form_of_code_answers() {
    block_on(async {
        for (code, expected) in [
            ("return 2 + 2", json!(4)),
            ("return await Promise.resolve(42)", json!(42)),
            ("async (input) => input.a + 1", json!(42)),
            ("(input) => input.a + 1;\n// done\n", json!(42)),
            ("x => x.a", json!(41)),
            ("export default (input) => input.a", json!(41)),
            ("export default { fetch() { return Response.json({ ok: true }) } }", json!({"ok": true})),
            ("export default { async fetch(request) { return new Response((await request.json()).a) } }", json!("41")),
            ("const text = 'export default 1'; return text.length", json!(16)),
            ("return (await request.json()).a", json!(41)),
            ("await new Promise(r => setTimeout(r, 5)); return 'later'", json!("later")),
            ("return", json!(null)),
            ("const n: number = 20; interface A { x: number }; return n * 2", json!(40)),
        ] {
            let outcome = run(text(code), invocation(json!({"a": 41}))).await;
            let answer = outcome.answer.unwrap_or_else(|error| panic!("{code}: {error:?}"));
            assert_eq!(serde_json::from_str::<serde_json::Value>(answer.result.get()).unwrap(), expected, "{code}");
        }
    });
}

#[test]
fn errors_stand_where_the_user_wrote_them() {
    block_on(async {
        for (code, name, line, column) in [
            ("return 2 +", "SyntaxError", 1, 11),
            ("\n\n  nope()", "ReferenceError", 3, 3),
            ("const f = () => {\n  throw new TypeError('x')\n}\nf()", "TypeError", 2, 13),
            ("async () => {\n\n   null.x }", "TypeError", 3, 4),
            ("export default () => {\n null.x }", "TypeError", 2, 2),
            ("interface A { x: number }\nconst a: A = { x: 1 };\n\n  throw new Error('x')", "Error", 4, 13),
        ] {
            let error = run(text(code), invocation(json!(null))).await.answer.unwrap_err();
            assert_eq!(
                (error.name.as_str(), error.line, error.column),
                (name, Some(line), Some(column)),
                "{code}: {error:?}"
            );
        }
    });
}

#[test]
fn each_limit_ends_the_run_with_its_own_code_and_keeps_the_logs() {
    block_on(async {
        use Termination as T;
        let bomb = "console.log('on'); const a = []; for (;;) a.push(new Uint8Array(1 << 20).fill(1))";
        for (code, wanted) in [
            ("console.log('on'); for (;;) {}", T::Timeout),
            ("console.log('on'); const f = () => Promise.resolve().then(f); await f()", T::Timeout),
            ("console.log('on'); await new Promise(r => setTimeout(r, 1e6))", T::Timeout),
            ("console.log('on'); /(a+)+$/.test('a'.repeat(40) + 'b')", T::CpuLimit),
            ("console.log('on'); for (;;) [3,1,2].sort(() => 1)", T::FuelExhausted),
            (bomb, T::MemoryLimit),
            ("console.log('on'); let s = ''; for (;;) { s += 'x'.repeat(1e6); s.charCodeAt(0) }", T::MemoryLimit),
            ("console.log('on'); for (;;) console.log('x'.repeat(1000))", T::OutputLimit),
            ("console.log('on'); return 'x'.repeat(100000)", T::OutputLimit),
        ] {
            let mut limited = invocation(json!(null));
            limited.limits.wall = Duration::from_secs(60);
            limited.limits.cpu = Duration::from_secs(50);
            match wanted {
                T::Timeout => limited.limits.wall = Duration::from_millis(100),
                T::CpuLimit => limited.limits.cpu = Duration::from_millis(50),
                T::FuelExhausted => limited.limits.fuel = 20_000_000,
                T::OutputLimit => limited.limits.output_bytes = 10_000,
                _ => limited.limits.memory_bytes = 32 << 20,
            }
            let outcome = run(text(code), limited).await;
            assert_eq!(outcome.answer.unwrap_err().code, Some(wanted), "{code}");
            assert_eq!(outcome.logs.first().map(String::as_str), Some("on"), "{code}");
        }
    });
}

#[test]
fn a_top_level_has_cpu_time_of_its_own() {
    block_on(async {
        let mut patient = invocation(json!(null));
        patient.limits.fuel = u64::MAX;
        let outcome = run(text("export default 1; for (;;) {}"), patient).await;
        assert_eq!(outcome.answer.unwrap_err().code, Some(Termination::StartupLimit));
    });
}

#[test]
fn endless_recursion_of_every_kind_is_a_range_error() {
    block_on(async {
        for code in [
            "const f = () => f() + 1; return f()",
            "const o = { get x() { return this.x } }; return o.x",
            "const p = new Proxy({}, { get: (t, k, r) => r[k] }); return p.x",
            "const o = { toJSON() { return JSON.stringify(o) } }; return JSON.stringify(o)",
            "const f = () => [1, 2].sort(f); return f()",
            "const f = () => [1].map(f); return f()",
            "class A { constructor() { new A() } }; new A()",
            "const f = () => eval('f()'); f()",
            "const f = (s) => s.replace(/x/, () => f(s)); f('x')",
            "return JSON.parse('['.repeat(1e5))",
            "return new RegExp('('.repeat(1e5) + ')'.repeat(1e5))",
            "return eval('('.repeat(1e5) + ')'.repeat(1e5))",
            "const f = async () => { await f() }; await f()",
            "const f = function* () { yield* f() }; [...f()]",
            "const o = { toString() { return `${o}` } }; `${o}`",
            "const o = { valueOf() { return +o } }; +o",
            "const o = { [Symbol.iterator]() { return [...o] } }; [...o]",
            "const f = () => Reflect.apply(f, null, []); f()",
            "const f = () => structuredClone({ get x() { return f() } }); f()",
        ] {
            let mut patient = invocation(json!(null));
            patient.limits.fuel = u64::MAX;
            let outcome = run(text(code), patient).await;
            let error = outcome.answer.expect_err(code);
            assert!(matches!(error.name.as_str(), "RangeError" | "SyntaxError" | "InternalError"), "{code}: {error:?}");
            assert_eq!(error.code, None, "{code}");
            // And the code itself can catch it: it was the engine that gave up, not the host.
            let caught =
                format!("try {{ await (async () => {{ {code} }})(); return 'ended' }} catch (e) {{ return e.name }}");
            let mut patient = invocation(json!(null));
            patient.limits.fuel = u64::MAX;
            let answer = run(text(&caught), patient).await.answer.expect(code);
            assert_eq!(answer.result.get(), format!("{:?}", error.name), "{code}");
        }
    });
}

#[test]
fn a_run_from_an_image_answers_like_the_first_one() {
    block_on(async {
        let sandbox = sandbox().await;
        for code in [
            "const table = new Map([['a', 1], ['b', { c: new Set([1, 'x']) }]]);\n\
         const when = Date.now();\n\
         export default (input) => [table.get('a'), [...table.get('b').c], input.a, typeof when, table.size]",
            "return [input.a, new URL('http://x/y?z=1').searchParams.get('z')]",
            "class A { #x = 1; get x() { return this.#x } }; const a = new A(); export default () => a.x",
            "let n = 0; export default () => ++n",
        ] {
            let program = text(code);
            let first = sandbox.execute(program.clone(), invocation(json!({"a": 1}))).await.unwrap().answer.unwrap();
            let image = sandbox.image(program, invocation(json!(null))).await.unwrap().unwrap();
            for _ in 0..3 {
                let outcome = sandbox.execute_image(image.clone(), invocation(json!({"a": 1}))).await.unwrap();
                assert_eq!(outcome.answer.unwrap().result.get(), first.result.get(), "{code}");
            }
        }
    });
}

#[test]
fn randomness_differs_between_runs_and_is_refused_at_top_level() {
    block_on(async {
        let sandbox = sandbox().await;
        let program = text("export default () => [Math.random(), crypto.randomUUID()]");
        let image = sandbox.image(program, invocation(json!(null))).await.unwrap().unwrap();
        let mut seen = std::collections::HashSet::new();
        for _ in 0..20 {
            let outcome = sandbox.execute_image(image.clone(), invocation(json!(null))).await.unwrap();
            assert!(seen.insert(outcome.answer.unwrap().result.get().to_owned()));
        }
        for call in ["Math.random()", "crypto.getRandomValues(new Uint8Array(1))", "setTimeout(() => {}, 1)"] {
            let error =
                run(text(&format!("{call}; export default 1")), invocation(json!(null))).await.answer.unwrap_err();
            assert!(error.message.contains("not allowed in global scope"), "{call}: {error:?}");
        }
    });
}

#[test]
fn breaking_built_ins_breaks_only_oneself() {
    block_on(async {
        let code = "
        for (const name of Object.getOwnPropertyNames(globalThis)) {
            if (!['Object', 'Array', 'console', 'globalThis'].includes(name)) try { globalThis[name] = null } catch {}
        }
        Object.defineProperty(Object.prototype, 'toJSON', { set() {}, get() { return undefined } });
        Object.defineProperty(Array.prototype, '0', { set() {}, get() { return 'polluted' } });
        Array.prototype[Object.getOwnPropertySymbols(Array.prototype)[0]] = null;
        Array.prototype.push = Array.prototype.map = Array.prototype.join = null;
        console.log('still here', { a: [1] });
        return { fine: [true] }";
        let outcome = run(text(code), invocation(json!(null))).await;
        assert_eq!(outcome.logs, ["still here {\"a\":[1]}"]);
        assert_eq!(outcome.answer.unwrap().result.get(), "{\"fine\":[true]}");
        let hung =
            run(text("Promise.prototype.then = null; Object.prototype.then = 1; console.log('x'); for (;;) {}"), {
                let mut i = invocation(json!(null));
                i.limits.wall = Duration::from_millis(50);
                i
            })
            .await;
        assert_eq!((hung.logs, hung.answer.unwrap_err().code), (vec!["x".to_owned()], Some(Termination::Timeout)));
    });
}

#[test]
fn modules_import_each_other_and_nothing_else() {
    block_on(async {
        use doer_sandbox::ModuleSource as M;
        let program = |extra: &str| {
            Program::Modules {
        main: "src/main.js".into(),
        modules: [
            ("src/main.js", M::Js(format!(
                "import {{ twice }} from './lib.ts'; import d from '../d.json'; import t from '../t.txt'; import b from '../b.bin';\n\
                 import c from '../c.cjs'; {extra}\nexport default () => [twice(d.n), t, b.byteLength, c.x]"
            ))),
            ("src/lib.ts", M::Ts("export const twice = (n: number): number => n * 2".into())),
            ("d.json", M::Json("{\"n\": 21}".into())),
            ("t.txt", M::Text("text".into())),
            ("b.bin", M::Data(vec![1, 2, 3])),
            ("c.cjs", M::Cjs("module.exports = { x: require('./d.json').n }".into())),
        ]
        .map(|(name, source)| (name.to_owned(), source))
        .into(),
    }
        };
        let outcome = run(program(""), invocation(json!(null))).await;
        assert_eq!(outcome.answer.unwrap().result.get(), "[42,\"text\",3,21]");
        for (import, message) in [
            ("import '../../x.js'", "No such module: \"../../x.js\", imported from \"src/main.js\""),
            ("import 'node:fs'", "No such module: \"node:fs\", imported from \"src/main.js\""),
        ] {
            let error = run(program(import), invocation(json!(null))).await.answer.unwrap_err();
            assert_eq!(error.message, message);
        }
    });
}

#[test]
fn results_that_json_cannot_carry_name_their_path() {
    block_on(async {
        for (code, message) in [
            ("return { a: [1n] }", "result.a[0] cannot be returned as JSON: it is a BigInt"),
            ("return { 'a b': () => 1 }", "result[\"a b\"] cannot be returned as JSON: it is a function"),
            ("const a = {}; a.b = a; return a", "result.b cannot be returned as JSON: it is a cycle"),
            ("return Symbol('x')", "result cannot be returned as JSON: it is a symbol"),
        ] {
            let error = run(text(code), invocation(json!(null))).await.answer.unwrap_err();
            assert_eq!((error.name.as_str(), error.message.as_str()), ("SerializationError", message));
        }
        let code =
            "return [new Date(0), new Map([[1, 2]]), new Set([3]), new Uint8Array([1, 2]), NaN, undefined, '\\ud800',
        new Response(new Uint8Array([255])), { toJSON: () => 7 }]";
        let outcome = run(text(code), invocation(json!(null))).await;
        assert_eq!(
            outcome.answer.unwrap().result.get(),
            r#"["1970-01-01T00:00:00.000Z",[[1,2]],[3],{"$base64":"AQI="},null,null,"�",{},7]"#
        );
    });
}

#[test]
fn webassembly_commands_take_input_and_give_a_result() {
    block_on(async {
        let echo = r#"(module
            (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (func (export "_start")
                (i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (i32.const 1000))
                (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
                (i32.store (i32.const 4) (i32.load (i32.const 8)))
                (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#;
        let program = Program::Text { code: echo.into(), language: Some(doer_sandbox::Language::Wat) };
        for _ in 0..2 {
            let outcome = run(program.clone(), invocation(json!({"a": [1, 2]}))).await;
            assert_eq!(outcome.answer.unwrap().result.get(), r#"{"a":[1,2]}"#);
        }
        let endless = Program::Text {
            code: "(module (func (export \"_start\") (loop (br 0))))".into(),
            language: Some(doer_sandbox::Language::Wat),
        };
        let mut limited = invocation(json!(null));
        limited.limits.wall = Duration::from_millis(100);
        limited.limits.fuel = u64::MAX;
        assert_eq!(run(endless, limited).await.answer.unwrap_err().code, Some(Termination::Timeout));
    });
}

#[test]
fn output_is_counted_as_it_is_sent() {
    block_on(async {
        let limited = |bytes: u64, truncate: bool| {
            let mut invocation = invocation(json!(null));
            (invocation.limits.output_bytes, invocation.truncate) = (bytes, truncate);
            invocation
        };
        for code in [
            // Six bytes each in JSON.
            "console.log('\\u0001'.repeat(2000)); return 1",
            "return new Response('x', { headers: { a: 'v'.repeat(20000) } })",
            "for (;;) console.log()",
        ] {
            let outcome = run(text(code), limited(10_000, false)).await;
            assert_eq!(outcome.answer.unwrap_err().code, Some(Termination::OutputLimit), "{code}");
            assert!(serde_json::to_string(&outcome.logs).unwrap().len() <= 11_000, "{code}");
        }
        let cut = run(text("return 'é\"'.repeat(9000)"), limited(10_000, true)).await;
        assert!(cut.truncated && cut.answer.unwrap().result.get().len() <= 10_002);
        let huge = run(text("throw new Error('x'.repeat(1e7))"), limited(10_000, false)).await;
        assert_eq!(huge.answer.unwrap_err().message.len(), (64 << 10) + '…'.len_utf8());
    });
}

#[test]
fn limits_of_zero_let_nothing_run() {
    block_on(async {
        type Set = fn(&mut doer_core::limits::Limits);
        let nothing = |set: Set| {
            let mut invocation = invocation(json!(null));
            set(&mut invocation.limits);
            invocation
        };
        use Termination as T;
        let cases: [(Set, T); 5] = [
            (|limits| limits.wall = Duration::ZERO, T::Timeout),
            (|limits| limits.cpu = Duration::ZERO, T::CpuLimit),
            (|limits| limits.fuel = 0, T::FuelExhausted),
            (|limits| limits.memory_bytes = 0, T::MemoryLimit),
            (|limits| limits.output_bytes = 0, T::OutputLimit),
        ];
        for (set, wanted) in cases {
            let outcome = run(text("return 1"), nothing(set)).await;
            assert_eq!(outcome.answer.unwrap_err().code, Some(wanted));
        }
    });
}

#[test]
fn odd_texts_run_or_say_why_not() {
    block_on(async {
        let answer = run(text("#!/usr/bin/env node\nreturn 5"), invocation(json!(null))).await.answer;
        assert_eq!(answer.unwrap().result.get(), "5");
        let mut props = invocation(json!(null));
        props.context = serde_json::value::RawValue::from_string(r#"{"props":{"a":{"b":1}}}"#.into()).unwrap();
        let answer = run(text("ctx.props.a.b = 2; ctx.props.c = 3; return ctx.props"), props).await.answer;
        assert_eq!(answer.unwrap().result.get(), r#"{"a":{"b":1}}"#);
        // Code that closes the wrapper runs, throws, and is not taken for a text that does not parse.
        let escaped =
            run(text("}}); throw new TypeError('out'); (function(){return async function(){"), invocation(json!(null)));
        assert_eq!(escaped.await.answer.unwrap_err().message, "out");
    });
}
