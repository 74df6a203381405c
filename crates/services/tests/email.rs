//! The embedded `email` and a mail server: what arrives there, and what happens where it does not.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "conformance/door.rs"]
mod door;
#[path = "../../../tests/scenarios/mod.rs"]
#[expect(dead_code, reason = "the door is made of it")]
mod scenarios;
#[path = "fixtures/smtp.rs"]
mod smtp;

use std::{
    collections::{BTreeMap, HashSet},
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use doer_core::{
    auth::AuthContext,
    id::RequestId,
    quota::{DefaultQuotas, Quota, Quotas},
    scope::{Owner, Scope, Standing},
    service::{
        Code, Health, ServiceError,
        email::{
            Attachment, Email, GetEmailStatus, GetTemplates, ListEmails, Mail, MailStatus, Recipients, Send,
            SendOptions, SendTemplate,
        },
    },
    tier::{Namespace, Tier},
    time::{Clock, ManualClock},
};
use doer_services::{
    Holder,
    email::{EmbeddedEmail, Settings, Smtp as SmtpSettings, Tls},
    tasks::Tasks,
};
use smtp::Smtp;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// 14 November 2023, 22:13:20 UTC.
const START: Duration = Duration::from_secs(1_700_000_000);

/// An outbox that can be opened again and again, as after a crash.
struct Installation {
    dir: tempfile::TempDir,
    clock: Arc<ManualClock>,
    standing: Arc<Suspended>,
}

/// Namespaces in which nothing may be done.
#[derive(Default)]
struct Suspended(Mutex<HashSet<&'static str>>);

#[async_trait::async_trait]
impl Standing for Suspended {
    async fn scope(&self, _: &Owner) -> Result<Option<Scope>, ServiceError> {
        panic!("mails have no owner but their namespace")
    }

    async fn admit(&self, namespace: &Namespace) -> Result<(), ServiceError> {
        match self.0.lock().unwrap().contains(namespace.as_str()) {
            true => Err(ServiceError::forbidden("suspended")),
            false => Ok(()),
        }
    }
}

impl Installation {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at(START));
        Self { dir: tempfile::tempdir().unwrap(), clock, standing: Arc::default() }
    }

    fn open(&self, settings: Settings) -> EmbeddedEmail {
        EmbeddedEmail::open(self.dir.path(), self.clock.clone(), Arc::new(DefaultQuotas), settings).unwrap()
    }

    /// Opened, and moving.
    fn start(&self, settings: Settings) -> (EmbeddedEmail, Tasks) {
        let (email, tasks) = (self.open(settings), Tasks::default());
        email.start(&tasks, self.standing.clone());
        (email, tasks)
    }
}

fn server(address: SocketAddr) -> SmtpSettings {
    SmtpSettings {
        host: address.ip().to_string(),
        port: address.port(),
        tls: Tls::None,
        username: None,
        password: None,
        timeout: Duration::from_secs(10),
    }
}

fn sending_to(smtp: &Smtp) -> Settings {
    Settings { smtp: Some(server(smtp.address)), ..Settings::default() }
}

fn tenant(id: &str) -> Scope {
    door::scope("tenant", Some(id))
}

fn mail(to: &str) -> Send {
    Send { to: Recipients::One(to.to_owned()), subject: "Hello".to_owned(), body: "Hi".to_owned(), options: None }
}

async fn send(email: &EmbeddedEmail, scope: &Scope, to: &str) -> String {
    email.send(scope, mail(to)).await.unwrap().id
}

async fn find(email: &EmbeddedEmail, scope: &Scope, id: &str) -> Option<Mail> {
    email.get_email_status(scope, GetEmailStatus { id: id.to_owned() }).await.unwrap()
}

