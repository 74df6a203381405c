//! Egress: policies, redirects, and what travels.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use doer_core::{
    outbound::{Egress, HttpRequest, Redirect},
    scope::Scope,
    service::Code,
};
use doer_services::egress::{HttpEgress, Policy, Settings};
use serde_json::Value;

use crate::{
    names::Names,
    scopes::{admin, admin_in, scope},
    serve::serve,
    upstream::{self, Hits},
    way_out::{World, failed, refused},
};

#[tokio::test]
async fn a_request_goes_where_its_name_leads() {
    let world = World::new(&[("a.example", &["127.0.0.1"])]).await;
    let response = world.get("http://a.example:PORT/text").await.unwrap();
    assert_eq!((response.status, response.body.as_ref()), (200, b"text".as_slice()));
    assert_eq!(response.url, format!("http://a.example:{}/text", world.port));
    assert!(!response.redirected);
}

#[tokio::test]
async fn by_default_the_internal_tier_reaches_public_hosts_and_nobody_else_any() {
    let names = Names::new(&[("in.example", &["10.0.0.1"])]);
    let egress = HttpEgress::new(Settings::default(), Arc::new(names)).unwrap();
    let get = |scope: Scope, url: &str| {
        let request = HttpRequest {
            method: "GET".to_owned(),
            url: url.to_owned(),
            headers: Vec::new(),
            body: None,
            redirect: Redirect::Follow,
        };
        let egress = &egress;
        async move { egress.send(&scope, request, 1).await }
    };
    let not_public = "fetch is not permitted: in.example leads to an address that is not public, which the egress \
                      policy `internal` does not open";
    assert_eq!(refused(get(admin(), "https://in.example/").await), not_public);
    for role in ["tenant", "user"] {
        let tier = if role == "tenant" { "tenant" } else { "public" };
        assert_eq!(
            refused(get(scope(role, "acme"), "https://in.example/x?secret").await),
            format!("fetch is not permitted: the egress policy `{tier}` does not allow GET https://in.example/x"),
        );
    }
    assert!(failed(get(admin(), "https://nowhere.example/").await).contains("cannot resolve nowhere.example"));
}

#[tokio::test]
async fn connections_are_shared_by_those_whose_policies_open_the_same_and_by_nobody_else() {
    let name = "a.example";
    let world = World::with(&[(name, &["127.0.0.1"])], |settings| {
        let closed = Policy { allow_private: Vec::new(), ..settings.internal.clone() };
        let same = settings.internal.clone();
        let namespaces = [("tenant:closed".to_owned(), closed), ("tenant:same".to_owned(), same)].into();
        Settings { namespaces, ..settings }
    })
    .await;
    let url = "http://a.example:PORT/text";
    world.send_as(&admin(), url).await.unwrap();
    world.send_as(&scope("tenant", "same"), url).await.unwrap();
    assert_eq!(world.names.questions().len(), 1, "the second one went over the first one's connection");
    let message = refused(world.send_as(&scope("tenant", "closed"), url).await);
    assert!(message.contains("the egress policy `tenant:closed`"), "{message}");
    refused(world.send_as(&admin_in("tenant:closed"), url).await);
    assert_eq!(world.hits.count(), 2);
}

#[tokio::test]
async fn a_range_is_open_on_its_ports_only() {
    let other = serve(upstream::router(Hits::default())).await;
    let other_port: u16 = other.rsplit(':').next().unwrap().parse().unwrap();
    let world = World::with(&[("a.example", &["127.0.0.1"])], |mut settings| {
        settings.internal.allow[0].ports.push(other_port);
        settings
    })
    .await;
    refused(world.get(&format!("http://a.example:{other_port}/text")).await);
    refused(world.get(&format!("{other}/text")).await);
    assert_eq!(world.get("http://a.example:PORT/text").await.unwrap().status, 200);
    assert_eq!(world.get("http://127.0.0.1:PORT/text").await.unwrap().status, 200);
}

#[tokio::test]
async fn rules_hold_for_host_path_method_scheme_and_port() {
    let world = World::with(&[("a.example", &["127.0.0.1"]), ("b.example", &["127.0.0.1"])], |mut settings| {
        let rule = &mut settings.internal.allow[0];
        rule.host = "a.example".parse().unwrap();
        rule.path = Some("/echo".to_owned());
        rule.methods = vec!["GET".to_owned()];
        settings
    })
    .await;
    assert_eq!(world.get("http://a.example:PORT/echo/x").await.unwrap().status, 200);
    for url in [
        "http://b.example:PORT/echo",
        "http://a.example:PORT/text",
        "http://a.example/echo",
        "https://a.example:1/echo",
    ] {
        refused(world.get(url).await);
    }
    refused(world.send(world.request("POST", "http://a.example:PORT/echo")).await);
    assert_eq!(world.hits.count(), 1);
}

#[tokio::test]
async fn redirects_are_followed_given_back_or_refused_as_asked() {
    let world = World::new(&[("a.example", &["127.0.0.1"])]).await;
    let url = "http://a.example:PORT/redirect?to=/text";
    let manual = HttpRequest { redirect: Redirect::Manual, ..world.request("GET", url) };
    let response = world.send(manual).await.unwrap();
    assert_eq!((response.status, response.redirected), (302, false));
    assert!(response.headers.contains(&("location".to_owned(), "/text".to_owned())));
    let error = HttpRequest { redirect: Redirect::Error, ..world.request("GET", url) };
    assert!(failed(world.send(error).await).contains("redirect"));
}

