//! The gateway, where the scenarios do not reach: who may use a route, attempts, limits of size.

use std::{sync::Arc, time::Duration};

use doer_core::{
    scope::Scope,
    service::{
        Code, ServiceError,
        gateway::{Gateway, ListRoutes, Route, RouteOptions, RouteResponse},
    },
    tier::Tier,
    time::ManualClock,
};
use doer_services::gateway::{HttpGateway, RouteSettings, Settings};
use serde_json::{Value, json};

use crate::{
    scopes::{admin, admin_in, scope},
    serve::serve,
    upstream::{self, Hits},
};

struct World {
    gateway: HttpGateway,
    clock: Arc<ManualClock>,
    hits: Hits,
}

async fn world(change: impl FnOnce(RouteSettings) -> RouteSettings) -> World {
    let hits = Hits::default();
    let upstream = serve(upstream::router(hits.clone())).await;
    let clock = Arc::new(ManualClock::at(Duration::from_secs(1000)));
    let route = change(RouteSettings::new("/up", upstream.parse().unwrap()));
    let settings = Settings { routes: vec![route], max_body_bytes: 1000 };
    World { gateway: HttpGateway::new(settings, clock.clone()).unwrap(), clock, hits }
}

impl World {
    async fn get(&self, path: &str) -> Result<RouteResponse, ServiceError> {
        self.send(&admin(), path, RouteOptions::default()).await
    }

    async fn send(&self, scope: &Scope, path: &str, options: RouteOptions) -> Result<RouteResponse, ServiceError> {
        self.gateway.route(scope, Route { path: path.to_owned(), options: Some(options) }).await
    }
}

#[tokio::test]
async fn a_route_that_is_not_for_the_caller_is_not_there() {
    let route = |route| RouteSettings { tiers: vec![Tier::Internal], namespaces: vec!["tenant:a".to_owned()], ..route };
    let world = world(route).await;
    for (scope, sees) in [(admin_in("tenant:a"), true), (admin_in("tenant:b"), false), (scope("tenant", "a"), false)] {
        let outcome = world.send(&scope, "/up/text", RouteOptions::default()).await;
        match sees {
            true => assert_eq!(outcome.unwrap().status, 200),
            false => assert_eq!(outcome.unwrap_err(), ServiceError::not_found("Not found")),
        }
        assert_eq!(world.gateway.list_routes(&scope, ListRoutes {}).await.unwrap().len(), usize::from(sees));
    }
    assert_eq!(world.hits.count(), 1);
}

#[tokio::test]
async fn what_may_be_repeated_is_until_the_upstream_is_ready() {
    let retried = |route| RouteSettings { retries: 2, ..route };
    let ready = world(retried).await;
    assert_eq!(ready.get("/up/unready/2").await.unwrap().status, 200);
    assert_eq!(ready.hits.count(), 3);

    let never = world(retried).await;
    let response = never.get("/up/unready/9").await.unwrap();
    assert_eq!((response.status, response.body), (503, json!("not ready")));
    assert_eq!(never.hits.count(), 3);

    let posted = world(retried).await;
    let post = RouteOptions { method: Some("POST".to_owned()), ..RouteOptions::default() };
    assert_eq!(posted.send(&admin(), "/up/unready/1", post).await.unwrap().status, 503);
    assert_eq!(posted.hits.count(), 1, "whether it was carried out, nobody knows");
}

#[tokio::test]
async fn bodies_have_a_limit_both_ways() {
    let world = world(|route| route).await;
    assert_eq!(world.get("/up/large?bytes=1000").await.unwrap().status, 200);
    let error = world.get("/up/large?bytes=1001").await.unwrap_err();
    let too_large = "Service error: the answer is larger than 1000 bytes";
    assert_eq!((error.code, error.message.as_ref()), (Code::UpstreamError, too_large));
    assert_eq!(world.get("/up/gzip-bomb").await.unwrap_err().message, too_large);

    let put =
        |body: Value| RouteOptions { method: Some("PUT".to_owned()), body: Some(body), ..RouteOptions::default() };
    assert!(world.send(&admin(), "/up/status/200", put("x".repeat(1000).into())).await.is_ok());
    let error = world.send(&admin(), "/up/status/200", put("x".repeat(1001).into())).await.unwrap_err();
    assert_eq!(error, ServiceError::invalid("options.body: must have at most 1000 bytes"));
}

#[tokio::test]
async fn bodies_get_what_the_route_has_and_they_lack() {
    let defaults = json!({ "model": "small", "n": 1 }).as_object().cloned().unwrap();
    let world = world(|route| RouteSettings { defaults, ..route }).await;
    for (body, arrives) in [
        (json!({ "n": null, "text": "a" }), json!({ "n": null, "text": "a", "model": "small" })),
        (json!([1]), json!([1])),
        (json!("{}"), json!({})),
        (json!({ "$base64": "e30=" }), json!({})),
    ] {
        let options = RouteOptions { method: Some("POST".to_owned()), body: Some(body), ..RouteOptions::default() };
        let answer = world.send(&admin(), "/up/echo", options).await.unwrap();
        let arrived: Value = serde_json::from_str(answer.body["body"].as_str().unwrap()).unwrap();
        assert_eq!(arrived, arrives);
    }
    let answer = world.get("/up/echo").await.unwrap();
    assert_eq!(answer.body["body"], "", "nothing has no members");
}

#[tokio::test]
async fn a_rate_says_when_to_come_back() {
    let world = world(|route| RouteSettings { rate_per_minute: Some(1), ..route }).await;
    assert!(world.get("/up/text").await.is_ok());
    let error = world.get("/up/text").await.unwrap_err();
    assert_eq!((error.code, error.retry_after), (Code::RateLimit, Some(Duration::from_secs(60))));
    world.clock.advance(Duration::from_secs(60));
    assert!(world.get("/up/text").await.is_ok());
    assert_eq!(world.hits.count(), 2);
}

#[tokio::test]
async fn a_caller_cannot_wait_for_longer_than_the_route() {
    let world = world(|route| RouteSettings { timeout: Duration::from_millis(100), ..route }).await;
    let options = RouteOptions { timeout: Some(60_000), ..RouteOptions::default() };
    let error = world.send(&admin(), "/up/slow", options).await.unwrap_err();
    let message = "The upstream did not answer within 100 ms";
    assert_eq!((error.code, error.message.as_ref()), (Code::Timeout, message));
}
