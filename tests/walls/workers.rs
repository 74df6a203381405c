//! Workers by id: registered, replaced, called, read, listed, listened to and removed, one's own and, by their ids, those of
//! others. Everybody has one called `same`. Each worker says its owner's mark, and tells what it reaches: its things, a secret,
//! another worker, whoever answers its requests.

use reqwest::Method;
use serde_json::{Value, json};

use super::world::World;
use crate::support::{Answer, Client, Event, Events};

/// What everybody's worker is called.
pub const SAME: &str = "same";

/// How ids of workers begin that one of them has thought of.
const PREFIX: &str = "wrk";

/// A secret whose value its worker tells; and one that it does not.
const TOLD: &str = "TOLD";
const KEPT: &str = "SAME";

/// What somebody must have done with success.
pub const DONE: [&str; 11] = [
    "PUT /workers/{id}",
    "GET /workers",
    "GET /workers/{id}",
    "GET /workers/{id}?code=true",
    "POST /workers/{id}/rollback",
    "DELETE /workers/{id}",
    "ANY /workers/{id}/fetch",
    "POST /workers/{id}/rpc/{method}",
    "GET /workers/{id}/tail",
    "a worker that calls another",
    "a worker behind the ingress",
];

/// A worker that was registered before anything happened, and must be found as it was.
pub struct Kept {
    id: String,
    told: Value,
}

impl Kept {
    /// Registers what an actor begins with.
    pub async fn register(world: &mut World, who: usize) -> Self {
        let told = world.text(who);
        let path = format!("/secrets/{TOLD}");
        let put = send(world, who, Method::PUT, &path, Some(json!({ "value": told }))).await;
        assert!(put.status.is_success(), "seed {}: {}", world.seed, put.text);
        let ids: Vec<String> = (0..2).map(|_| format!("{PREFIX}{:016x}", world.dice.number())).collect();
        for id in [SAME, &ids[0], &ids[1]] {
            let worker = code(&world.text(who), json!({ "DB": { "$service": "db" }, "TOLD": { "$secret": TOLD } }));
            let put = send(world, who, Method::PUT, &format!("/workers/{id}"), Some(worker)).await;
            assert_eq!(put.status, 201, "seed {}: {}", world.seed, put.text);
        }
        world.own(who, &ids[0]);
        world.lock_away(who, &ids[1]);
        let found = send(world, who, Method::GET, &format!("/workers/{}", ids[1]), None).await;
        Self { id: ids[1].clone(), told: found.json }
    }

    pub async fn check(self, world: &mut World, who: usize) {
        let found = send(world, who, Method::GET, &format!("/workers/{}", self.id), None).await;
        assert_eq!(found.json, self.told, "seed {}: {}", world.seed, world.actors[who].namespace);
        let answer = fetched(world, who, &self.id).await;
        assert_eq!(answer.status, 200, "seed {}: {}", world.seed, answer.text);
    }
}

/// One thing that is done with workers.
pub async fn visit(world: &mut World, who: usize) {
    let id = id(world, who);
    let path = format!("/workers/{id}");
    match world.dice.roll(14) {
        0..=2 => put(world, who, &path).await,
        3..=5 => drop(fetched(world, who, &id).await),
        6 => {
            let body =
                json!({ "entrypoint": "Side", "params": [world.text(who)], "props": { "text": world.text(who) } });
            let answer = send(world, who, Method::POST, &format!("{path}/rpc/tell"), Some(body)).await;
            if answer.json["success"] == true {
                its_own(world, who, &answer);
                done(world, "POST /workers/{id}/rpc/{method}");
            }
        }
        7 => {
            let path = format!("{path}?code=true");
            if send(world, who, Method::GET, &path, None).await.status == 200 {
                done(world, "GET /workers/{id}?code=true");
            }
        }
        8 => {
            if send(world, who, Method::GET, &path, None).await.status == 200 {
                done(world, "GET /workers/{id}");
            }
        }
        9 => {
            let listed = send(world, who, Method::GET, "/workers?limit=100", None).await;
            assert_eq!(listed.status, 200, "seed {}: {}", world.seed, listed.text);
            done(world, "GET /workers");
        }
        10 => {
            if send(world, who, Method::POST, &format!("{path}/rollback"), Some(json!({}))).await.status == 200 {
                done(world, "POST /workers/{id}/rollback");
            }
        }
        11 => match world.dice.once_in(2) {
            true => tail(world, who, &id).await,
            false => delete(world, who, &path).await,
        },
        12 => ingress(world, who).await,
        _ => execution(world, who).await,
    }
}

