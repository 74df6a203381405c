//! Hono: what its applications rely on.

use serde_json::json;

use super::{ask::Ask, worker::Worker};
use crate::support::{Caller, eventually};

const JSON: &str = "application/json";

#[tokio::test]
async fn hono_leads_requests_to_their_handlers() {
    let Some(app) = Worker::deployed("hono_leads_requests_to_their_handlers", "hono").await else { return };
    let asks = [
        Ask::get("/"),
        Ask::get("/users/7?page=2&tag=a&tag=b"),
        Ask::get("/posts/a-slug"),
        Ask::get("/posts/1"),
        Ask::get("/archive/2024"),
        Ask::get("/archive/2024/02"),
        Ask::get("/files/a/b%20c"),
        Ask::new("HEAD", "/"),
        Ask::new("PATCH", "/things/a%2Fb").header("content-type", JSON),
        Ask::get("/old"),
        Ask::get("/page"),
        Ask::get("/api/v1/ping"),
        Ask::get("/mounted/x/y"),
        Ask::get("/none"),
        Ask::get("/fails"),
        Ask::get("/refuses"),
        Ask::get("/etag"),
        Ask::get("/secure"),
        Ask::get("/cors").header("origin", "https://a.example"),
        Ask::new("OPTIONS", "/cors")
            .header("origin", "https://a.example")
            .header("access-control-request-method", "GET"),
    ];
    let answers = app.alike(&asks).await;
    let said = |path: &str| &answers[asks.iter().position(|ask| ask.path.starts_with(path)).unwrap()];
    assert_eq!(said("/users").json, json!({"id": "7", "page": "2", "tags": ["a", "b"]}));
    assert_eq!(said("/posts/1").status, 404);
    assert_eq!(said("/archive/2024/02").json, json!({"year": "2024", "month": "02"}));
    assert_eq!((said("/old").status.as_u16(), said("/old").header("location")), (301, "/users/7"));
    assert_eq!(said("/page").text, "<h1>&lt;Ada&gt;</h1>");
    assert_eq!(said("/fails").text, "TypeError: by its own doing");
    assert_eq!((said("/refuses").status.as_u16(), &*said("/refuses").text), (418, "a teapot"));
    assert_eq!(said("/none").json, json!({"missing": "/none"}));
    assert_eq!(said("/cors").header("access-control-allow-origin"), "https://a.example");

    let tag = said("/etag").header("etag");
    let again = app.alike(&[Ask::get("/etag").header("if-none-match", tag)]).await;
    assert_eq!((again[0].status.as_u16(), &*again[0].text), (304, ""));
}

#[tokio::test]
async fn hono_reads_bodies_and_refuses_bad_ones() {
    let Some(app) = Worker::deployed("hono_reads_bodies_and_refuses_bad_ones", "hono").await else { return };
    let part = |head: &str, text: &str| format!("--b\r\ncontent-disposition: form-data; {head}\r\n\r\n{text}\r\n");
    let file = part("name=\"file\"; filename=\"a.txt\"\r\ncontent-type: text/plain", "of it");
    let tags = part("name=\"tags\"", "1") + &part("name=\"tags\"", "2");
    let form = format!("{}{tags}{file}--b--\r\n", part("name=\"name\"", "Ada"));
    let answers = app
        .alike(&[
            Ask::post("/form", form).header("content-type", "multipart/form-data; boundary=b"),
            Ask::json("/checked", &json!({"n": 1})),
            Ask::json("/checked", &json!({"n": "1"})),
            Ask::post("/checked", "{").header("content-type", JSON),
            Ask::post("/small", "12345678"),
            Ask::post("/small", "123456789"),
        ])
        .await;
    let of_form = json!({"name": "Ada", "tags": ["1", "2"], "file": ["a.txt", "text/plain", "of it"]});
    assert_eq!(answers[0].json, of_form);
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    assert_eq!(statuses, [200, 200, 400, 400, 200, 413]);
}

#[tokio::test]
async fn hono_renders_jsx_and_the_texts_beside_it() {
    let test = "hono_renders_jsx_and_the_texts_beside_it";
    let Some(site) = Worker::deployed(test, "site").await else { return };
    let answers = site.alike(&[Ask::get("/"), Ask::get("/icon.svg"), Ask::get("/later")]).await;
    let page = "<html><head><style>p { color: red }\n</style></head>\
        <body><h1>For &lt;Ada&gt;</h1><ul><li>1</li><li>2</li></ul><p>a page</p>\n</body></html>";
    assert_eq!(answers[0].text, page);
    assert_eq!((answers[1].header("content-type"), &*answers[1].text), ("image/svg+xml", "<svg/>\n"));
    assert!(answers[2].text.contains("<i>wait</i>"), "{}", answers[2].text);
    assert!(answers[2].text.contains("<ul><li>3</li></ul>"), "{}", answers[2].text);
}

