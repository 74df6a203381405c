//! Walls between tenants. Three tenants and a public user call whatever there is, in random order, with ids of their own
//! and of each other, through every way in. Whatever one of them writes carries its mark, which nobody can guess and no
//! other ever sends; so no answer to anybody else, result, header, log or error, may show it. What they give away to be
//! kept secret no answer shows at all. The ids that the server gives one of them it shows to nobody else who has not
//! brought them.
//!
//! Each round is decided by the seed, which is printed: the same seed asks the same things again.

mod calls;
mod dice;
mod routes;
mod vault;
mod ways;
mod workers;
mod world;

use doer_core::service::{Method, Service};
use serde_json::{Map, Value, json};

use self::{
    dice::Dice,
    vault::Vault,
    workers::Kept,
    world::{Actor, World, admin},
};
use crate::{
    services::fixtures::{github::GitHub, mcp, receiver::Receiver, serve::serve, upstream},
    support::{Server, Setup, free_port, token},
};

const ROUNDS: usize = 3_000;
/// More of them, where chance has left a method out.
const MORE_ROUNDS: usize = 2_000;

/// Another seed than the process's own: `DOER_WALLS_SEED=1 cargo test walls`.
const SEED: &str = "DOER_WALLS_SEED";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_crosses_from_one_namespace_to_another() {
    let given = std::env::var_os(SEED).and_then(|text| text.to_str()?.parse().ok());
    let seed = given.unwrap_or_else(|| u64::from(std::process::id()) ^ 0xD0E5);
    println!("{SEED}={seed}");
    let mut world = world(seed).await;
    let methods: Vec<&'static Method> = Service::ALL.into_iter().flat_map(Service::methods).collect();
    let mut vaults = Vec::new();
    for who in 0..world.actors.len() {
        vaults.push((Vault::fill(&mut world, who).await, Kept::register(&mut world, who).await));
        routes::source(&mut world, who).await;
    }
    world.templates = templates(&mut world).await;

    for round in 0..ROUNDS {
        // Each in its turn, so that none is left out.
        turn(&mut world, methods[round % methods.len()]).await;
    }
    for round in 0..MORE_ROUNDS {
        let left = never(&world, &methods);
        if left.is_empty() {
            break;
        }
        turn(&mut world, left[round % left.len()]).await;
    }

    for (who, (vault, worker)) in vaults.into_iter().enumerate() {
        vault.check(&mut world, who).await;
        worker.check(&mut world, who).await;
    }
    // Nobody learnt anything of others; that is worth something only where all learnt much of themselves.
    for actor in &world.actors {
        assert!(actor.seen > 100, "seed {seed}: {} saw itself {} times", actor.namespace, actor.seen);
    }
    println!("answers by status: {:?}", world.statuses);
    let never: Vec<String> = never(&world, &methods).into_iter().map(Method::path).collect();
    assert!(never.is_empty(), "seed {seed}: {never:?}, {:?}", world.statuses);
    for what in workers::DONE.into_iter().chain([routes::INBOUND]) {
        assert!(world.done.contains(what), "seed {seed}: {what}: {:?}", world.statuses);
    }
}

