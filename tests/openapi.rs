//! `GET /openapi.json`: a valid document, of the routes that there are.

use std::{collections::BTreeSet, fs, process::Command};

use reqwest::Method;

use crate::support::{Caller, Server, node};

const VALIDATE: &str = r"
import { validate } from '@readme/openapi-parser';
const result = await validate(process.argv[2]);
if (!result.valid) {
  console.log(JSON.stringify(result, null, 2));
  process.exit(1);
}
";

#[tokio::test]
async fn a_validator_finds_nothing_wrong() {
    let Some(node) = node("a_validator_finds_nothing_wrong") else { return };
    let server = Server::dev().await;
    let answer = server.client.get(Caller::User, "/openapi.json").await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/json"));
    let directory = tempfile::tempdir().unwrap();
    let document = directory.path().join("openapi.json");
    fs::write(&document, &answer.text).unwrap();
    // Beside the packages: that is where Node.js looks for them.
    let script = node.join("validate.mjs");
    fs::write(&script, VALIDATE).unwrap();
    let output = Command::new("node").arg(script).arg(document).output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}");
}

#[tokio::test]
async fn routes_and_document_agree() {
    let server = Server::dev().await;
    let document = server.client.get(Caller::User, "/openapi.json").await.json;
    let paths = document["paths"].as_object().unwrap();
    let mut described = BTreeSet::new();
    for (path, operations) in paths {
        let methods: BTreeSet<String> =
            operations.as_object().unwrap().keys().map(|name| name.to_uppercase()).collect();
        if path == "/workers/{id}/fetch/{path}" {
            described.insert(format!("ANY {path}"));
            continue;
        }
        // What has the path has it with other methods too, and says which those are.
        let concrete = path.replace(['{', '}'], "");
        let refused = server.client.request(Caller::Admin, Method::PATCH, &concrete).send().await.unwrap();
        assert_eq!(refused.status(), 405, "{path}");
        let allowed = refused.headers()["allow"].to_str().unwrap();
        let allowed: BTreeSet<String> =
            allowed.split(',').filter(|name| *name != "HEAD").map(ToOwned::to_owned).collect();
        assert_eq!(methods, allowed, "{path}");
        let template =
            if path.matches('/').count() == 3 && path.starts_with("/rpc/") { "/rpc/{service}/{method}" } else { path };
        described.extend(methods.iter().map(|method| format!("{method} {template}")));
    }
    let told = server.client.get(Caller::User, "/").await.json;
    let endpoints: BTreeSet<String> =
        told["endpoints"].as_array().unwrap().iter().map(|endpoint| endpoint.as_str().unwrap().to_owned()).collect();
    assert_eq!(described, endpoints);
}
