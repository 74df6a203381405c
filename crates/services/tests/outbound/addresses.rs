//! Addresses that are not public: no way of writing one gets through, no name leads to one, and no redirect.

use doer_services::egress::{Policy, Settings};

use crate::{
    serve::serve,
    upstream::{self, Hits},
    way_out::{World, failed, refused},
};

/// Nothing is open that is not public.
fn closed(settings: Settings) -> Settings {
    Settings { internal: Policy { allow_private: Vec::new(), ..settings.internal }, ..settings }
}

#[tokio::test]
async fn no_notation_of_a_private_address_gets_through() {
    let world = World::with(&[], closed).await;
    for host in [
        "127.0.0.1",
        "127.0.0.1.",
        "127.1",
        "127.255.255.254",
        "2130706433",
        "2130706433.",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "017700000001",
        "0",
        "0.0.0.0",
        "0.255.255.255",
        "[::]",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[::ffff:0:127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[64:ff9b::a9fe:a9fe]",
        "[64:ff9b:1::7f00:1]",
        "[2002:7f00:1::]",
        "[2002:a00:1::1]",
        "[2001:0:7f00:1::]",
        "[2001:db8::1]",
        "10.0.0.1",
        "100.64.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "169.254.0.1",
        "169.254.169.254",
        "0xa9fea9fe",
        "[::ffff:169.254.169.254]",
        "100.100.100.200",
        "168.63.129.16",
        "[fd00:ec2::254]",
        "[fc00::1]",
        "[fd12:3456:789a::1]",
        "[fe80::1]",
        "[fec0::1]",
        "[ff02::1]",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "198.18.0.1",
        "metadata",
        "METADATA.google.internal",
        "metadata.google.internal",
        "metadata.google.internal.",
        "%31%32%37.0.0.1",
        "\u{ff11}27.0.0.1",
        "127\u{3002}0\u{3002}0\u{3002}1",
    ] {
        refused(world.get(&format!("http://{host}:PORT/text")).await);
    }
    assert_eq!(world.hits.count(), 0);
    assert_eq!(world.names.questions(), Vec::<String>::new(), "none of them was asked for");
}

#[tokio::test]
async fn names_that_lead_to_private_addresses_are_refused_and_never_connected_to() {
    let answers: [&[&str]; 20] = [
        &["127.0.0.1"],
        &["10.0.0.1"],
        &["0.0.0.0"],
        &["::"],
        &["::1"],
        &["::ffff:127.0.0.1"],
        &["::127.0.0.1"],
        &["169.254.169.254"],
        &["168.63.129.16"],
        &["fd00:ec2::254"],
        &["64:ff9b::7f00:1"],
        &["64:ff9b:1::7f00:1"],
        &["2002:7f00:1::1"],
        &["2001:0:7f00:1::1"],
        &["fd00::1"],
        &["fe80::1"],
        &["ff02::1"],
        &["224.0.0.1"],
        &["8.8.8.8 127.0.0.1"],
        &["127.0.0.1 2606:4700::1111"],
    ];
    for answer in answers {
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
async fn a_name_that_changes_its_mind_between_two_hops_is_refused_at_the_second() {
    // Another port is another connection, for which the name is asked for again.
    let hits = Hits::default();
    let inner = serve(upstream::router(hits.clone())).await;
    let inner: u16 = inner.rsplit(':').next().unwrap().parse().unwrap();
    for answer in ["10.0.0.1", "::ffff:10.0.0.1", "169.254.169.254", "127.0.0.1 10.0.0.1"] {
        let world = World::with(&[("rebind.example", &["127.0.0.1", answer])], |mut settings| {
            settings.internal.allow[0].ports.push(inner);
            settings.internal.allow_private[0].ports.push(inner);
            settings
        })
        .await;
        let url = format!("http://rebind.example:PORT/redirect?to=http://rebind.example:{inner}/text");
        let message = refused(world.get(&url).await);
        assert!(message.contains("rebind.example leads to an address that is not public"), "{message}");
        assert_eq!((world.hits.count(), world.names.questions().len()), (1, 2), "{answer}");
    }
    assert_eq!(hits.count(), 0);
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
