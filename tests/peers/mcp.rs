//! `mcp` against servers made with the official TypeScript SDK, over every wire that it speaks.

use std::{collections::BTreeMap, fs, process::Command, time::Duration};

use serde_json::{Value, json};

use crate::{
    peer::{Peer, script_of},
    rpc::{self, error, result},
    support::{Answer, Server, Setup, eventually, within},
};

/// How the SDK speaks HTTP, as `mcp.mjs` calls it.
const HTTP: [&str; 3] = ["sessions", "stateless", "json"];
const LIMIT: u64 = 4 << 20;

/// A doer, and an MCP server for each wire, called after it; `hasty-` and the name is the same server, waited for no
/// longer than half a second.
struct World {
    server: Server,
    peers: BTreeMap<&'static str, Peer>,
}

impl World {
    async fn start(test: &str) -> Option<Self> {
        let script = script_of(test, "mcp.mjs")?;
        let node = Command::new("node").args(["-p", "process.execPath"]).output().unwrap();
        let node = String::from_utf8(node.stdout).unwrap();
        let child = format!(
            "command = '{}'\nargs = ['{}', '{{\"mode\":\"stdio\"}}']\nenv = {{ GREETING = 'hello' }}",
            node.trim(),
            script.display(),
        );
        let mut config = entries("stdio", &child);
        let mut peers = BTreeMap::new();
        for mode in HTTP {
            let peer = Peer::start(test, "mcp.mjs", json!({ "mode": mode })).await?;
            let address = peer.address();
            config +=
                &entries(mode, &format!("url = '{address}/mcp'\nheaders = {{ Authorization = 'Bearer of {mode}' }}"));
            peers.insert(mode, peer);
        }
        let server = Server::start(Setup::production().config(&config)).await;
        Some(Self { server, peers })
    }

    async fn tool(&self, tool: &str, args: Value) -> Answer {
        rpc::call(&self.server, "mcp/callTool", json!({ "toolName": tool, "args": args })).await
    }

    async fn read(&self, server: &str, uri: &str) -> Answer {
        rpc::call(&self.server, "mcp/readResource", json!({ "server": server, "uri": uri })).await
    }

    /// The tools of one server.
    async fn tools(&self, server: &str) -> BTreeMap<String, Value> {
        let answer = rpc::call(&self.server, "mcp/listTools", json!({})).await;
        let tools = result(&answer).as_array().unwrap().iter();
        let named = tools.filter_map(|tool| {
            let name = tool["name"].as_str().unwrap().strip_prefix(server)?.strip_prefix('.')?;
            Some((name.to_owned(), tool.clone()))
        });
        named.collect()
    }

    /// What a server has seen.
    async fn seen(&self, mode: &str, what: &str) -> u64 {
        self.peers[mode].ask("seen", json!({})).await[what].as_u64().unwrap()
    }

    /// The process of the server over standard streams.
    async fn process(&self, name: &str) -> u64 {
        result(&self.tool(&format!("{name}.surroundings"), json!({})).await)["process"].as_u64().unwrap()
    }
}

/// A server in the configuration, and once more in haste.
fn entries(name: &str, transport: &str) -> String {
    let entry = |name: &str, more: &str| format!("[[services.mcp.servers]]\nname = '{name}'\n{transport}\n{more}\n");
    entry(name, "") + &entry(&format!("hasty-{name}"), "timeout = '500ms'")
}

fn every_wire() -> impl Iterator<Item = &'static str> {
    HTTP.into_iter().chain(["stdio"])
}

