//! From the first version to the last: who may write over what, what is kept, and what a restart finds.

use reqwest::Method;
use serde_json::{Value, json};

use super::{called, code, fetched, register, says};
use crate::support::{Answer, Caller, Server, Setup, doer, eventually, token};

async fn put(server: &Server, id: &str, if_match: Option<&str>, code: &Value) -> Answer {
    let mut request = server.client.request(Caller::Tenant, Method::PUT, &format!("/workers/{id}")).json(code);
    if let Some(tag) = if_match {
        request = request.header("if-match", tag);
    }
    Answer::read(request.send().await.unwrap()).await
}

#[tokio::test]
async fn a_worker_is_made_replaced_set_back_and_removed() {
    let server = Server::dev().await;
    let made = put(&server, "life", None, &says("one")).await;
    assert_eq!((made.status.as_u16(), &made.json["version"]), (201, &json!(1)), "{}", made.text);
    assert_eq!(made.json["entrypoints"], json!([{"name": "default", "methods": ["fetch"]}]));
    let tag = format!("\"{}\"", made.json["hash"].as_str().unwrap());
    assert_eq!(made.header("etag"), tag);
    assert!(made.header("x-execution-id").starts_with("exec_"));
    assert_eq!(fetched(&server, Caller::Tenant, "life", "/").await.text, "one");

    let again = put(&server, "life", None, &says("one")).await;
    assert_eq!((again.status.as_u16(), &again.json["version"]), (200, &json!(1)), "the same code is no conflict");
    assert_eq!(again.header("x-execution-id"), "", "and nothing ran for it");
    let other = put(&server, "life", None, &says("two")).await;
    other.assert_refused(409, "conflict");
    assert!(other.text.contains(&made.json["hash"].as_str().unwrap()[..16]), "it says what is there: {}", other.text);
    put(&server, "life", Some("\"nothing\""), &says("two")).await.assert_refused(412, "precondition_failed");
    assert_eq!(fetched(&server, Caller::Tenant, "life", "/").await.text, "one");

    let replaced = put(&server, "life", Some(&tag), &says("two")).await;
    assert_eq!((replaced.status.as_u16(), &replaced.json["version"]), (200, &json!(2)));
    assert_eq!(fetched(&server, Caller::Tenant, "life", "/").await.text, "two");
    put(&server, "life", Some(&tag), &says("three")).await.assert_refused(412, "precondition_failed");

    let told = server.client.get(Caller::Tenant, "/workers/life?code=true").await;
    let versions: Vec<&Value> = told.json["versions"].as_array().unwrap().iter().map(|v| &v["version"]).collect();
    assert_eq!(versions, [&json!(2), &json!(1)]);
    assert_eq!(told.at("/code/modules/main.js/js"), &says("two")["modules"]["main.js"]);
    let old = server.client.get(Caller::Tenant, "/workers/life?code=true&version=1").await;
    assert_eq!(old.at("/code/modules/main.js/js"), &says("one")["modules"]["main.js"]);

    let back = server.client.post(Caller::Tenant, "/workers/life/rollback", &json!({})).await;
    assert_eq!((back.status.as_u16(), &back.json["version"]), (200, &json!(1)), "{}", back.text);
    assert_eq!(fetched(&server, Caller::Tenant, "life", "/").await.text, "one");
    let forward = server.client.post(Caller::Tenant, "/workers/life/rollback", &json!({ "version": 2 })).await;
    assert_eq!(forward.json["hash"], replaced.json["hash"]);
    let nowhere = server.client.post(Caller::Tenant, "/workers/life/rollback", &json!({ "version": 3 })).await;
    nowhere.assert_refused(404, "not_found");

    assert_eq!(server.client.delete(Caller::Tenant, "/workers/life").await.status, 204);
    server.client.delete(Caller::Tenant, "/workers/life").await.assert_refused(404, "not_found");
    fetched(&server, Caller::Tenant, "life", "/").await.assert_refused(404, "not_found");
    called(&server, "life", "fetch", &json!({})).await.assert_refused(404, "not_found");
    put(&server, "life", Some("*"), &says("one")).await.assert_refused(412, "precondition_failed");
}

#[tokio::test]
async fn workers_are_listed_by_page_and_each_namespace_has_its_own() {
    let server = Server::start(Setup::production()).await;
    for id in ["b", "a", "c"] {
        register(&server, Caller::Tenant, id, &says(id)).await;
    }
    register(&server, Caller::OtherTenant, "a", &says("other")).await;
    register(&server, Caller::Admin, "a", &says("admin")).await;
    let ids = async |caller, query: &str| {
        let page = server.client.get(caller, &format!("/workers{query}")).await;
        let ids = page.json["data"].as_array().unwrap().iter().map(|worker| worker["id"].clone());
        (ids.collect::<Value>(), page.at("/pagination/total").clone())
    };
    assert_eq!(ids(Caller::Tenant, "").await, (json!(["a", "b", "c"]), json!(3)));
    assert_eq!(ids(Caller::Tenant, "?limit=1&offset=1").await, (json!(["b"]), json!(3)));
    assert_eq!(ids(Caller::OtherTenant, "").await, (json!(["a"]), json!(1)));
    for (caller, text) in [(Caller::Tenant, "a"), (Caller::OtherTenant, "other"), (Caller::Admin, "admin")] {
        assert_eq!(fetched(&server, caller, "a", "/").await.text, text);
    }
    fetched(&server, Caller::OtherTenant, "b", "/").await.assert_refused(404, "not_found");
    assert_eq!(server.client.delete(Caller::OtherTenant, "/workers/a").await.status, 204);
    assert_eq!(fetched(&server, Caller::Tenant, "a", "/").await.text, "a");
}