/// Waits until a mail is as it should be.
async fn wait(email: &EmbeddedEmail, scope: &Scope, id: &str, is: impl Fn(&Mail) -> bool) -> Mail {
    let mut found = None;
    for _ in 0..1_000 {
        found = find(email, scope, id).await;
        if let Some(mail) = found.as_ref().filter(|mail| is(mail)) {
            return mail.clone();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it is not: {found:?}");
}

async fn wait_for_attempt(email: &EmbeddedEmail, scope: &Scope, id: &str, status: MailStatus, attempts: u32) -> Mail {
    wait(email, scope, id, |mail| mail.status == status && mail.attempts == attempts).await
}

fn refusal<T: std::fmt::Debug>(result: Result<T, ServiceError>) -> (Code, String) {
    let error = result.unwrap_err();
    (error.code, error.message.into_owned())
}

#[tokio::test]
async fn a_mail_arrives_whole_and_its_blind_copies_stay_blind() {
    let (installation, smtp, acme) = (Installation::new(), Smtp::start().await, tenant("acme"));
    let (email, tasks) = installation.start(sending_to(&smtp));
    let options = SendOptions {
        cc: vec!["Carl <carl@example.com>".to_owned()],
        bcc: vec!["eve@example.com".to_owned()],
        html: Some("<p>Grüße</p>".to_owned()),
        attachments: vec![Attachment { filename: "a.bin".to_owned(), content: "AAH/".to_owned(), content_type: None }],
        ..SendOptions::default()
    };
    let params = Send {
        to: Recipients::Many(vec!["Ada <ada@example.com>".to_owned(), "carl@example.com".to_owned()]),
        subject: "Grüße".to_owned(),
        body: "One\n.\n..two\r\n.three".to_owned(),
        options: Some(options),
    };
    let id = email.send(&acme, params).await.unwrap().id;
    let received = smtp.wait_for(1).await.remove(0);
    assert_eq!(received.from, "noreply@localhost");
    assert_eq!(received.to, ["ada@example.com", "carl@example.com", "eve@example.com"]);
    assert_eq!(
        received.message,
        format!(
            "Message-ID: <{id}@localhost>\r\n\
             Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n\
             From: doer <noreply@localhost>\r\n\
             To: Ada <ada@example.com>, carl@example.com\r\n\
             Subject: =?utf-8?b?R3LDvMOfZQ==?=\r\n\
             Cc: Carl <carl@example.com>\r\n\
             MIME-Version: 1.0\r\n\
             Content-Type: multipart/mixed;\r\n \
             boundary=\"mixed-{id}\"\r\n\
             \r\n\
             --mixed-{id}\r\n\
             Content-Type: multipart/alternative;\r\n \
             boundary=\"alternative-{id}\"\r\n\
             \r\n\
             --alternative-{id}\r\n\
             Content-Type: text/plain; charset=utf-8\r\n\
             Content-Transfer-Encoding: 7bit\r\n\
             \r\n\
             One\r\n.\r\n..two\r\n.three\r\n\
             --alternative-{id}\r\n\
             Content-Type: text/html; charset=utf-8\r\n\
             Content-Transfer-Encoding: quoted-printable\r\n\
             \r\n\
             <p>Gr=C3=BC=C3=9Fe</p>\r\n\
             --alternative-{id}--\r\n\
             --mixed-{id}\r\n\
             Content-Disposition: attachment; filename=\"a.bin\"\r\n\
             Content-Type: application/octet-stream\r\n\
             Content-Transfer-Encoding: base64\r\n\
             \r\n\
             AAH/\r\n\
             --mixed-{id}--\r\n\r\n"
        )
    );
    assert!(received.raw.contains("One\r\n..\r\n...two\r\n..three\r\n"), "dots are doubled on the wire");
    assert_eq!(received.user, None);

    let sent = wait_for_attempt(&email, &acme, &id, MailStatus::Sent, 1).await;
    assert_eq!((sent.created_at, sent.sent_at), (START.as_millis() as u64, Some(START.as_millis() as u64)));
    let second = send(&email, &acme, "ada@example.com").await;
    wait_for_attempt(&email, &acme, &second, MailStatus::Sent, 1).await;
    assert_eq!(smtp.connections(), 1, "the connection is used again");
    tasks.stop().await;
}

#[tokio::test]
async fn a_mail_that_is_not_taken_now_is_tried_again_when_it_is_time() {
    let (installation, smtp, acme) = (Installation::new(), Smtp::start().await, tenant("acme"));
    let (email, tasks) = installation.start(sending_to(&smtp));
    let id = send(&email, &acme, "later@example.com").await;
    let failed = wait_for_attempt(&email, &acme, &id, MailStatus::Failed, 1).await;
    assert_eq!(failed.last_error.as_deref(), Some("451 4.3.0 try again later"));
    assert_eq!(email.health(), Health::Ok, "the server was there");

    installation.clock.advance(MINUTE - Duration::from_millis(1));
    let other = send(&email, &acme, "ada@example.com").await;
    wait_for_attempt(&email, &acme, &other, MailStatus::Sent, 1).await;
    assert_eq!(find(&email, &acme, &id).await.unwrap().attempts, 1, "it is not time yet");

    installation.clock.advance(Duration::from_millis(1));
    email.wake();
    let sent = wait_for_attempt(&email, &acme, &id, MailStatus::Sent, 2).await;
    assert_eq!((sent.last_error, sent.sent_at), (None, Some(installation.clock.now_ms())));
    let arrived = smtp.received().into_iter().find(|received| received.to == ["later@example.com"]).unwrap();
    assert!(arrived.message.contains("Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n"), "when it was accepted");
    tasks.stop().await;
}

#[tokio::test]
async fn a_mail_goes_to_all_or_none_and_a_refusal_for_good_ends_it() {
    let (installation, smtp, acme) = (Installation::new(), Smtp::start().await, tenant("acme"));
    let (email, tasks) = installation.start(sending_to(&smtp));
    let to = Recipients::Many(vec!["ada@example.com".to_owned(), "reject@example.com".to_owned()]);
    let id = email.send(&acme, Send { to, ..mail("") }).await.unwrap().id;
    let dead = wait_for_attempt(&email, &acme, &id, MailStatus::Dead, 1).await;
    assert_eq!((dead.last_error.as_deref(), dead.sent_at), (Some("550 5.1.1 no such user"), None));
    installation.clock.advance(DAY);
    let other = send(&email, &acme, "ada@example.com").await;
    wait_for_attempt(&email, &acme, &other, MailStatus::Sent, 1).await;
    assert_eq!(find(&email, &acme, &id).await.unwrap().attempts, 1);
    assert_eq!(smtp.received().len(), 1);
    tasks.stop().await;
}

#[tokio::test]
async fn a_mail_is_given_up_after_a_day_without_a_server() {
    let (installation, acme) = (Installation::new(), tenant("acme"));
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (email, tasks) = installation.start(Settings { smtp: Some(server(free)), ..Settings::default() });
    assert_eq!(email.health(), Health::Ok);
    let id = send(&email, &acme, "ada@example.com").await;
    let database = rusqlite::Connection::open(installation.dir.path().join("email.db")).unwrap();
    let due = || {
        let due = database.query_row("SELECT due_at FROM mails", [], |row| row.get::<_, Option<i64>>(0));
        due.unwrap().map(i64::unsigned_abs)
    };
    let mut pauses = Vec::new();
    let dead = loop {
        // While an attempt goes on the mail is as the one before has left it, but for its lease of a minute.
        let attempts = pauses.len() as u32 + 1;
        let now = installation.clock.now_ms();
        let over = |mail: &Mail| match mail.status {
            MailStatus::Failed => mail.attempts == attempts && (attempts == 1 || due() > Some(now + 60_000)),
            status => status == MailStatus::Dead,
        };
        let mail = wait(&email, &acme, &id, over).await;
        let Some(next) = due() else { break mail };
        assert_eq!(email.health(), Health::Degraded);
        pauses.push((next - now) / 60_000);
        installation.clock.set(Duration::from_millis(next));
        email.wake();
    };
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 240, 240, 240, 240]);
    assert_eq!(dead.attempts, 13);
    assert_eq!(dead.last_error.as_deref(), Some("the SMTP server could not be reached"), "and not where it is");
    tasks.stop().await;
}

