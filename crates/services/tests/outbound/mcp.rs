//! The MCP client, where the scenarios do not reach: connections that break, tools that change, child processes.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering::SeqCst},
    time::Duration,
};

use axum::Router;
use doer_core::{
    service::{
        Code, Health, ServiceError,
        mcp::{CallTool, ListResources, ListTools, Mcp},
    },
    tier::Tier,
    time::{Clock, ManualClock, SystemClock},
};
use doer_services::{
    mcp::{McpClient, ServerSettings, Settings, Transport},
    tasks::Tasks,
};
use serde_json::{Value, json};

use crate::{
    mcp_server::{Shared, router},
    scopes::{admin, scope},
    serve::serve,
};

fn http(address: &str) -> ServerSettings {
    let url = format!("{address}/mcp").parse().unwrap();
    ServerSettings::new(Transport::Http { url, headers: BTreeMap::new() })
}

fn client(servers: &[(&str, ServerSettings)], clock: Arc<dyn Clock>) -> Arc<McpClient> {
    let servers = servers.iter().map(|(name, settings)| ((*name).to_owned(), settings.clone())).collect();
    Arc::new(McpClient::new(Settings { servers, max_result_bytes: 1000 }, clock).unwrap())
}

async fn call(client: &McpClient, tool: &str, args: Value) -> Result<Value, ServiceError> {
    let args = args.as_object().cloned();
    client.call_tool(&admin(), CallTool { tool_name: tool.to_owned(), args }).await
}

async fn names(client: &McpClient) -> Vec<String> {
    let tools = client.list_tools(&admin(), ListTools {}).await.unwrap();
    tools.into_iter().map(|tool| tool.name).collect()
}

#[tokio::test]
async fn tools_are_described_and_asked_for_once() {
    let shared = Shared::default();
    let client = client(&[("s", http(&serve(router(shared.clone())).await))], Arc::new(SystemClock));
    assert_eq!(names(&client).await, ["s.echo", "s.add", "s.fail", "s.slow", "s.large", "s.grow"], "of both pages");
    let tools = client.list_tools(&admin(), ListTools {}).await.unwrap();
    assert_eq!(
        serde_json::to_value(&tools[1]).unwrap(),
        json!({
            "name": "s.add",
            "description": "Adds two numbers",
            "inputSchema": {
                "type": "object",
                "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
                "required": ["a", "b"],
                "additionalProperties": false,
            },
        })
    );
    call(&client, "s.echo", json!({"text": "x"})).await.unwrap();
    assert_eq!(shared.lists.load(SeqCst), 1);
    assert!(call(&client, "s.add", json!({"a": "x"})).await.is_err());
    assert_eq!(shared.calls.load(SeqCst), 1, "wrong arguments do not reach the tool");
}

