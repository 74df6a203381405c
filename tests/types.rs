//! `types.d.ts`, as the TypeScript compiler sees it: programs that are right compile against it, and mistakes do not.

use std::{fs, process::Command};

use doer_core::service::Service;

use crate::support::{Caller, Server, node};

const EXAMPLES: &str = include_str!("types/examples.ts");
const SNIPPET: &str = include_str!("types/snippet.ts");
const MISTAKES: &str = include_str!("types/mistakes.ts");

#[tokio::test]
async fn programs_compile_and_mistakes_do_not() {
    let Some(node) = node("programs_compile_and_mistakes_do_not") else { return };
    let server = Server::dev().await;
    let answer = server.client.get(Caller::User, "/types.d.ts").await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/typescript; charset=utf-8"));

    let directory = tempfile::tempdir().unwrap();
    let files =
        [("types.d.ts", &*answer.text), ("examples.ts", EXAMPLES), ("snippet.ts", SNIPPET), ("mistakes.ts", MISTAKES)];
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

#[test]
fn the_examples_use_every_method_both_ways() {
    for method in Service::ALL.into_iter().flat_map(Service::methods) {
        for call in [format!("env.{}.{}(", method.service, method.name), format!("env.DO.{}(", method.flat_name())] {
            assert!(EXAMPLES.contains(&call), "{call}");
        }
    }
}
