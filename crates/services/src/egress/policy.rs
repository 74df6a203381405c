//! Policies: which hosts, paths and methods a caller may ask for, before anything is resolved.

use std::{collections::BTreeMap, fmt, net::IpAddr, str::FromStr, time::Duration};

use doer_core::{scope::Scope, service::ServiceError, tier::Tier};
use ipnet::IpNet;
use url::{Host, Url};

use super::address;

/// Who may go where.
#[derive(Debug, Clone)]
pub struct Settings {
    /// For callers of the internal tier. All public hosts by default, over `http` too.
    pub internal: Policy,
    /// For callers of the tenant tier. Nothing by default.
    pub tenant: Policy,
    /// For everyone else. Nothing by default.
    pub public: Policy,
    /// For single namespaces (`tenant:acme`), in place of what their tier has.
    pub namespaces: BTreeMap<String, Policy>,
    /// For a whole request: redirects, and the body to its end. 30 s by default.
    pub timeout: Duration,
    /// The largest body that may be sent. 64 MiB by default.
    pub max_request_bytes: u64,
}

impl Default for Settings {
    fn default() -> Self {
        let everywhere = Rule { schemes: vec![Scheme::Https, Scheme::Http], ..Rule::host(HostPattern::Any) };
        Self {
            internal: Policy { allow: vec![everywhere], allow_private: Vec::new() },
            tenant: Policy::default(),
            public: Policy::default(),
            namespaces: BTreeMap::new(),
            timeout: Duration::from_secs(30),
            max_request_bytes: 64 << 20,
        }
    }
}

impl Settings {
    /// The policy of a caller, and what it is called.
    pub(super) fn policy(&self, scope: &Scope) -> (&Policy, String) {
        if let Some(policy) = self.namespaces.get(scope.namespace.as_str()) {
            return (policy, scope.namespace.to_string());
        }
        let policy = match scope.tier {
            Tier::Internal => &self.internal,
            Tier::Tenant => &self.tenant,
            Tier::Public => &self.public,
        };
        (policy, scope.tier.to_string())
    }
}

/// What is allowed; what is not, is refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// A request needs one of these.
    pub allow: Vec<Rule>,
    /// Addresses outside of the public internet that names may lead to all the same. Addresses that hand out a
    /// cloud's credentials stay closed.
    pub allow_private: Vec<PrivateRange>,
}

/// Addresses that are open though they are not public.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivateRange {
    /// `10.1.0.0/16`, `fd00::/8`.
    pub net: IpNet,
    /// Ports; all that rules allow, where empty.
    pub ports: Vec<u16>,
}

/// Hosts, and what may be asked of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Which hosts.
    pub host: HostPattern,
    /// A path, and all below it: `/v1` allows `/v1` and `/v1/a`, not `/v10`. All paths where absent.
    pub path: Option<String>,
    /// Methods in upper case; all where empty.
    pub methods: Vec<String>,
    /// `https` alone, unless said otherwise.
    pub schemes: Vec<Scheme>,
    /// Ports beside the scheme's own.
    pub ports: Vec<u16>,
}

impl Rule {
    /// Everything over `https` at a host.
    pub fn host(host: HostPattern) -> Self {
        Self { host, path: None, methods: Vec::new(), schemes: vec![Scheme::Https], ports: Vec::new() }
    }

    fn allows(&self, method: &str, url: &Url) -> bool {
        self.schemes.iter().any(|scheme| scheme.name() == url.scheme())
            && url.host().is_some_and(|host| self.host.matches(&host))
            && url.port().is_none_or(|port| self.ports.contains(&port))
            && (self.methods.is_empty() || self.methods.iter().any(|allowed| allowed == method))
            && self.path.as_deref().is_none_or(|path| is_below(url.path(), path))
    }
}

/// How a request travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Encrypted, at port 443.
    Https,
    /// In the clear, at port 80.
    Http,
}

impl Scheme {
    /// As URLs write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Http => "http",
        }
    }
}

