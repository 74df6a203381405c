//! Tier, namespace and permissions of every kind of caller, as data.

use doer_core::{
    auth::AuthContext,
    tier::{Namespace, Permissions, Tier},
};
use serde_json::Value;

const CASES: &str = include_str!("../../../tests/cases/tiers.jsonl");

#[test]
fn tier_namespace_and_permissions_follow_from_the_context() {
    let mut seen = 0;
    for line in CASES.lines().filter(|line| !line.trim().is_empty()) {
        let case: Value = serde_json::from_str(line).unwrap();
        let name = case["name"].as_str().unwrap();
        let context: AuthContext = serde_json::from_value(case["context"].clone()).unwrap();
        let expect = &case["expect"];

        assert_eq!(Tier::of(&context).name(), expect["tier"], "{name}");
        assert_eq!(Namespace::of(&context).as_str(), expect["namespace"], "{name}");
        if let Some(permissions) = expect.get("permissions") {
            assert_eq!(&serde_json::to_value(Permissions::of(&context)).unwrap(), permissions, "{name}");
        }
        seen += 1;
    }
    assert_eq!(seen, 7, "every case was read");
}
