//! How databases come and go: opened when they are used, closed when they are not, forgotten even while in use.

use std::{os::unix::fs::PermissionsExt, path::PathBuf, sync::Arc, time::Duration};

use doer_core::{
    quota::DefaultQuotas,
    scope::Scope,
    service::{Code, Health, db::Db},
    time::SystemClock,
};
use doer_services::{
    Holder,
    db::{EmbeddedDb, Settings},
    tasks::Tasks,
};
use serde_json::json;

use crate::support::{Fixture, anonymous, fixture, tenant, with};

const ENDLESS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

fn files(fixture: &Fixture) -> Vec<PathBuf> {
    std::fs::read_dir(fixture.dir.path().join("db")).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Journals are there while a database is open.
fn open_files(fixture: &Fixture) -> usize {
    files(fixture).iter().filter(|path| path.to_str().unwrap().ends_with("-wal")).count()
}

async fn until(condition: impl Fn() -> bool) {
    for _ in 0..1_000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it never became true");
}

#[tokio::test]
async fn what_is_written_outlasts_the_service_in_a_directory_that_is_private() {
    let Fixture { db, dir, clock } = fixture();
    let fixture = Fixture { db, dir, clock };
    let scope = tenant("a");
    fixture.put(&scope, "notes", "1", json!("kept")).await.unwrap();
    fixture.sql(&scope, "CREATE TABLE t AS SELECT 7 AS a").await.unwrap();
    let path = fixture.dir.path().join("db");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    let name = blake3::hash(b"tenant:a").to_hex();
    assert!(path.join(format!("{name}.db")).exists());

    let Fixture { db, dir, clock } = fixture;
    drop(db);
    let db = EmbeddedDb::open(&path, Settings::default(), clock.clone(), Arc::new(DefaultQuotas)).unwrap();
    let fixture = Fixture { db, dir, clock };
    assert_eq!(fixture.get(&scope, "notes", "1").await.unwrap().data, json!("kept"));
    assert_eq!(fixture.value(&scope, "SELECT a FROM t").await, json!(7));
    assert_eq!(fixture.db.health(), Health::Ok);
}

#[tokio::test]
async fn the_least_recently_used_is_closed_where_too_many_are_open() {
    let fixture = with(Settings { open_databases: 2, ..Settings::default() }, Arc::new(DefaultQuotas));
    for id in ["a", "b", "a", "c"] {
        fixture.clock.advance(Duration::from_millis(1));
        fixture.put(&tenant(id), "notes", "1", json!(id)).await.unwrap();
    }
    until(|| open_files(&fixture) == 2).await;
    let open: Vec<_> = files(&fixture).iter().map(|path| path.to_str().unwrap().to_owned()).collect();
    let journal = |id: &str| format!("{}.db-wal", blake3::hash(format!("tenant:{id}").as_bytes()).to_hex());
    assert!(!open.iter().any(|path| path.ends_with(&journal("b"))), "b was the least recently used");
    for id in ["a", "b", "c"] {
        assert_eq!(fixture.get(&tenant(id), "notes", "1").await.unwrap().data, json!(id));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_use_is_not_closed_and_more_is_refused() {
    let settings = Settings { open_databases: 2, query_timeout: Duration::from_secs(2), ..Settings::default() };
    let fixture = Arc::new(with(settings, Arc::new(DefaultQuotas)));
    let slow = ["a", "b"].map(|id| {
        let fixture = fixture.clone();
        tokio::spawn(async move { fixture.sql(&tenant(id), ENDLESS).await })
    });
    until(|| open_files(&fixture) == 2).await;
    let refused = fixture.put(&tenant("c"), "notes", "1", json!(1)).await.unwrap_err();
    assert_eq!((refused.code, &*refused.message), (Code::ServiceUnavailable, "Too many databases are in use"));
    for slow in slow {
        assert_eq!(slow.await.unwrap().unwrap_err().code, Code::Timeout);
    }
    fixture.put(&tenant("c"), "notes", "1", json!(1)).await.unwrap();
}

#[tokio::test]
async fn an_idle_one_is_closed_by_age() {
    let settings = Settings { idle: Duration::from_secs(4), ..Settings::default() };
    let fixture = with(settings, Arc::new(DefaultQuotas));
    let tasks = Tasks::default();
    fixture.db.start(&tasks);
    fixture.put(&tenant("a"), "notes", "1", json!(1)).await.unwrap();
    fixture.put(&anonymous(), "notes", "1", json!(1)).await.unwrap();
    assert_eq!(open_files(&fixture), 1);
    fixture.clock.advance(Duration::from_secs(4));
    until(|| open_files(&fixture) == 0).await;
    assert_eq!(fixture.get(&tenant("a"), "notes", "1").await.unwrap().data, json!(1));
    tasks.stop().await;
}

#[tokio::test]
async fn sessions_are_few_and_the_oldest_goes() {
    let fixture = with(Settings { open_sessions: 2, ..Settings::default() }, Arc::new(DefaultQuotas));
    let scopes = [anonymous(), anonymous(), anonymous()];
    for scope in &scopes {
        fixture.clock.advance(Duration::from_millis(1));
        fixture.put(scope, "notes", "1", json!(1)).await.unwrap();
    }
    assert!(fixture.get(&scopes[2], "notes", "1").await.is_some());
    assert!(fixture.get(&scopes[1], "notes", "1").await.is_some());
    assert!(fixture.get(&scopes[0], "notes", "1").await.is_none(), "it made room");
}

#[tokio::test]
async fn what_is_forgotten_is_gone_and_the_next_call_has_an_empty_database() {
    let fixture = fixture();
    let (scope, other) = (tenant("a"), tenant("b"));
    for scope in [&scope, &other] {
        fixture.put(scope, "notes", "1", json!(1)).await.unwrap();
        fixture.sql(scope, "CREATE TABLE t (a)").await.unwrap();
    }
    assert_eq!(Holder::name(&*fixture.db), "db");
    fixture.db.forget(&scope.namespace).await.unwrap();
    fixture.db.forget(&scope.namespace).await.unwrap();
    let name = blake3::hash(b"tenant:a").to_hex().to_string();
    assert!(!files(&fixture).iter().any(|path| path.to_str().unwrap().contains(&name)));

    assert_eq!(fixture.get(&scope, "notes", "1").await, None);
    assert_eq!(fixture.sql(&scope, "SELECT * FROM t").await.unwrap_err().message, "SQL error: no such table: t");
    fixture.put(&scope, "notes", "2", json!(2)).await.unwrap();
    assert_eq!(fixture.get(&other, "notes", "1").await.unwrap().data, json!(1));

    let session = anonymous();
    fixture.put(&session, "notes", "1", json!(1)).await.unwrap();
    fixture.db.forget(&session.namespace).await.unwrap();
    assert_eq!(fixture.get(&session, "notes", "1").await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forgetting_what_is_in_use_waits_for_it_and_damages_nothing() {
    let fixture = Arc::new(fixture());
    let scope = tenant("a");
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let (fixture, scope) = (fixture.clone(), scope.clone());
            tokio::spawn(async move {
                for i in 0..40 {
                    fixture.put(&scope, "notes", &format!("{writer}-{i}"), json!(i)).await.unwrap();
                    fixture.sql(&scope, "SELECT count(*) FROM things").await.unwrap();
                }
            })
        })
        .collect();
    for _ in 0..10 {
        fixture.db.forget(&scope.namespace).await.unwrap();
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_whole(&fixture, &scope).await;
    fixture.db.forget(&scope.namespace).await.unwrap();
    assert_eq!(fixture.value(&scope, "SELECT count(*) FROM things").await, json!(0));
}

/// The counts agree, and the file is sound.
async fn assert_whole(fixture: &Fixture, scope: &Scope) {
    let counted = fixture.value(scope, "SELECT coalesce(sum(things), 0) FROM things_counts").await;
    assert_eq!(counted, fixture.value(scope, "SELECT count(*) FROM things").await);
    let name = blake3::hash(scope.namespace.as_str().as_bytes()).to_hex();
    let path = fixture.dir.path().join("db").join(format!("{name}.db"));
    let connection = rusqlite::Connection::open(path).unwrap();
    let sound: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_ends_when_nobody_waits_for_it() {
    let settings = Settings { query_timeout: Duration::from_secs(60), total_queries: 1, ..Settings::default() };
    let fixture = with(settings, Arc::new(DefaultQuotas));
    let abandoned = tokio::time::timeout(Duration::from_millis(50), fixture.sql(&tenant("a"), ENDLESS)).await;
    assert!(abandoned.is_err());
    // The only thread is free again.
    let next = tokio::time::timeout(Duration::from_secs(5), fixture.sql(&tenant("b"), "SELECT 1")).await;
    next.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_statements_of_one_namespace_leave_the_others_theirs() {
    let settings = Settings {
        query_timeout: Duration::from_secs(2),
        total_queries: 3,
        concurrent_queries: 2,
        ..Settings::default()
    };
    let fixture = Arc::new(with(settings, Arc::new(DefaultQuotas)));
    fixture.sql(&tenant("b"), "SELECT 1").await.unwrap();
    let slow: Vec<_> = (0..6)
        .map(|_| {
            let fixture = fixture.clone();
            tokio::spawn(async move { fixture.sql(&tenant("a"), ENDLESS).await })
        })
        .collect();
    // The namespace's own things go on too.
    fixture.put(&tenant("a"), "notes", "1", json!(1)).await.unwrap();
    let started = std::time::Instant::now();
    for _ in 0..10 {
        fixture.sql(&tenant("b"), "SELECT 1").await.unwrap();
    }
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    for slow in slow {
        assert_eq!(slow.await.unwrap().unwrap_err().code, Code::Timeout);
    }
}

#[tokio::test]
async fn a_directory_that_cannot_be_is_an_error_that_says_where() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    std::fs::write(&path, "").unwrap();
    let open = EmbeddedDb::open(&path, Settings::default(), Arc::new(SystemClock), Arc::new(DefaultQuotas));
    assert_eq!(open.unwrap_err().to_string(), format!("cannot make or remove {}", path.display()));
}
