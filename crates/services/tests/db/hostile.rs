//! SQL that means harm: every statement fails as it should or stays harmless, and leaves everything as it was.

use std::time::{Duration, Instant};

use doer_core::service::Code;
use serde_json::json;

use crate::support::{Fixture, fixture, tenant};

/// What must come of a statement: an error of that code whose message has that text, or (`None`) a result.
type Expected = Option<(Code, &'static str)>;

const INVALID: Code = Code::InvalidRequest;
const FORBIDDEN: Code = Code::Forbidden;

const fn fails(code: Code, text: &'static str) -> Expected {
    Some((code, text))
}

fn statements() -> Vec<(String, Expected)> {
    let fixed: Vec<(&str, Expected)> = vec![
        // Out of the database.
        ("ATTACH '/etc/passwd' AS p", fails(FORBIDDEN, "ATTACH is forbidden")),
        ("ATTACH ':memory:' AS m", fails(FORBIDDEN, "ATTACH is forbidden")),
        ("attach database 'file:/tmp/x?mode=rwc' as x", fails(FORBIDDEN, "ATTACH is forbidden")),
        ("DETACH main", fails(FORBIDDEN, "DETACH is forbidden")),
        ("VACUUM", fails(FORBIDDEN, "VACUUM is forbidden")),
        ("/* x */ -- y\n ; VACUUM INTO '/tmp/doer-stolen.db'", fails(FORBIDDEN, "VACUUM is forbidden")),
        ("EXPLAIN VACUUM INTO '/tmp/doer-stolen.db'", None),
        ("SELECT load_extension('/tmp/evil.so')", fails(FORBIDDEN, "The function load_extension is forbidden")),
        ("SELECT readfile('/etc/passwd')", fails(INVALID, "no such function: readfile")),
        ("SELECT writefile('/tmp/x', 'y')", fails(INVALID, "no such function: writefile")),
        ("SELECT edit('x', 'sh')", fails(INVALID, "no such function: edit")),
        ("SELECT fts3_tokenizer('simple')", fails(FORBIDDEN, "The function fts3_tokenizer is forbidden")),
        ("SELECT sqlite_log(1, 'x')", fails(FORBIDDEN, "The function sqlite_log is forbidden")),
        ("SELECT * FROM pragma_database_list", fails(FORBIDDEN, "PRAGMA database_list is forbidden")),
        ("PRAGMA database_list", fails(FORBIDDEN, "PRAGMA database_list is forbidden")),
        ("PRAGMA temp_store_directory = '/etc'", fails(FORBIDDEN, "PRAGMA temp_store_directory is forbidden")),
        ("PRAGMA hard_heap_limit = 1", fails(FORBIDDEN, "PRAGMA hard_heap_limit is forbidden")),
        // Settings.
        ("PRAGMA writable_schema = ON", fails(FORBIDDEN, "PRAGMA writable_schema is forbidden")),
        ("EXPLAIN PRAGMA writable_schema = ON", fails(FORBIDDEN, "PRAGMA writable_schema is forbidden")),
        ("PRAGMA main.journal_mode = DELETE", fails(FORBIDDEN, "PRAGMA journal_mode is forbidden")),
        ("PRAGMA synchronous = OFF", fails(FORBIDDEN, "PRAGMA synchronous is forbidden")),
        ("PRAGMA max_page_count = 1000000", fails(FORBIDDEN, "PRAGMA max_page_count is forbidden")),
        ("PRAGMA page_size(65536)", fails(FORBIDDEN, "PRAGMA page_size is forbidden")),
        ("PRAGMA user_version = 99", fails(FORBIDDEN, "PRAGMA user_version is forbidden")),
        ("PRAGMA foreign_keys = OFF", fails(FORBIDDEN, "PRAGMA foreign_keys is forbidden")),
        ("PRAGMA recursive_triggers = ON", fails(FORBIDDEN, "PRAGMA recursive_triggers is forbidden")),
        ("PRAGMA wal_checkpoint(TRUNCATE)", fails(FORBIDDEN, "PRAGMA wal_checkpoint is forbidden")),
        ("PRAGMA trusted_schema = ON", fails(FORBIDDEN, "PRAGMA trusted_schema is forbidden")),
        // More than one statement, and none.
        ("SELECT 1; DROP TABLE mine", fails(INVALID, "sql: must be one statement")),
        ("SELECT 1; SELECT 2", fails(INVALID, "sql: must be one statement")),
        ("SELECT 1; garbage", fails(INVALID, "sql: must be one statement")),
        ("SELECT 1;;;-- done\n/* really */ ;", None),
        ("", fails(INVALID, "sql: must hold a statement")),
        ("-- nothing", fails(INVALID, "sql: must hold a statement")),
        ("/* open", fails(INVALID, "sql: must hold a statement")),
        (";", fails(INVALID, "sql: must hold a statement")),
        ("SELECT 1\0; DROP TABLE mine", fails(INVALID, "sql: must have no NUL in it")),
        ("SELEC 1", fails(INVALID, "SQL error: near \"SELEC\": syntax error")),
        // Transactions.
        ("BEGIN", fails(FORBIDDEN, "Transactions are forbidden")),
        ("BEGIN EXCLUSIVE", fails(FORBIDDEN, "Transactions are forbidden")),
        ("COMMIT", fails(FORBIDDEN, "Transactions are forbidden")),
        ("ROLLBACK", fails(FORBIDDEN, "Transactions are forbidden")),
        ("SAVEPOINT a", fails(FORBIDDEN, "Transactions are forbidden")),
        ("RELEASE a", fails(FORBIDDEN, "Transactions are forbidden")),
        ("INSERT OR ROLLBACK INTO mine VALUES (1)", fails(INVALID, "UNIQUE constraint failed: mine.a")),
        // Our tables.
        ("INSERT INTO things (ns) VALUES ('x')", fails(FORBIDDEN, "Writing to things is forbidden")),
        ("UPDATE THINGS SET data = 'x'", fails(FORBIDDEN, "Writing to things is forbidden")),
        ("UPDATE main.\"things\" SET data = 'x'", fails(FORBIDDEN, "is forbidden")),
        ("DELETE FROM things", fails(FORBIDDEN, "Writing to things is forbidden")),
        ("REPLACE INTO things_counts VALUES ('a', '', '', 9)", fails(FORBIDDEN, "is forbidden")),
        ("WITH x AS (SELECT 1) DELETE FROM things", fails(FORBIDDEN, "is forbidden")),
        ("EXPLAIN DELETE FROM things", fails(FORBIDDEN, "is forbidden")),
        ("DROP TABLE things", fails(FORBIDDEN, "is forbidden")),
        ("DROP INDEX things_created", fails(FORBIDDEN, "is forbidden")),
        ("ALTER TABLE things RENAME TO other", fails(FORBIDDEN, "is forbidden")),
        ("ALTER TABLE things ADD COLUMN x", fails(FORBIDDEN, "is forbidden")),
        ("CREATE INDEX i ON things (abs(n))", fails(FORBIDDEN, "is forbidden")),
        ("CREATE TRIGGER t AFTER INSERT ON things BEGIN SELECT 1; END", fails(FORBIDDEN, "is forbidden")),
        ("CREATE VIEW things AS SELECT 1", fails(FORBIDDEN, "is forbidden")),
        ("CREATE TABLE things_fts_content (x)", fails(INVALID, "reserved for internal use")),
        ("REINDEX", fails(FORBIDDEN, "is forbidden")),
        ("REINDEX things", fails(FORBIDDEN, "is forbidden")),
        ("ANALYZE", fails(FORBIDDEN, "ANALYZE is forbidden")),
        ("INSERT INTO things_fts (things_fts) VALUES ('delete-all')", fails(FORBIDDEN, "is forbidden")),
        ("INSERT INTO things_fts (things_fts, rank) VALUES ('hashsize', 999999999)", fails(FORBIDDEN, "is forbidden")),
        ("DELETE FROM things_fts_data", fails(INVALID, "may not be modified")),
        ("SELECT * FROM things_fts WHERE things_fts MATCH 'a'", fails(FORBIDDEN, "full-text index is forbidden")),
        ("SELECT snippet(things_fts, 1, '', '', '', 64) FROM things_fts", fails(FORBIDDEN, "is forbidden")),
        ("SELECT block FROM things_fts_data", fails(FORBIDDEN, "full-text index is forbidden")),
        ("SELECT count(*) FROM things_fts_idx", fails(FORBIDDEN, "full-text index is forbidden")),
        // SQLite's own.
        (
            "INSERT INTO sqlite_master VALUES ('table', 'x', 'x', 0, 'CREATE TABLE x (y)')",
            fails(INVALID, "may not be modified"),
        ),
        ("UPDATE sqlite_schema SET sql = 'x'", fails(INVALID, "may not be modified")),
        ("DELETE FROM sqlite_master", fails(INVALID, "may not be modified")),
        ("DROP TABLE sqlite_master", fails(INVALID, "may not be dropped")),
        ("CREATE TABLE sqlite_stat1 (a, b, c)", fails(INVALID, "reserved for internal use")),
        ("SELECT * FROM dbstat", fails(FORBIDDEN, "Reading dbstat is forbidden")),
        ("SELECT count(*) FROM dbstat", fails(FORBIDDEN, "Reading dbstat is forbidden")),
        ("SELECT * FROM sqlite_dbpage", fails(INVALID, "no such table")),
        ("SELECT * FROM fts3tokenize", fails(FORBIDDEN, "Reading fts3tokenize is forbidden")),
        // Modules.
        ("CREATE VIRTUAL TABLE v USING fts5 (a)", fails(FORBIDDEN, "Virtual tables (fts5) are forbidden")),
        ("CREATE VIRTUAL TABLE v USING fts4 (a)", fails(FORBIDDEN, "Virtual tables (fts4) are forbidden")),
        ("CREATE VIRTUAL TABLE v USING fts5vocab (things_fts, row)", fails(FORBIDDEN, "are forbidden")),
        ("CREATE VIRTUAL TABLE v USING rtree (a, b, c)", fails(FORBIDDEN, "are forbidden")),
        ("CREATE VIRTUAL TABLE v USING dbstat (main)", fails(FORBIDDEN, "are forbidden")),
        ("CREATE VIRTUAL TABLE temp.v USING fts5 (a)", fails(FORBIDDEN, "are forbidden")),
        // What would outlast the call.
        ("CREATE TEMP TABLE things (x)", fails(FORBIDDEN, "Temporary tables")),
        ("CREATE TABLE temp.t (x)", fails(FORBIDDEN, "Temporary tables")),
        ("CREATE TABLE temp.t AS SELECT 1", fails(FORBIDDEN, "Temporary tables")),
        ("CREATE VIEW temp.v AS SELECT 1", fails(FORBIDDEN, "Temporary tables")),
        ("CREATE TRIGGER temp.t AFTER INSERT ON mine BEGIN SELECT 1; END", fails(FORBIDDEN, "Temporary tables")),
        (
            "INSERT INTO sqlite_temp_master VALUES ('table', 'x', 'x', 0, 'CREATE TABLE x (y)')",
            fails(INVALID, "may not be modified"),
        ),
        ("CREATE TEMP VIEW things AS SELECT 1", fails(FORBIDDEN, "Temporary tables")),
        ("CREATE TEMP TRIGGER t AFTER INSERT ON mine BEGIN SELECT 1; END", fails(FORBIDDEN, "Temporary tables")),
        // Too much.
        ("SELECT randomblob(1000000000)", fails(INVALID, "string or blob too big")),
        ("SELECT length(zeroblob(1000000000))", fails(INVALID, "string or blob too big")),
        ("SELECT printf('%.*c', 1000000000, 'x')", fails(INVALID, "string or blob too big")),
        ("SELECT format('%1000000000s', 'x')", fails(INVALID, "string or blob too big")),
        ("SELECT replace(hex(zeroblob(500000)), '0', 'aaaaaaaaaaaaaaaa')", fails(INVALID, "too big")),
        ("SELECT trim(hex(zeroblob(400000)), hex(randomblob(400000)))", fails(INVALID, "too long for each other")),
        (
            "SELECT instr(hex(zeroblob(500000)), hex(zeroblob(250000)) || '1')",
            fails(INVALID, "too long for each other"),
        ),
        ("SELECT unhex(hex(zeroblob(400000)), hex(zeroblob(400000)))", fails(INVALID, "too long for each other")),
        ("SELECT json_patch(hex(zeroblob(400000)), hex(zeroblob(400000)))", fails(INVALID, "too long for each other")),
        (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
            fails(Code::Timeout, "took too long"),
        ),
        ("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n", fails(Code::Quota, "rows")),
        (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT randomblob(500000) FROM n",
            fails(Code::Quota, "bytes"),
        ),
        (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 999) SELECT count(*) FROM n a, n b, n c, n d",
            fails(Code::Timeout, "took too long"),
        ),
        (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) INSERT INTO mine SELECT i + 100 FROM n",
            fails(Code::Timeout, "took too long"),
        ),
        (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) UPDATE mine SET a = (SELECT count(*) FROM n)",
            fails(Code::Timeout, "took too long"),
        ),
        (
            "INSERT INTO mine VALUES (5) RETURNING randomblob(1000000), (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n)",
            fails(Code::Timeout, "took too long"),
        ),
        ("SELECT ?1", fails(INVALID, "params: the statement takes 1 values, and 0 were given")),
        ("SELECT ?99999", fails(INVALID, "variable number must be between ?1 and ?1000")),
    ];
    let many = |one: &str, times: usize| one.repeat(times);
    let grown = [
        (format!("SELECT {}1", many("1+", 5_000)), fails(INVALID, "Expression tree is too large (maximum depth 100)")),
        (format!("SELECT {}1{}", many("(", 5_000), many(")", 5_000)), fails(INVALID, "")),
        (format!("SELECT {}1{}", many("(SELECT ", 2_000), many(")", 2_000)), fails(INVALID, "")),
        (format!("SELECT * FROM {}(SELECT 1){}", many("(SELECT * FROM ", 2_000), many(")", 2_000)), fails(INVALID, "")),
        (format!("SELECT 1{}", many(" UNION SELECT 1", 200)), fails(INVALID, "too many terms in compound SELECT")),
        (format!("SELECT {}1", many("1,", 300)), fails(INVALID, "too many columns in result set")),
        (format!("SELECT max({}1)", many("1,", 300)), fails(INVALID, "too many arguments on function max")),
        (format!("SELECT 'a' LIKE '{}'", many("%a", 200)), fails(INVALID, "LIKE or GLOB pattern too complex")),
        (format!("SELECT hex(zeroblob(499000)) LIKE '{}b'", many("%0", 120)), None),
        (format!("SELECT hex(zeroblob(499000)) GLOB '{}b'", many("*0", 120)), None),
        (format!("SELECT 1{}", many(";SELECT 1", 9_000)), fails(INVALID, "sql: must be one statement")),
        (format!("SELECT 1{}", many("; ", 40_000)), None),
        (format!("SELECT '{}'", many("x", 100_000)), fails(INVALID, "sql: must have at most 100000 bytes")),
        (
            format!("SELECT * FROM mine a0{}", (1..70).map(|i| format!(", mine a{i}")).collect::<String>()),
            fails(INVALID, "at most 64 tables in a join"),
        ),
        (format!("PRAGMA {}", many("x", 5_000)), fails(FORBIDDEN, "xxx... is forbidden")),
    ];
    let fixed = fixed.into_iter().map(|(sql, expected)| (sql.to_owned(), expected));
    fixed.chain(grown).collect()
}