#[tokio::test]
async fn hono_runs_middleware_around_handlers_in_its_order() {
    let Some(app) = Worker::deployed("hono_runs_middleware_around_handlers_in_its_order", "hono").await else { return };
    let answer = app.alike_get("/order/handler").await;
    assert_eq!(answer.header("x-trail"), "first second own handler /own /second /first");
    // It comes out of a middleware as gzip, and of the platform as what went in.
    assert_eq!(app.alike_get("/inflated").await.text, "again and ".repeat(100));
    // And of the client, which takes the header away with what it says.
    let unpacked = app.ask(&Ask::get("/compressed")).await;
    assert_eq!(unpacked.header("vary"), "Accept-Encoding");
    assert_eq!(unpacked.text, "again and ".repeat(100));
}

#[tokio::test]
async fn hono_sets_cookies_and_reads_them() {
    let Some(app) = Worker::deployed("hono_sets_cookies_and_reads_them", "hono").await else { return };
    let set = app.alike_get("/cookies/set").await;
    let cookies: Vec<_> = set.headers.get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap()).collect();
    assert_eq!(cookies.len(), 4, "{cookies:?}");
    assert_eq!(cookies[0], "plain=a%20b%3Bc; Max-Age=60; Path=/; HttpOnly; SameSite=Lax");
    assert!(cookies[3].starts_with("gone=; Max-Age=0"), "{cookies:?}");

    // As a browser sends them back, and with a signature that is another's.
    let back = cookies[..3].iter().map(|cookie| cookie.split(';').next().unwrap()).collect::<Vec<_>>().join("; ");
    let forged = back.replace("signed=ada.", "signed=eve.");
    let read =
        app.alike(&[Ask::get("/cookies").header("cookie", back), Ask::get("/cookies").header("cookie", forged)]).await;
    assert_eq!((&read[0].json["plain"], &read[0].json["signed"]), (&json!("a b;c"), &json!("ada")));
    assert_eq!((&read[1].json["plain"], &read[1].json["signed"]), (&json!("a b;c"), &json!(false)));
}

#[tokio::test]
async fn hono_lets_nobody_in_without_a_token_that_it_has_signed() {
    let Some(app) = Worker::deployed("hono_lets_nobody_in_without_a_token_that_it_has_signed", "hono").await else {
        return;
    };
    let token = app.alike_get("/login/ada").await.text;
    let (signed, signature) = token.rsplit_once('.').unwrap();
    // The first character of a signature: all its bits count.
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    let with = |token: &str| Ask::get("/private/me").header("authorization", format!("Bearer {token}"));
    let asks = [
        Ask::get("/private/me"),
        with("a.b.c"),
        with(&format!("{signed}.{first}{}", &signature[1..])),
        // Signed by nobody.
        with("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiJhZGEifQ."),
        with(&token),
        Ask::get("/basic"),
        Ask::get("/basic").header("authorization", "Basic YWRhOmVuZ2luZQ=="),
        Ask::get("/bearer").header("authorization", "Bearer of-somebody-else"),
        Ask::get("/bearer").header("authorization", "Bearer token-of-ada"),
    ];
    let answers = app.alike(&asks).await;
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    assert_eq!(statuses, [401, 401, 401, 401, 200, 401, 200, 401, 200]);
    assert_eq!(answers[4].json, json!({"sub": "ada", "exp": 4_102_444_800_u64}));
    assert!(answers[2].header("www-authenticate").contains("invalid_token"), "{:?}", answers[2].headers);
}

#[tokio::test]
async fn hono_streams_piece_by_piece() {
    let Some(app) = Worker::deployed("hono_streams_piece_by_piece", "hono").await else { return };
    // It has no end: what arrives has not waited for one.
    let mut endless = app.send(&Ask::get("/endless")).await;
    let mut text = String::new();
    while !text.contains("2\n") {
        let piece = endless.chunk().await.unwrap().expect("it does not end by itself");
        text.push_str(std::str::from_utf8(&piece).unwrap());
    }
    assert!(text.starts_with("0\n1\n2\n"), "{text}");
    let execution = endless.headers()["x-execution-id"].to_str().unwrap().to_owned();
    drop(endless);
    eventually("who goes away ends it", async || {
        let receipt = app.host.server.client.get(Caller::Tenant, &format!("/executions/{execution}")).await;
        (receipt.status == 200 && receipt.json["state"] != "running").then_some(())
    })
    .await;

    let answers = app.alike(&[Ask::get("/events"), Ask::get("/piped")]).await;
    assert_eq!(answers[0].header("content-type"), "text/event-stream");
    assert!(answers[0].text.contains("event: tick\ndata: 1\ndata: of two\nid: 1\n\n"), "{}", answers[0].text);
    assert_eq!(answers[1].text, "through a pipe");
}
