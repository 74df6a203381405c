//! Conformance of the embedded `email`.

use std::{sync::Arc, time::Duration};

use doer_core::{
    quota::{Quota, Quotas},
    service::{Service, email::Email},
    tier::{Namespace, Tier},
    time::SystemClock,
};
use doer_services::{
    email::{EmbeddedEmail, Sender, Settings, Smtp as SmtpSettings, Tls},
    tasks::Tasks,
};

use crate::{candidate::Candidate, jobs::Ranks, smtp::Smtp};

/// The scenarios reach the end of a day's mails.
struct FiveMailsPerDay;

impl Quotas for FiveMailsPerDay {
    fn of(&self, tier: Tier, _: &Namespace) -> Quota {
        Quota { mails_per_day: 5, ..Quota::of(tier) }
    }
}

/// With a server that takes its mails.
pub async fn embedded() -> Candidate {
    let (dir, smtp, tasks) = (tempfile::tempdir().unwrap(), Smtp::start().await, Tasks::default());
    let settings = Settings {
        senders: vec![Sender { namespace: "tenant:*".to_owned(), addresses: vec!["@tenants.example".to_owned()] }],
        smtp: Some(SmtpSettings {
            host: smtp.address.ip().to_string(),
            port: smtp.address.port(),
            tls: Tls::None,
            username: None,
            password: None,
            timeout: Duration::from_secs(10),
        }),
        ..Settings::default()
    };
    let email = EmbeddedEmail::open(dir.path(), Arc::new(SystemClock), Arc::new(FiveMailsPerDay), settings).unwrap();
    email.start(&tasks, Arc::new(Ranks::default()));
    let backend: Arc<dyn Email> = Arc::new(email);
    Candidate { tasks, around: vec![Box::new(dir), Box::new(smtp)], ..Candidate::new(Service::Email, backend) }
}
