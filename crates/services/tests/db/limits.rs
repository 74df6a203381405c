//! Every limit, at its edge.

use std::sync::Arc;

use doer_core::{
    quota::DefaultQuotas,
    service::{
        Code,
        db::{Db, Delete, List, ListOptions},
    },
};
use doer_services::db::Settings;
use serde_json::{Value, json};

use crate::support::{Bytes, anonymous, fixture, tenant, with};

#[tokio::test]
async fn a_database_that_is_full_takes_nothing_more_until_something_is_deleted() {
    let fixture = with(Settings::default(), Arc::new(Bytes(512 << 10)));
    let scope = tenant("a");
    fixture.put(&scope, "notes", "0", json!("x".repeat(100_000))).await.unwrap();
    fixture.sql(&scope, "CREATE TABLE t (b)").await.unwrap();
    let full = loop {
        if let Err(error) = fixture.sql(&scope, "INSERT INTO t VALUES (zeroblob(10000))").await {
            break error;
        }
    };
    assert_eq!((full.code, &*full.message), (Code::Quota, "The database is full: delete something first"));
    let pages = fixture.value(&scope, "PRAGMA page_count").await.as_u64().unwrap();
    assert!(pages <= 128, "{pages}");
    assert!(pages > 120, "{pages}");
    let full = fixture.put(&scope, "notes", "1", json!("x".repeat(100_000))).await.unwrap_err();
    assert_eq!((full.code, &*full.message), (Code::Quota, "The database is full: delete something first"));

    fixture.db.delete(&scope, Delete { ns: "notes".to_owned(), id: "0".to_owned() }).await.unwrap();
    fixture.put(&scope, "notes", "1", json!("x".repeat(50_000))).await.unwrap();
    assert_eq!(fixture.get(&scope, "notes", "0").await, None);
}

#[tokio::test]
async fn an_anonymous_database_is_small() {
    let fixture = with(Settings { session_bytes: 256 << 10, ..Settings::default() }, Arc::new(DefaultQuotas));
    let scope = anonymous();
    fixture.put(&scope, "notes", "1", json!("x".repeat(50_000))).await.unwrap();
    let full = fixture.put(&scope, "notes", "2", json!("x".repeat(200_000))).await.unwrap_err();
    assert_eq!(full.code, Code::Quota);
    fixture.sql(&scope, "CREATE TABLE t AS SELECT zeroblob(200000)").await.unwrap_err();
    assert!(fixture.value(&scope, "PRAGMA page_count").await.as_u64().unwrap() <= 64);
}

#[tokio::test]
async fn results_have_at_most_so_many_rows_and_bytes() {
    let fixture =
        with(Settings { result_rows: 3, result_bytes: 1_000, ..Settings::default() }, Arc::new(DefaultQuotas));
    let scope = tenant("a");
    let rows =
        |n: u32| format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT {n}) SELECT i FROM n");
    assert_eq!(fixture.sql(&scope, &rows(3)).await.unwrap().rows.len(), 3);
    let error = fixture.sql(&scope, &rows(4)).await.unwrap_err();
    assert_eq!(error.code, Code::Quota);
    assert_eq!(error.message, "The result has more than 3 rows: ask for less with LIMIT");

    // Beside its bytes a row counts for 32, and a value for 16 and its name.
    let value = |bytes: u32| format!("SELECT hex(zeroblob({})) AS a", bytes / 2);
    fixture.sql(&scope, &value(712)).await.unwrap();
    let error = fixture.sql(&scope, &value(716)).await.unwrap_err();
    assert_eq!(error.message, "The result has more than 1000 bytes: ask for less with LIMIT");

    // What was refused was not done, though SQLite had done it when its result grew too large.
    fixture.sql(&scope, "CREATE TABLE t (a)").await.unwrap();
    let insert = "INSERT INTO t VALUES (1), (2), (3), (4) RETURNING a";
    assert_eq!(fixture.sql(&scope, insert).await.unwrap_err().code, Code::Quota);
    assert_eq!(fixture.value(&scope, "SELECT count(*) FROM t").await, json!(0));
}

#[tokio::test]
async fn a_page_ends_before_it_is_too_large_and_the_rest_follows() {
    let fixture = with(Settings { result_bytes: 250, ..Settings::default() }, Arc::new(DefaultQuotas));
    let scope = tenant("a");
    for id in ["1", "2", "3"] {
        fixture.put(&scope, "notes", id, json!("x".repeat(98))).await.unwrap();
    }
    fixture.put(&scope, "notes", "4", json!("x".repeat(1_000))).await.unwrap();
    let page = async |offset| {
        let order = Some(doer_core::service::Order::Asc);
        let options = ListOptions { offset: Some(offset), order, ..ListOptions::default() };
        let page = fixture.db.list(&scope, List { ns: "notes".to_owned(), options: Some(options) }).await.unwrap();
        assert_eq!(page.pagination.total, 4);
        page.data.into_iter().map(|thing| thing.id).collect::<Vec<_>>()
    };
    assert_eq!(page(0).await, ["1", "2"]);
    assert_eq!(page(2).await, ["3"]);
    assert_eq!(page(3).await, ["4"], "one has room always");
    assert_eq!(page(4).await, Vec::<String>::new());
}

