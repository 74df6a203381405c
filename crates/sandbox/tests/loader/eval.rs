//! The flag `disallow_eval`: nothing in such a worker makes code of text, however it goes about it.

use doer_sandbox::{ModuleSource, Program, loader::Code};

use super::*;

/// Each is a way to have `1 + 1` worked out; what it gives is what it gave, or the error.
const WAYS: &str = "
    const caught = (f) => { try { return f() } catch (error) { return `${error.name}: ${error.message}` } };
    const kinds = [function () {}, async function () {}, function* () {}, async function* () {}];
    const bound = (f) => Object.getPrototypeOf(f).constructor;
    class Sub extends Function {}
    class Of { static m() {} get g() { return 1 } }
    const getter = Object.getOwnPropertyDescriptor(Of.prototype, 'g').get;
    export const ways = () => [
        () => eval('1 + 1'), () => (0, eval)('1 + 1'), () => globalThis.eval('1 + 1'), () => Reflect.apply(eval, null, ['1 + 1']),
        () => [eval][0]('1 + 1'), () => eval?.('1 + 1'), () => new Function('return 1 + 1')(), () => Function('return 1 + 1')(),
        () => globalThis.Function('return 1')(), () => Reflect.construct(Function, ['return 1']), () => Reflect.construct(Function, ['return 1'], Object),
        () => new Sub('return 1')(), () => super_of(Sub)('return 1')(), () => Function.apply(null, ['return 1']), () => Function.call(null, 'return 1'),
        () => Function.bind(null)('return 1'), () => new (Function.bind(null))('return 1'),
        ...kinds.map((f) => () => f.constructor('return 1')), ...kinds.map((f) => () => new (bound(f))('return 1')),
        ...kinds.slice(1).map((f) => () => new (Object.getPrototypeOf(bound(f)))('return 1')),
        () => (() => {}).constructor('return 1')(), () => Of.m.constructor('return 1')(), () => getter.constructor('return 1')(),
        () => Object.constructor('return 1')(), () => [].map.constructor('return 1')(), () => fetch.constructor('return 1')(),
        () => Of.constructor('return 1')(), () => Proxy.constructor('return 1')(), () => (async () => {}).constructor('return 1'),
        () => (function () {}).bind().constructor('return 1')(), () => new Proxy(() => {}, {}).constructor('return 1')(),
        () => Object.getPrototypeOf(Object.getPrototypeOf(kinds[1])).constructor('return 1')(), () => console.log.constructor('return 1')(),
        () => eval(new String('1 + 1')) === undefined || eval('2'), () => Function.prototype.constructor('return 1')(),
        () => JSON.parse.constructor('return 1')(), () => crypto.subtle.digest.constructor('return 1')(), () => URL.constructor('return 1')(),
    ];
    const super_of = (C) => Object.getPrototypeOf(C);
    export const tried = ways().map(caught);
    export { caught };";

fn strict(source: &str) -> Code {
    let modules = [("main.js", source), ("ways.js", WAYS), ("late.js", "export default 'late'")];
    let mut modules: std::collections::BTreeMap<_, _> =
        modules.map(|(name, text)| (name.to_owned(), ModuleSource::Js(text.to_owned()))).into();
    let common = "module.exports = { value: 7, later: () => require('./other.cjs').value }";
    modules.insert("common.cjs".to_owned(), ModuleSource::Cjs(common.to_owned()));
    modules.insert("other.cjs".to_owned(), ModuleSource::Cjs("exports.value = 8".to_owned()));
    Code { program: Program::Modules { main: "main.js".to_owned(), modules }, disallow_eval: true, ..code(source) }
}

const REFUSED: &str = "EvalError: Code generation from strings disallowed for this context";

#[test]
fn no_way_leads_to_code_made_of_text() {
    block_on(async {
        let source = "
            import { caught, tried, ways } from './ways.js';
            export default { fetch: () => Response.json([tried, ways().map(caught)]) }";
        let stub = registry(ROOM).await.get(key("strict"), {
            let code = strict(source);
            move || {
                let code = code.clone();
                async move { Ok(code) }
            }
        });
        for _ in 0..2 {
            let found: Vec<Vec<String>> = serde_json::from_str(&text(&stub, "/").await).unwrap();
            // At top level, and when it is called.
            for (at, way) in found.iter().flatten().enumerate() {
                assert_eq!(way, REFUSED, "{at}");
            }
            assert!(found[0].len() > 40 && found[0].len() == found[1].len());
            imaged(&stub, "/").await;
        }
    });
}

#[test]
fn timers_take_no_text_and_modules_are_loaded_all_the_same() {
    block_on(async {
        let source = "
            import common from './common.cjs';
            export default { async fetch() {
                const late = (await import('./late.js')).default;
                const same = [eval(5), eval(undefined) === undefined, (() => {}) instanceof Function, Function.name, Function.length,
                    Object.getPrototypeOf(async () => {}).constructor.name, typeof Function.prototype, Function === (() => {}).constructor];
                return Response.json([late, common.value, common.later(), same]);
            }, async timer() { setTimeout('globalThis.ran = true'); await new Promise((resolve) => setTimeout(resolve, 5)); return globalThis.ran } }";
        let stub = registry(ROOM).await.load(strict(source));
        let found: Value = serde_json::from_str(&text(&stub, "/").await).unwrap();
        assert_eq!(found, json!(["late", 7, 8, [5, true, true, "Function", 1, "AsyncFunction", "function", true]]));
        let outcome = called(&stub, None, "timer", json!([])).await;
        assert_ne!(outcome.answer.map(|answer| answer.result.get().to_owned()).unwrap_or_default(), "true");
    });
}

#[test]
fn without_the_flag_they_work() {
    block_on(async {
        let source = "export default { both: () => [eval('1 + 1'), new Function('return 3')()] }";
        let stub = registry(ROOM).await.load(code(source));
        assert_eq!(result(&stub, None, "both", json!([])).await, json!([2, 3]));
    });
}
