//! Ids: nanoid and uuid, whose heap is a new one in each request, and their ids too.

use serde_json::{Value, json};

use super::worker::Worker;

fn is_made_of(id: &Value, len: usize, alphabet: fn(char) -> bool) -> bool {
    id.as_str().is_some_and(|id| id.len() == len && id.chars().all(alphabet))
}

#[tokio::test]
async fn nanoid_gives_ids_that_differ_in_each_request() {
    let Some(nanoid) = Worker::deployed("nanoid_gives_ids_that_differ_in_each_request", "nanoid").await else { return };
    let (first, second) = (nanoid.json("/").await, nanoid.json("/").await);
    let urls = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    for said in [&first, &second] {
        assert!(is_made_of(&said["one"], 21, urls), "{said}");
        assert!(is_made_of(&said["insecure"], 21, urls), "{said}");
        assert!(is_made_of(&said["short"], 8, urls), "{said}");
        assert!(is_made_of(&said["letters"], 40, |c| "abc".contains(c)), "{said}");
        assert!(is_made_of(&said["few"], 3, |c| "abc".contains(c)), "{said}");
        assert_eq!((&said["different"], &said["alphabet"], &said["used"]), (&json!(1000), &json!(64), &json!(64)));
    }
    for name in ["one", "short", "letters", "insecure"] {
        assert_ne!(first[name], second[name], "{name}");
    }
}

#[tokio::test]
async fn uuid_gives_ids_that_differ_in_each_request() {
    let Some(uuid) = Worker::deployed("uuid_gives_ids_that_differ_in_each_request", "uuid").await else { return };
    let (first, second) = (uuid.json("/").await, uuid.json("/").await);
    for said in [&first, &second] {
        assert_eq!((&said["valid"], &said["versions"]), (&json!(true), &json!([1, 4, 6, 7])), "{said}");
        assert_eq!((&said["different"], &said["sorted"]), (&json!(500), &json!(true)), "{said}");
    }
    for version in ["v1", "v4", "v6", "v7"] {
        assert_ne!(first["made"][version], second["made"][version], "{version}");
    }
    assert!(first["time"].as_u64() <= second["time"].as_u64(), "the clock of the request is in them");

    let fixed = uuid.alike_get("/fixed").await.json;
    assert_eq!(fixed[0], "9125a8dc-52ee-365b-a5aa-81b0b3681cf6");
    assert_eq!(fixed[1], "fdda765f-fc57-5604-a269-52a7df8164ec");
    assert_eq!(fixed[3], "00102030-4050-4070-8090-a0b0c0d0e0f0");
}
