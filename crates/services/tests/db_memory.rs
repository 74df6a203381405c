//! Memory of the embedded `db`: a process of its own, since SQLite's limit is the process's.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "db/support.rs"]
#[allow(dead_code, reason = "shared with the other tests")]
mod support;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use doer_core::{quota::DefaultQuotas, service::Code};
use doer_services::db::Settings;
use serde_json::json;
use support::{tenant, with};

/// Sorts about so many megabytes.
fn sort(megabytes: u32) -> String {
    format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT {megabytes})
         SELECT count(*) AS n FROM (SELECT randomblob(1000000) AS b FROM n ORDER BY b LIMIT -1)"
    )
}

/// Gathers about so many megabytes, and then does nothing with them for ever.
fn sit_on(megabytes: u32) -> String {
    format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT {megabytes}),
         held AS MATERIALIZED (SELECT randomblob(1000000) AS b FROM n),
         forever(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM forever)
         SELECT (SELECT count(*) FROM held) + (SELECT count(*) FROM forever) + (SELECT count(*) FROM held)"
    )
}

/// Memory of this process, in megabytes.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4_096 / 1_000_000
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_is_limited_and_nobody_can_sit_on_it() {
    let settings = Settings { heap_bytes: 96 << 20, query_timeout: Duration::from_secs(60), ..Settings::default() };
    let fixture = Arc::new(with(settings, Arc::new(DefaultQuotas)));
    let (victim, greedy) = (tenant("victim"), tenant("greedy"));
    fixture.put(&victim, "notes", "1", json!("fine")).await.unwrap();

    let (before, started) = (resident(), Instant::now());
    let sitting = {
        let (fixture, greedy) = (fixture.clone(), greedy.clone());
        tokio::spawn(async move { fixture.sql(&greedy, &sit_on(70)).await })
    };
    while resident() < before + 68 {
        assert!(!sitting.is_finished());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // The victim's statement fails, which ends whoever sits on the memory; then there is enough.
    let failed = fixture.sql(&victim, &sort(50)).await.unwrap_err();
    assert_eq!((failed.code, &*failed.message), (Code::Quota, "The statement needs more memory than there is for it"));
    let ended = sitting.await.unwrap().unwrap_err();
    assert_eq!((ended.code, &*ended.message), (Code::ServiceUnavailable, "Memory is short"));
    assert!(started.elapsed() < Duration::from_secs(30), "long before its time was up");
    assert_eq!(fixture.value(&victim, &sort(50)).await, json!(50));

    let error = fixture.sql(&greedy, &sort(10_000)).await.unwrap_err();
    assert_eq!((error.code, &*error.message), (Code::Quota, "The statement needs more memory than there is for it"));
    assert_eq!(fixture.get(&victim, "notes", "1").await.unwrap().data, json!("fine"));
}
