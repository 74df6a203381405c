//! Which worker answers what on the workers' own listener: host names and path prefixes, as they are configured.

use doer_core::{id::WorkerId, tier::Namespace};
use serde::Deserialize;

/// One line of `[[ingress.routes]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteSettings {
    host: String,
    path: Option<String>,
    namespace: String,
    worker: Option<String>,
}

/// The routes, the one that is looked at first standing first.
#[derive(Debug, Clone, Default)]
pub struct Routes(Vec<Route>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Route {
    host: Host,
    /// Without a `/` at its end: `/a` is for `/a` and `/a/b`, and the empty one for all.
    path: String,
    namespace: Namespace,
    /// Where there is none, the first label of the host names it.
    worker: Option<WorkerId>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    Is(String),
    /// One label before this, which begins with a dot.
    Below(String),
    Any,
}

/// A worker that answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Whose it is.
    pub namespace: Namespace,
    /// Its id.
    pub worker: WorkerId,
}

impl Routes {
    /// Checks routes and brings them into order: the more exact host first, then the longer path.
    ///
    /// # Errors
    /// What is wrong, with the field's path below the list.
    pub fn new(settings: Vec<RouteSettings>) -> Result<Self, (String, String)> {
        let mut routes = Vec::with_capacity(settings.len());
        for (at, settings) in settings.into_iter().enumerate() {
            let route = Route::new(settings).map_err(|(field, what)| (format!("[{at}].{field}"), what))?;
            if routes.iter().any(|other: &Route| other.host == route.host && other.path == route.path) {
                return Err((format!("[{at}]"), "another route has the same host and path".to_owned()));
            }
            routes.push(route);
        }
        routes.sort_by_key(|route| std::cmp::Reverse((route.host.rank(), route.path.len())));
        Ok(Self(routes))
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Who answers a request for this host, without a port, and path.
    pub fn find(&self, host: &str, path: &str) -> Option<Destination> {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        self.0.iter().find_map(|route| route.leads(&host, path))
    }
}

impl Route {
    fn new(settings: RouteSettings) -> Result<Self, (&'static str, String)> {
        let RouteSettings { host, path, namespace, worker } = settings;
        let host = Host::parse(&host).ok_or_else(|| {
            ("host", format!("`{host}` is none; write one like \"shop.example.com\", \"*.example.com\" or \"*\""))
        })?;
        let path = path.unwrap_or_default();
        if !path.is_empty() && (!path.starts_with('/') || path.contains(['?', '#'])) {
            return Err(("path", format!("`{path}` is none; write one like \"/shop\"")));
        }
        let namespace = Namespace::parse(&namespace)
            .ok_or_else(|| ("namespace", format!("`{namespace}` is none; write one like \"tenant:acme\"")))?;
        let worker = worker.map(|id| WorkerId::parse(&id).map_err(|error| ("worker", error.to_string())));
        let worker = worker.transpose()?;
        if worker.is_none() && !matches!(host, Host::Below(_)) {
            return Err(("worker", "is required, but for a host like \"*.example.com\"".to_owned()));
        }
        Ok(Self { host, path: path.trim_end_matches('/').to_owned(), namespace, worker })
    }

    fn leads(&self, host: &str, path: &str) -> Option<Destination> {
        let label = self.host.matches(host)?;
        let rest = path.strip_prefix(self.path.as_str())?;
        if !rest.is_empty() && !rest.starts_with('/') {
            return None;
        }
        let worker = match &self.worker {
            Some(worker) => worker.clone(),
            None => WorkerId::parse(label).ok()?,
        };
        Some(Destination { namespace: self.namespace.clone(), worker })
    }
}

impl Host {
    fn parse(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let is_name = |name: &str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            let label = |label: &str| !label.is_empty() && label.bytes().all(plain);
            name.len() <= 253 && name.split('.').all(label)
        };
        match text.strip_prefix("*.") {
            _ if text == "*" => Some(Self::Any),
            Some(rest) => is_name(rest).then(|| Self::Below(format!(".{rest}"))),
            None => is_name(&text).then_some(Self::Is(text)),
        }
    }

    /// The first label, where this is the host.
    fn matches<'a>(&self, host: &'a str) -> Option<&'a str> {
        match self {
            Self::Is(name) => (host == name).then_some(host),
            Self::Below(rest) => host.strip_suffix(rest.as_str()).filter(|label| !label.contains('.')),
            Self::Any => Some(host),
        }
    }

    fn rank(&self) -> (u8, usize) {
        match self {
            Self::Is(name) => (2, name.len()),
            Self::Below(rest) => (1, rest.len()),
            Self::Any => (0, 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(lines: &[(&str, &str, Option<&str>)]) -> Result<Routes, (String, String)> {
        let settings = lines.iter().map(|(host, path, worker)| RouteSettings {
            host: (*host).to_owned(),
            path: (!path.is_empty()).then(|| (*path).to_owned()),
            namespace: "tenant:acme".to_owned(),
            worker: worker.map(str::to_owned),
        });
        Routes::new(settings.collect())
    }

    #[test]
    fn the_most_exact_host_wins_and_then_the_longest_path() {
        let routes = routes(&[
            ("*", "", Some("any")),
            ("*.example.com", "", None),
            ("*.example.com", "/api", Some("api")),
            ("Shop.Example.com", "", Some("shop")),
            ("shop.example.com", "/a/", Some("a")),
            ("shop.example.com", "/a/b", Some("b")),
        ])
        .unwrap();
        for (host, path, worker) in [
            ("shop.example.com", "/", "shop"),
            ("SHOP.example.com.", "/api", "shop"),
            ("shop.example.com", "/a", "a"),
            ("shop.example.com", "/a/x", "a"),
            ("shop.example.com", "/ab", "shop"),
            ("shop.example.com", "/a/b/c", "b"),
            ("blog.example.com", "/", "blog"),
            ("blog.example.com", "/api/x", "api"),
            ("a.b.example.com", "/", "any"),
            ("example.com", "/", "any"),
            ("127.0.0.1", "/", "any"),
        ] {
            assert_eq!(routes.find(host, path).unwrap().worker.as_str(), worker, "{host} {path}");
        }
    }

    #[test]
    fn nothing_is_found_where_nothing_is_configured() {
        let routes = routes(&[("a.test", "/x", Some("a")), ("*.b.test", "", None)]).unwrap();
        for (host, path) in [("a.test", "/"), ("b.test", "/"), (".b.test", "/"), ("a b.b.test", "/"), ("", "/")] {
            assert_eq!(routes.find(host, path), None, "{host} {path}");
        }
        assert!(!routes.is_empty() && Routes::default().is_empty());
    }

    #[test]
    fn what_is_wrong_is_told_by_its_place() {
        let place = |lines: &[_]| routes(lines).unwrap_err().0;
        assert_eq!(place(&[("a.test", "", Some("a")), ("a/b", "", Some("a"))]), "[1].host");
        assert_eq!(place(&[("a.test", "x", Some("a"))]), "[0].path");
        assert_eq!(place(&[("a.test", "", None)]), "[0].worker");
        assert_eq!(place(&[("a.test", "", Some("a/b"))]), "[0].worker");
        assert_eq!(place(&[("a.test", "/x", Some("a")), ("A.test", "/x/", Some("b"))]), "[1]");
    }
}