/// Which hosts a rule is about: `api.example.com`, `*.example.com` (what is below it, not itself), or `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostPattern {
    /// `*`.
    Any,
    /// All names below this one.
    Below(String),
    /// This name or address.
    Exactly(Host<String>),
}

/// A host pattern that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a host name, an IP address, `*.` and a name, or `*`")]
pub struct InvalidPattern;

impl FromStr for HostPattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let host = |text: &str| Host::parse(text.trim_end_matches('.')).map_err(|_| InvalidPattern);
        match text.strip_prefix("*.") {
            _ if text == "*" => Ok(Self::Any),
            Some(rest) => match host(rest)? {
                Host::Domain(name) if !name.contains('*') => Ok(Self::Below(format!(".{name}"))),
                _ => Err(InvalidPattern),
            },
            None => match host(text)? {
                Host::Domain(name) if name.contains('*') => Err(InvalidPattern),
                host => Ok(Self::Exactly(host)),
            },
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Below(name) => write!(f, "*{name}"),
            Self::Exactly(host) => host.fmt(f),
        }
    }
}

impl HostPattern {
    fn matches(&self, host: &Host<&str>) -> bool {
        match (self, host) {
            (Self::Any, _) => true,
            (Self::Below(name), Host::Domain(host)) => undotted(host).ends_with(name.as_str()),
            (Self::Below(_), _) => false,
            (Self::Exactly(Host::Domain(name)), Host::Domain(host)) => name == undotted(host),
            (Self::Exactly(Host::Ipv4(allowed)), Host::Ipv4(host)) => allowed == host,
            (Self::Exactly(Host::Ipv6(allowed)), Host::Ipv6(host)) => allowed == host,
            (Self::Exactly(_), _) => false,
        }
    }
}

impl Policy {
    /// May this be asked for? Where to it leads is another question.
    ///
    /// # Errors
    /// `forbidden`, naming the policy, `name`, and the host.
    pub(super) fn admit(&self, name: &str, method: &str, url: &Url) -> Result<(), ServiceError> {
        if let Some(Host::Domain(host)) = url.host()
            && address::is_metadata_name(undotted(host))
        {
            return Err(private(name, host));
        }
        if self.allow.iter().any(|rule| rule.allows(method, url)) {
            return Ok(());
        }
        let origin = url.origin().ascii_serialization();
        Err(refused(format!("the egress policy `{name}` does not allow {method} {origin}{}", url.path())))
    }

    /// Ranges that are open on a port though they are not public.
    pub(super) fn open_ranges(&self, port: u16) -> Vec<IpNet> {
        let open = self.allow_private.iter().filter(|range| range.ports.is_empty() || range.ports.contains(&port));
        open.map(|range| range.net).collect()
    }
}

/// May this address be connected to, where `open` ranges are open beside the public internet?
pub(super) fn may_connect(address: IpAddr, open: &[IpNet]) -> bool {
    address::is_public(address)
        || (!address::is_metadata(address) && open.iter().any(|network| network.contains(&address)))
}

/// The refusal of a host that leads to where nobody may go.
pub(super) fn private(policy: &str, host: &str) -> ServiceError {
    refused(format!("{host} leads to an address that is not public, which the egress policy `{policy}` does not open"))
}

fn refused(why: String) -> ServiceError {
    ServiceError::forbidden(format!("fetch is not permitted: {why}"))
}

/// Names are absolute with and without a final dot.
fn undotted(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}

