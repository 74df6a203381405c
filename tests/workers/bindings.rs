//! Workers that are bound to each other.

use serde_json::json;

use super::register;
use crate::support::{Caller, Server};

#[tokio::test]
async fn a_worker_is_bound_to_others_of_its_own_namespace() {
    let server = Server::dev().await;
    let shop = "
        import { WorkerEntrypoint } from 'cloudflare:workers';
        export class Till extends WorkerEntrypoint { total(map) { return [this.ctx.props.till, map.get('a') + map.get('b')] } }
        export default { fetch: (request) => new Response('shop ' + new URL(request.url).pathname) }";
    let customer = "export default { async fetch(request, env) {
        const total = await env.TILL.total(new Map([['a', 1], ['b', 2]]));
        return new Response(`${await (await env.SHOP.fetch('http://shop/x')).text()} ${total} ${await (await fetch('http://a.test/y')).text()}`);
    } }";
    let customer = json!({
        "mainModule": "main.js", "modules": {"main.js": customer}, "globalOutbound": {"$worker": "bound-shop"},
        "env": {
            "SHOP": {"$worker": "bound-shop"},
            "TILL": {"$worker": "bound-shop", "entrypoint": "Till", "props": {"till": 7}},
        },
    });
    register(&server, Caller::Tenant, "bound-customer", &customer).await;
    let fetch = async || server.client.get(Caller::Tenant, "/workers/bound-customer/fetch/").await;
    let lost = fetch().await;
    assert!(lost.text.contains("no such worker"), "{}", lost.text);
    let shop = json!({"mainModule": "main.js", "modules": {"main.js": shop}});
    register(&server, Caller::Admin, "bound-shop", &shop).await;
    // That one is another's.
    assert!(fetch().await.text.contains("no such worker"));
    register(&server, Caller::Tenant, "bound-shop", &shop).await;
    assert_eq!(fetch().await.text, "shop /x 7,3 shop /y");
    server.client.delete(Caller::Tenant, "/workers/bound-shop").await;
    assert!(fetch().await.text.contains("no such worker"));
}

#[tokio::test]
async fn a_secret_is_the_one_that_holds_when_the_worker_runs() {
    let server = Server::dev().await;
    let worker = json!({
        "mainModule": "main.js",
        "modules": {"main.js": "export default { fetch: (request, env) => new Response(env.KEY) }"},
        "env": {"KEY": {"$secret": "WORKERS_KEY"}},
    });
    let fetch = async || server.client.get(Caller::Admin, "/workers/keeper/fetch/").await;
    let put = async |caller, value: &str| {
        let answer = server.client.put(caller, "/secrets/WORKERS_KEY", &json!({ "value": value })).await;
        assert!(answer.status.is_success(), "{}", answer.text);
    };
    let missing = server.client.put(Caller::Admin, "/workers/keeper", &worker).await;
    missing.assert_refused(422, "invalid_code");
    assert!(missing.text.contains("There is no secret"), "{}", missing.text);
    put(Caller::Admin, "before it is there").await;
    register(&server, Caller::Admin, "keeper", &worker).await;
    for value in ["the first of them", "and the one after it"] {
        put(Caller::Admin, value).await;
        assert_eq!(fetch().await.text, value);
    }
    let told = server.client.get(Caller::Admin, "/workers/keeper").await;
    assert!(!told.text.contains("the one after it"), "{}", told.text);
    server.client.delete(Caller::Admin, "/secrets/WORKERS_KEY").await;
    fetch().await.assert_refused(502, "guest_error");
}
