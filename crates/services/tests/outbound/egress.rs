//! Egress, with a resolver that says whatever a test wants.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    net::IpAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use doer_core::{
    outbound::{Egress, HttpRequest, HttpResponse, Redirect},
    scope::Scope,
    service::{Code, ServiceError},
};
use doer_services::egress::{HttpEgress, Policy, PrivateRange, Resolve, Rule, Scheme, Settings};
use serde_json::Value;

use crate::{
    scopes::{admin, admin_in, scope},
    serve::serve,
    upstream::{self, Hits},
};

/// Answers from a list, the last one for ever; counts the questions.
#[derive(Default)]
struct Names {
    answers: Mutex<BTreeMap<String, VecDeque<Vec<IpAddr>>>>,
    questions: Mutex<Vec<String>>,
}

impl Names {
    fn questions(&self) -> Vec<String> {
        self.questions.lock().unwrap().clone()
    }
}

#[async_trait]
impl Resolve for Names {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        self.questions.lock().unwrap().push(host.to_owned());
        let mut answers = self.answers.lock().unwrap();
        let answers = answers.get_mut(host).ok_or_else(|| io::Error::other("no such name"))?;
        match answers.len() {
            1 => Ok(answers[0].clone()),
            _ => Ok(answers.pop_front().unwrap()),
        }
    }
}

/// An upstream on loopback, egress to it, and what happened on the way.
struct World {
    egress: HttpEgress,
    names: Arc<Names>,
    hits: Hits,
    port: u16,
}

impl World {
    /// Loopback is open at the upstream's port, and the names lead where they are told to.
    async fn new(names: &[(&str, &[&str])]) -> Self {
        Self::with(names, |settings| settings).await
    }

    async fn with(names: &[(&str, &[&str])], change: impl FnOnce(Settings) -> Settings) -> Self {
        let hits = Hits::default();
        let address = serve(upstream::router(hits.clone())).await;
        let port = address.rsplit(':').next().unwrap().parse().unwrap();
        let resolver = Arc::new(Names::default());
        for (name, answers) in names {
            let parsed = |answer: &&str| answer.split(' ').map(|address| address.parse().unwrap()).collect();
            resolver.answers.lock().unwrap().insert((*name).to_owned(), answers.iter().map(parsed).collect());
        }
        let settings = Settings { internal: open(port), ..Settings::default() };
        let egress = HttpEgress::new(change(settings), resolver.clone()).unwrap();
        Self { egress, names: resolver, hits, port }
    }

    /// `get` of a URL in which `PORT` is the upstream's.
    async fn get(&self, url: &str) -> Result<HttpResponse, ServiceError> {
        self.send(self.request("GET", url)).await
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, ServiceError> {
        self.egress.send(&admin(), request, 1 << 20).await
    }

    async fn send_as(&self, scope: &Scope, url: &str) -> Result<HttpResponse, ServiceError> {
        self.egress.send(scope, self.request("GET", url), 1 << 20).await
    }

    fn request(&self, method: &str, url: &str) -> HttpRequest {
        HttpRequest {
            method: method.to_owned(),
            url: url.replace("PORT", &self.port.to_string()),
            headers: Vec::new(),
            body: None,
            redirect: Redirect::Follow,
        }
    }

    /// What the upstream was asked.
    async fn echo(&self, request: HttpRequest) -> Value {
        serde_json::from_slice(&self.send(request).await.unwrap().body).unwrap()
    }
}

/// Everything, on a port too, and loopback at it.
fn open(port: u16) -> Policy {
    let loopback = PrivateRange { net: "127.0.0.1/32".parse().unwrap(), ports: vec![port] };
    Policy { allow: vec![everywhere(port)], allow_private: vec![loopback] }
}

fn everywhere(port: u16) -> Rule {
    Rule { schemes: vec![Scheme::Https, Scheme::Http], ports: vec![port], ..Rule::host("*".parse().unwrap()) }
}

fn refused(outcome: Result<HttpResponse, ServiceError>) -> String {
    let error = outcome.unwrap_err();
    assert_eq!(error.code, Code::Forbidden, "{error}");
    error.message.into_owned()
}

fn failed(outcome: Result<HttpResponse, ServiceError>) -> String {
    let error = outcome.unwrap_err();
    assert_eq!(error.code, Code::UpstreamError, "{error}");
    error.message.into_owned()
}

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
    let names = Names::default();
    names.answers.lock().unwrap().insert("in.example".to_owned(), [vec!["10.0.0.1".parse().unwrap()]].into());
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
async fn no_notation_of_a_private_address_gets_through() {
    let world = World::with(&[], |settings| Settings {
        internal: Policy { allow_private: Vec::new(), ..settings.internal },
        ..settings
    })
    .await;
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "017700000001",
        "0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[2002:7f00:1::]",
        "10.0.0.1",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "[fe80::1]",
        "metadata.google.internal",
        "metadata.google.internal.",
        "%31%32%37.0.0.1",
        "\u{ff11}27.0.0.1",
    ] {
        refused(world.get(&format!("http://{host}:PORT/text")).await);
    }
    assert_eq!(world.hits.count(), 0);
    assert_eq!(world.names.questions(), Vec::<String>::new(), "none of them was asked for");
}

