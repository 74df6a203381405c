//! What data goes through: zod, lodash-es, date-fns.

use serde_json::json;

use super::{ask::Ask, worker::Worker};

#[tokio::test]
async fn zod_parses_and_says_where_it_cannot() {
    let Some(zod) = Worker::deployed("zod_parses_and_says_where_it_cannot", "zod").await else { return };
    let names = zod.alike_get("/").await;
    let asks: Vec<_> =
        names.json.as_array().unwrap().iter().map(|name| Ask::get(format!("/{}", name.as_str().unwrap()))).collect();
    let answers = zod.alike(&asks).await;
    let said = |name: &str| {
        let answer = &answers[asks.iter().position(|ask| ask.path == format!("/{name}")).unwrap()];
        assert_eq!(answer.status, 200, "{name}: {}", answer.text);
        &answer.json
    };
    let ada = json!({"name": "Ada", "email": "ada@example.com", "age": 36, "role": "user",
        "addresses": [{"street": "St", "zip": "12345"}]});
    assert_eq!(said("fine")["data"], ada);
    let issues = said("nested")["issues"].as_array().unwrap();
    let places: Vec<_> = issues.iter().map(|issue| (&issue["path"], &issue["message"])).collect();
    let expected = [
        (&json!(["email"]), &json!("Invalid email address")),
        (&json!(["addresses", 1, "street"]), &json!("Too small: expected string to have >=1 characters")),
        (&json!(["addresses", 1, "zip"]), &json!("five digits")),
    ];
    assert_eq!(places, expected);
    assert_eq!(said("unknown")["issues"][0]["keys"], json!(["extra"]));
    assert_eq!(said("tree")["issues"][0]["path"], json!(["children", 0, "children", 0, "name"]));
    assert_eq!(said("taken")["issues"][0]["message"], "is taken");
    assert_eq!(said("german")["issues"][0]["message"], "Ungültige Eingabe: erwartet string, erhalten Zahl");
    assert_eq!(said("schema")["required"], json!(["name", "email", "addresses"]));
    assert_eq!(said("thrown")[0], "ZodError");
}

#[tokio::test]
async fn lodash_does_what_it_does_elsewhere() {
    let Some(lodash) = Worker::deployed("lodash_does_what_it_does_elsewhere", "lodash-es").await else { return };
    let answer = lodash.alike_get("/").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let said = &answer.json;
    assert_eq!(said["arrays"][0], json!([[1, 2], [3, 4], [5]]));
    assert_eq!(said["objects"][0], 3);
    assert_eq!(said["strings"][0], "fooBarEte");
    assert_eq!(said["clones"], json!([true, true, true, 8, true, "/a+/gi", 0, false]));
    assert_eq!(said["debounced"], json!(["second"]));
    assert_eq!(said["chained"], json!(["Ada", "Grace", "Alan"]));
}

#[tokio::test]
async fn date_fns_reckons_in_utc() {
    let Some(dates) = Worker::deployed("date_fns_reckons_in_utc", "date-fns").await else { return };
    let answer = dates.alike_get("/").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let said = &answer.json;
    assert_eq!(said["formats"][1], "Thursday, 29th February 2024 at 23:05:09.042");
    assert_eq!(said["locales"][0][0], "Donnerstag, 29. Februar 2024");
    assert_eq!(said["parsed"][0], "2024-02-29T18:30:00.000Z");
    assert_eq!(said["parsed"][2], "2024-02-29T06:30:00.000Z");
    assert_eq!(said["invalid"], json!([false, false, "RangeError: Invalid time value"]));
    assert_eq!(said["reckoned"][0], "2025-02-28T23:05:09.042Z");
    assert_eq!(said["zone"], json!(["2024-07-01T12:00:00.000Z", 0, 23, "1970-01-01T00:00:00.000Z"]));
}
