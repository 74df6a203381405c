//! Many executions at the same time: all right, none lost, none mixed up.

use serde_json::json;

use crate::support::{Caller, Server, Setup};

const CONCURRENCY: usize = 8;

fn pool_of_eight(queue: usize) -> Setup {
    Setup::dev().config(&format!("[execution]\nconcurrency = {CONCURRENCY}\nqueue = {queue}\n"))
}

#[tokio::test]
async fn two_hundred_at_once_on_a_pool_of_eight() {
    let server = Server::start(pool_of_eight(1024)).await;
    let runs: Vec<_> = (0..200_u32)
        .map(|number| {
            let client = server.client.clone();
            let body = json!({ "code": code(number), "input": number });
            tokio::spawn(async move { (number, client.execute(&body).await) })
        })
        .collect();
    let mut ids = std::collections::BTreeSet::new();
    for run in runs {
        let (number, answer) = run.await.unwrap();
        answer.assert_result(json!([number, number + 1, "undefined"]));
        assert_eq!(answer.json["logs"], json!([number.to_string()]));
        assert!(ids.insert(answer.json["executionId"].as_str().unwrap().to_owned()));
    }
    assert_eq!(ids.len(), 200);
}

/// Different code for each number, in four manners: at once, over jobs, over timers, over real work.
fn code(number: u32) -> String {
    let manner = match number % 4 {
        0 => "",
        1 => "for (let i = 0; i < 50; i++) await null;",
        2 => "await new Promise(r => setTimeout(r, 20));",
        _ => "for (let i = 0; i < 200000; i++);",
    };
    format!(
        "const before = typeof globalThis.mark; globalThis.mark = {number}; console.log(input); {manner}
         return [input, globalThis.mark + 1, before]"
    )
}

#[tokio::test]
async fn one_more_than_run_and_wait_is_refused() {
    let server = Server::start(pool_of_eight(2)).await;
    let body =
        |id: usize| json!({ "code": "await new Promise(r => setTimeout(r, 60000))", "executionId": id.to_string() });
    let busy: Vec<_> = (0..CONCURRENCY + 2)
        .map(|id| {
            let (client, body) = (server.client.clone(), body(id));
            tokio::spawn(async move { client.execute(&body).await })
        })
        .collect();
    for id in 0..CONCURRENCY + 2 {
        crate::support::eventually("all are known", async || {
            (server.client.get(Caller::Admin, &format!("/executions/{id}")).await.status == 200).then_some(())
        })
        .await;
    }
    // Being known comes before waiting: asked again until the answer is no.
    let refused = crate::support::eventually("one is refused", async || {
        let quick = json!({ "code": "return 1", "timeout": 200 });
        let answer = server.client.execute(&quick).await;
        (answer.status == 503).then_some(answer)
    })
    .await;
    refused.assert_refused(503, "overloaded");
    assert!(refused.header("retry-after").parse::<u32>().is_ok(), "{:?}", refused.headers);
    for id in 0..CONCURRENCY + 2 {
        server.client.delete(Caller::Admin, &format!("/executions/{id}")).await;
    }
    for run in busy {
        run.await.unwrap().assert_ended_by("cancelled");
    }
    server.client.run("return 1").await.assert_result(1);
}

#[tokio::test]
async fn a_busy_guest_does_not_hold_up_the_others() {
    let server = Server::start(pool_of_eight(1024)).await;
    let busy: Vec<_> = (0..CONCURRENCY - 1)
        .map(|_| {
            let client = server.client.clone();
            tokio::spawn(async move { client.execute(&json!({ "code": "for (;;) {}", "timeout": 1500 })).await })
        })
        .collect();
    for _ in 0..20 {
        let answer = server.client.execute(&json!({ "code": "return 1", "timeout": 2000 })).await;
        answer.assert_result(1);
        assert_eq!(server.client.get(Caller::Anonymous, "/livez").await.status, 200);
    }
    for run in busy {
        run.await.unwrap().assert_ended_by("timeout");
    }
}
