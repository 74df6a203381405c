//! Conformance of the embedded `gateway`.

use std::{collections::BTreeMap, sync::Arc};

use doer_core::{
    service::{Service, gateway::Gateway},
    time::SystemClock,
};
use doer_services::gateway::{HttpGateway, RouteSettings, Settings};

use crate::candidate::Candidate;

#[path = "../fixtures/serve.rs"]
pub mod serve;
#[path = "../fixtures/upstream.rs"]
pub mod upstream;

/// Nothing listens there.
const NOWHERE: &str = "http://127.0.0.1:1";

/// The routes that the scenarios know.
pub fn routes(upstream: &str) -> Vec<RouteSettings> {
    let route = |prefix: &str, to: &str| RouteSettings::new(prefix, format!("{upstream}{to}").parse().unwrap());
    let secret = BTreeMap::from([("authorization".to_owned(), "Bearer hidden".to_owned())]);
    vec![
        route("/up", ""),
        RouteSettings { methods: vec!["GET".to_owned()], ..route("/up/echo/read", "/echo") },
        RouteSettings { headers: secret, ..route("/secret", "/echo") },
        RouteSettings { rate_per_minute: Some(2), ..route("/limited", "/text") },
        RouteSettings { namespaces: vec!["tenant:somebody-else".to_owned()], ..route("/others", "/echo") },
        RouteSettings::new("/down", NOWHERE.parse().unwrap()),
    ]
}

/// With those routes to the fixture.
pub async fn embedded() -> Candidate {
    let upstream = serve::serve(upstream::router(Default::default())).await;
    let settings = Settings { routes: routes(&upstream), ..Settings::default() };
    let gateway: Arc<dyn Gateway> = Arc::new(HttpGateway::new(settings, Arc::new(SystemClock)).unwrap());
    Candidate::new(Service::Gateway, gateway)
}