/// Is a normalised path `prefix` or below it? One with encoded slashes is nowhere, nor is one with dots that were
/// encoded twice or have parameters: servers differ in what they make of them, `/v1/..%2fadmin` may be below `/v1`
/// here and above it there.
fn is_below(path: &str, prefix: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let is_hidden = |segment: &str| {
        ["%2f", "%5c", "%252f", "%255c", "%252e"].iter().any(|hidden| segment.contains(hidden))
            || segment.split_once(';').is_some_and(|(bare, _)| matches!(&*bare.replace("%2e", "."), "." | ".."))
    };
    if lower.split('/').any(is_hidden) {
        return false;
    }
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(host: &str) -> Rule {
        Rule::host(host.parse().unwrap())
    }

    fn allows(rule: &Rule, method: &str, url: &str) -> bool {
        rule.allows(method, &Url::parse(url).unwrap())
    }

    #[test]
    fn hosts_match_exactly_below_or_anywhere() {
        let exact = rule("API.example.com");
        assert!(allows(&exact, "GET", "https://api.example.com/a"));
        assert!(allows(&exact, "GET", "https://api.example.com./a"));
        assert!(!allows(&exact, "GET", "https://api.example.com.evil.test/"));
        assert!(!allows(&exact, "GET", "https://xapi.example.com/"));
        let below = rule("*.example.com");
        assert!(allows(&below, "GET", "https://a.b.example.com/"));
        assert!(!allows(&below, "GET", "https://example.com/"));
        assert!(!allows(&below, "GET", "https://badexample.com/"));
        assert!(allows(&rule("*"), "GET", "https://anything.test/"));
        assert!(allows(&rule("b\u{fc}cher.example"), "GET", "https://xn--bcher-kva.example/"));
        assert!(allows(&rule("[2606:4700::1111]"), "GET", "https://[2606:4700::1111]/"));
    }

    #[test]
    fn patterns_that_are_none_are_refused() {
        for text in ["", "*.", "a*.example.com", "*.*.com", "a b", "https://example.com", "*.127.0.0.1"] {
            assert_eq!(text.parse::<HostPattern>(), Err(InvalidPattern), "{text}");
        }
    }

    #[test]
    fn plain_http_and_other_ports_must_be_said() {
        let mut rule = rule("example.com");
        assert!(!allows(&rule, "GET", "http://example.com/"));
        assert!(!allows(&rule, "GET", "https://example.com:8443/"));
        assert!(allows(&rule, "GET", "https://example.com:443/"));
        rule.schemes.push(Scheme::Http);
        rule.ports.push(8443);
        assert!(allows(&rule, "GET", "http://example.com/"));
        assert!(allows(&rule, "GET", "https://example.com:8443/"));
    }

    #[test]
    fn paths_end_at_segments_and_cannot_be_climbed_out_of() {
        let rule = Rule { path: Some("/v1/".to_owned()), methods: vec!["GET".to_owned()], ..rule("example.com") };
        assert!(allows(&rule, "GET", "https://example.com/v1"));
        assert!(allows(&rule, "GET", "https://example.com/v1/a?b"));
        assert!(!allows(&rule, "POST", "https://example.com/v1/a"));
        assert!(allows(&rule, "GET", "https://example.com/v1/a;b/100%25/..a;"));
        assert!(!allows(&rule, "GET", "https://example.com/v10"));
        for path in [
            "v1/../admin",
            "v1/%2e%2e/admin",
            "v1/..%2fadmin",
            "v1/..%5Cadmin",
            "v1\\..\\admin",
            "v1/..;/admin",
            "v1/..;a=b/admin",
            "v1/%2E%2e;/admin",
            "v1/%252e%252E/admin",
            "v1/..%252Fadmin",
            "v1/..%255cadmin",
        ] {
            assert!(!allows(&rule, "GET", &format!("https://example.com/{path}")), "{path}");
        }
    }

    #[test]
    fn ranges_open_addresses_on_their_ports_and_never_metadata() {
        let range = PrivateRange { net: "169.254.0.0/16".parse().unwrap(), ports: vec![8080] };
        let policy = Policy { allow: Vec::new(), allow_private: vec![range] };
        assert_eq!(policy.open_ranges(80), []);
        let open = policy.open_ranges(8080);
        assert!(may_connect("169.254.1.1".parse().unwrap(), &open));
        assert!(!may_connect("169.254.169.254".parse().unwrap(), &open));
        assert!(!may_connect("127.0.0.1".parse().unwrap(), &open));
        assert!(may_connect("8.8.8.8".parse().unwrap(), &open));
    }
}