#[tokio::test]
async fn what_the_server_took_without_saying_so_is_sent_again_as_the_same_mail() {
    let (installation, smtp, acme) = (Installation::new(), Smtp::start().await, tenant("acme"));
    let (email, tasks) = installation.start(sending_to(&smtp));
    for to in ["cut@example.com", "lost@example.com"] {
        let id = send(&email, &acme, to).await;
        wait_for_attempt(&email, &acme, &id, MailStatus::Failed, 1).await;
        installation.clock.advance(MINUTE);
        email.wake();
        wait_for_attempt(&email, &acme, &id, MailStatus::Sent, 2).await;
    }
    let received = smtp.received();
    let to: Vec<&str> = received.iter().map(|received| received.to[0].as_str()).collect();
    assert_eq!(to, ["cut@example.com", "lost@example.com", "lost@example.com"], "once, and at least once");
    assert_eq!(received[1], received[2]);
    tasks.stop().await;
}

#[test]
fn a_crash_in_the_middle_of_an_attempt_repeats_it() {
    let (installation, acme) = (Installation::new(), tenant("acme"));
    let runtime = || tokio::runtime::Runtime::new().unwrap();
    let outside = runtime();
    let smtp = outside.block_on(Smtp::start());

    let process = runtime();
    let id = process.block_on(async {
        let (email, _) = installation.start(sending_to(&smtp));
        let id = send(&email, &acme, "hang@example.com").await;
        smtp.wait_for_recipient("hang@example.com").await;
        assert_eq!(find(&email, &acme, &id).await.unwrap().status, MailStatus::Queued);
        id
    });
    process.shutdown_timeout(Duration::ZERO);
    assert_eq!(smtp.received(), []);

    installation.clock.advance(MINUTE);
    outside.block_on(async {
        let (email, tasks) = installation.start(sending_to(&smtp));
        wait_for_attempt(&email, &acme, &id, MailStatus::Sent, 2).await;
        assert_eq!(smtp.received().len(), 1);
        tasks.stop().await;
    });
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_not_waited_for_longer_than_said_and_stopping_waits() {
    let (installation, smtp, acme) = (Installation::new(), Smtp::start().await, tenant("acme"));
    let patient = SmtpSettings { timeout: Duration::from_millis(200), ..server(smtp.address) };
    let (email, tasks) = installation.start(Settings { smtp: Some(patient), ..Settings::default() });
    let id = send(&email, &acme, "hang@example.com").await;
    wait(&email, &acme, &id, |mail| mail.attempts == 1).await;
    tasks.stop().await;
    let failed = find(&email, &acme, &id).await.unwrap();
    assert_eq!(failed.status, MailStatus::Failed, "the attempt was waited for, and what came of it is known");
    assert_eq!(failed.last_error.as_deref(), Some("the SMTP server did not answer in time"));
}

#[tokio::test]
async fn so_many_mails_are_sent_at_once_and_no_more() {
    let (installation, smtp, acme) = (Installation::new(), Smtp::start().await, tenant("acme"));
    let waiting = installation.open(Settings::default());
    let mut ids = Vec::new();
    for number in 0..3 {
        ids.push(send(&waiting, &acme, &format!("hang@host{number}.example")).await);
    }
    let patient = SmtpSettings { timeout: Duration::from_secs(2), ..server(smtp.address) };
    let settings = Settings { smtp: Some(patient), concurrency: 2, ..Settings::default() };
    let (email, tasks) = installation.start(settings);
    wait(&email, &acme, &ids[1], |mail| mail.attempts == 1).await;
    assert_eq!(find(&email, &acme, &ids[0]).await.unwrap().attempts, 1);
    assert_eq!(find(&email, &acme, &ids[2]).await.unwrap().attempts, 0, "two are on their way");
    // Whichever of the two is over first, the third takes its place.
    wait(&email, &acme, &ids[2], |mail| mail.attempts == 1).await;
    tasks.stop().await;
}

#[tokio::test]
async fn a_flood_of_one_namespace_does_not_hold_up_another() {
    let (installation, smtp) = (Installation::new(), Smtp::start().await);
    let waiting = installation.open(Settings::default());
    for number in 0..10 {
        send(&waiting, &tenant("flood"), &format!("n{number}@flood.example")).await;
    }
    send(&waiting, &tenant("quiet"), "ada@quiet.example").await;
    let (_email, tasks) = installation.start(Settings { concurrency: 1, ..sending_to(&smtp) });
    let received = smtp.wait_for(11).await;
    let place = received.iter().position(|received| received.to == ["ada@quiet.example"]);
    assert_eq!(place, Some(1), "after one of the other's");
    tasks.stop().await;
}

#[tokio::test]
async fn doer_signs_in_where_it_must() {
    let acme = tenant("acme");
    for mechanism in ["PLAIN", "LOGIN"] {
        let (installation, smtp) = (Installation::new(), Smtp::with_user("doer", "hunter2", mechanism).await);
        let with = |user: Option<&str>, password: &str| {
            let username = user.map(str::to_owned);
            let smtp = SmtpSettings { username, password: Some(password.to_owned()), ..server(smtp.address) };
            Settings { smtp: Some(smtp), ..Settings::default() }
        };
        let (email, tasks) = installation.start(with(Some("doer"), "wrong"));
        let id = send(&email, &acme, "ada@example.com").await;
        wait_for_attempt(&email, &acme, &id, MailStatus::Failed, 1).await;
        assert_eq!(email.health(), Health::Degraded);
        tasks.stop().await;

        installation.clock.advance(MINUTE);
        let (email, tasks) = installation.start(with(None, ""));
        wait_for_attempt(&email, &acme, &id, MailStatus::Failed, 2).await;
        tasks.stop().await;

        installation.clock.advance(MINUTE * 2);
        let (email, tasks) = installation.start(with(Some("doer"), "hunter2"));
        wait_for_attempt(&email, &acme, &id, MailStatus::Sent, 3).await;
        assert_eq!(smtp.received()[0].user.as_deref(), Some("doer"));
        tasks.stop().await;
    }
}

#[tokio::test]
async fn a_server_without_encryption_gets_nothing_where_encryption_is_asked_for() {
    let (installation, smtp, acme) = (Installation::new(), Smtp::start().await, tenant("acme"));
    let strict = SmtpSettings { host: "localhost".to_owned(), tls: Tls::StartTls, ..server(smtp.address) };
    let (email, tasks) = installation.start(Settings { smtp: Some(strict), ..Settings::default() });
    let id = send(&email, &acme, "ada@example.com").await;
    wait_for_attempt(&email, &acme, &id, MailStatus::Failed, 1).await;
    assert_eq!(smtp.received(), []);
    tasks.stop().await;
}

#[tokio::test]
async fn without_a_server_mails_stay_readable_and_go_out_once_there_is_one() {
    let (installation, smtp, acme) = (Installation::new(), Smtp::start().await, tenant("acme"));
    let (email, tasks) = installation.start(Settings::default());
    let data = BTreeMap::from([("url".to_owned(), "https://doer.example/1".into())]);
    let to = Recipients::One("ada@example.com".to_owned());
    let params = SendTemplate { to, template: "verification".to_owned(), data };
    let id = email.send_template(&acme, params).await.unwrap().id;
    let queued = find(&email, &acme, &id).await.unwrap();
    assert_eq!(
        (queued.status, queued.attempts, queued.subject.as_str()),
        (MailStatus::Queued, 0, "Confirm your address")
    );
    assert!(queued.text.unwrap().contains("https://doer.example/1"));
    tasks.stop().await;

    installation.clock.advance(DAY * 3);
    let (email, tasks) = installation.start(sending_to(&smtp));
    wait_for_attempt(&email, &acme, &id, MailStatus::Sent, 1).await;
    tasks.stop().await;
}

#[tokio::test]
async fn what_was_sent_is_dropped_in_two_steps() {
    let (installation, smtp, acme) = (Installation::new(), Smtp::start().await, tenant("acme"));
    let settings = Settings { keep_sent: DAY, keep_records: DAY * 2, ..sending_to(&smtp) };
    let (email, tasks) = installation.start(settings);
    let options = SendOptions { tags: vec!["t".to_owned()], ..SendOptions::default() };
    let id = email.send(&acme, Send { options: Some(options), ..mail("ada@example.com") }).await.unwrap().id;
    wait_for_attempt(&email, &acme, &id, MailStatus::Sent, 1).await;

    installation.clock.advance(DAY - Duration::from_millis(1));
    email.sweep().await.unwrap();
    assert_eq!(find(&email, &acme, &id).await.unwrap().text.as_deref(), Some("Hi"));
    installation.clock.advance(Duration::from_millis(1));
    email.sweep().await.unwrap();
    let mail = find(&email, &acme, &id).await.unwrap();
    assert_eq!((mail.text, mail.status, mail.subject.as_str()), (None, MailStatus::Sent, "Hello"));
    installation.clock.advance(DAY * 2);
    email.sweep().await.unwrap();
    assert_eq!(find(&email, &acme, &id).await, None);
    tasks.stop().await;

    let database = rusqlite::Connection::open(installation.dir.path().join("email.db")).unwrap();
    for (table, left) in [("mails", 0), ("bodies", 0), ("tags", 0), ("accounts", 1)] {
        let count = database.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0));
        assert_eq!(count.unwrap(), left, "{table}");
    }
    let bytes = database.query_row("SELECT bytes FROM accounts", [], |row| row.get::<_, i64>(0));
    assert_eq!(bytes.unwrap(), 0, "what is gone takes nothing");
}

