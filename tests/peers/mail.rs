//! `email` against a mail server that others have made, and their parser for what it takes.

use serde_json::{Value, json};

use crate::{
    https::{Authority, Certificate, Flaw},
    peer::Peer,
    rpc::{self, result},
    support::{Server, Setup},
};

const UNREACHABLE: &str = "the SMTP server could not be reached";

struct World {
    server: Server,
    peer: Peer,
}

/// How doer is told to protect the connection, and whom to trust.
struct Line<'a> {
    tls: &'a str,
    authority: Option<&'a Authority>,
    more: &'a str,
}

impl Line<'_> {
    const PLAIN: Self = Self { tls: "none", authority: None, more: "" };
}

impl World {
    async fn start(test: &str, settings: Value, line: Line<'_>) -> Option<Self> {
        let peer = Peer::start(test, "smtp.mjs", settings).await?;
        let trust = line.authority.map(|authority| format!("[tls]\nca_file = '{}'\n", authority.file().display()));
        let config = format!(
            "{}[[services.email.senders]]\nnamespace = '*'\naddresses = ['@acme.example']\n[services.email.smtp]\n\
             host = 'localhost'\nport = {}\ntls = '{}'\n{}",
            trust.unwrap_or_default(),
            peer.port,
            line.tls,
            line.more,
        );
        Some(Self { server: Server::start(Setup::production().config(&config)).await, peer })
    }

    async fn call(&self, method: &str, params: Value) -> Value {
        result(&rpc::call(&self.server, &format!("email/{method}"), params).await).clone()
    }

    /// Accepts a mail; gives it once it was tried.
    async fn send(&self, to: Value) -> Value {
        let accepted = self.call("send", json!({ "to": to, "subject": "Hello", "body": "Hi" })).await;
        self.tried(&accepted).await
    }

    async fn tried(&self, accepted: &Value) -> Value {
        let params = json!({ "id": accepted["id"] });
        rpc::until(&self.server, "email/getEmailStatus", params, |mail| mail["status"] != "queued").await
    }

    async fn mails(&self) -> Vec<Value> {
        self.peer.ask("mails", json!({})).await.as_array().unwrap().clone()
    }

    async fn seen(&self) -> Value {
        self.peer.ask("seen", json!({})).await
    }

    /// Nothing was said that a listener could make use of.
    async fn assert_nothing_was_told(&self, why: &str) {
        let mail = self.send(json!("ada@example.com")).await;
        assert_eq!((&mail["status"], &mail["lastError"]), (&json!("failed"), &json!(UNREACHABLE)), "{why}");
        assert_eq!(self.seen().await["signIns"], json!([]), "{why}");
        assert!(self.mails().await.is_empty(), "{why}");
    }
}

const SIGN_IN: &str = "username = 'doer'\npassword = 'pass:wörd'";

/// What the server is told when it shall ask for that.
fn asking(certificate: Option<&Certificate>, more: Value) -> Value {
    let mut settings = json!({ "user": "doer", "password": "pass:wörd" });
    if let Some(certificate) = certificate {
        let (cert, key) = certificate.pem();
        settings["cert"] = cert.into();
        settings["key"] = key.into();
    }
    for (name, value) in more.as_object().unwrap() {
        settings[name] = value.clone();
    }
    settings
}

