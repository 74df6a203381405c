//! A mail server that refuses a mail for now, as greylisting does, and takes it later.

use std::{sync::Arc, time::Duration};

use doer_core::{
    quota::DefaultQuotas,
    service::email::{Email, GetEmailStatus, Mail, MailStatus, Recipients, Send},
    time::ManualClock,
};
use doer_services::{
    email::{EmbeddedEmail, Settings, Smtp, Tls},
    tasks::Tasks,
};
use serde_json::json;

use crate::{jobs::Ranks, peer::Peer, setup::admin, wait::eventually};

/// A mail, once it is in that state.
async fn until(email: &EmbeddedEmail, id: &str, status: MailStatus) -> Mail {
    let find = async || {
        let mail = email.get_email_status(&admin(), GetEmailStatus { id: id.to_owned() }).await.unwrap().unwrap();
        (mail.status == status).then_some(mail)
    };
    eventually(&format!("the mail is {status:?}"), find).await
}

#[tokio::test]
async fn a_greylisted_mail_is_taken_when_it_comes_again() {
    let Some(peer) = Peer::start("a_greylisted_mail_is_taken_when_it_comes_again", "smtp.mjs", json!({})).await else {
        return;
    };
    let (directory, clock) =
        (tempfile::tempdir().unwrap(), Arc::new(ManualClock::at(Duration::from_secs(1_700_000_000))));
    let smtp = Smtp {
        host: "127.0.0.1".to_owned(),
        port: peer.port,
        tls: Tls::None,
        username: None,
        password: None,
        timeout: Duration::from_secs(10),
    };
    let settings = Settings { smtp: Some(smtp), ..Settings::default() };
    let email = EmbeddedEmail::open(directory.path(), clock.clone(), Arc::new(DefaultQuotas), settings).unwrap();
    let tasks = Tasks::default();
    email.start(&tasks, Arc::new(Ranks::default()));
    let to = Recipients::Many(vec!["ada@example.com".to_owned(), "grey@example.com".to_owned()]);
    let mail = Send { to, subject: "Hello".to_owned(), body: "Hi".to_owned(), options: None };
    let id = email.send(&admin(), mail).await.unwrap().id;

    let failed = until(&email, &id, MailStatus::Failed).await;
    assert_eq!(failed.attempts, 1);
    assert_eq!(failed.last_error.as_deref(), Some("451 4.7.1 Greylisted, come back later"));
    assert_eq!(peer.ask("mails", json!({})).await, json!([]), "all or none");

    clock.advance(Duration::from_secs(60));
    // It looks at its clock when it is told of another mail.
    let to = Recipients::One("bob@example.com".to_owned());
    email.send(&admin(), Send { to, subject: "x".to_owned(), body: "x".to_owned(), options: None }).await.unwrap();
    let sent = until(&email, &id, MailStatus::Sent).await;
    assert_eq!((sent.attempts, sent.last_error), (2, None));
    let mails = peer.ask("mails", json!({})).await;
    let mine: Vec<_> = mails.as_array().unwrap().iter().filter(|mail| mail["mail"]["subject"] == "Hello").collect();
    assert_eq!(mine.len(), 1, "it came once");
    assert_eq!(mine[0]["to"], json!(["ada@example.com", "grey@example.com"]));
    assert_eq!(mine[0]["mail"]["messageId"], format!("<{id}@localhost>"));
    tasks.stop().await;
}
