//! Conformance of the embedded `webhooks`.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    routing::post,
};
use doer_core::{
    quota::Quota,
    service::{Service, webhooks::Webhooks},
    tier::Tier,
    time::SystemClock,
};
use doer_services::{
    Sealer,
    tasks::Tasks,
    tls,
    webhooks::{Dependencies, EmbeddedWebhooks, GitHubSettings, Settings},
};

use crate::candidate::Candidate;

#[path = "../fixtures/github.rs"]
mod github;
#[path = "../fixtures/receiver.rs"]
mod receiver;
#[path = "../webhooks/world.rs"]
mod world;

const TOKEN: &str = "ghp_conformance";

/// With what comes in, what goes out, and GitHub.
pub async fn embedded() -> Candidate {
    let dir = tempfile::tempdir().unwrap();
    let client = tls::http_client().unwrap().build().unwrap();
    let egress = Arc::new(world::Outside(client.clone()));
    let dependencies = Dependencies {
        clock: Arc::new(SystemClock),
        quotas: Arc::new(world::Fixed(Quota { endpoints: 4, sources: 3, deliveries: 3, ..Quota::of(Tier::Internal) })),
        sealer: Sealer::new(b"installation"),
        standing: Arc::new(world::Steady::default()),
        egress: egress.clone(),
        dispatch: Arc::new(world::Targets::new(egress)),
        client,
    };
    let settings = Settings {
        http_hosts: vec!["127.0.0.1".to_owned()],
        github: GitHubSettings {
            base_url: world::serve(github::GitHub::new(TOKEN).router()).await,
            token: Some(TOKEN.to_owned()),
            timeout: Duration::from_millis(500),
            repositories: [("acme/*".to_owned(), vec!["tenant:*".to_owned()])].into(),
        },
        ..Settings::default()
    };
    let webhooks = EmbeddedWebhooks::open(dir.path(), dependencies, settings).unwrap();
    let tasks = Tasks::default();
    webhooks.start(&tasks);

    let inbound = Router::new().route("/webhooks/{provider}/{endpoint}", post(receive)).with_state(webhooks.clone());
    let fixtures = BTreeMap::from([
        ("inbound".to_owned(), world::serve(inbound).await),
        ("receiver".to_owned(), world::serve(receiver::Receiver::default().router()).await),
    ]);
    let backend: Arc<dyn Webhooks> = Arc::new(webhooks);
    Candidate { fixtures, tasks, around: vec![Box::new(dir)], ..Candidate::new(Service::Webhooks, backend) }
}

/// What the server does at `POST /webhooks/{provider}/{endpoint}`.
async fn receive(
    State(webhooks): State<EmbeddedWebhooks>,
    Path((provider, endpoint)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    match webhooks.receive(&provider, &endpoint, &headers, body, None).await {
        Ok(_) => StatusCode::OK,
        Err(refused) => StatusCode::from_u16(refused.status()).unwrap(),
    }
}