#[tokio::test]
async fn mails_of_a_suspended_namespace_are_held_and_sent_once_it_may_go_on() {
    let (installation, smtp) = (Installation::new(), Smtp::start().await);
    let (acme, globex) = (tenant("acme"), tenant("globex"));
    installation.standing.0.lock().unwrap().insert("tenant:acme");
    let (email, tasks) = installation.start(sending_to(&smtp));
    let held = send(&email, &acme, "ada@example.com").await;
    let sent = send(&email, &globex, "bob@example.com").await;
    wait_for_attempt(&email, &globex, &sent, MailStatus::Sent, 1).await;
    tasks.stop().await;

    // Neither time nor another start makes a difference.
    installation.clock.advance(3 * DAY);
    let (email, tasks) = installation.start(sending_to(&smtp));
    let sent = send(&email, &globex, "bob@example.com").await;
    wait_for_attempt(&email, &globex, &sent, MailStatus::Sent, 1).await;
    let mail = find(&email, &acme, &held).await.unwrap();
    assert_eq!((mail.status, mail.attempts, mail.last_error), (MailStatus::Queued, 0, None));

    installation.standing.0.lock().unwrap().clear();
    email.wake();
    wait_for_attempt(&email, &acme, &held, MailStatus::Sent, 1).await;
    let recipients: Vec<String> = smtp.wait_for(3).await.into_iter().flat_map(|received| received.to).collect();
    assert_eq!(recipients, ["bob@example.com", "bob@example.com", "ada@example.com"]);
    tasks.stop().await;
}

