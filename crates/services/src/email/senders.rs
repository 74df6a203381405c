//! Who may send as whom.

use doer_core::{service::ServiceError, tier::Namespace};
use lettre::message::Mailbox;

use super::{OpenError, Sender, Settings, check};

/// The addresses that may stand in `From`.
#[derive(Debug)]
pub(super) struct Senders {
    default: Mailbox,
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    namespaces: Pattern,
    allowed: Vec<Allowed>,
}

#[derive(Debug)]
enum Pattern {
    Exactly(String),
    BeginningWith(String),
}

/// In lower case: no mail system that is in use tells addresses apart by case.
#[derive(Debug)]
enum Allowed {
    Address(String),
    /// With its `@`.
    Domain(String),
}

impl Senders {
    /// Reads the settings.
    pub fn new(settings: &Settings) -> Result<Self, OpenError> {
        let default = check::mailbox("from", &settings.from).map_err(OpenError::setting)?;
        let rules = settings.senders.iter().map(Rule::new).collect::<Result<_, _>>()?;
        Ok(Self { default, rules })
    }

    /// The sender that was asked for, where the namespace may use it; the installation's where none was.
    pub fn pick(&self, namespace: &Namespace, asked: Option<&str>) -> Result<Mailbox, ServiceError> {
        let Some(asked) = asked else { return Ok(self.default.clone()) };
        let mailbox = check::mailbox("options.from", asked)?;
        let address = mailbox.email.to_string().to_lowercase();
        let default = self.default.email.to_string().to_lowercase();
        if address == default || self.allowed(namespace).any(|allowed| allowed.covers(&address)) {
            return Ok(mailbox);
        }
        let allowed: Vec<&str> =
            std::iter::once(default.as_str()).chain(self.allowed(namespace).map(Allowed::as_str)).collect();
        Err(ServiceError::forbidden(format!("options.from: {namespace} may send as {} only", allowed.join(", "))))
    }

    fn allowed(&self, namespace: &Namespace) -> impl Iterator<Item = &Allowed> {
        self.rules.iter().filter(|rule| rule.namespaces.covers(namespace.as_str())).flat_map(|rule| &rule.allowed)
    }
}

impl Rule {
    fn new(sender: &Sender) -> Result<Self, OpenError> {
        let namespaces = match sender.namespace.strip_suffix('*') {
            Some(beginning) => Pattern::BeginningWith(beginning.to_owned()),
            None if sender.namespace.contains(':') => Pattern::Exactly(sender.namespace.clone()),
            None => Pattern::Exactly(format!("tenant:{}", sender.namespace)),
        };
        let allowed = sender.addresses.iter().map(|text| Allowed::new(text)).collect::<Result<_, _>>()?;
        Ok(Self { namespaces, allowed })
    }
}

impl Pattern {
    fn covers(&self, namespace: &str) -> bool {
        match self {
            Self::Exactly(name) => name == namespace,
            Self::BeginningWith(beginning) => namespace.starts_with(beginning),
        }
    }
}

impl Allowed {
    fn new(text: &str) -> Result<Self, OpenError> {
        let whole_domain = text.starts_with('@');
        let probe = if whole_domain { format!("anyone{text}") } else { text.to_owned() };
        let mailbox = check::mailbox("senders.addresses", &probe).map_err(OpenError::setting)?;
        let address = mailbox.email.to_string().to_lowercase();
        Ok(match address.strip_prefix("anyone").filter(|_| whole_domain) {
            Some(domain) => Self::Domain(domain.to_owned()),
            None => Self::Address(address),
        })
    }

    fn covers(&self, address: &str) -> bool {
        match self {
            Self::Address(allowed) => allowed == address,
            // Up to the last `@`, which is where the domain begins: a quoted local part may have one too.
            Self::Domain(domain) => address.rfind('@').is_some_and(|at| &address[at..] == domain),
        }
    }

    fn as_str(&self) -> &str {
        match self {
            Self::Address(text) | Self::Domain(text) => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn senders() -> Senders {
        let rule = |namespace: &str, addresses: &[&str]| Sender {
            namespace: namespace.to_owned(),
            addresses: addresses.iter().map(|address| (*address).to_owned()).collect(),
        };
        let senders = vec![
            rule("acme", &["@Acme.example"]),
            rule("tenant:globex", &["info@globex.example"]),
            rule("tenant:shop-*", &["orders@shop.example"]),
        ];
        Senders::new(&Settings { senders, ..Settings::default() }).unwrap()
    }

    fn pick(namespace: &str, from: &str) -> Result<String, String> {
        let namespace = Namespace::parse(namespace).unwrap();
        let picked = senders().pick(&namespace, Some(from));
        picked.map(|mailbox| mailbox.to_string()).map_err(|error| error.message.into_owned())
    }

    #[test]
    fn a_namespace_sends_as_the_addresses_it_was_given() {
        assert!(pick("tenant:acme", "Sales <sales@ACME.example>").is_ok());
        assert!(pick("tenant:globex", "info@globex.example").is_ok());
        assert!(pick("tenant:shop-7", "orders@shop.example").is_ok());
        assert!(pick("user:anyone", "Support <noreply@localhost>").is_ok(), "the installation's address is everyone's");
        assert_eq!(
            senders().pick(&Namespace::parse("*").unwrap(), None).unwrap().to_string(),
            "doer <noreply@localhost>"
        );
    }

    #[test]
    fn and_as_no_other() {
        assert_eq!(
            pick("tenant:globex", "sales@acme.example").unwrap_err(),
            "options.from: tenant:globex may send as noreply@localhost, info@globex.example only"
        );
        for (namespace, from) in [
            ("tenant:acme", "sales@mail.acme.example"),
            ("tenant:acme", "sales@notacme.example"),
            ("user:acme", "sales@acme.example"),
            ("tenant:acme2", "sales@acme.example"),
            ("tenant:globex", "other@globex.example"),
            ("tenant:shop", "orders@shop.example"),
            ("*", "sales@acme.example"),
        ] {
            assert!(pick(namespace, from).unwrap_err().contains("may send as"), "{namespace} {from}");
        }
        assert!(pick("tenant:acme", "\"a@acme.example\"@evil.example").is_err());
    }

    #[test]
    fn a_setting_that_is_no_address_is_refused() {
        let settings = Settings { from: "nobody".to_owned(), ..Settings::default() };
        assert!(Senders::new(&settings).unwrap_err().to_string().contains("from"));
    }
}
