//! `types.d.ts`, as the TypeScript compiler sees it: programs that are right compile against it, and mistakes do not.

use std::{fs, process::Command};

use doer_core::service::Service;

use crate::support::{Caller, Server, node};

const EXAMPLES: &str = include_str!("types/examples.ts");
const SNIPPET: &str = include_str!("types/snippet.ts");
const BUSINESS: &str = include_str!("types/business.ts");
const MISTAKES: &str = include_str!("types/mistakes.ts");

#[tokio::test]
async fn programs_compile_and_mistakes_do_not() {
    let Some(node) = node("programs_compile_and_mistakes_do_not") else { return };
    let server = Server::dev().await;
    let answer = server.client.get(Caller::User, "/types.d.ts").await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/typescript; charset=utf-8"));

    let directory = tempfile::tempdir().unwrap();
    let files = [
        ("types.d.ts", &*answer.text),
        ("examples.ts", EXAMPLES),
        ("business.ts", BUSINESS),
        ("snippet.ts", SNIPPET),
        ("mistakes.ts", MISTAKES),
    ];
    for (name, text) in files {
        fs::write(directory.path().join(name), text).unwrap();
    }
    for library in ["webworker", "dom"] {
        let mut compiler = Command::new(node.join("node_modules/.bin/tsc"));
        compiler.args(["--strict", "--noEmit", "--target", "es2023", "--module", "esnext", "--lib"]);
        compiler.arg(format!("es2023,{library}")).args(files.map(|(name, _)| name));
        let output = compiler.current_dir(&directory).output().unwrap();
        assert!(output.status.success(), "{library}: {}", String::from_utf8_lossy(&output.stdout));
    }
}

/// What code finds on its global object, and nothing of it is unknown to the compiler.
#[tokio::test]
async fn every_global_is_declared() {
    let Some(node) = node("every_global_is_declared") else { return };
    let server = Server::dev().await;
    // The engine's own error for its own defects is nothing to rely on.
    let code = "return Object.getOwnPropertyNames(globalThis).filter((n) => /^[A-Za-z]\\w*$/.test(n) && n !== 'InternalError')";
    let answer = server.client.run(code).await;
    let names: Vec<String> = serde_json::from_value(answer.json["result"].clone()).unwrap();
    assert!(names.len() > 100, "{names:?}");
    let directory = tempfile::tempdir().unwrap();
    let declared = server.client.get(Caller::User, "/types.d.ts").await.text;
    fs::write(directory.path().join("types.d.ts"), declared).unwrap();
    let uses: String = names.iter().map(|name| format!("void {name};\n")).collect();
    fs::write(directory.path().join("globals.ts"), format!("{uses}export {{}};\n")).unwrap();
    let mut compiler = Command::new(node.join("node_modules/.bin/tsc"));
    compiler.args(["--strict", "--noEmit", "--target", "esnext", "--lib", "esnext,dom", "types.d.ts", "globals.ts"]);
    let output = compiler.current_dir(&directory).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn the_examples_use_every_method_both_ways() {
    for method in Service::ALL.into_iter().flat_map(Service::methods) {
        for call in [format!("env.{}.{}(", method.service, method.name), format!("env.DO.{}(", method.flat_name())] {
            assert!(EXAMPLES.contains(&call), "{call}");
        }
    }
}

/// Every function that `$` has when code runs.
#[tokio::test]
async fn the_examples_use_every_method_of_the_business_runtime() {
    let server = Server::dev().await;
    let code = "const paths = [];
        const look = (value, path) => {
            if (typeof value === 'function') paths.push(path);
            if (Object(value) === value) for (const name of Object.keys(value)) look(value[name], `${path}.${name}`);
        };
        look($, '$');
        return paths";
    let answer = server.client.run(code).await;
    let paths: Vec<String> = serde_json::from_value(answer.json["result"].clone()).unwrap();
    assert!(paths.len() >= 30, "{paths:?}");
    for path in paths {
        assert!([format!("{path}("), format!("{path}<")].iter().any(|call| BUSINESS.contains(call)), "{path}");
    }
}