#[tokio::test]
async fn tools_are_asked_for_again_when_the_server_says_that_they_changed() {
    let shared = Shared::default();
    let client = client(&[("s", http(&serve(router(shared)).await))], Arc::new(SystemClock));
    assert_eq!(names(&client).await.len(), 6);
    call(&client, "s.grow", json!({})).await.unwrap();
    // The news travels beside the answer.
    for _ in 0..200 {
        if names(&client).await.len() == 7 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(call(&client, "s.grown", json!({})).await, Ok(json!("here")));
}

#[tokio::test]
async fn results_are_bounded() {
    let client = client(&[("s", http(&serve(router(Shared::default())).await))], Arc::new(SystemClock));
    // As JSON it has two quotes more.
    assert!(call(&client, "s.large", json!({"bytes": 998})).await.is_ok());
    let error = call(&client, "s.large", json!({"bytes": 999})).await.unwrap_err();
    let message = "s.large: the result is larger than 1000 bytes";
    assert_eq!((error.code, error.message.as_ref()), (Code::UpstreamError, message));
}

#[tokio::test]
async fn a_server_that_is_not_for_the_caller_is_not_there() {
    let internal = ServerSettings { tiers: vec![Tier::Internal], ..http(&serve(router(Shared::default())).await) };
    let client = client(&[("s", internal)], Arc::new(SystemClock));
    let tenant = scope("tenant", "acme");
    assert_eq!(client.list_tools(&tenant, ListTools {}).await.unwrap(), []);
    assert_eq!(client.list_resources(&tenant, ListResources {}).await.unwrap(), []);
    let request = CallTool { tool_name: "s.echo".to_owned(), args: None };
    assert_eq!(client.call_tool(&tenant, request).await.unwrap_err().code, Code::NotFound);
    assert_eq!(names(&client).await.len(), 6);
}

#[tokio::test]
async fn a_server_that_was_restarted_is_reached_again_and_one_that_is_gone_is_left_alone_for_a_while() {
    let clock = Arc::new(ManualClock::at(Duration::from_secs(1000)));
    let (address, stop) = stoppable("127.0.0.1:0", router(Shared::default())).await;
    let client = client(&[("s", http(&format!("http://{address}")))], clock.clone());
    let echo = || call(&client, "s.echo", json!({"text": "x"}));
    assert_eq!(echo().await, Ok(json!("x")));
    assert_eq!(client.health(), Health::Ok);

    stop.await_end().await;
    assert_eq!(echo().await.unwrap_err().code, Code::UpstreamError);
    assert_eq!(names(&client).await, Vec::<String>::new());
    assert_eq!(client.health(), Health::Degraded);

    let (_, _stop) = stoppable(&address, router(Shared::default())).await;
    assert_eq!(echo().await.unwrap_err().code, Code::UpstreamError, "not before the wait is over");
    clock.advance(Duration::from_secs(60));
    assert_eq!(echo().await, Ok(json!("x")));
    assert_eq!(client.health(), Health::Ok);
}

/// A server that can be stopped with all its connections.
struct Stop(tokio::runtime::Runtime);

impl Stop {
    async fn await_end(self) {
        tokio::task::spawn_blocking(move || self.0.shutdown_timeout(Duration::from_secs(5))).await.unwrap();
    }
}

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        if let Some(stop) = self.0.take() {
            stop.0.shutdown_background();
        }
    }
}

struct StopOnDrop(Option<Stop>);

impl StopOnDrop {
    async fn await_end(mut self) {
        if let Some(stop) = self.0.take() {
            stop.await_end().await;
        }
    }
}

async fn stoppable(address: &str, router: Router) -> (String, StopOnDrop) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let address = address.to_owned();
    let listening = runtime.spawn(async move {
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        address
    });
    (listening.await.unwrap(), StopOnDrop(Some(Stop(runtime))))
}

/// A server in the shell's own language, over its standard streams. `env` tells its environment and process, `end`
/// ends it, `hang` starts another process and waits for it.
const SHELL: &str = r#"
while IFS= read -r line; do
  id=${line#*\"id\":}; id=${id%%[,\}]*}
  case $line in
    *'"initialize"'*) result='{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"sh","version":"1"}}' ;;
    *'"tools/list"'*) result='{"tools":[{"name":"env","inputSchema":{"type":"object"}},{"name":"end","inputSchema":{"type":"object"}},{"name":"hang","inputSchema":{"type":"object"}}]}' ;;
    *'"name":"end"'*) exit 0 ;;
    *'"name":"hang"'*) /bin/sleep 600 ;;
    *'"tools/call"'*) result="{\"content\":[{\"type\":\"text\",\"text\":\"$GREETING|$HOME|$CARGO_MANIFEST_DIR|$$\"}]}" ;;
    *) continue ;;
  esac
  echo "about to answer $id" >&2
  printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$result"
done
"#;

fn shell() -> ServerSettings {
    ServerSettings::new(Transport::Stdio {
        command: "/bin/sh".to_owned(),
        args: vec!["-c".to_owned(), SHELL.to_owned()],
        env: BTreeMap::from([("GREETING".to_owned(), "hello".to_owned())]),
    })
}