#[tokio::test]
async fn tools_are_told_with_their_schemas_and_called_over_every_wire() {
    let Some(world) = World::start("tools_are_told_with_their_schemas_and_called_over_every_wire").await else {
        return;
    };
    for wire in every_wire() {
        let tools = world.tools(wire).await;
        let names: Vec<&str> = tools.keys().map(String::as_str).collect();
        let expected = ["broken", "chatty", "die", "empty", "fail", "greet", "grow", "huge", "mixed", "ping", "slow"];
        assert_eq!(names, [&expected[..], &["sum", "surroundings"]].concat(), "{wire}");
        assert_eq!(
            (&tools["greet"]["description"], &tools["sum"]["description"]),
            (&"Says hello".into(), &"Adds numbers up".into())
        );
        let schema = &tools["greet"]["inputSchema"];
        assert_eq!((&schema["type"], &schema["required"]), (&json!("object"), &json!(["name"])), "{schema}");
        assert_eq!(schema["properties"]["times"]["maximum"], 3, "{schema}");

        let call = async |tool: &str, args: Value| world.tool(&format!("{wire}.{tool}"), args).await;
        assert_eq!(result(&call("greet", json!({ "name": "Zoë 🌍" })).await), "Hello, Zoë 🌍!");
        assert_eq!(result(&call("greet", json!({ "name": "A", "times": 2 })).await), "Hello, A! Hello, A!");
        let sum = json!({ "sum": 5.5, "of": [1, -3.5, 8] });
        assert_eq!(result(&call("sum", json!({ "numbers": [1, -3.5, 8] })).await), &sum);
        assert_eq!(result(&call("empty", json!({})).await), &Value::Null);
        assert_eq!(result(&call("chatty", json!({})).await), "done");
        let mixed = call("mixed", json!({})).await;
        let mixed = result(&mixed);
        assert_eq!(mixed[0], json!({ "type": "image", "data": "iVBORw0=", "mimeType": "image/png" }));
        assert_eq!((&mixed[1]["type"], &mixed[1]["uri"]), (&json!("resource_link"), &json!("test://greeting")));
        assert_eq!((&mixed[2]["type"], &mixed[2]["resource"]["text"]), (&json!("resource"), &json!("inline")));

        let failed = call("fail", json!({})).await;
        assert_eq!(error(&failed), ("upstream_error", &*format!("{wire}.fail: the disk is full: größer geht nicht")));
        let broken = call("broken", json!({})).await;
        assert!(error(&broken).1.starts_with(&format!("{wire}.broken: MCP error -32602: Output validation error")));
        let missing = call("constructor", json!({})).await;
        assert_eq!(error(&missing), ("not_found", &*format!("Tool {wire}.constructor not found")));
    }
}

#[tokio::test]
async fn wrong_arguments_never_reach_the_server() {
    let Some(world) = World::start("wrong_arguments_never_reach_the_server").await else { return };
    for (args, message) in [
        (json!({}), "args: \"name\" is a required property"),
        (json!({ "name": 7 }), "args.name: 7 is not of type \"string\""),
        (json!({ "name": "" }), "args.name: \"\" is shorter than 1 character"),
        (json!({ "name": "A", "times": 4 }), "args.times: 4 is greater than the maximum of 3"),
        (json!({ "name": "A", "times": 1.5 }), "args.times: 1.5 is not of type \"integer\""),
    ] {
        assert_eq!(error(&world.tool("sessions.greet", args).await), ("invalid_request", message));
    }
    assert_eq!(world.seen("sessions", "calls").await, 0);
}

#[tokio::test]
async fn results_are_taken_up_to_a_size_over_every_wire() {
    let Some(world) = World::start("results_are_taken_up_to_a_size_over_every_wire").await else { return };
    for wire in every_wire() {
        let huge = async |bytes: u64| world.tool(&format!("{wire}.huge"), json!({ "bytes": bytes })).await;
        // As JSON it has two quotes more.
        let most = LIMIT - 2;
        assert_eq!(result(&huge(most).await).as_str().unwrap().len() as u64, most, "{wire}");
        let message = format!("{wire}.huge: the result is larger than {LIMIT} bytes");
        assert_eq!(error(&huge(most + 1).await), ("upstream_error", &*message));
        // What is far beyond it is not even read: over standard streams the line is dropped, and nobody answers.
        let name = if wire == "stdio" { "hasty-stdio" } else { wire };
        let far = world.tool(&format!("{name}.huge"), json!({ "bytes": 50 << 20 })).await;
        assert_eq!(error(&far).0, if wire == "stdio" { "timeout" } else { "upstream_error" }, "{wire}");
        let next = world.tool(&format!("{name}.huge"), json!({ "bytes": 1 })).await;
        assert_eq!(result(&next), "x", "{wire} goes on");
    }
}

