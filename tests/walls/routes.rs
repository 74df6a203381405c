//! Everything else that the API has: what the server says of itself and its caller, secrets, sessions, executions, what
//! comes in from providers.

use hmac::{Hmac, KeyInit, Mac};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::Sha256;

use super::{
    ways::mcp,
    world::{World, admin},
};

/// What stands among the methods for an event that was taken.
pub const INBOUND: &str = "POST /webhooks/{provider}/{endpoint}";

/// One request to one of them, by an actor or by somebody without credentials.
pub async fn visit(world: &mut World, who: usize) {
    let key = world.actors[who].key.clone();
    match world.dice.roll(10) {
        0 => {
            let path =
                *world.dice.pick(&["/", "/health", "/auth", "/limits", "/types.d.ts", "/openapi.json", "/nothing"]);
            let (who, key) = if world.dice.once_in(2) { (Some(who), Some(key.as_str())) } else { (None, None) };
            let request = world.request(key, Method::GET, path);
            world.send(who, request, path).await;
        }
        1 => executions(world, who, &key).await,
        2 | 3 => secrets(world, who, &key).await,
        4 => session(world, who, &key).await,
        5 | 6 => inbound(world, who).await,
        7 => {
            let messages = [
                json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }),
                json!({ "jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": { "uri": "doer://types.d.ts" } }),
                json!({ "jsonrpc": "2.0", "id": 1, "method": "resources/list" }),
                json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1 } }),
                json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "execute",
                        "arguments": { "code": "return (await env.db.list('common')).data", "cacheKey": "same" } } }),
            ];
            let message = world.dice.pick(&messages).clone();
            let (who, key) = if world.dice.once_in(3) { (None, None) } else { (Some(who), Some(key.as_str())) };
            mcp(world, who, key, &message).await;
        }
        8 => kept(world, who, &key).await,
        _ => anonymous(world).await,
    }
}

async fn executions(world: &mut World, who: usize, key: &str) {
    let id = format!("same-{}", world.dice.roll(1000));
    let method = if world.dice.once_in(2) { Method::GET } else { Method::DELETE };
    let path = format!("/executions/{id}");
    let request = world.request(Some(key), method, &path);
    world.send(Some(who), request, &path).await;
}

/// A result that is kept, with the same question for everyone; and as a stream of events.
async fn kept(world: &mut World, who: usize, key: &str) {
    let code = "console.log(ctx.user); const made = (await env.db.list('made')).data;
                return [ctx.namespace, made, await env.db.query('SELECT * FROM things')]";
    let body = json!({ "code": code, "cacheKey": "same", "input": "same" });
    let mut request = world.request(Some(key), Method::POST, "/execute").json(&body);
    if world.dice.once_in(3) {
        request = request.header("accept", "text/event-stream");
    }
    world.send(Some(who), request, &body.to_string()).await;
}

async fn secrets(world: &mut World, who: usize, key: &str) {
    let mark = world.actors[who].mark.clone();
    let name = if world.dice.once_in(2) { format!("s_{mark}") } else { "SAME".to_owned() };
    let path = format!("/secrets/{name}");
    let (method, path, body) = match world.dice.roll(4) {
        0 => (Method::GET, "/secrets".to_owned(), Value::Null),
        1 => (Method::DELETE, path, Value::Null),
        _ => (Method::PUT, path, json!({ "value": world.actors[who].hidden })),
    };
    let request = world.request(Some(key), method, &path).json(&body);
    world.send(Some(who), request, &path).await;
}

/// A session for the key, and what its cookie shows.
async fn session(world: &mut World, who: usize, key: &str) {
    let request = world.request(Some(key), Method::POST, "/session").json(&json!({}));
    let answer = world.send(Some(who), request, "/session").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    world.learn(who, &answer.json["session"]);
    let cookies = answer.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap());
    let cookie = cookies.filter_map(|line| line.split(';').next()).find(|pair| pair.starts_with("session=")).unwrap();
    let origin = format!("http://127.0.0.1:{}", world.server.port);
    for (method, path) in [(Method::GET, "/auth"), (Method::POST, "/rpc/db/list"), (Method::DELETE, "/session")] {
        let request = world.request(None, method, path).header("cookie", cookie).header("origin", &origin);
        let request = request.json(&json!({ "params": ["common"] }));
        let answer = world.send(Some(who), request, path).await;
        assert!(answer.status.is_success(), "{path}: {}", answer.text);
    }
}

/// An event of a provider: for a source of one's own, rightly signed; for another's, with what one has.
async fn inbound(world: &mut World, who: usize) {
    let whose = if world.dice.once_in(2) { who } else { world.dice.roll(world.actors.len()) };
    let Some((path, secret)) = world.actors[whose].sources.last().cloned() else { return };
    let own = world.actors[who].sources.last().map(|(_, secret)| secret.clone());
    let secret = if whose == who { secret } else { own.unwrap_or_else(|| "none".to_owned()) };
    let body = json!({ "text": world.text(who) }).to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
    let request = world.request(None, Method::POST, &path).header("x-hub-signature-256", signature);
    let request = request.header("x-github-delivery", world.dice.number().to_string()).body(body.clone());
    let answer = world.send(Some(who), request, &format!("{path} {body}")).await;
    if whose != who || answer.status != 200 {
        // One's own may have been deleted.
        return answer.assert_refused(401, "unauthenticated");
    }
    world.learn(who, &answer.json);
    world.done.insert(INBOUND.to_owned());
}

/// Whoever brings no credentials has nothing, and sees nothing.
async fn anonymous(world: &mut World) {
    let code = "return [ctx, await env.db.query('SELECT * FROM things'), (await env.db.list('common')).data]";
    let calls = [
        ("/execute", json!({ "code": code, "cacheKey": "same", "input": "same" })),
        ("/rpc/db/list", json!({ "params": ["common"] })),
        ("/rpc/queue/receive", json!({ "params": ["common"] })),
        ("/rpc/email/listEmails", json!({})),
        ("/rpc", json!([{ "service": "db", "method": "list", "params": { "ns": "common", "namespace": "*" } }])),
    ];
    let (path, body) = world.dice.pick(&calls).clone();
    let request = world.request(None, Method::POST, path).json(&body);
    world.send(None, request, &format!("{path} {body}")).await;
}

/// Somebody with all rights makes a source in an actor's namespace whose events can be signed here.
pub async fn source(world: &mut World, who: usize) {
    let secret = world.actors[who].hidden.clone();
    let namespace = world.actors[who].namespace.clone();
    let target = json!({ "queue": { "queue": "events" } });
    let source = json!({ "provider": "github", "secret": secret, "target": target });
    let body = json!({ "params": { "source": source, "namespace": namespace } });
    let request = world.request(Some(admin()), Method::POST, "/rpc/webhooks/createSource").json(&body);
    let answer = world.send(Some(who), request, "createSource").await;
    let path = answer.at("/result/path").as_str().unwrap().to_owned();
    world.learn(who, &answer.json);
    world.actors[who].sources.push((path, secret));
}
