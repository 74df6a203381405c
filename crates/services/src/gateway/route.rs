//! Routes: checked when the gateway starts, found by the path of each request.

use doer_core::{scope::Scope, service::gateway::RouteInfo, tier::Tier};
use reqwest::{Method, header::HeaderMap};
use serde_json::{Map, Value};
use std::time::Duration;
use url::Url;

use super::{
    path::{self, Target},
    settings::{Error, RouteSettings},
};
use crate::wire;

const USUAL_METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// A route, ready to be used.
#[derive(Debug)]
pub(super) struct Route {
    segments: Vec<String>,
    upstream: Url,
    methods: Vec<Method>,
    /// Marked as sensitive: nothing that prints headers prints these.
    pub(super) headers: HeaderMap,
    /// Members of bodies in JSON, where the caller gave none.
    pub(super) defaults: Map<String, Value>,
    tiers: Vec<Tier>,
    namespaces: Vec<String>,
    pub(super) rate_per_minute: Option<u32>,
    pub(super) timeout: Duration,
    pub(super) retries: u32,
}

/// The routes of an installation, those with the longest prefix first.
///
/// # Errors
/// [`Error::Route`].
pub(super) fn table(settings: Vec<RouteSettings>) -> Result<Vec<Route>, Error> {
    let mut routes: Vec<Route> = Vec::with_capacity(settings.len());
    for (number, settings) in settings.into_iter().enumerate() {
        let route = Route::new(settings).map_err(|(setting, problem)| Error::Route { number, setting, problem })?;
        if routes.iter().any(|other| other.segments == route.segments) {
            return Err(Error::Route { number, setting: "prefix", problem: "must not be that of another route" });
        }
        routes.push(route);
    }
    routes.sort_by_key(|route| std::cmp::Reverse(route.segments.len()));
    Ok(routes)
}