#[tokio::test]
async fn hostile_statements_fail_cleanly_and_change_nothing() {
    let fixture = fixture();
    let (attacker, victim) = (tenant("attacker"), tenant("victim"));
    for scope in [&attacker, &victim] {
        fixture.put(scope, "notes", "1", json!({"text": "precious"})).await.unwrap();
        fixture.sql(scope, "CREATE TABLE mine (a INTEGER PRIMARY KEY)").await.unwrap();
        fixture.sql(scope, "INSERT INTO mine VALUES (1)").await.unwrap();
    }
    let schema = "SELECT group_concat(sql) FROM (SELECT sql FROM sqlite_schema ORDER BY name)";
    let before = fixture.value(&attacker, schema).await;

    let statements = statements();
    assert!(statements.len() >= 60);
    let path = fixture.dir.path().to_str().unwrap();
    let mut surprises = Vec::new();
    for (sql, expected) in statements {
        let started = Instant::now();
        let result = fixture.sql(&attacker, &sql).await;
        let as_expected = match (&result, expected) {
            (Ok(_), None) => true,
            (Err(error), Some((code, text))) => {
                error.code == code && error.message.contains(text) && !error.message.contains(path)
            }
            _ => false,
        };
        if !as_expected || started.elapsed() > Duration::from_secs(5) {
            let shown: String = sql.chars().take(120).collect();
            surprises.push(format!("{shown}: {result:?} after {:?}", started.elapsed()));
        }
    }
    assert!(surprises.is_empty(), "{surprises:#?}");

    for scope in [&attacker, &victim] {
        assert_eq!(fixture.value(scope, "SELECT group_concat(a) FROM mine").await, json!("1"));
        assert_eq!(fixture.value(scope, schema).await, before);
        assert_eq!(fixture.get(scope, "notes", "1").await.unwrap().data, json!({"text": "precious"}));
        assert_eq!(fixture.value(scope, "SELECT count(*) FROM things").await, json!(1));
    }
    assert!(!std::path::Path::new("/tmp/doer-stolen.db").exists());
}

