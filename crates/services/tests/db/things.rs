//! Things and SQL as ordinary callers use them, beyond what the scenarios show.

use std::time::Duration;

use doer_core::service::{
    Code, Order,
    db::{
        Batch, Count, CountOptions, Db, Delete, List, ListOptions, Operation, OrderBy, Search, SearchOptions, Upsert,
        UpsertOptions, Visibility,
    },
};
use serde_json::{Value, json};

use crate::support::{Fixture, fixture, tenant};

fn options(kind: Option<&str>, visibility: Option<Visibility>) -> Option<UpsertOptions> {
    Some(UpsertOptions { r#type: kind.map(str::to_owned), visibility })
}

async fn list(fixture: &Fixture, options: ListOptions) -> (Vec<String>, u64) {
    let page = fixture.db.list(&tenant("a"), List { ns: "n".to_owned(), options: Some(options) }).await.unwrap();
    (page.data.into_iter().map(|thing| thing.id).collect(), page.pagination.total)
}

#[tokio::test]
async fn lists_are_ordered_filtered_and_paged() {
    let fixture = fixture();
    let scope = tenant("a");
    let things = [
        ("1", Some("red"), Some(Visibility::Public)),
        ("2", Some("blue"), None),
        ("3", None, Some(Visibility::Public)),
        ("4", Some("red"), Some(Visibility::Unlisted)),
    ];
    for (id, kind, visibility) in things {
        // The last two are written at the same time.
        if id != "4" {
            fixture.clock.advance(Duration::from_millis(1));
        }
        let call =
            Upsert { ns: "n".to_owned(), id: id.to_owned(), data: json!(id), options: options(kind, visibility) };
        fixture.db.upsert(&scope, call).await.unwrap();
    }
    fixture.clock.advance(Duration::from_millis(1));
    let again = fixture.put(&scope, "n", "1", json!("again")).await.unwrap();
    assert_eq!((again.created_at, again.updated_at), (1_001, 1_004));
    assert_eq!((again.r#type.as_deref(), again.visibility), (Some("red"), Visibility::Public), "as it was");

    let asc = Some(Order::Asc);
    let by_update = Some(OrderBy::UpdatedAt);
    let red = Some("red".to_owned());
    let public = Some(Visibility::Public);
    let all = ListOptions::default;
    assert_eq!(list(&fixture, all()).await, (ids("4 3 2 1"), 4));
    assert_eq!(list(&fixture, ListOptions { order: asc, ..all() }).await, (ids("1 2 3 4"), 4));
    assert_eq!(list(&fixture, ListOptions { order_by: by_update, ..all() }).await, (ids("1 4 3 2"), 4));
    assert_eq!(list(&fixture, ListOptions { limit: Some(2), offset: Some(1), ..all() }).await, (ids("3 2"), 4));
    assert_eq!(list(&fixture, ListOptions { offset: Some(u64::MAX), ..all() }).await, (ids(""), 4));
    assert_eq!(list(&fixture, ListOptions { r#type: red.clone(), ..all() }).await, (ids("4 1"), 2));
    assert_eq!(list(&fixture, ListOptions { visibility: public, ..all() }).await, (ids("3 1"), 2));
    let both = ListOptions { r#type: red, visibility: public, order_by: by_update, order: asc, ..all() };
    assert_eq!(list(&fixture, both).await, (ids("1"), 1));

    let count = async |kind: Option<&str>, visibility| {
        let options = Some(CountOptions { r#type: kind.map(str::to_owned), visibility });
        fixture.db.count(&scope, Count { ns: "n".to_owned(), options }).await.unwrap()
    };
    assert_eq!(count(None, None).await, 4);
    assert_eq!(count(Some("blue"), None).await, 1);
    assert_eq!(count(Some("blue"), Some(Visibility::Private)).await, 1);
    assert_eq!(count(Some("green"), None).await, 0);
    let call = Upsert { ns: "n".to_owned(), id: "2".to_owned(), data: json!(2), options: options(Some("green"), None) };
    fixture.db.upsert(&scope, call).await.unwrap();
    assert_eq!((count(Some("blue"), None).await, count(Some("green"), None).await), (0, 1));
    fixture.db.delete(&scope, Delete { ns: "n".to_owned(), id: "2".to_owned() }).await.unwrap();
    assert_eq!((count(Some("green"), None).await, count(None, None).await), (0, 3));
}

fn ids(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

async fn found(fixture: &Fixture, ns: &str, query: &str) -> Vec<String> {
    let call = Search { ns: ns.to_owned(), query: query.to_owned(), options: None };
    let page = fixture.db.search(&tenant("a"), call).await.unwrap_or_else(|error| panic!("{query}: {error}"));
    assert_eq!(page.pagination.total, page.data.len() as u64);
    page.data.into_iter().map(|found| found.thing.id).collect()
}

#[tokio::test]
async fn search_finds_what_is_there_now_in_its_collection() {
    let fixture = fixture();
    let scope = tenant("a");
    for (id, text) in [
        ("apple-1", "Apples, and more apples: apples!"),
        ("pear-1", "A pear; not an apple. Crème brûlée"),
        ("mixed", "pears and apples with e-mail me@example.com"),
    ] {
        fixture.put(&scope, "fruit", id, json!({"title": {"text": text}, "n": 42})).await.unwrap();
    }
    fixture.put(&scope, "other", "x", json!("apples")).await.unwrap();

    assert_eq!(found(&fixture, "fruit", "apples").await, ids("apple-1 mixed"), "the best first");
    assert_eq!(found(&fixture, "fruit", "appl*").await.len(), 3);
    assert_eq!(found(&fixture, "fruit", "pears apples").await, ids("mixed"));
    assert_eq!(found(&fixture, "fruit", "pears OR pear").await.len(), 2);
    assert_eq!(found(&fixture, "fruit", "apples NOT pears").await, ids("apple-1"));
    assert_eq!(found(&fixture, "fruit", "\"more apples\"").await, ids("apple-1"));
    assert_eq!(found(&fixture, "fruit", "\"apples more\"").await, ids(""));
    assert_eq!(found(&fixture, "fruit", "creme BRULEE").await, ids("pear-1"));
    assert_eq!(found(&fixture, "fruit", "e-mail").await, ids("mixed"));
    assert_eq!(found(&fixture, "fruit", "me@example.com (!?)").await, ids("mixed"));
    assert_eq!(found(&fixture, "fruit", "pear-1").await, ids("pear-1"), "by its id");
    assert_eq!(found(&fixture, "fruit", "42").await, ids(""), "numbers are no text");
    assert_eq!(found(&fixture, "fruit", "collection:apples").await, ids(""), "columns cannot be named");
    assert_eq!(found(&fixture, "other", "apples").await, ids("x"));
    assert_eq!(found(&fixture, "none", "apples").await, ids(""));
    for odd in ["'", "a' OR 1=1 --", "^", "a^b", "{a b}:c", "a + b", "NEAR(a b, 2)", "a:b:c", "* a", "\u{301}"] {
        let call = Search { ns: "fruit".to_owned(), query: odd.to_owned(), options: None };
        if let Err(error) = fixture.db.search(&scope, call).await {
            assert_eq!(error.message, "query: must have a word to look for", "{odd}");
        }
    }

    fixture.put(&scope, "fruit", "mixed", json!("now a plum")).await.unwrap();
    assert_eq!(found(&fixture, "fruit", "pears").await, ids(""));
    assert_eq!(found(&fixture, "fruit", "plum").await, ids("mixed"));
    fixture.db.delete(&scope, Delete { ns: "fruit".to_owned(), id: "mixed".to_owned() }).await.unwrap();
    assert_eq!(found(&fixture, "fruit", "plum").await, ids(""));
}

#[tokio::test]
async fn matches_are_filtered_and_paged() {
    let fixture = fixture();
    let scope = tenant("a");
    for (id, kind) in [("1", "red"), ("2", "blue"), ("3", "red")] {
        let visibility = (id == "3").then_some(Visibility::Public);
        let data = json!("word");
        let call = Upsert { ns: "n".to_owned(), id: id.to_owned(), data, options: options(Some(kind), visibility) };
        fixture.db.upsert(&scope, call).await.unwrap();
    }
    let search = async |options: SearchOptions| {
        let call = Search { ns: "n".to_owned(), query: "word".to_owned(), options: Some(options) };
        let page = fixture.db.search(&scope, call).await.unwrap();
        (page.data.into_iter().map(|found| found.thing.id).collect::<Vec<_>>(), page.pagination.total)
    };
    let all = SearchOptions::default;
    assert_eq!(search(SearchOptions { r#type: Some("red".to_owned()), ..all() }).await, (ids("1 3"), 2));
    assert_eq!(search(SearchOptions { visibility: Some(Visibility::Private), ..all() }).await, (ids("1 2"), 2));
    let both = SearchOptions { r#type: Some("red".to_owned()), visibility: Some(Visibility::Public), ..all() };
    assert_eq!(search(both).await, (ids("3"), 1));
    assert_eq!(search(SearchOptions { limit: Some(1), offset: Some(1), ..all() }).await, (ids("2"), 3));
}

#[tokio::test]
async fn a_batch_is_done_as_a_whole_or_not_at_all() {
    let fixture = crate::support::with(
        doer_services::db::Settings::default(),
        std::sync::Arc::new(crate::support::Bytes(512 << 10)),
    );
    let scope = tenant("a");
    let upsert = |id: &str, data: Value| Operation::Upsert {
        ns: "n".to_owned(),
        id: id.to_owned(),
        data,
        r#type: None,
        visibility: None,
    };
    let delete = |id: &str| Operation::Delete { ns: "n".to_owned(), id: id.to_owned() };
    let batch = async |operations| fixture.db.batch(&scope, Batch { operations }).await;

    let done = batch(vec![upsert("1", json!(1)), upsert("1", json!(2)), delete("1"), delete("1")]).await.unwrap();
    let data: Vec<Option<Value>> = done.into_iter().map(|thing| thing.map(|thing| thing.data)).collect();
    assert_eq!(data, [Some(json!(1)), Some(json!(2)), Some(json!(2)), None]);
    assert_eq!(batch(Vec::new()).await.unwrap(), []);

    let error = batch(vec![upsert("1", json!(1)), upsert("2", json!("x".repeat(900_000)))]).await.unwrap_err();
    assert_eq!(error.code, Code::Quota);
    assert_eq!(fixture.get(&scope, "n", "1").await, None);
}

#[tokio::test]
async fn sql_tells_what_it_has_changed() {
    let fixture = fixture();
    let scope = tenant("a");
    let told = async |sql: &str| {
        let rows = fixture.sql(&scope, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        (rows.changes, rows.last_insert_rowid)
    };
    assert_eq!(told("CREATE TABLE t (a INTEGER PRIMARY KEY, b UNIQUE, c)").await, (0, None));
    assert_eq!(told("INSERT INTO t (b) VALUES (1), (2)").await, (2, Some(2)));
    assert_eq!(told("INSERT INTO t (a, b) VALUES (9, 9)").await, (1, Some(9)));
    assert_eq!(told("INSERT OR IGNORE INTO t (b) VALUES (9)").await, (0, None));
    assert_eq!(told("INSERT INTO t (b) VALUES (9) ON CONFLICT (b) DO UPDATE SET c = 1").await, (1, None));
    assert_eq!(told("INSERT OR REPLACE INTO t (a, b) VALUES (9, 9)").await, (1, Some(9)), "the same id again");
    assert_eq!(told("UPDATE t SET c = 2").await, (3, None));
    assert_eq!(told("SELECT * FROM t").await, (0, None));
    assert_eq!(told("CREATE INDEX i ON t (c)").await, (0, None));
    assert_eq!(told("DELETE FROM t WHERE a = 9").await, (1, None));
    assert_eq!(told("DELETE FROM t").await, (2, None));
    assert_eq!(told("WITH x AS (SELECT 5) INSERT INTO t (a) SELECT * FROM x").await, (1, Some(5)));
    assert_eq!(told("CREATE TABLE log (a)").await, (0, None));
    assert_eq!(told("CREATE TRIGGER r AFTER INSERT ON t BEGIN INSERT INTO log VALUES (1), (2); END").await, (0, None));
    assert_eq!(told("INSERT INTO t (a) VALUES (77)").await, (1, Some(77)), "what triggers insert does not count");
}

/// What ordinary callers do is allowed, though the authorizer is asked for all of it.
#[tokio::test]
async fn ordinary_sql_works() {
    let fixture = fixture();
    let scope = tenant("a");
    for sql in [
        "CREATE TABLE IF NOT EXISTS a (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, n REAL DEFAULT 0)",
        "CREATE TABLE b (a INTEGER REFERENCES a (id) ON DELETE CASCADE, UNIQUE (a)) STRICT",
        "CREATE UNIQUE INDEX names ON a (lower(name))",
        "INSERT INTO a (name) VALUES ('one'), ('two')",
        "INSERT INTO b SELECT id FROM a",
        "ALTER TABLE a ADD COLUMN extra TEXT",
        "ALTER TABLE a RENAME COLUMN extra TO more",
        "ALTER TABLE a DROP COLUMN more",
        "ALTER TABLE a RENAME TO people",
        "CREATE VIEW v AS SELECT upper(name) AS name FROM people",
        "CREATE TRIGGER r AFTER DELETE ON people BEGIN UPDATE people SET n = n + 1; END",
        "REINDEX names",
        "DELETE FROM people WHERE id = 1",
        "DELETE FROM sqlite_sequence",
        "DROP TRIGGER r",
        "DROP VIEW v",
        "DROP INDEX names",
        "EXPLAIN QUERY PLAN SELECT * FROM people",
        "PRAGMA table_info(people)",
        "PRAGMA table_list",
        "PRAGMA page_count",
        "SELECT * FROM pragma_table_info('things')",
        "SELECT name FROM sqlite_schema",
        "SELECT json_extract(data, '$.a'), data ->> '$.a' FROM things WHERE ns = 'n'",
        "SELECT value FROM json_each('[1,2]')",
        "SELECT row_number() OVER (ORDER BY id), group_concat(name, ',') FILTER (WHERE n > 0) OVER () FROM people",
        "SELECT strftime('%Y', 'now'), datetime(0, 'unixepoch'), round(1.5), printf('%05d', 7), 'a' LIKE 'A'",
        "VALUES (1), (2)",
        "DROP TABLE b",
        "DROP TABLE people",
    ] {
        fixture.sql(&scope, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
    let names = fixture.sql(&scope, "SELECT 1 AS a, 2 AS a, x'00ff' AS b, CAST(x'ff' AS TEXT) AS c, 9e999 AS d").await;
    let names = names.unwrap();
    assert_eq!(names.columns, ["a", "a", "b", "c", "d"]);
    let row = json!({"a": 2, "b": {"$base64": "AP8="}, "c": {"$base64": "/w=="}, "d": null});
    assert_eq!(json!(names.rows), json!([row]));
    assert_eq!(fixture.sql(&scope, "SELECT 1 AS a WHERE 0").await.unwrap().columns, ["a"]);
}