#[tokio::test]
async fn twenty_redirects_are_followed_and_no_more() {
    let world = World::new(&[("a.example", &["127.0.0.1"])]).await;
    // Leads to itself.
    let message = failed(world.get("http://a.example:PORT/redirect?to=").await);
    assert!(message.contains("more than 20 redirects"), "{message}");
    assert_eq!(world.hits.count(), 21);
}

#[tokio::test]
async fn methods_bodies_and_credentials_follow_redirects_as_they_should() {
    let world = World::new(&[("a.example", &["127.0.0.1"]), ("b.example", &["127.0.0.1"])]).await;
    let post = |url: &str| HttpRequest {
        headers: [("authorization", "secret"), ("cookie", "secret"), ("content-type", "a/b"), ("x-a", "b")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
        body: Some(Bytes::from_static(b"body")),
        ..world.request("POST", url)
    };
    let same = world.echo(post("http://a.example:PORT/redirect?status=307&to=/echo")).await;
    assert_eq!((&same["method"], &same["body"]), (&"POST".into(), &"body".into()));
    assert_eq!(same["headers"]["authorization"], "secret");

    let other = post(&format!("http://a.example:PORT/redirect?status=302&to=http://b.example:{}/echo", world.port));
    let other = world.echo(other).await;
    assert_eq!((&other["method"], &other["body"]), (&"GET".into(), &"".into()));
    for gone in ["authorization", "cookie", "content-type", "referer"] {
        assert_eq!(other["headers"][gone], Value::Null, "{gone}");
    }
    assert_eq!(other["headers"]["x-a"], "b");
}

#[tokio::test]
async fn headers_of_the_connection_are_ours() {
    let world = World::new(&[("a.example", &["127.0.0.1"])]).await;
    let headers = [
        ("host", "evil.example"),
        ("x-forwarded-for", "1.2.3.4"),
        ("proxy-authorization", "x"),
        ("transfer-encoding", "chunked"),
        ("content-length", "99"),
        ("x-latin", "gr\u{fc}n"),
    ];
    let request = HttpRequest {
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        ..world.request("GET", "http://a.example:PORT/echo")
    };
    let echo = world.echo(request).await;
    assert_eq!(echo["headers"]["host"], format!("a.example:{}", world.port));
    for gone in ["x-forwarded-for", "proxy-authorization", "transfer-encoding", "content-length", "referer"] {
        assert_eq!(echo["headers"][gone], Value::Null, "{gone}");
    }
    assert_eq!(echo["headers"]["x-latin"], "gr\u{fc}n");
}

#[tokio::test]
async fn bodies_end_at_their_limit_compressed_or_not() {
    let world = World::new(&[("a.example", &["127.0.0.1"])]).await;
    let get = |url: &str, most: u64| {
        let (request, egress) = (world.request("GET", url), &world.egress);
        async move { egress.send(&admin(), request, most).await }
    };
    assert_eq!(get("http://a.example:PORT/large?bytes=1000", 1000).await.unwrap().body.len(), 1000);
    assert!(failed(get("http://a.example:PORT/large?bytes=1001", 1000).await).contains("larger than 1000 bytes"));
    assert_eq!(get("http://a.example:PORT/gzip", 5).await.unwrap().body, "hello");
    assert!(failed(get("http://a.example:PORT/gzip", 4).await).contains("larger than 4 bytes"));
    assert!(failed(get("http://a.example:PORT/gzip-bomb", 8 << 20).await).contains("larger than 8388608 bytes"));
    assert_eq!(get("http://a.example:PORT/empty", 0).await.unwrap().body.len(), 0);
    assert!(failed(get("http://a.example:PORT/headers?bytes=70000", 9).await).contains("headers are larger"));
}

#[tokio::test]
async fn what_is_asked_without_a_body_has_none() {
    let world = World::new(&[("a.example", &["127.0.0.1"])]).await;
    let response = world.send(world.request("HEAD", "http://a.example:PORT/gzip")).await.unwrap();
    assert_eq!((response.status, response.body.len()), (200, 0));
}

#[tokio::test]
async fn requests_have_a_time_limit_and_a_largest_body() {
    let world = World::with(&[("a.example", &["127.0.0.1"])], |settings| Settings {
        timeout: Duration::from_millis(200),
        max_request_bytes: 3,
        ..settings
    })
    .await;
    let error = world.get("http://a.example:PORT/slow").await.unwrap_err();
    assert_eq!((error.code, error.message.as_ref()), (Code::Timeout, "no answer within 200 ms"));
    let put = |body: &'static [u8]| HttpRequest {
        body: Some(Bytes::from_static(body)),
        ..world.request("PUT", "http://a.example:PORT/echo")
    };
    assert!(world.send(put(b"abc")).await.is_ok());
    assert_eq!(world.send(put(b"abcd")).await.unwrap_err().code, Code::InvalidRequest);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_the_upstreams_failure() {
    let world = World::with(&[("a.example", &["127.0.0.1"])], |mut settings| {
        settings.internal.allow[0].ports.push(1);
        settings.internal.allow_private[0].ports.push(1);
        settings
    })
    .await;
    assert_eq!(failed(world.get("http://a.example:1/").await), "cannot connect to a.example");
}