#[tokio::test]
async fn names_ids_and_data_have_their_lengths() {
    let fixture = fixture();
    let scope = tenant("a");
    let (ns, id) = ("n".repeat(128), "i".repeat(256));
    let thing = fixture.put(&scope, &ns, &id, json!("x".repeat(999_998))).await.unwrap();
    assert_eq!(fixture.get(&scope, &ns, &id).await.unwrap(), thing);
    // It may be read by SQL too.
    assert_eq!(fixture.value(&scope, "SELECT length(data) FROM things WHERE data <> ''").await, json!(1_000_000));
    for (ns, id, data, message) in [
        ("n".repeat(129), "i".to_owned(), json!(1), "ns: must have 1 to 128 bytes, without control characters"),
        (String::new(), "i".to_owned(), json!(1), "ns: must have 1 to 128 bytes, without control characters"),
        ("a\u{0}".to_owned(), "i".to_owned(), json!(1), "ns: must have 1 to 128 bytes, without control characters"),
        ("n".to_owned(), "i".repeat(257), json!(1), "id: must have 1 to 256 bytes, without control characters"),
        ("n".to_owned(), String::new(), json!(1), "id: must have 1 to 256 bytes, without control characters"),
        ("n".to_owned(), "i".to_owned(), json!("x".repeat(999_999)), "data: must have at most 1000000 bytes as JSON"),
    ] {
        let error = fixture.put(&scope, &ns, &id, data).await.unwrap_err();
        assert_eq!((error.code, &*error.message), (Code::InvalidRequest, message));
    }
}

#[tokio::test]
async fn statements_and_their_values_have_their_lengths() {
    let fixture = fixture();
    let scope = tenant("a");
    let sql = |bytes: usize| format!("SELECT '{}' <> ''", "x".repeat(bytes - 15));
    assert_eq!(sql(100).len(), 100);
    fixture.sql(&scope, &sql(100_000)).await.unwrap();
    let error = fixture.sql(&scope, &sql(100_001)).await.unwrap_err();
    assert_eq!(error.message, "sql: must have at most 100000 bytes");

    let sum = format!("SELECT max({}) AS a", ["?"; 100].join(","));
    let params: Vec<Value> = (0..100).map(Value::from).collect();
    assert_eq!(fixture.sql_with(&scope, &sum, params).await.unwrap().rows[0]["a"], json!(99));
    let values = |n: usize| format!("SELECT count(*) AS a FROM (VALUES {})", vec!["(?)"; n].join(","));
    let params = |n: usize| vec![json!(1); n];
    assert_eq!(fixture.sql_with(&scope, &values(1_000), params(1_000)).await.unwrap().rows[0]["a"], json!(1_000));
    let error = fixture.sql_with(&scope, &values(1_001), params(1_001)).await.unwrap_err();
    assert_eq!(error.message, "params: must have at most 1000 values");

    let value = |bytes: usize| vec![json!("x".repeat(bytes))];
    let length = async |bytes| fixture.sql_with(&scope, "SELECT length(?) AS a", value(bytes)).await;
    assert_eq!(length(1 << 20).await.unwrap().rows[0]["a"], json!(1 << 20));
    let error = length((1 << 20) + 1).await.unwrap_err();
    assert_eq!((error.code, &*error.message), (Code::InvalidRequest, "SQL error: string or blob too big"));
}

/// SQLite cannot begin its journal anew while anybody reads. Whoever reads at all times must not fill the disk so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_journal_stays_short_though_somebody_reads_at_all_times() {
    let fixture = Arc::new(fixture());
    let scope = tenant("a");
    fixture.sql(&scope, "CREATE TABLE t (a INTEGER PRIMARY KEY, b)").await.unwrap();
    fixture.sql(&scope, "INSERT INTO t VALUES (1, '')").await.unwrap();
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let (fixture, scope) = (fixture.clone(), scope.clone());
            tokio::spawn(async move {
                let endless =
                    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i), b FROM n, t";
                loop {
                    assert_eq!(fixture.sql(&scope, endless).await.unwrap_err().code, Code::Timeout);
                }
            })
        })
        .collect();
    let name = blake3::hash(b"tenant:a").to_hex();
    let journal = fixture.dir.path().join("db").join(format!("{name}.db-wal"));
    let (mut written, mut longest) = (0, 0);
    while written < 100 {
        fixture.sql(&scope, "UPDATE t SET b = randomblob(1000000)").await.unwrap();
        written += 1;
        longest = longest.max(std::fs::metadata(&journal).map_or(0, |journal| journal.len()));
    }
    readers.iter().for_each(tokio::task::JoinHandle::abort);
    assert!(longest < 36 << 20, "{longest}");
}