#[tokio::test]
async fn names_that_lead_to_private_addresses_are_refused_and_never_connected_to() {
    let answers: [&[&str]; 8] = [
        &["127.0.0.1"],
        &["10.0.0.1"],
        &["::1"],
        &["::ffff:127.0.0.1"],
        &["169.254.169.254"],
        &["64:ff9b::7f00:1"],
        &["8.8.8.8 127.0.0.1"],
        &["127.0.0.1 2606:4700::1111"],
    ];
    for answer in answers {
        let closed = |settings: Settings| Settings {
            internal: Policy { allow_private: Vec::new(), ..settings.internal },
            ..settings
        };
        let world = World::with(&[("evil.example", answer)], closed).await;
        let message = refused(world.get("http://evil.example:PORT/text").await);
        assert!(message.contains("evil.example leads to an address that is not public"), "{message}");
        assert_eq!(world.hits.count(), 0, "{answer:?}");
    }
}

#[tokio::test]
async fn the_address_that_was_checked_is_the_one_connected_to() {
    // A name that answers differently the second time it is asked.
    let world = World::new(&[("rebind.example", &["127.0.0.1", "10.0.0.1"])]).await;
    assert_eq!(world.get("http://rebind.example:PORT/close").await.unwrap().status, 200);
    assert_eq!(world.names.questions(), ["rebind.example"], "one question for one connection");
    refused(world.get("http://rebind.example:PORT/text").await);
    assert_eq!(world.hits.count(), 1);
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
async fn every_hop_of_a_redirect_is_checked() {
    let world = World::new(&[("a.example", &["127.0.0.1"]), ("evil.example", &["10.0.0.1"])]).await;
    let response = world.get("http://a.example:PORT/redirect?to=/redirect?to=/text").await.unwrap();
    assert_eq!((response.status, response.redirected, response.body.as_ref()), (200, true, b"text".as_slice()));
    assert_eq!(response.url, format!("http://a.example:{}/text", world.port));
    for to in [
        "http://evil.example/",
        "//evil.example/",
        "http://127.0.0.1:1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::ffff:169.254.169.254]/",
        "http://0x7f.1/",
        "http://db/rpc/query",
    ] {
        let outcome = world.get(&format!("http://a.example:PORT/redirect?to={to}")).await;
        match to {
            // A service's name is a name like others here, and leads nowhere.
            "http://db/rpc/query" => assert!(failed(outcome).contains("cannot resolve db")),
            _ => drop(refused(outcome)),
        }
    }
    for to in ["file:///etc/passwd", "ftp://a.example/", "http://u:p@a.example/"] {
        failed(world.get(&format!("http://a.example:PORT/redirect?to={to}")).await);
    }
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
    assert_eq!((error.code, error.message.as_ref()), (Code::Timeout, "fetch failed: no answer within 200 ms"));
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
    assert_eq!(failed(world.get("http://a.example:1/").await), "fetch failed: cannot connect to a.example");
}
