//! Bodies that are on their way while their worker runs.

use reqwest::{Body, Method};

use super::{code, register};
use crate::support::{Caller, Server, Setup};

#[tokio::test]
async fn a_piece_arrives_before_the_next_is_made_and_who_goes_away_ends_it() {
    let server = Server::start(Setup::dev()).await;
    let source = "export default { fetch() {
        let number = 0;
        return new Response(new ReadableStream({ async pull(controller) {
            await new Promise((resolve) => setTimeout(resolve, 5));
            controller.enqueue(new TextEncoder().encode(`${number++} `));
        } }));
    } }";
    register(&server, Caller::Tenant, "endless", &code(source)).await;
    let running = async |number: u32| {
        let line = format!("doer_executions_running {number}");
        crate::support::eventually(&line, async || {
            server.metrics().await.lines().any(|found| found == line).then_some(())
        })
        .await;
    };
    let request = server.client.request(Caller::Tenant, Method::GET, "/workers/endless/fetch/");
    let mut response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.headers().contains_key("x-execution-id"));
    let mut text = String::new();
    while !text.contains("2 ") {
        let piece = response.chunk().await.unwrap().expect("it does not end by itself");
        text.push_str(std::str::from_utf8(&piece).unwrap());
    }
    assert!(text.starts_with("0 1 2 "), "{text}");
    running(1).await;
    drop(response);
    running(0).await;
}

#[tokio::test]
async fn a_large_body_goes_through_a_worker() {
    let server = Server::dev().await;
    let source = "export default { fetch: (request) => new Response(request.body) }";
    register(&server, Caller::Tenant, "mirror", &code(source)).await;
    // Larger than what is at hand before its worker begins, and without a declared length.
    let pieces: Vec<_> = (0..48u8).map(|number| Ok::<_, std::io::Error>(vec![number; 64 << 10])).collect();
    let sent: Vec<u8> = pieces.iter().flat_map(|piece| piece.as_ref().unwrap().clone()).collect();
    let request = server.client.request(Caller::Tenant, Method::POST, "/workers/mirror/fetch/");
    let body = Body::wrap_stream(futures_util::stream::iter(pieces));
    let response = request.body(body).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.bytes().await.unwrap() == sent.as_slice(), "another body came back");
}

#[tokio::test]
async fn a_body_that_turns_out_too_large_breaks_off_for_its_worker() {
    let server = Server::start(Setup::dev().config("[server]\nbody_limit_mib = 1\n")).await;
    let source = "export default { async fetch(request) {
        try { return new Response((await request.arrayBuffer()).byteLength) }
        catch (error) { return new Response(`${error.name}: ${error.message}`) }
    } }";
    register(&server, Caller::Tenant, "reader", &code(source)).await;
    let send = async |pieces: usize| {
        let pieces: Vec<_> = (0..pieces).map(|_| Ok::<_, std::io::Error>(vec![7; 64 << 10])).collect();
        let request = server.client.request(Caller::Tenant, Method::POST, "/workers/reader/fetch/");
        let body = Body::wrap_stream(futures_util::stream::iter(pieces));
        request.body(body).send().await.unwrap().text().await.unwrap()
    };
    assert_eq!(send(16).await, (1 << 20).to_string());
    let broken = send(17).await;
    assert!(broken.contains("Error: ") && broken.contains("larger than 1048576 bytes"), "{broken}");
    // One that says so is refused before its worker runs.
    let request = server.client.request(Caller::Tenant, Method::POST, "/workers/reader/fetch/");
    assert_eq!(request.body(vec![7; (1 << 20) + 1]).send().await.unwrap().status(), 413);
}
