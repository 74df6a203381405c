//! What is counted of single workers.

use serde_json::json;

use super::{called, code, fetched, register};
use crate::support::{Caller, Server, Setup, eventually};

/// The series of workers in the metrics, of one name: labels and value.
async fn series(server: &Server, name: &str) -> Vec<(String, f64)> {
    let metrics = server.metrics().await;
    let lines = metrics.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('{')?.split_once("} "));
    lines.map(|(labels, value)| (labels.replace('"', ""), value.parse().unwrap())).collect()
}

/// Waits until so many calls were counted in all, and gives them by worker and outcome.
async fn invocations(server: &Server, sum: f64) -> Vec<(String, f64)> {
    let all = eventually("all are counted", async || {
        let all = series(server, "doer_worker_invocations_total").await;
        (all.iter().map(|(_, value)| value).sum::<f64>() == sum).then_some(all)
    });
    let mut all = all.await;
    all.sort_by(|(one, _), (other, _)| one.cmp(other));
    all
}

fn counted(worker: &str, outcome: &str, calls: u32) -> (String, f64) {
    let namespace = if worker == "other" { "other" } else { "tenant:test-tenant" };
    (format!("namespace={namespace},worker={worker},outcome={outcome}"), calls.into())
}

#[tokio::test]
async fn the_first_workers_have_series_of_their_own_and_the_others_share() {
    let server = Server::start(Setup::dev().config("[workers]\nseries = 2\n")).await;
    let source = "export default {
        fetch(request) { if (request.url.endsWith('/fail')) throw new Error('no'); return new Response('') },
        spin() { for (;;) {} },
    }";
    let worker = code(source);
    for id in ["a", "b", "c", "d", "e"] {
        register(&server, Caller::Tenant, id, &worker).await;
    }
    // Registering is no call.
    assert_eq!(invocations(&server, 0.0).await, []);
    for id in ["a", "b", "c", "d", "e", "a"] {
        assert_eq!(fetched(&server, Caller::Tenant, id, "/").await.status, 200);
    }
    for id in ["a", "c"] {
        assert_eq!(fetched(&server, Caller::Tenant, id, "/fail").await.status, 502);
    }
    called(&server, "b", "spin", &json!({ "limits": { "cpuMs": 50 } })).await.assert_ended_by("cpu_limit");
    // What does not exist or is not allowed is no call either.
    assert_eq!(fetched(&server, Caller::Tenant, "none", "/").await.status, 404);
    let expected = [
        counted("other", "guest_error", 1),
        counted("other", "ok", 3),
        counted("a", "guest_error", 1),
        counted("a", "ok", 2),
        counted("b", "cpu_limit", 1),
        counted("b", "ok", 1),
    ];
    assert_eq!(invocations(&server, 9.0).await, expected);
    for name in ["doer_worker_duration_seconds_total", "doer_worker_cpu_seconds_total"] {
        let all = series(&server, name).await;
        assert_eq!(all.len(), 3, "{all:?}");
        let b = all.iter().find(|(labels, _)| labels.contains("worker=b")).unwrap().1;
        assert!(b >= 0.05 && all.iter().all(|(_, seconds)| *seconds > 0.0), "{name}: {all:?}");
    }

    // A worker that goes leaves its counts to the others, and its place to the next that is called.
    assert_eq!(server.client.delete(Caller::Tenant, "/workers/a").await.status, 204);
    assert_eq!(fetched(&server, Caller::Tenant, "d", "/").await.status, 200);
    assert_eq!(fetched(&server, Caller::Tenant, "e", "/").await.status, 200);
    let expected = [
        counted("other", "guest_error", 2),
        counted("other", "ok", 6),
        counted("b", "cpu_limit", 1),
        counted("b", "ok", 1),
        counted("d", "ok", 1),
    ];
    assert_eq!(invocations(&server, 11.0).await, expected);
}