/// The common one, one of one's own, or somebody else's.
fn id(world: &mut World, who: usize) -> String {
    if world.dice.once_in(3) { SAME.to_owned() } else { world.id(who, PREFIX) }
}

async fn put(world: &mut World, who: usize, path: &str) {
    let mut env = json!({});
    if !world.dice.once_in(5) {
        env["DB"] = json!({ "$service": "db" });
    }
    for (name, secret) in [("TOLD", TOLD), ("KEPT", KEPT)] {
        if world.dice.once_in(3) {
            env[name] = json!({ "$secret": secret });
        }
    }
    if !world.dice.once_in(3) {
        env["NEXT"] = json!({ "$worker": id(world, who) });
        env["SIDE"] = json!({ "$worker": id(world, who), "entrypoint": "Side", "props": { "text": world.text(who) } });
    }
    let mut worker = code(&world.text(who), env);
    if world.dice.once_in(4) {
        worker["globalOutbound"] = json!({ "$worker": id(world, who) });
    }
    if world.dice.once_in(4) {
        worker["tails"] = json!([{ "$worker": id(world, who) }]);
    }
    let path = if world.dice.once_in(4) { path.to_owned() } else { format!("{path}?replace=true") };
    if send(world, who, Method::PUT, &path, Some(worker)).await.status.is_success() {
        done(world, "PUT /workers/{id}");
    }
}

/// Asks a worker for all that it reaches.
async fn fetched(world: &mut World, who: usize, id: &str) -> Answer {
    let text = world.text(who);
    let answer = send(world, who, Method::POST, &format!("/workers/{id}/fetch/deep?{text}"), Some(json!(text))).await;
    if answer.status == 200 {
        its_own(world, who, &answer);
        done(world, "ANY /workers/{id}/fetch");
        if answer.at("/next").as_str().is_some_and(|next| next.contains(&world.actors[who].mark)) {
            done(world, "a worker that calls another");
        }
    }
    world.own(who, answer.header("x-execution-id"));
    answer
}

/// Listens to a worker, while another actor calls the one that it has of that name, and then this one its own.
async fn tail(world: &mut World, who: usize, id: &str) {
    let path = format!("/workers/{id}/tail");
    let key = world.actors[who].key.clone();
    let response = world.request(Some(&key), Method::GET, &path).send().await.unwrap();
    if response.status() != 200 {
        let answer = Answer::read(response).await;
        return world.look(Some(who), &path, &answer.text);
    }
    let mut events = Events::of(response);
    let other = world.dice.roll(world.actors.len());
    if other != who {
        fetched(world, other, id).await;
    }
    let answer = fetched(world, who, id).await;
    let execution = answer.header("x-execution-id");
    assert_ne!(execution, "", "seed {}: {path}: {}", world.seed, answer.text);
    let mut heard = String::new();
    loop {
        let Event { name, data } = events.next().await.unwrap();
        heard.push_str(&format!("{name} {data}\n"));
        if name == "end" && data["executionId"] == execution {
            break;
        }
    }
    world.look(Some(who), &path, &heard);
    done(world, "GET /workers/{id}/tail");
}

async fn delete(world: &mut World, who: usize, path: &str) {
    if send(world, who, Method::DELETE, path, None).await.status == 204 {
        done(world, "DELETE /workers/{id}");
    }
}

