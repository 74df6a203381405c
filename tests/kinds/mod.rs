//! Every kind of guest, through the same scenarios: what comes of each is written once, in `scenarios.rs`, and holds for
//! all of them, or says why not.

mod asked;
mod guests;
mod kind;
mod scenarios;

use std::time::Duration;

use futures_util::{StreamExt as _, future::join_all};
use serde_json::Value;

use self::{
    asked::{Guest, Seen, receipt},
    guests::FIRST_LINE,
    kind::{Ending, Kind},
    scenarios::{ENDLESS, End, SCENARIOS, STREAMED, Scenario},
};
use crate::support::{Server, Setup, within};

/// What every receipt says of what was used.
const USAGE: [&str; 7] = ["calls", "coldStart", "cpuMs", "fuel", "outputBytes", "peakMemoryBytes", "wallMs"];

/// As much as there may be of each kind at once, and little output.
const CONFIG: &str = "[server]\nshutdown_deadline = \"1s\"\n[limits.tenant]\nexecutions_per_minute = 0\n\
                      concurrency = 100\noutput_kib = 4\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_kinds_come_to_the_same_end() {
    let server = Server::start(Setup::dev().config(CONFIG)).await;
    let mut wrong = Vec::new();
    for scenario in SCENARIOS {
        let runs = Kind::ALL.into_iter().map(|kind| happens(&server, kind, scenario));
        wrong.extend(join_all(runs).await.into_iter().flatten());
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_runs_when_the_server_stops_is_answered() {
    let mut server = Server::start(Setup::dev().config(CONFIG)).await;
    let all = ENDLESS.iter().flat_map(|scenario| Kind::ALL.map(|kind| (kind, scenario)));
    let begun = join_all(
        all.map(async |(kind, scenario)| (kind, scenario, Guest::new(&server, kind, scenario).await.begun().await)),
    );
    let begun = begun.await;
    server.terminate();
    let answered = join_all(begun.into_iter().map(async |(kind, scenario, begun)| {
        let seen = within(Duration::from_secs(30), scenario.name, begun.answered()).await;
        differences(kind, scenario, scenario.ending, &seen)
    }));
    let wrong: Vec<String> = answered.await.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(server.exit_code().await, Some(0), "{}", server.log());
}

#[tokio::test]
async fn answers_that_are_streamed_arrive_while_their_guest_runs() {
    let server = Server::start(Setup::dev().config(CONFIG)).await;
    for kind in Kind::ALL.into_iter().filter(|kind| ending(*kind, &STREAMED).is_some()) {
        let (response, execution) = Guest::new(&server, kind, &STREAMED).await.answering().await;
        assert_eq!(response.status(), 200, "{kind:?}");
        assert_eq!(response.headers()["x-execution-id"], execution.as_str(), "{kind:?}");
        let mut body = response.bytes_stream();
        assert_eq!(body.next().await.unwrap().unwrap(), "xxx", "{kind:?}");
        let path = format!("/executions/{execution}");
        let deleted = server.client.delete(crate::support::Caller::Tenant, &path).await;
        assert_eq!(deleted.json["state"], "cancelling", "{kind:?}: {}", deleted.text);
        // What was sent cannot be taken back: the body ends without its end.
        assert!(body.next().await.unwrap().is_err(), "{kind:?}");
        let receipt = receipt(&server, &execution).await;
        assert_eq!(receipt["outcome"], STREAMED.ending.outcome(), "{kind:?}: {receipt}");
    }
}

/// What must come of a scenario for a kind; nothing where it cannot happen to it.
fn ending(kind: Kind, scenario: &Scenario) -> Option<Ending> {
    match scenario.except.iter().find(|except| except.kinds.contains(&kind)) {
        Some(except) => except.ending,
        None => Some(scenario.ending),
    }
}

/// Has it happen to a kind, and says what came of it that should not.
async fn happens(server: &Server, kind: Kind, scenario: &Scenario) -> Vec<String> {
    let Some(ending) = ending(kind, scenario) else { return Vec::new() };
    let guest = Guest::new(server, kind, scenario).await;
    let (seen, execution) = match scenario.end {
        End::Itself => {
            let seen = guest.asked().await;
            let execution = seen.execution.clone();
            (Some(seen), execution)
        }
        End::Deleted => {
            let begun = guest.begun().await;
            begun.delete().await;
            let seen = within(Duration::from_secs(30), scenario.name, begun.answered()).await;
            let execution = seen.execution.clone();
            (Some(seen), execution)
        }
        End::Gone => (None, guest.begun().await.go_away()),
    };
    let receipt = receipt(server, &execution).await;
    let mut wrong = seen.as_ref().map_or_else(Vec::new, |seen| differences(kind, scenario, ending, seen));
    let mut expect = |what: &str, holds: bool| {
        if !holds {
            wrong.push(format!("{}: {kind:?}: {what}: {receipt}, {seen:?}", scenario.name));
        }
    };
    let usage = &receipt["usage"];
    expect("outcome", receipt["outcome"] == ending.outcome());
    expect("fields", usage.as_object().is_some_and(|usage| usage.keys().eq(USAGE)));
    if let Some(told) = seen.as_ref().and_then(|seen| seen.usage.as_ref()) {
        expect("usage in the answer", told == usage);
    }
    for (pointer, range) in scenario.usage {
        let number = usage.pointer(pointer).and_then(Value::as_f64);
        expect(pointer, number.is_some_and(|number| range.contains(&number)));
    }
    wrong
}

/// What of an answer is not as it should be.
fn differences(kind: Kind, scenario: &Scenario, ending: Ending, seen: &Seen) -> Vec<String> {
    let code = match ending {
        Ending::Ends(code) => Some(code),
        Ending::Answers(_) | Ending::Fails(_) => None,
    };
    let says = match ending {
        Ending::Answers(text) => seen.result.contains(text),
        Ending::Fails(_) | Ending::Ends(_) => seen.result.is_empty(),
    };
    let first = seen.logs.first().is_some_and(|line| line == FIRST_LINE);
    let checks = [
        ("status", seen.status == ending.status(kind.door())),
        ("code", seen.code.as_deref() == code),
        ("name", seen.name.as_deref() == ending.error()),
        ("result", says),
        ("logs", first && (seen.logs.len() > 1) == scenario.is_talkative),
    ];
    let wrong = checks.into_iter().filter(|(_, holds)| !holds);
    wrong.map(|(what, _)| format!("{}: {kind:?}: {what}: {ending:?}, {seen:?}", scenario.name)).collect()
}
