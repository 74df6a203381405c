//! Drizzle: the SQL that its builder gives, and the same over the worker's own database.

use serde_json::json;

use super::worker::Worker;

#[tokio::test]
async fn drizzle_builds_the_same_statements() {
    let Some(drizzle) = Worker::deployed("drizzle_builds_the_same_statements", "drizzle-orm").await else { return };
    let built = drizzle.alike_get("/").await.json;
    let insert = "insert into \"users\" (\"id\", \"name\", \"settings\", \"created_at\", \"active\") \
        values (null, ?, ?, ?, ?) \
        on conflict (\"users\".\"name\") do update set \"active\" = excluded.active returning \"id\"";
    assert_eq!(built["insert"], json!({"sql": insert, "params": ["O'Hara", "{\"theme\":\"dark\"}", 0, 1]}));
    let delete = "delete from \"likes\" where (\"likes\".\"user\" = ? and \"likes\".\"post\" = ?)";
    assert_eq!(built["delete"], json!({"sql": delete, "params": [1, 2]}));
    assert_eq!(built["dated"]["params"], json!([1_760_000_000]));
    assert_eq!(built["select"]["params"], json!(["A%", 0, 5, 10]));
}

#[tokio::test]
async fn drizzle_works_on_the_database_of_its_worker() {
    let Some(drizzle) = Worker::deployed("drizzle_works_on_the_database_of_its_worker", "drizzle-orm").await else {
        return;
    };
    let said = drizzle.json("/live").await;
    let ada = json!({"id": "number", "name": "Ada", "settings": {"theme": "dark"}, "active": true, "isDate": true,
        "createdAt": "2025-10-09T08:53:20.000Z"});
    assert_eq!(said["typed"], ada);
    // Of a join that has two columns `id`.
    let names = json!([["Ada", true, 2, "Loops"], ["Ada", true, 1, "Notes, again"], ["Alan", false, null, null]]);
    assert_eq!(said["names"], names);
    assert_eq!(said["one"], json!({"name": "Alan", "active": true}));
    assert_eq!(said["none"], json!(null));
    let posts = json!([{"title": "Notes, again", "rating": 4.5}, {"title": "Loops", "rating": null}]);
    assert_eq!(said["nested"], json!([{"name": "Ada", "posts": posts}, {"name": "Alan", "posts": []}]));
    assert_eq!((&said["counted"], &said["prepared"]), (&json!(2), &json!([{"title": "Loops"}])));
    assert_eq!(said["refused"], "ServiceError: SQL error: UNIQUE constraint failed: users.name");
    assert_eq!(said["transaction"], "forbidden", "of which there are none over single statements");
}