/// The worker that the ingress has for an actor's own host.
async fn ingress(world: &mut World, who: usize) {
    let text = world.text(who);
    let client = Client::new(format!("http://127.0.0.1:{}", world.ingress));
    let request = client.request(crate::support::Caller::Anonymous, Method::POST, "/deep").json(&json!(text));
    let host = host(&world.actors[who].mark);
    let answer = world.send(Some(who), request.header("host", &host), &format!("{host} {text}")).await;
    if answer.status == 200 {
        its_own(world, who, &answer);
        done(world, "a worker behind the ingress");
    }
}

/// The host that is an actor's own.
pub fn host(mark: &str) -> String {
    format!("{mark}.walls.test")
}

/// A call that somebody has made: only who made it is told of it, or ends it.
async fn execution(world: &mut World, who: usize) {
    let id = world.id(who, "exec_");
    let method = if world.dice.once_in(2) { Method::GET } else { Method::DELETE };
    let answer = send(world, who, method, &format!("/executions/{id}"), None).await;
    if world.owner(&id).is_some_and(|owner| owner != who) {
        answer.assert_refused(404, "not_found");
    }
}

/// What a worker answers is of whoever called it, since nobody calls another's.
fn its_own(world: &World, who: usize, answer: &Answer) {
    let Some(mark) = answer.at("/mark").as_str().or_else(|| answer.at("/result/mark").as_str()) else {
        panic!("seed {}: a worker does not say whose it is: {}", world.seed, answer.text);
    };
    assert!(mark.starts_with(&world.actors[who].mark), "seed {}: {}", world.seed, answer.text);
}

fn done(world: &mut World, what: &str) {
    world.done.insert(what.to_owned());
}

async fn send(world: &mut World, who: usize, method: Method, path: &str, body: Option<Value>) -> Answer {
    let key = world.actors[who].key.clone();
    let mut sent = format!("{method} {path}");
    let mut request = world.request(Some(&key), method, path);
    if let Some(body) = body {
        sent.push_str(&format!(" {body}"));
        request = request.json(&body);
    }
    world.send(Some(who), request, &sent).await
}

/// A worker that says `text`, and tells what it reaches where it is asked for `/deep`.
fn code(text: &str, env: Value) -> Value {
    let main = SOURCE.replace("TEXT", text);
    json!({ "mainModule": "main.js", "modules": { "main.js": main }, "env": env, "limits": { "timeoutMs": 10_000 } })
}

const SOURCE: &str = "
import { WorkerEntrypoint } from 'cloudflare:workers';

const mark = 'TEXT';

async function reach(env, ctx) {
  const told = { user: ctx.user, namespace: ctx.namespace, props: ctx.props, secret: env.TOLD, kept: env.KEPT?.length };
  const reached = {
    things: async () => (await env.DB.list('common')).data,
    made: async () => {
      await env.DB.upsert('made', 'worker', { text: mark });
      return (await env.DB.list('made')).data;
    },
    next: async () => (await env.NEXT.fetch('http://next/flat', { method: 'POST', body: mark })).text(),
    side: async () => env.SIDE.tell(mark),
    itself: async () => ctx.exports.Side({ props: { text: mark } }).tell(mark),
    out: async () => (await fetch('http://out.test/flat')).text(),
  };
  for (const [name, get] of Object.entries(reached)) {
    try {
      told[name] = await get();
    } catch (error) {
      told[name] = String(error);
    }
  }
  return told;
}

export class Side extends WorkerEntrypoint {
  tell(...params) {
    console.log(mark, params);
    return { mark, params, props: this.ctx.props, namespace: this.ctx.namespace, user: this.ctx.user };
  }
}

export default {
  async fetch(request, env, ctx) {
    const body = await request.text();
    console.log(mark, request.url, body);
    const told = new URL(request.url).pathname === '/deep' ? await reach(env, ctx) : {};
    return Response.json({ mark, body, ...told }, { headers: { 'x-mark': mark } });
  },
  async tail(events, env) {
    await env.DB.upsert('made', 'heard', { mark, events });
  },
};
";