#[tokio::test]
async fn a_namespace_sees_its_own_mails_only_and_can_be_forgotten() {
    let (installation, acme, globex) = (Installation::new(), tenant("acme"), tenant("globex"));
    let email = installation.open(Settings::default());
    let id = send(&email, &acme, "ada@example.com").await;
    let kept = send(&email, &globex, "ada@example.com").await;
    assert_eq!(find(&email, &globex, &id).await, None);
    let listed = email.list_emails(&globex, ListEmails { options: None }).await.unwrap();
    assert_eq!(listed.data.iter().map(|mail| &mail.id).collect::<Vec<_>>(), [&kept]);

    email.forget(&acme.namespace).await.unwrap();
    email.forget(&acme.namespace).await.unwrap();
    assert_eq!(find(&email, &acme, &id).await, None);
    assert!(find(&email, &globex, &kept).await.is_some());
}

struct TwoMails;

impl Quotas for TwoMails {
    fn of(&self, tier: Tier, _: &Namespace) -> Quota {
        Quota { mails_per_day: if tier == Tier::Tenant { 2 } else { 0 }, ..Quota::of(tier) }
    }
}

#[tokio::test]
async fn a_day_has_so_many_mails_and_the_next_as_many_again() {
    let (installation, acme) = (Installation::new(), tenant("acme"));
    let quotas = Arc::new(TwoMails);
    let open = || {
        let settings = Settings::default();
        EmbeddedEmail::open(installation.dir.path(), installation.clock.clone(), quotas.clone(), settings).unwrap()
    };
    let email = open();
    send(&email, &acme, "ada@example.com").await;
    assert_eq!(
        refusal(email.send(&acme, mail("nobody")).await).0,
        Code::InvalidRequest,
        "what is refused is not counted"
    );
    send(&email, &acme, "ada@example.com").await;
    let email = open();
    let error = email.send(&acme, mail("ada@example.com")).await.unwrap_err();
    assert_eq!(error.code, Code::Quota);
    let midnight = Duration::from_secs(24 * 3_600 - (22 * 3_600 + 13 * 60 + 20));
    assert_eq!(error.retry_after, Some(midnight));
    send(&email, &tenant("globex"), "ada@example.com").await;

    installation.clock.advance(midnight - Duration::from_millis(1));
    assert_eq!(refusal(email.send(&acme, mail("ada@example.com")).await).0, Code::Quota);
    installation.clock.advance(Duration::from_millis(1));
    send(&email, &acme, "ada@example.com").await;

    let public = door::scope("user", None);
    assert_eq!(refusal(email.send(&public, mail("ada@example.com")).await).0, Code::Quota, "none at all");
}

