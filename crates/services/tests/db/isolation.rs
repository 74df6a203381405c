//! Namespaces never see each other's rows, whatever is done in them, and by whomever at once.

use std::sync::Arc;

use doer_core::{
    scope::Scope,
    service::db::{Db, Delete, List, ListOptions, Search},
};
use serde_json::{Value, json};

use crate::support::{Fixture, anonymous, fixture, tenant};

/// A small generator, so that a failure can be repeated by its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// Does `steps` random things in a namespace, in collections and under ids that all namespaces share, and looks at
/// everything it can see after each of them.
async fn roam(fixture: Arc<Fixture>, scope: Scope, mark: String, seed: u64, steps: usize) {
    let mut random = Random(seed);
    let mut rows = 0;
    fixture.sql(&scope, "CREATE TABLE shared (mark)").await.unwrap();
    for _ in 0..steps {
        let ns = format!("ns{}", random.below(2));
        let id = format!("id{}", random.below(4));
        match random.below(6) {
            0 | 1 => {
                let thing = fixture.put(&scope, &ns, &id, json!({"mark": mark, "word": "common"})).await.unwrap();
                assert_eq!(thing.data["mark"], mark);
            }
            2 => {
                let gone = fixture.db.delete(&scope, Delete { ns, id }).await.unwrap();
                assert!(gone.is_none_or(|thing| thing.data["mark"] == mark), "{seed}");
            }
            3 => {
                rows += 1;
                let params = vec![Value::from(mark.as_str())];
                fixture.sql_with(&scope, "INSERT INTO shared VALUES (?)", params).await.unwrap();
            }
            4 => {
                let query = "common".to_owned();
                let found = fixture.db.search(&scope, Search { ns, query, options: None }).await.unwrap();
                assert!(found.data.iter().all(|found| found.thing.data["mark"] == mark), "{seed}");
            }
            _ => {
                let options = Some(ListOptions::default());
                let page = fixture.db.list(&scope, List { ns, options }).await.unwrap();
                assert!(page.data.iter().all(|thing| thing.data["mark"] == mark), "{seed}");
                assert_eq!(page.pagination.total, page.data.len() as u64, "{seed}");
            }
        }
    }
    let seen = fixture.sql(&scope, "SELECT mark, count(*) AS n FROM shared GROUP BY mark").await.unwrap();
    let expected: Vec<Value> = (rows > 0).then(|| json!({"mark": mark, "n": rows})).into_iter().collect();
    assert_eq!(json!(seen.rows), json!(expected), "{seed}");
    let strangers = "SELECT count(*) FROM things WHERE json_extract(data, '$.mark') <> ?";
    let strangers = fixture.sql_with(&scope, strangers, vec![mark.into()]).await.unwrap();
    assert_eq!(json!(strangers.rows), json!([{"count(*)": 0}]), "{seed}");
    for table in ["things_counts"] {
        let counted = fixture.value(&scope, &format!("SELECT coalesce(sum(things), 0) FROM {table}")).await;
        assert_eq!(counted, fixture.value(&scope, "SELECT count(*) FROM things").await, "{seed}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn namespaces_never_see_each_others_rows() {
    let fixture = Arc::new(fixture());
    // Names that are alike where somebody compares them carelessly.
    let tenants = ["a", "A", "a ", "a'--", "a\"", "*", "a%", "ä"].map(tenant);
    let scopes = tenants.into_iter().chain([anonymous(), anonymous()]).enumerate();
    let roaming: Vec<_> = scopes
        .map(|(number, scope)| {
            let seed = 0x9e37_79b9_7f4a_7c15 + number as u64;
            tokio::spawn(roam(fixture.clone(), scope, format!("mark{number}"), seed, 60))
        })
        .collect();
    for task in roaming {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn anonymous_callers_leave_nothing_on_disk() {
    let fixture = fixture();
    let scope = anonymous();
    fixture.put(&scope, "notes", "1", json!("secret")).await.unwrap();
    fixture.sql(&scope, "CREATE TABLE t (a)").await.unwrap();
    fixture.sql(&scope, "INSERT INTO t VALUES (1)").await.unwrap();
    assert_eq!(fixture.get(&scope, "notes", "1").await.unwrap().data, json!("secret"));
    assert_eq!(fixture.value(&scope, "SELECT a FROM t").await, json!(1));
    assert_eq!(std::fs::read_dir(fixture.dir.path().join("db")).unwrap().count(), 0);
    assert_eq!(fixture.get(&anonymous(), "notes", "1").await, None);
}