#[tokio::test]
async fn every_field_of_a_mail_arrives_as_it_was_given() {
    let line = Line { more: SIGN_IN, ..Line::PLAIN };
    let Some(world) =
        World::start("every_field_of_a_mail_arrives_as_it_was_given", asking(None, json!({})), line).await
    else {
        return;
    };
    let subject = format!("Grüße, 你好 🌍: {}", "ein sehr langer Betreff ".repeat(8).trim_end());
    let text = "Erste Zeile: größer\n.\n..zwei Punkte\nFrom here on\n\nEnde";
    let html = "<p>Grüße &amp; <b>你好</b></p>";
    let long = "word ".repeat(190);
    let accepted = world
        .call(
            "send",
            json!({
                "to": ["Ada Lovelace <ada@example.com>", "\"Smith, John\" <john@example.com>"],
                "subject": subject,
                "body": "not this one",
                "options": {
                    "from": "Äcme News <news@acme.example>",
                    "cc": ["Zoë <zoe@example.com>"],
                    "bcc": ["eve@example.com"],
                    "replyTo": "Hilfe <help@acme.example>",
                    "text": text,
                    "html": html,
                    "attachments": [
                        { "filename": "Übersicht 2024.txt", "content": "R3LDvMOfZQ==", "contentType": "text/plain" },
                        { "filename": "bytes.bin", "content": "AAEC/w==" },
                    ],
                    "headers": { "X-Campaign": "frühling", "X-Long": long,
                        "List-Unsubscribe": "<https://acme.example/u>" },
                    "tags": ["secret-tag"],
                },
            }),
        )
        .await;
    let sent = world.tried(&accepted).await;
    assert_eq!((&sent["status"], &sent["lastError"]), (&json!("sent"), &Value::Null));

    let taken = world.mails().await.remove(0);
    assert_eq!(taken["from"], "news@acme.example");
    assert_eq!(taken["to"], json!(["ada@example.com", "john@example.com", "zoe@example.com", "eve@example.com"]));
    assert_eq!((&taken["user"], &taken["encrypted"]), (&json!("doer"), &json!(false)));
    let mail = &taken["mail"];
    assert_eq!(mail["from"], json!([["Äcme News", "news@acme.example"]]));
    assert_eq!(mail["to"], json!([["Ada Lovelace", "ada@example.com"], ["Smith, John", "john@example.com"]]));
    assert_eq!(mail["cc"], json!([["Zoë", "zoe@example.com"]]));
    assert_eq!((&mail["bcc"], mail.to_string().contains("eve@")), (&json!([]), false), "a blind copy stays blind");
    assert_eq!(mail["replyTo"], json!([["Hilfe", "help@acme.example"]]));
    assert_eq!(mail["subject"], subject);
    assert_eq!(mail["text"].as_str().unwrap().trim_end(), text);
    assert_eq!(mail["html"].as_str().unwrap().trim_end(), html);
    assert_eq!(
        mail["attachments"],
        json!([
            { "filename": "Übersicht 2024.txt", "contentType": "text/plain", "contentDisposition": "attachment",
              "content": "R3LDvMOfZQ==" },
            { "filename": "bytes.bin", "contentType": "application/octet-stream", "contentDisposition": "attachment",
              "content": "AAEC/w==" },
        ])
    );
    let headers = &mail["headers"];
    assert_eq!(headers["list-unsubscribe"], "<https://acme.example/u>");
    assert_eq!(headers["mime-version"], "1.0");
    // Of headers that it does not know the parser leaves words encoded as they are.
    assert_eq!((&mail["campaign"], &mail["long"]), (&json!("=?utf-8?b?ZnLDvGhsaW5n?="), &json!(long.trim_end())));
    let id = accepted["id"].as_str().unwrap();
    assert_eq!(mail["messageId"], format!("<{id}@acme.example>"));
    assert_eq!(mail["date"].as_u64().unwrap(), sent["createdAt"].as_u64().unwrap() / 1000 * 1000);
    assert!(!mail.to_string().contains("secret-tag"), "tags are the caller's own");
}

#[tokio::test]
async fn a_template_makes_a_mail_that_others_can_read() {
    let Some(world) = World::start("a_template_makes_a_mail_that_others_can_read", json!({}), Line::PLAIN).await else {
        return;
    };
    let data = json!({ "name": "<b>Zoë</b>", "product": "Bücher & Co", "url": "https://acme.example/in?a=1&b=2" });
    let params = json!({ "to": "zoe@example.com", "template": "welcome", "data": data });
    let accepted = world.call("sendTemplate", params).await;
    assert_eq!(world.tried(&accepted).await["status"], "sent");
    let mail = world.mails().await.remove(0)["mail"].clone();
    assert_eq!(mail["subject"], "Welcome to Bücher & Co");
    let text = mail["text"].as_str().unwrap();
    assert!(text.starts_with("Hello <b>Zoë</b>,\n\nwelcome to Bücher & Co."), "{text}");
    assert!(text.contains("https://acme.example/in?a=1&b=2"), "{text}");
    let html = mail["html"].as_str().unwrap();
    assert!(html.contains("Hello &lt;b&gt;Zoë&lt;"), "{html}");
    assert!(html.contains("welcome to Bücher &amp; Co"), "{html}");
}

#[tokio::test]
async fn mail_goes_out_encrypted_to_a_server_of_a_private_authority() {
    let authority = Authority::new("ours");
    for (tls, secure) in [("starttls", false), ("implicit", true)] {
        let settings = asking(Some(&authority.certificate(Flaw::Nothing)), json!({ "secure": secure }));
        let line = Line { tls, authority: Some(&authority), more: SIGN_IN };
        let test = "mail_goes_out_encrypted_to_a_server_of_a_private_authority";
        let Some(world) = World::start(test, settings, line).await else { return };
        let mail = world.send(json!("ada@example.com")).await;
        assert_eq!((&mail["status"], &mail["lastError"]), (&json!("sent"), &Value::Null), "{tls}");
        let taken = world.mails().await.remove(0);
        assert_eq!((&taken["encrypted"], &taken["user"]), (&json!(true), &json!("doer")), "{tls}");
        let sign_ins = world.seen().await["signIns"].clone();
        let right = json!([{ "method": "PLAIN", "username": "doer", "right": true, "encrypted": true }]);
        assert_eq!(sign_ins, right, "{tls}");
        // The connection is kept for the next one.
        assert_eq!(world.send(json!("john@example.com")).await["status"], "sent");
        assert_eq!((world.mails().await.len(), &world.seen().await["connections"]), (2, &json!(1)), "{tls}");
    }
}

