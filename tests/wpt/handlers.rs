//! The handlers that web-platform-tests has in Python, as far as tests of these directories ask for them.

use crate::server::{Answered, Asked};

/// What the handler at `path` answers; `None` where the connection breaks. One that is not here is not found.
pub fn answer(path: &str, asked: Asked<'_>) -> Option<Answered> {
    let answered = match path.rsplit('/').next().unwrap_or_default() {
        "inspect-headers.py" => inspect_headers(&asked),
        "method.py" => method(&asked),
        "echo-content.py" | "echo-content.h2.py" => echo_content(&asked),
        "status.py" => status(&asked),
        "redirect.py" => redirect(asked),
        "redirect-empty-location.py" => Answered::new(302, "").with("location", ""),
        "trickle.py" => trickle(&asked),
        "cache.py" if path.contains("/request/") => request_cache(asked),
        "cache.py" => cache(&asked),
        "infinite-slow-response.py" => slow_response(asked),
        "stash-put.py" => stash_put(asked),
        "stash-take.py" => stash_take(asked),
        "clean-stash.py" => clean_stash(asked),
        "authentication.py" => authentication(&asked),
        "dump-authorization-header.py" => {
            Answered::new(200, asked.header("authorization").unwrap_or("none")).with("content-type", "text/html")
        }
        "echo-headers.py" => {
            let lines: String = asked.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
            Answered::new(200, lines).with("content-type", "text/plain")
        }
        "parse-headers.py" => {
            let value = asked.get("my-custom-header");
            let answered = Answered::new(200, "");
            match value {
                Some(value) => answered.with("my-custom-header", value),
                None => answered,
            }
        }
        "bad-chunk-encoding.py" => return None,
        _ => Answered::new(404, "no such handler"),
    };
    Some(answered)
}

fn inspect_headers(asked: &Asked<'_>) -> Answered {
    let mut answered = Answered::new(200, "");
    for name in asked.get("headers").unwrap_or_default().split('|') {
        if let Some(value) = asked.header(name) {
            answered = answered.with(&format!("x-request-{name}"), value);
        }
    }
    answered.with("content-type", "text/plain")
}

fn method(asked: &Asked<'_>) -> Answered {
    let mut answered = Answered::new(200, asked.body).with("x-request-method", asked.method);
    for name in ["content-type", "content-length", "content-encoding", "content-language", "content-location"] {
        answered = answered.with(&format!("x-request-{name}"), asked.header(name).unwrap_or("NO"));
    }
    answered
}

fn echo_content(asked: &Asked<'_>) -> Answered {
    Answered::new(200, asked.body)
        .with("x-request-method", asked.method)
        .with("x-request-content-length", asked.header("content-length").unwrap_or("NO"))
        .with("x-request-content-type", asked.header("content-type").unwrap_or("NO"))
        .with("content-type", "text/plain")
}

fn status(asked: &Asked<'_>) -> Answered {
    let code = asked.get("code").and_then(|code| code.parse().ok()).unwrap_or(200);
    Answered::new(code, asked.get_bytes("content").unwrap_or_default())
        .with("content-type", asked.get("type").unwrap_or_default())
        .with("x-request-method", asked.method)
}

fn redirect(mut asked: Asked<'_>) -> Answered {
    let token = asked.get("token");
    let stashed = token.as_ref().and_then(|token| asked.stash.remove(token));
    let count = stashed.and_then(|count| count.parse::<u32>().ok()).unwrap_or(0) + 1;
    let status = asked.get("redirect_status").or_else(|| asked.get("status")).and_then(|code| code.parse().ok());
    let mut answered = Answered::new(status.unwrap_or(302), "").with("content-type", "text/plain");
    if let Some(location) = asked.get("location") {
        let mut target = location.clone();
        let within = !location.contains(':') || location.starts_with("http");
        if asked.get("simple").is_none() && within && asked.url.path().contains("/fetch/") {
            target.push(if target.contains('?') { '&' } else { '?' });
            target += asked.url.query().unwrap_or_default();
            target += &format!("&count={count}");
        }
        answered = answered.with("location", target);
    }
    if let Some(token) = token {
        asked.stash.insert(token, count.to_string());
        if asked.get("max_count").and_then(|most| most.parse::<u32>().ok()).is_some_and(|most| count > most) {
            return Answered::new(200, (count - 1).to_string());
        }
    }
    answered
}

