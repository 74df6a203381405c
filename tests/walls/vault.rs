//! What an actor puts away before anything happens, one of each kind, and must find again as it was.

use reqwest::Method;
use serde_json::{Value, json};

use super::world::{World, admin};

/// What was put away, and how it is looked at.
pub struct Vault(Vec<(&'static str, Value, Value)>);

/// What of a thing must stay as it was: the rest may change by itself.
const LOOKED_AT: [(&str, &[&str]); 5] = [
    ("db/get", &["data", "visibility"]),
    ("queue/getJob", &["body", "status", "attempts"]),
    ("email/getEmailStatus", &["subject", "text", "status"]),
    ("schedule/getTask", &["enabled", "metadata", "target"]),
    ("auth/getUser", &["email", "permissions", "role"]),
];

impl Vault {
    pub async fn fill(world: &mut World, who: usize) -> Self {
        let text = world.text(who);
        let task = json!({ "name": "vault", "schedule": "@yearly", "metadata": text,
                           "target": { "queue": { "queue": "vault", "message": text } } });
        let message = json!({ "queue": "vault", "message": { "text": text } });
        let mail = json!({ "to": format!("{text}@example.com"), "subject": text, "body": text });
        let user = json!({ "email": format!("{text}@example.com"), "options": { "name": text } });
        call(world, who, "db/upsert", json!({ "ns": "vault", "id": "one", "data": { "text": text } })).await;
        call(world, who, "schedule/registerTask", json!({ "task": task })).await;
        let message = call(world, who, "queue/send", message).await;
        let mail = call(world, who, "email/send", mail).await;
        let user = call(world, who, "auth/createUser", user).await;
        let mut kept = Vec::new();
        for (method, params) in [
            ("db/get", json!({ "ns": "vault", "id": "one" })),
            ("queue/getJob", json!({ "id": message["id"] })),
            ("email/getEmailStatus", json!({ "id": mail["id"] })),
            ("schedule/getTask", json!({ "taskName": "vault" })),
            ("auth/getUser", json!({ "id": user["id"] })),
        ] {
            let found = call(world, who, method, params.clone()).await;
            assert!(found.is_object(), "{method}: {found}");
            kept.push((method, params, found));
        }
        for id in [&message["id"], &mail["id"], &user["id"]] {
            world.lock_away(who, id.as_str().unwrap());
        }
        // Without its key it could do no more.
        let key = world.actors[who].key["sk_live_".len()..][..12].to_owned();
        world.lock_away(who, &key);
        Self(kept)
    }

    pub async fn check(self, world: &mut World, who: usize) {
        for (method, params, before) in self.0 {
            let now = call(world, who, method, params).await;
            let (_, members) = LOOKED_AT.iter().find(|(name, _)| *name == method).unwrap();
            for member in *members {
                let namespace = &world.actors[who].namespace;
                assert_eq!(now[member], before[member], "seed {}: {method} of {namespace}", world.seed);
            }
        }
    }
}

/// As an admin who works in the actor's namespace.
async fn call(world: &mut World, who: usize, method: &str, mut params: Value) -> Value {
    params["namespace"] = world.actors[who].namespace.clone().into();
    let body = json!({ "params": params });
    let request = world.request(Some(admin()), Method::POST, &format!("/rpc/{method}")).json(&body);
    let answer = world.send(Some(who), request, &format!("{method} {body}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.at("/result").clone()
}