#[tokio::test]
async fn a_server_that_cannot_prove_who_it_is_learns_nothing() {
    let test = "a_server_that_cannot_prove_who_it_is_learns_nothing";
    let (authority, other) = (Authority::new("ours"), Authority::new("ours"));
    let certificates = [
        ("expired", authority.certificate(Flaw::Expired), Some(&authority)),
        ("early", authority.certificate(Flaw::Early), Some(&authority)),
        ("misnamed", authority.certificate(Flaw::Misnamed), Some(&authority)),
        ("another authority's", other.certificate(Flaw::Nothing), Some(&authority)),
        ("not trusted", authority.certificate(Flaw::Nothing), None),
        ("signed by itself", Certificate::of_nobody(), Some(&authority)),
    ];
    for (flaw, certificate, trusted) in &certificates {
        for (tls, secure) in [("starttls", false), ("implicit", true)] {
            let settings = asking(Some(certificate), json!({ "secure": secure }));
            let line = Line { tls, authority: *trusted, more: SIGN_IN };
            let Some(world) = World::start(test, settings, line).await else { return };
            let mail = world.send(json!("ada@example.com")).await;
            assert_eq!((&mail["status"], &mail["lastError"]), (&json!("failed"), &json!(UNREACHABLE)), "{flaw} {tls}");
            assert_eq!(world.seen().await["signIns"], json!([]), "{flaw} {tls}");
            assert!(world.mails().await.is_empty(), "{flaw} {tls}");
        }
    }
}

#[tokio::test]
async fn nothing_is_said_in_the_open_where_encryption_is_asked_for() {
    let test = "nothing_is_said_in_the_open_where_encryption_is_asked_for";
    let authority = Authority::new("ours");
    // Whoever sits on the line has taken the offer of encryption out.
    let settings = asking(None, json!({ "hideSTARTTLS": true }));
    let line = Line { tls: "starttls", authority: Some(&authority), more: SIGN_IN };
    let Some(world) = World::start(test, settings, line).await else { return };
    world.assert_nothing_was_told("no offer").await;
    // A server that does not encrypt from the first byte.
    let line = Line { tls: "implicit", authority: Some(&authority), more: SIGN_IN };
    let world = World::start(test, asking(None, json!({})), line).await.unwrap();
    world.assert_nothing_was_told("no encryption").await;
}

#[tokio::test]
async fn a_wrong_password_holds_mail_back_and_loses_none() {
    let test = "a_wrong_password_holds_mail_back_and_loses_none";
    let line = Line { more: "username = 'doer'\npassword = 'wrong'", ..Line::PLAIN };
    let Some(world) = World::start(test, asking(None, json!({})), line).await else { return };
    let mail = world.send(json!("ada@example.com")).await;
    assert_eq!((&mail["status"], &mail["lastError"]), (&json!("failed"), &json!(UNREACHABLE)));
    assert!(mail["text"].is_string(), "it is kept");
    assert_eq!(world.seen().await["signIns"][0]["right"], false);
    assert!(world.mails().await.is_empty());
    assert!(!mail.to_string().contains("wrong") && !world.server.log().contains("'wrong'"));
    // Nobody signs in where somebody must.
    let world = World::start(test, asking(None, json!({})), Line::PLAIN).await.unwrap();
    let mail = world.send(json!("ada@example.com")).await;
    assert_eq!((&mail["status"], &mail["lastError"]), (&json!("failed"), &json!(UNREACHABLE)));
}

#[tokio::test]
async fn a_recipient_that_is_refused_for_good_ends_the_mail_for_all() {
    let test = "a_recipient_that_is_refused_for_good_ends_the_mail_for_all";
    let Some(world) = World::start(test, json!({}), Line::PLAIN).await else { return };
    let mail = world.send(json!(["ada@example.com", "refused@example.com"])).await;
    let why = "550 5.1.1 No such user: refused@example.com";
    assert_eq!((&mail["status"], &mail["lastError"]), (&json!("dead"), &json!(why)));
    assert!(world.mails().await.is_empty(), "all or none");
    assert_eq!(world.seen().await["refused"], json!(["refused@example.com"]));
    assert_eq!(world.send(json!("ada@example.com")).await["status"], "sent", "the next one goes out");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_not_waited_for() {
    let test = "a_server_that_says_nothing_is_not_waited_for";
    let line = Line { more: "timeout = '500ms'", ..Line::PLAIN };
    let Some(world) = World::start(test, json!({ "mute": true }), line).await else { return };
    let mail = world.send(json!("ada@example.com")).await;
    assert_eq!(mail["status"], "failed");
    assert_eq!(mail["lastError"], "the SMTP server did not answer in time");
}