fn trickle(asked: &Asked<'_>) -> Answered {
    let count = asked.get("count").and_then(|count| count.parse().ok()).unwrap_or(50);
    let answered = Answered::new(200, "TEST_TRICKLE\n".repeat(count));
    if asked.get("notype").is_some() { answered } else { answered.with("content-type", "text/plain") }
}

fn cache(asked: &Asked<'_>) -> Answered {
    if asked.header("if-none-match") == Some("\"123abc\"") {
        return Answered::new(304, "");
    }
    Answered::new(200, "lorem ipsum dolor sit amet").with("etag", "\"123abc\"").with("content-type", "text/plain")
}

/// What came with each request is told to `?querystate`.
fn request_cache(mut asked: Asked<'_>) -> Answered {
    let token = asked.get("token").unwrap_or_default();
    let known = asked.stash.remove(&token);
    if asked.get("querystate").is_some() {
        return Answered::new(200, known.unwrap_or_else(|| "null".to_owned())).with("content-type", "text/plain");
    }
    let mut state = serde_json::Map::new();
    for name in ["If-None-Match", "If-Modified-Since", "Pragma", "Cache-Control"] {
        if let Some(value) = asked.header(name).filter(|_| asked.get("ignore").is_none()) {
            state.insert(name.to_owned(), value.into());
        }
    }
    let states = known.and_then(|known| serde_json::from_str::<Vec<serde_json::Value>>(&known).ok());
    let mut states = states.unwrap_or_default();
    states.push(state.into());
    asked.stash.insert(token, serde_json::Value::from(states).to_string());
    let tag = asked.get("tag").map(|tag| format!("\"{tag}\""));
    let (none_match, modified) = (asked.header("if-none-match"), asked.header("if-modified-since"));
    let unchanged = none_match.is_some_and(|value| tag.as_deref() == Some(value))
        || modified.is_some_and(|value| asked.get("date").as_deref() == Some(value));
    let mut answered = match asked.get("redirect") {
        Some(location) => Answered::new(302, "").with("location", location),
        None if unchanged => Answered::new(304, ""),
        None => Answered::new(200, asked.get("content").unwrap_or_default()).with("content-type", "text/plain"),
    };
    let date = asked.get("date").filter(|_| tag.is_none());
    for (name, value) in
        [("etag", tag), ("last-modified", date), ("expires", asked.get("expires")), ("vary", asked.get("vary"))]
    {
        if let Some(value) = value {
            answered = answered.with(name, value);
        }
    }
    match asked.get("cache_control") {
        Some(value) => answered.with("cache-control", value),
        None => answered,
    }
}

/// It never ends in a browser. Here responses arrive whole, so it is one that has ended.
fn slow_response(mut asked: Asked<'_>) -> Answered {
    if let Some(key) = asked.get("stateKey") {
        asked.stash.insert(key, "closed".to_owned());
    }
    Answered::new(200, ".".repeat(2048)).with("content-type", "text/plain")
}

fn stash_put(mut asked: Asked<'_>) -> Answered {
    let (key, value) = (asked.get("key").unwrap_or_default(), asked.get("value").unwrap_or_default());
    asked.stash.insert(key, value);
    Answered::new(200, "done")
}

fn stash_take(mut asked: Asked<'_>) -> Answered {
    let key = asked.get("key").unwrap_or_default();
    let value = asked.stash.remove(&key);
    Answered::new(200, serde_json::json!(value).to_string()).with("content-type", "application/json")
}

fn clean_stash(mut asked: Asked<'_>) -> Answered {
    let token = asked.get("token").unwrap_or_default();
    Answered::new(200, if asked.stash.remove(&token).is_some() { "1" } else { "0" })
}

fn authentication(asked: &Asked<'_>) -> Answered {
    if asked.header("authorization") == Some("Basic dXNlcjpwYXNzd29yZA==") {
        return Answered::new(200, "Authentication done");
    }
    Answered::new(401, "Please login with credentials 'user' and 'password'")
        .with("www-authenticate", "Basic realm=\"test\"")
}