#[tokio::test]
async fn a_restart_finds_them_again_and_so_does_a_backup() {
    let mut server = Server::start(Setup::production()).await;
    register(&server, Caller::Tenant, "kept", &says("one")).await;
    register(&server, Caller::Tenant, "kept", &says("two")).await;
    assert_eq!(fetched(&server, Caller::Tenant, "kept", "/").await.text, "two");
    server.kill();
    server.restart().await;
    assert_eq!(fetched(&server, Caller::Tenant, "kept", "/").await.text, "two");
    let back = server.client.post(Caller::Tenant, "/workers/kept/rollback", &json!({})).await;
    assert_eq!(back.json["version"], 1);

    let parent = tempfile::tempdir().unwrap();
    let copy = parent.path().join("copy");
    let output = doer().arg("backup").arg(&copy).env("DOER__DATA__DIR", server.data.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(copy.join("services/workers.db").exists());
}

#[tokio::test]
async fn a_tenants_workers_go_with_the_tenant() {
    let server = Server::start(Setup::production()).await;
    register(&server, Caller::Tenant, "gone", &says("one")).await;
    register(&server, Caller::OtherTenant, "stays", &says("other")).await;
    assert_eq!(fetched(&server, Caller::Tenant, "gone", "/").await.text, "one");
    let mut delete = doer();
    delete.args(["tenant", "delete", "test-tenant", "--yes"]).env("DOER__DATA__DIR", server.data.path());
    let output = delete.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fetched(&server, Caller::Tenant, "gone", "/").await.assert_refused(401, "unauthenticated");
    assert_eq!(fetched(&server, Caller::OtherTenant, "stays", "/").await.text, "other");
    // A tenant of the same name that comes later finds nothing of it.
    let key = eventually("the tenant is gone", async || {
        let list = doer().args(["tenant", "list"]).env("DOER__DATA__DIR", server.data.path()).output().unwrap();
        (!String::from_utf8(list.stdout).unwrap().contains("test-tenant")).then(|| {
            let permissions = ["--permission", "workers:*", "--permission", "execute"];
            token(server.data.path(), &[&["--role", "tenant", "--tenant", "test-tenant"], &permissions[..]].concat())
        })
    })
    .await;
    let list = server.client.request(Caller::Anonymous, Method::GET, "/workers").bearer_auth(key);
    assert_eq!(Answer::read(list.send().await.unwrap()).await.json["data"], json!([]));
}

#[tokio::test]
async fn what_runs_ends_on_the_code_it_began_with() {
    let server = Server::start(Setup::dev()).await;
    let slow = "
        export default { async fetch() { await new Promise((r) => setTimeout(r, 1500)); return new Response('old') } }";
    register(&server, Caller::Tenant, "slow", &code(slow)).await;
    let client = server.client.clone();
    let running = tokio::spawn(async move { client.get(Caller::Tenant, "/workers/slow/fetch/").await });
    eventually("it runs", async || {
        server.metrics().await.lines().any(|line| line == "doer_executions_running 1").then_some(())
    })
    .await;
    register(&server, Caller::Tenant, "slow", &says("new")).await;
    assert_eq!(fetched(&server, Caller::Tenant, "slow", "/").await.text, "new");
    assert_eq!(running.await.unwrap().text, "old");
    assert_eq!(fetched(&server, Caller::Tenant, "slow", "/").await.text, "new");
}

#[tokio::test]
async fn fifty_at_once_load_it_once() {
    let server = Server::start(Setup::dev()).await;
    register(&server, Caller::Admin, "once", &says("hello")).await;
    let loads = async || {
        let metrics = server.metrics().await;
        let line = metrics.lines().find_map(|line| line.strip_prefix("doer_worker_loads_total{result=\"ok\"} "));
        line.unwrap().parse::<u32>().unwrap()
    };
    let before = loads().await;
    let fetches = (0..50).map(|_| fetched(&server, Caller::Admin, "once", "/"));
    let answers = futures_util::future::join_all(fetches).await;
    assert!(answers.iter().all(|answer| answer.text == "hello"));
    assert_eq!(loads().await, before + 1);
    assert!(server.metrics().await.lines().any(|line| line == "doer_workers_loaded 1"));
}