/// Methods that nobody has called with success.
fn never(world: &World, methods: &[&'static Method]) -> Vec<&'static Method> {
    methods.iter().copied().filter(|method| !world.done.contains(&method.path())).collect()
}

/// Somebody does something.
async fn turn(world: &mut World, method: &'static Method) {
    let who = world.dice.roll(world.actors.len());
    if world.dice.once_in(6) {
        return routes::visit(world, who).await;
    }
    if world.dice.once_in(5) {
        return workers::visit(world, who).await;
    }
    let params = calls::parameters(world, who, method);
    if world.dice.once_in(8) {
        return ways::elsewhere(world, who, method, params).await;
    }
    if let Some(result) = ways::call(world, who, method, params.clone()).await {
        world.done.insert(method.path());
        note(world, who, method, &params, &result);
    }
}

/// What an actor was given beside ids.
fn note(world: &mut World, who: usize, method: &Method, params: &Map<String, Value>, result: &Value) {
    if method.service != Service::Db {
        world.learn(who, result);
    }
    if let (Some(access), Some(refresh)) = (result["token"].as_str(), result["refreshToken"].as_str()) {
        world.actors[who].tokens.push((access.to_owned(), refresh.to_owned()));
    }
    let source = &params.get("source").unwrap_or(&Value::Null);
    if let ("createSource", Some(path), "github") =
        (method.name, result["path"].as_str(), source["provider"].as_str().unwrap_or_default())
    {
        let secret = source["secret"].as_str().unwrap().to_owned();
        world.actors[who].sources.push((path.to_owned(), secret));
    }
}

async fn world(seed: u64) -> World {
    let mut dice = Dice(seed);
    let receiver = serve(Receiver::default().router()).await;
    let port = receiver.rsplit(':').next().unwrap().to_owned();
    let upstream = serve(upstream::router(Default::default())).await;
    let servers = serve(mcp::router(Default::default())).await;
    let github = serve(GitHub::new("ghp_walls").router()).await;
    let setup = Setup::production();

    let mut actors = Vec::new();
    for (name, tenant, services) in [
        ("alpha", Some("test-tenant"), &[Service::Db, Service::Email, Service::Queue][..]),
        ("bravo", Some("other-tenant"), &[Service::Db, Service::Email, Service::Queue]),
        ("charlie", Some("third"), &[Service::Db, Service::Email, Service::Queue]),
        ("delta", None, &[Service::Db]),
    ] {
        let user = format!("usr-{name}-of-the-walls");
        let mut arguments = vec!["--user", &user, "--role", if tenant.is_some() { "tenant" } else { "user" }];
        arguments.extend(tenant.iter().flat_map(|tenant| ["--tenant", tenant]));
        let held = ["execute", "rpc:*", "secrets:*", "workers:read", "workers:write", "workers:invoke"];
        arguments.extend(held.iter().flat_map(|held| ["--permission", held]));
        let mark = format!("{name}{:016x}", dice.number());
        actors.push(Actor {
            user: user.clone(),
            namespace: tenant.map_or_else(|| format!("user:{user}"), |tenant| format!("tenant:{tenant}")),
            key: token(setup.data.path(), &arguments),
            services: services.to_vec(),
            hidden: format!("hidden{:016x}", dice.number()),
            mark,
            ids: Vec::new(),
            tokens: Vec::new(),
            sources: Vec::new(),
            seen: 0,
        });
    }
    let own: String = actors.iter().map(|actor| own_route(actor, &upstream)).collect();
    let ingress = free_port();
    let hosts: String = actors.iter().map(own_host).collect();
    let rates = "executions_per_minute = 0\ncalls_per_minute = 0\n";
    let config = format!(
        "[auth]\nanonymous_execution = true\ninsecure_cookies = true\n\
         [limits.tenant]\n{rates}[limits.public]\n{rates}workers = 100\nworker_mib = 16\n\
         [ingress]\nlisten = '127.0.0.1:{ingress}'\n{hosts}\
         [[services.gateway.routes]]\nprefix = '/echo'\nupstream = '{upstream}/echo'\n{own}\
         [[services.mcp.servers]]\nname = 'test'\nurl = '{servers}/mcp'\n\
         [services.webhooks]\nhttp_hosts = ['127.0.0.1']\n\
         [services.webhooks.github]\nbase_url = '{github}'\ntoken = 'ghp_walls'\n\
         [[services.webhooks.github.repositories]]\nrepository = 'acme/*'\nnamespaces = ['tenant:*', 'user:*']\n\
         [egress.internal]\nallow = [{{ host = '*', schemes = ['https', 'http'], ports = [{port}] }}]\n\
         allow_private = [{{ net = '127.0.0.1/32', ports = [{port}] }}]"
    );
    let server = Server::start(setup.config(&config)).await;
    World::new(server, seed, dice, actors, receiver, ingress)
}

/// A host whose worker is an actor's own.
fn own_host(actor: &Actor) -> String {
    let (host, namespace) = (workers::host(&actor.mark), &actor.namespace);
    format!("[[ingress.routes]]\nhost = '{host}'\nnamespace = '{namespace}'\nworker = '{}'\n", workers::SAME)
}

/// A route for one namespace, which tells the upstream whose it is.
fn own_route(actor: &Actor, upstream: &str) -> String {
    let Actor { namespace, mark, .. } = actor;
    format!(
        "[[services.gateway.routes]]\nprefix = '/own/{mark}'\nupstream = '{upstream}/echo'\n\
         namespaces = ['{namespace}']\nheaders = {{ x-mark = '{mark}' }}\n"
    )
}

/// The templates there are, with all their fields.
async fn templates(world: &mut World) -> Vec<(String, Vec<String>)> {
    let request = world.request(Some(admin()), reqwest::Method::POST, "/rpc/email/getTemplates").json(&json!({}));
    let answer = world.send(None, request, "getTemplates").await;
    let names = |list: &Value| list.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect();
    let template = |template: &Value| {
        let mut fields: Vec<String> = names(&template["required"]);
        let optional: Vec<String> = names(&template["optional"]);
        fields.extend(optional);
        (template["name"].as_str().unwrap().to_owned(), fields)
    };
    answer.at("/result").as_array().unwrap().iter().map(template).collect()
}