#[tokio::test]
async fn resources_are_listed_and_read_over_every_wire() {
    let Some(world) = World::start("resources_are_listed_and_read_over_every_wire").await else { return };
    let all = rpc::call(&world.server, "mcp/listResources", json!({})).await;
    for wire in every_wire() {
        let own = result(&all).as_array().unwrap().iter().filter(|one| one["server"] == wire).collect::<Vec<_>>();
        let binary = "application/octet-stream";
        assert_eq!(
            json!(own),
            json!([
                { "server": wire, "uri": "test://greeting", "name": "greeting", "description": "A greeting",
              "mimeType": "text/plain" },
                { "server": wire, "uri": "test://bytes", "name": "bytes", "description": null, "mimeType": binary },
            ])
        );
        for (uri, content) in [
            ("test://greeting", json!({ "mimeType": "text/plain", "text": "Grüß Gott", "blob": null })),
            ("test://bytes", json!({ "mimeType": binary, "text": null, "blob": "AAH/" })),
            ("test://squares/12", json!({ "mimeType": null, "text": "144", "blob": null })),
        ] {
            let mut content = content;
            content["uri"] = uri.into();
            assert_eq!(result(&world.read(wire, uri).await), &json!([content]), "{wire}");
        }
        let missing = world.read(wire, "test://nothing").await;
        assert_eq!(error(&missing), ("not_found", &*format!("Resource test://nothing of {wire} not found")));
    }
}

#[tokio::test]
async fn a_server_tells_of_new_tools_and_asks_back() {
    let Some(world) = World::start("a_server_tells_of_new_tools_and_asks_back").await else { return };
    for wire in ["sessions", "json", "stdio"] {
        assert!(!world.tools(wire).await.contains_key("grown"));
        assert_eq!(result(&world.tool(&format!("{wire}.grow"), json!({})).await), "one tool more");
        eventually("the new tool", async || world.tools(wire).await.contains_key("grown").then_some(())).await;
        assert_eq!(result(&world.tool(&format!("{wire}.grown"), json!({})).await), "here");
    }
    for wire in ["sessions", "stdio"] {
        assert_eq!(result(&world.tool(&format!("{wire}.ping"), json!({})).await), "pong");
    }
}

#[tokio::test]
async fn a_server_learns_what_the_configuration_says_and_nothing_else() {
    let Some(world) = World::start("a_server_learns_what_the_configuration_says_and_nothing_else").await else {
        return;
    };
    let child = world.tool("stdio.surroundings", json!({})).await;
    assert_eq!(result(&child)["environment"], json!({ "GREETING": "hello" }));
    for wire in HTTP {
        let told = world.tool(&format!("{wire}.surroundings"), json!({})).await;
        let headers = &result(&told)["headers"];
        assert_eq!(headers["authorization"], format!("Bearer of {wire}"));
        assert!(headers["user-agent"].as_str().unwrap().starts_with("doer/"), "{headers}");
        assert_eq!(headers.get("cookie"), None);
    }
    let guest = "return await env.mcp.callTool('sessions.sum', { numbers: [40, 2] })";
    assert_eq!(world.server.client.run(guest).await.at("/result/sum"), 42);
}

#[tokio::test]
async fn a_slow_tool_is_given_up_and_its_server_kept() {
    let Some(world) = World::start("a_slow_tool_is_given_up_and_its_server_kept").await else { return };
    for wire in every_wire() {
        let name = format!("hasty-{wire}");
        let before = world.process(&name).await;
        let initialized = if wire == "stdio" { 0 } else { world.seen(wire, "initialized").await };
        let slow = world.tool(&format!("{name}.slow"), json!({})).await;
        assert_eq!(slow.status, 504);
        let message = format!("{name}.slow: the MCP server did not answer within 500 ms");
        assert_eq!(error(&slow), ("timeout", &*message));
        assert_eq!(world.process(&name).await, before, "{wire}: the same process");
        if wire == "sessions" || wire == "json" {
            assert_eq!(world.seen(wire, "initialized").await, initialized, "the same session");
            // It is told, and need not go on for nobody.
            eventually("the tool ends", async || (world.seen(wire, "abandoned").await == 1).then_some(())).await;
        }
    }
}

