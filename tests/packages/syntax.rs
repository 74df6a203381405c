//! What esbuild leaves as it is, the engine has.

use serde_json::json;

use super::worker::Worker;

#[tokio::test]
async fn the_newest_syntax_runs() {
    let Some(newest) = Worker::deployed("the_newest_syntax_runs", "newest").await else { return };
    let disposed = json!(["used", "disposed", "in time"]);
    let expected = json!({"decorated": "double(4)", "accessor": 3, "disposed": disposed, "late": "late"});
    assert_eq!(newest.json("/").await, expected);
}