#[tokio::test]
async fn an_outbox_holds_so_many_bytes() {
    let (installation, acme) = (Installation::new(), tenant("acme"));
    // A mail takes a kibibyte, and its text.
    let email = installation.open(Settings { outbox_bytes: 2 * (1_024 + 2), ..Settings::default() });
    send(&email, &acme, "ada@example.com").await;
    let (code, message) = refusal(email.send(&acme, Send { body: "Hi!".to_owned(), ..mail("ada@example.com") }).await);
    assert_eq!(
        (code, &*message),
        (
            Code::Quota,
            "outbox: may hold 2052 bytes, and holds 1026; text, HTML and files are dropped some days after sending"
        )
    );
    send(&email, &acme, "ada@example.com").await;
    send(&email, &tenant("globex"), "ada@example.com").await;
}

#[tokio::test]
async fn anonymous_callers_have_no_outbox() {
    let email = Installation::new().open(Settings::default());
    let anonymous = Scope::of(AuthContext::anonymous(RequestId::generate(), 0));
    let no = (Code::Forbidden, "Anonymous callers have no durable storage".to_owned());
    assert_eq!(refusal(email.send(&anonymous, mail("ada@example.com")).await), no);
    let to = Recipients::One("ada@example.com".to_owned());
    let params = SendTemplate { to, template: "welcome".to_owned(), data: BTreeMap::new() };
    assert_eq!(refusal(email.send_template(&anonymous, params).await), no);
    assert_eq!(email.get_templates(&anonymous, GetTemplates {}).await.unwrap().len(), 7);
}
