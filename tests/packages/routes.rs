//! itty-router: routes, what stands around them, errors.

use serde_json::json;

use super::{ask::Ask, worker::Worker};

#[tokio::test]
async fn itty_router_routes_and_tells_errors() {
    let Some(router) = Worker::deployed("itty_router_routes_and_tells_errors", "itty-router").await else { return };
    let form = "application/x-www-form-urlencoded";
    let asks = [
        Ask::get("/users/7?a=1&a=2&b=3"),
        Ask::get("/files/a/b/c.txt"),
        Ask::get("/maybe"),
        Ask::get("/maybe/x"),
        Ask::get("/cookies").header("cookie", "a=1; b=2"),
        Ask::json("/content", &json!({"a": [1]})),
        Ask::post("/content", "a=1&b=2").header("content-type", form),
        Ask::new("DELETE", "/any"),
        Ask::get("/text"),
        Ask::get("/async"),
        Ask::get("/fails"),
        Ask::get("/refuses"),
        Ask::get("/forbidden"),
        Ask::get("/inner/x/y"),
        Ask::get("/inner/x"),
        Ask::get("/none"),
        Ask::new("OPTIONS", "/users/7").header("origin", "https://a.example"),
    ];
    let answers = router.alike(&asks).await;
    let said = |path: &str| &answers[asks.iter().position(|ask| ask.path.starts_with(path)).unwrap()];
    assert_eq!(said("/users").json, json!({"id": "7", "query": {"a": ["1", "2"], "b": "3"}, "trail": ["before"]}));
    assert_eq!(said("/files").json, json!({"path": "a/b/c.txt"}));
    assert_eq!(said("/cookies").json, json!({"a": "1", "b": "2"}));
    assert_eq!(said("/content").json, json!({"content": {"a": [1]}}));
    assert_eq!(said("/async").json, json!([1, 2]));
    assert_eq!(said("/fails").json, json!({"status": 500, "error": "by its own doing"}));
    assert_eq!(said("/refuses").json, json!({"status": 409, "error": "taken", "by": "ada"}));
    assert_eq!(said("/forbidden").status, 403);
    assert_eq!(said("/inner/x/y").json, json!(["x", "y"]));
    assert_eq!(said("/none").status, 404);
    assert_eq!(answers[16].header("access-control-allow-origin"), "https://a.example");
}
