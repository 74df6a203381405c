//! speed
use std::{sync::Arc, time::Instant};
use serde_json::json;
use crate::support::*;

#[test]
fn speed() {
    let rt = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    rt.block_on(async {
        let fixture = Arc::new(fixture());
        let scope = tenant("a");
        for i in 0..1000 { fixture.put(&scope, "n", &format!("{i}"), json!({"title": "hello world", "n": i})).await.unwrap(); }
        for tasks in [1usize, 16, 64] {
            for kind in ["get", "sql", "noop"] {
                let started = Instant::now();
                let total = 20_000;
                let hs: Vec<_> = (0..tasks).map(|t| { let f = fixture.clone(); let s = scope.clone(); tokio::spawn(async move {
                    for i in 0..total / tasks { match kind { "get" => { f.get(&s, "n", &format!("{}", (i * 7 + t) % 1000)).await.unwrap(); }
                        "sql" => { f.sql_with(&s, "SELECT data FROM things WHERE ns = 'n' AND id = ?", vec![json!(format!("{i}"))]).await.unwrap(); }
                        _ => { tokio::task::spawn_blocking(move || i + 1).await.unwrap(); } } }
                })}).collect();
                for h in hs { h.await.unwrap(); }
                println!("{kind} x{tasks}: {:.1} us per call", started.elapsed().as_secs_f64() * 1e6 / total as f64);
            }
        }
    });
}