#[tokio::test]
async fn a_session_that_is_no_more_is_begun_anew() {
    let Some(world) = World::start("a_session_that_is_no_more_is_begun_anew").await else { return };
    let greet = async |wire: &str| world.tool(&format!("{wire}.greet"), json!({ "name": "Ada" })).await;
    for wire in ["sessions", "json"] {
        result(&greet(wire).await);
        assert_eq!(world.seen(wire, "initialized").await, 1);
        world.peers[wire].ask("forget", json!({})).await;
        assert_eq!(result(&greet(wire).await), "Hello, Ada!");
        assert_eq!((world.seen(wire, "initialized").await, world.seen(wire, "sessions").await), (2, 1), "{wire}");

        world.peers[wire].ask("forget", json!({})).await;
        let at_once = (greet(wire), greet(wire), greet(wire), world.read(wire, "test://greeting"));
        let (one, two, three, read) = tokio::join!(at_once.0, at_once.1, at_once.2, at_once.3);
        for answer in [one, two, three, read] {
            result(&answer);
        }
        assert_eq!(world.seen(wire, "sessions").await, 1, "{wire}: one for all of them");
    }
}

#[tokio::test]
async fn a_server_that_dies_in_the_middle_is_reached_again_when_it_is_back() {
    let test = "a_server_that_dies_in_the_middle_is_reached_again_when_it_is_back";
    let Some(mut world) = World::start(test).await else { return };
    for wire in HTTP {
        let (client, path) = (world.server.client.clone(), "/rpc/mcp/callTool");
        let body = json!({ "params": { "toolName": format!("{wire}.slow"), "args": {} } });
        let call = tokio::spawn(async move { client.post(crate::support::Caller::Admin, path, &body).await });
        eventually("the call is there", async || (world.seen(wire, "slow").await == 1).then_some(())).await;
        world.peers.get_mut(wire).unwrap().kill().await;
        let answer = within(Duration::from_secs(20), "an answer", call).await.unwrap();
        assert_eq!(error(&answer).0, "upstream_error", "{wire}: {}", answer.text);
        assert!(!world.tools(wire).await.contains_key("greet"), "{wire}");
        assert!(world.tools("stdio").await.contains_key("greet"), "others are told all the same");
        let gone = world.tool(&format!("{wire}.greet"), json!({ "name": "Ada" })).await;
        let message = format!("{wire}.greet: the MCP server cannot be reached");
        assert_eq!(error(&gone), ("upstream_error", &*message));

        world.peers.get_mut(wire).unwrap().restart().await;
        eventually("it is reached again", async || {
            let answer = world.tool(&format!("{wire}.greet"), json!({ "name": "Ada" })).await;
            (answer.status == 200).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_child_that_dies_in_the_middle_is_started_anew_and_ends_with_doer() {
    let test = "a_child_that_dies_in_the_middle_is_started_anew_and_ends_with_doer";
    let Some(mut world) = World::start(test).await else { return };
    let first = world.process("stdio").await;
    let died = world.tool("stdio.die", json!({})).await;
    assert_eq!(error(&died), ("upstream_error", "stdio.die: the MCP server cannot be reached"));
    let second = world.process("stdio").await;
    assert_ne!(first, second);
    world.server.terminate();
    assert_eq!(world.server.exit_code().await, Some(0));
    for process in [first, second] {
        eventually("its end", async || has_ended(process).then_some(())).await;
    }
}

/// Whoever nobody has asked for its end yet has ended all the same.
fn has_ended(process: u64) -> bool {
    match fs::read_to_string(format!("/proc/{process}/stat")) {
        Ok(stat) => stat.rsplit(')').next().unwrap().trim_start().starts_with('Z'),
        Err(_) => true,
    }
}