async fn process(client: &McpClient) -> PathBuf {
    let told = call(client, "sh.env", json!({})).await.unwrap();
    let parts: Vec<&str> = told.as_str().unwrap().split('|').collect();
    assert_eq!(parts[..3], ["hello", "", ""], "its environment is the configured one and nothing else");
    PathBuf::from(format!("/proc/{}", parts[3]))
}

async fn ends(process: &Path) {
    for _ in 0..500 {
        if !process.exists() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{} still runs", process.display());
}

#[tokio::test]
async fn a_child_process_has_its_own_environment_and_ends_with_the_service() {
    let client = client(&[("sh", shell())], Arc::new(SystemClock));
    let tasks = Tasks::default();
    client.start(&tasks);
    let process = process(&client).await;
    assert!(process.exists());
    tasks.stop().await;
    ends(&process).await;
    assert_eq!(call(&client, "sh.env", json!({})).await.unwrap_err().code, Code::ServiceUnavailable);
}

#[tokio::test]
async fn a_child_process_ends_when_the_client_is_dropped() {
    let client = client(&[("sh", shell())], Arc::new(SystemClock));
    let process = process(&client).await;
    drop(client);
    ends(&process).await;
}

#[tokio::test]
async fn a_child_process_that_ended_is_started_anew() {
    let client = client(&[("sh", shell())], Arc::new(SystemClock));
    let first = process(&client).await;
    assert_eq!(call(&client, "sh.end", json!({})).await.unwrap_err().code, Code::UpstreamError);
    ends(&first).await;
    assert_ne!(process(&client).await, first);
}

#[tokio::test]
async fn a_child_process_that_hangs_is_killed_with_what_it_started_and_started_anew() {
    let client =
        client(&[("sh", ServerSettings { timeout: Duration::from_millis(300), ..shell() })], Arc::new(SystemClock));
    let first = process(&client).await;
    assert_eq!(call(&client, "sh.hang", json!({})).await.unwrap_err().code, Code::Timeout);
    let group = first.file_name().unwrap().to_str().unwrap().to_owned();
    assert_eq!(group_of(&group), 2, "the shell and what it started");
    assert_ne!(process(&client).await, first);
    ends(&first).await;
    for _ in 0..500 {
        if group_of(&group) == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("what the child had started still runs");
}

/// How many processes are in a process group.
fn group_of(group: &str) -> usize {
    let stats = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let stat = std::fs::read_to_string(entry.ok()?.path().join("stat")).ok()?;
        // After the name, which may hold anything: state, parent, group.
        let (_, rest) = stat.rsplit_once(')')?;
        let mut fields = rest.split_whitespace();
        let (state, of) = (fields.next()?.to_owned(), fields.nth(1)?.to_owned());
        (of == group && state != "Z").then_some(())
    });
    stats.count()
}

#[tokio::test]
async fn a_program_that_is_no_server_or_none_is_unreachable() {
    let stdio = |command: &str, args: &[&str]| ServerSettings {
        connect_timeout: Duration::from_millis(300),
        ..ServerSettings::new(Transport::Stdio {
            command: command.to_owned(),
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            env: BTreeMap::new(),
        })
    };
    let servers = [
        ("ends", stdio("/bin/sh", &["-c", "exit 0"])),
        ("hangs", stdio("/bin/sh", &["-c", "while read -r line; do :; done"])),
        ("nothing", stdio("/nowhere/at/all", &[])),
        ("noise", stdio("/bin/sh", &["-c", "while :; do echo nonsense; done"])),
    ];
    let client = client(&servers, Arc::new(SystemClock));
    for name in ["ends", "hangs", "nothing", "noise"] {
        let error = call(&client, &format!("{name}.x"), json!({})).await.unwrap_err();
        assert_eq!(error.message, format!("{name}.x: the MCP server cannot be reached"));
    }
    assert_eq!(client.health(), Health::Degraded);
}
