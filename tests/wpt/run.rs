//! One test in the sandbox.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use doer_core::{
    auth::AuthContext,
    id::RequestId,
    ledger::Ledger,
    limits::Limits,
    scope::Scope,
    scoped::{Grants, ScopedServices, Services},
    service::Service,
    tier::Tier,
    time::SystemClock,
};
use doer_sandbox::{CompilerConfig, Event, Invocation, ModuleSource, Program, Sandbox, SandboxConfig};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    checkout::Test,
    server::{Checkout, Nobody, served, substitute},
};

/// Until a test that says nothing is told that its time is up, and one that says it takes long; as browsers have it.
const TIME: Duration = Duration::from_secs(10);
const LONG_TIME: Duration = Duration::from_secs(60);

/// Where the code of the test is, beside what the prelude makes of the sandbox.
const MAIN: &str = "import text from './test.txt';
import prepare from './prelude.js';
export default (input) => new Promise((done, fail) => {
    prepare(input, done);
    try { (0, eval)(text); } catch (error) { fail(error); }
});";

/// What came of one test.
#[derive(Debug, Serialize)]
pub struct TestResult {
    pub path: String,
    pub variant: String,
    /// Name, `PASS` or what else, and the message.
    pub subtests: Vec<(String, &'static str, String)>,
    /// What went wrong with the test as a whole.
    pub failure: Option<String>,
}

/// Runs tests of one checkout.
pub struct Runner {
    root: PathBuf,
    sandbox: Sandbox,
    services: Arc<Services>,
    _cache: tempfile::TempDir,
}

impl Runner {
    pub async fn start(root: PathBuf) -> Self {
        let cache = tempfile::tempdir().expect("directory");
        let config = SandboxConfig {
            concurrency: 4,
            queue: 16,
            max_memory_bytes: Limits::of(Tier::Internal).memory_bytes,
            keep_resident_bytes: 0,
            cache_dir: cache.path().join("artifacts"),
            disk_bytes: 0,
            installation_key: [7; 32],
            background_threads: 2,
            compiler: CompilerConfig {
                program: "/nonexistent".into(),
                args: Vec::new(),
                processes: 1,
                queue: 1,
                timeout: Duration::from_secs(1),
                memory_bytes: 1 << 30,
            },
        };
        let sandbox = Sandbox::start(config).await.expect("sandbox");
        let services = Services {
            backends: Service::ALL.map(|_| Box::new(Nobody) as _),
            egress: Arc::new(Checkout::new(root.clone())),
            standing: Arc::new(Nobody),
            clock: Arc::new(SystemClock),
        };
        Self { root, sandbox, services: Arc::new(services), _cache: cache }
    }

    pub async fn run(&self, test: Test) -> TestResult {
        let outcome = self.sandbox.execute(self.program(&test), self.invocation(&test)).await;
        let Test { path, variant, .. } = test;
        let mut result = TestResult { path, variant, subtests: Vec::new(), failure: None };
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(error) => {
                result.failure = Some(error.to_string());
                return result;
            }
        };
        let (mut begun, mut ended) = (BTreeMap::new(), BTreeSet::new());
        for line in outcome.logs {
            if let Some(test) = line.strip_prefix("\u{1}T") {
                let (index, name): (u32, String) = serde_json::from_str(test).expect("a line of the prelude's");
                begun.entry(index).or_insert(name);
            } else if let Some(test) = line.strip_prefix("\u{1}R") {
                let (index, name, status, message): (u32, String, usize, Option<String>) =
                    serde_json::from_str(test).expect("a line of the prelude's");
                ended.insert(index);
                let status = ["PASS", "FAIL", "TIMEOUT", "NOTRUN", "PRECONDITION_FAILED"][status];
                result.subtests.push((name, status, message.unwrap_or_default()));
            }
        }
        // Those that were on their way when the file crashed.
        for (_, name) in begun.into_iter().filter(|(index, _)| !ended.contains(index)) {
            result.subtests.push((name, "NOTRUN", String::new()));
        }
        result.failure = match outcome.answer {
            Ok(answer) => serde_json::from_str(answer.result.get()).ok(),
            Err(error) => Some(format!("{}: {} {}", error.name, error.message, error.stack.unwrap_or_default())),
        };
        result
    }

    fn program(&self, test: &Test) -> Program {
        let read = |path: &str| {
            let text = std::fs::read(self.root.join(served(path))).unwrap_or_default();
            let text = String::from_utf8_lossy(&text).into_owned();
            if path.contains(".sub.") { substitute(&text) } else { text }
        };
        let mut text = read("resources/testharness.js") + "\n;self.wptHook();\n";
        for script in test.scripts.iter().chain([&test.path]) {
            text += &read(script);
            text += "\n;\n";
        }
        let modules = BTreeMap::from([
            ("main.js".to_owned(), ModuleSource::Js(MAIN.to_owned())),
            ("prelude.js".to_owned(), ModuleSource::Js(include_str!("prelude.js").to_owned())),
            ("test.txt".to_owned(), ModuleSource::Text(text)),
        ]);
        Program::Modules { main: "main.js".to_owned(), modules }
    }

    fn invocation(&self, test: &Test) -> Invocation {
        let time = if test.long { LONG_TIME } else { TIME };
        let limits =
            Limits { wall: time + TIME, output_bytes: 256 << 20, calls: 100_000, ..Limits::of(Tier::Internal) };
        let scope = Scope::of(AuthContext::anonymous(RequestId::from_text("req_wpt"), 0));
        let ledger = Arc::new(Ledger::new(limits.calls, limits.transfer_bytes, false));
        let services = ScopedServices::new(Arc::clone(&self.services), Arc::new(scope), Grants::of([]), ledger);
        let origin = if test.path.contains(".https.") {
            "https://web-platform.test:8443"
        } else {
            "http://web-platform.test:8000"
        };
        let page = test.path.replace(".any.js", ".any.worker.html");
        let input = serde_json::json!({
            "href": format!("{origin}/{page}{}", test.variant),
            "time": u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
        });
        let event = Event::Execute(Some(RawValue::from_string(input.to_string()).expect("JSON")));
        Invocation { services: Some(services), ..Invocation::new(event, limits) }
    }
}