/// What callers define must not run with our statements, nor reach what they may not reach themselves.
#[tokio::test]
async fn definitions_of_callers_gain_nothing() {
    let fixture = fixture();
    let scope = tenant("attacker");
    fixture.put(&scope, "notes", "1", json!("a")).await.unwrap();
    for sql in [
        "CREATE TABLE mine (a INTEGER PRIMARY KEY, b)",
        "CREATE TABLE child (n REFERENCES things (n) ON DELETE CASCADE ON UPDATE CASCADE)",
        "CREATE TRIGGER gone AFTER DELETE ON child BEGIN INSERT INTO mine (b) VALUES ('it ran'); END",
        "INSERT INTO child SELECT n FROM things",
        "CREATE TRIGGER write AFTER INSERT ON mine WHEN new.b = 'x' BEGIN DELETE FROM things; END",
        "CREATE VIEW seen AS SELECT id FROM things",
        "CREATE TRIGGER instead INSTEAD OF DELETE ON seen BEGIN DELETE FROM things; END",
        "CREATE VIEW pages AS SELECT * FROM dbstat",
        "CREATE VIEW texts AS SELECT * FROM things_fts",
    ] {
        fixture.sql(&scope, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
    for sql in [
        "INSERT INTO mine (b) VALUES ('x')",
        "INSERT INTO mine (b) VALUES ('x') ON CONFLICT DO UPDATE SET b = 1 RETURNING b",
        "DELETE FROM seen",
        "SELECT * FROM texts",
    ] {
        assert_eq!(fixture.sql(&scope, sql).await.unwrap_err().code, Code::Forbidden, "{sql}");
    }
    let unsafe_use = fixture.sql(&scope, "SELECT * FROM pages").await.unwrap_err();
    assert_eq!(unsafe_use.message, "SQL error: unsafe use of virtual table \"dbstat\"");
    assert_eq!(fixture.value(&scope, "SELECT id FROM seen").await, json!("1"));

    fixture.put(&scope, "notes", "1", json!("b")).await.unwrap();
    let deleted = doer_core::service::db::Delete { ns: "notes".to_owned(), id: "1".to_owned() };
    doer_core::service::db::Db::delete(&*fixture.db, &scope, deleted).await.unwrap().unwrap();
    assert_eq!(fixture.value(&scope, "SELECT count(*) FROM child").await, json!(1), "no foreign key fired");
    assert_eq!(fixture.value(&scope, "SELECT count(*) FROM mine").await, json!(0), "no trigger ran");
}

/// Compiling a statement recurses over what the schema refers to; the stack must be enough for all that fits in it.
#[tokio::test]
async fn deep_schemas_end_in_an_error_and_not_in_a_crash() {
    let fixture = fixture();
    let views = tenant("views");
    grow(&fixture, &views, 0, |i| match i {
        0 => "CREATE VIEW v0 AS SELECT 1 AS a".to_owned(),
        _ => format!("CREATE VIEW v{i} AS SELECT a FROM v{}", i - 1),
    })
    .await;
    let doubling = tenant("doubling");
    grow(&fixture, &doubling, 40, |i| match i {
        0 => "CREATE VIEW v0 AS SELECT 1 AS a".to_owned(),
        _ => format!("CREATE VIEW v{i} AS SELECT a FROM v{0} UNION ALL SELECT a FROM v{0}", i - 1),
    })
    .await;
    let started = Instant::now();
    fixture.sql(&doubling, "SELECT * FROM v39").await.unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(5));

    let triggers = tenant("triggers");
    let last = grow(&fixture, &triggers, 0, |i| match i % 2 {
        0 => format!("CREATE TABLE t{} (a)", i / 2),
        _ => {
            let at = i / 2;
            format!("CREATE TRIGGER r{at} AFTER INSERT ON t{at} BEGIN INSERT INTO t{} VALUES (new.a); END", at + 1)
        }
    })
    .await;
    assert!(last > 500);
    fixture.sql(&triggers, "INSERT INTO t0 VALUES (1)").await.unwrap_err();

    let cascade = tenant("cascade");
    grow(&fixture, &cascade, 0, |i| match i {
        0 => "CREATE TABLE t0 (a INTEGER PRIMARY KEY)".to_owned(),
        _ => format!("CREATE TABLE t{i} (a INTEGER PRIMARY KEY REFERENCES t{} ON DELETE CASCADE)", i - 1),
    })
    .await;
    let _ = fixture.sql(&cascade, "DELETE FROM t0").await;
    fixture.sql(&views, "SELECT 1").await.unwrap();
}

/// Makes definitions until the schema is full (or `most` are there), and uses the last view.
async fn grow(fixture: &Fixture, scope: &doer_core::scope::Scope, most: usize, sql: impl Fn(usize) -> String) -> usize {
    for i in 0.. {
        if i == most && most > 0 {
            return i;
        }
        if let Err(error) = fixture.sql(scope, &sql(i)).await {
            assert!(error.message.contains("schema"), "{i}: {error}");
            let _ = fixture.sql(scope, &format!("SELECT * FROM v{}", i - 1)).await;
            return i;
        }
    }
    unreachable!("it ends at the limit")
}