impl Route {
    fn new(settings: RouteSettings) -> Result<Self, (&'static str, &'static str)> {
        let target = Target::parse(&settings.prefix)
            .ok()
            .filter(|target| target.query.is_none())
            .ok_or(("prefix", "must be a path that begins with `/`, without query"))?;
        let upstream = settings.upstream;
        if !matches!(upstream.scheme(), "http" | "https") || !upstream.has_host() {
            return Err(("upstream", "must be a URL that begins with `https://` or `http://`"));
        }
        if upstream.query().is_some() || upstream.fragment().is_some() || !upstream.username().is_empty() {
            return Err(("upstream", "must have no query, no fragment and no user name"));
        }
        let methods: Vec<&str> = match settings.methods.as_slice() {
            [] => USUAL_METHODS.to_vec(),
            methods => methods.iter().map(String::as_str).collect(),
        };
        let methods = methods.into_iter().map(|method| Method::from_bytes(method.as_bytes())).collect::<Result<_, _>>();
        if settings.rate_per_minute == Some(0) {
            return Err(("rate_per_minute", "must be at least 1"));
        }
        if settings.timeout.is_zero() {
            return Err(("timeout", "must be more than nothing"));
        }
        let mut headers = HeaderMap::new();
        for (name, value) in &settings.headers {
            let (name, mut value) =
                wire::header(name, value).ok_or(("headers", "must be names and values that HTTP allows"))?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        Ok(Self {
            segments: target.segments,
            upstream,
            methods: methods.map_err(|_| ("methods", "must be methods of HTTP, such as `GET`"))?,
            headers,
            defaults: settings.defaults,
            tiers: settings.tiers,
            namespaces: settings.namespaces,
            rate_per_minute: settings.rate_per_minute,
            timeout: settings.timeout,
            retries: settings.retries,
        })
    }

    /// As it is told to callers.
    pub(super) fn info(&self) -> RouteInfo {
        RouteInfo { prefix: self.prefix(), methods: self.methods.iter().map(Method::to_string).collect() }
    }

    /// `/a/b`.
    pub(super) fn prefix(&self) -> String {
        format!("/{}", self.segments.join("/"))
    }

    /// Is the path this prefix, or below it? With parameters it is as without them: an upstream that knows of those
    /// takes `/a;x/b` for `/a/b`, so no other route may have it.
    pub(super) fn leads_to(&self, target: &Target) -> bool {
        let is_same = |(mine, given): (&String, &String)| mine == given || mine == path::bare(given);
        target.segments.len() >= self.segments.len() && self.segments.iter().zip(&target.segments).all(is_same)
    }

    /// May this caller use it?
    pub(super) fn is_for(&self, scope: &Scope) -> bool {
        let namespace = scope.namespace.as_str();
        (self.tiers.is_empty() || self.tiers.contains(&scope.tier))
            && (self.namespaces.is_empty() || self.namespaces.iter().any(|allowed| allowed == namespace))
    }

    /// The allowed method of that name.
    pub(super) fn method(&self, name: &str) -> Option<&Method> {
        self.methods.iter().find(|method| method.as_str() == name)
    }

    /// Where a path leads to: what follows the prefix, below the upstream's own path.
    pub(super) fn url(&self, target: &Target) -> Url {
        let mut path = self.upstream.path().trim_end_matches('/').to_owned();
        for segment in target.segments.iter().skip(self.segments.len()) {
            path.push('/');
            path.push_str(segment);
        }
        if target.is_folder && !path.ends_with('/') {
            path.push('/');
        }
        let mut url = self.upstream.clone();
        url.set_path(&path);
        url.set_query(target.query.as_deref());
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(prefix: &str, upstream: &str) -> RouteSettings {
        RouteSettings::new(prefix, upstream.parse().unwrap())
    }

    fn url(prefix: &str, upstream: &str, path: &str) -> String {
        let routes = table(vec![route(prefix, upstream)]).unwrap();
        let target = Target::parse(path).unwrap();
        assert!(routes[0].leads_to(&target), "{path}");
        routes[0].url(&target).into()
    }

    #[test]
    fn the_upstream_takes_the_prefixs_place() {
        assert_eq!(url("/pay", "https://a.example/v1", "/pay/charges?x=1"), "https://a.example/v1/charges?x=1");
        assert_eq!(url("/pay", "https://a.example/v1/", "/pay"), "https://a.example/v1");
        assert_eq!(url("/pay", "https://a.example/v1", "/pay/"), "https://a.example/v1/");
        assert_eq!(url("/", "http://10.0.0.1:8080", "/a//b"), "http://10.0.0.1:8080/a/b");
        assert_eq!(url("/", "http://10.0.0.1:8080", "/"), "http://10.0.0.1:8080/");
        assert_eq!(url("/p", "https://a.example", "/p;x/y;z"), "https://a.example/y;z");
        assert_eq!(url("/p", "https://a.example", "/p//evil.example/x"), "https://a.example/evil.example/x");
    }

    #[test]
    fn no_path_leaves_the_upstreams() {
        for path in ["/pay/x/../../pay/y", "/pay/%2e%2e/pay/y", "/pay/./y"] {
            assert_eq!(url("/pay", "https://a.example/v1", path), "https://a.example/v1/y", "{path}");
        }
        let routes = table(vec![route("/pay", "https://a.example/v1")]).unwrap();
        assert!(!routes[0].leads_to(&Target::parse("/pay/../admin").unwrap()));
    }

    #[test]
    fn the_longest_prefix_wins_and_ends_at_a_segment() {
        let routes = table(vec![
            route("/", "https://root.example"),
            route("/a/b", "https://ab.example"),
            route("/a", "https://a.example"),
        ]);
        let routes = routes.unwrap();
        let host = |path: &str| {
            let target = Target::parse(path).unwrap();
            let found = routes.iter().find(|route| route.leads_to(&target)).unwrap();
            found.upstream.host_str().unwrap().to_owned()
        };
        assert_eq!(host("/a/b/c"), "ab.example");
        assert_eq!(host("/a/%62"), "ab.example");
        assert_eq!(host("/a/b;x=1/c"), "ab.example");
        assert_eq!(host("/a;x/b%3bx"), "ab.example");
        assert_eq!(host("/a;/bc"), "a.example");
        assert_eq!(host("/a/bc"), "a.example");
        assert_eq!(host("/ab"), "root.example");
    }

    #[test]
    fn settings_that_make_no_sense_are_named() {
        let problem = |settings| table(vec![settings]).unwrap_err().to_string();
        assert!(problem(route("a", "https://a.example")).starts_with("routes[0].prefix: must be a path"));
        assert!(problem(route("/a?b", "https://a.example")).starts_with("routes[0].prefix: "));
        assert!(problem(route("/a", "ftp://a.example")).starts_with("routes[0].upstream: "));
        assert!(problem(route("/a", "https://a.example?b")).starts_with("routes[0].upstream: "));
        let rate = RouteSettings { rate_per_minute: Some(0), ..route("/a", "https://a.example") };
        assert!(problem(rate).starts_with("routes[0].rate_per_minute: "));
        let header = [("a b".to_owned(), "c".to_owned())].into();
        let header = RouteSettings { headers: header, ..route("/a", "https://a.example") };
        assert!(problem(header).starts_with("routes[0].headers: "));
        let twice = vec![route("/a", "https://a.example"), route("/a/", "https://b.example")];
        assert!(table(twice).unwrap_err().to_string().starts_with("routes[1].prefix: "));
    }

    #[test]
    fn secrets_are_not_printed() {
        let headers = [("authorization".to_owned(), "Bearer hidden".to_owned())].into();
        let settings = RouteSettings { headers, ..route("/a", "https://a.example") };
        let printed = format!("{settings:?} {:?}", table(vec![settings.clone()]).unwrap());
        assert!(!printed.contains("hidden"), "{printed}");
    }
}
