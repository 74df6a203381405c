//! Bodies piece by piece, both ways.

use bytes::Bytes;
use doer_core::fault::Termination;
use doer_sandbox::{Answered, Body, Request};
use futures_util::{StreamExt as _, stream};
use tokio::sync::mpsc;

use super::*;

fn post(body: Body) -> Request {
    Request { method: "POST".into(), url: "http://worker.test/".into(), headers: Vec::new(), body }
}

async fn answered(source: &str, request: Request) -> Answered<doer_sandbox::Reply> {
    let stub = registry(ROOM).await.load(code(source));
    stub.fetch(Entrypoint::default(), request, invocation(Value::Null)).await.unwrap()
}

const SHOUT: &str = "
    export default { fetch(request) {
        const upper = new TransformStream({ transform(chunk, controller) {
            controller.enqueue(chunk.map((byte) => byte >= 97 && byte <= 122 ? byte - 32 : byte));
        } });
        return new Response(request.body.pipeThrough(upper));
    } }";

#[test]
fn a_piece_that_comes_in_goes_out_before_the_next_is_there() {
    block_on(async {
        let (sender, mut receiver) = mpsc::channel::<Result<Bytes, std::io::Error>>(1);
        let body = Body::from_stream(stream::poll_fn(move |context| receiver.poll_recv(context)));
        let Answered { answer, run } = answered(SHOUT, post(body)).await;
        let mut body = answer.unwrap().body;
        for piece in ["one", "two", "three"] {
            sender.send(Ok(piece.into())).await.unwrap();
            assert_eq!(body.next().await.unwrap().unwrap(), piece.to_uppercase());
        }
        drop(sender);
        assert!(body.next().await.is_none());
        let outcome = run.ended().await.unwrap();
        assert_eq!((outcome.answer, outcome.usage.output_bytes), (Ok(()), 11));
    });
}

#[test]
fn a_large_body_goes_through_a_small_heap() {
    block_on(async {
        const PIECES: usize = 320;
        let pieces = stream::iter((0..PIECES).map(|_| Ok::<_, std::io::Error>(Bytes::from(vec![b'a'; 64 << 10]))));
        let Answered { answer, run } = answered(SHOUT, post(Body::from_stream(pieces))).await;
        let mut body = answer.unwrap().body;
        let mut bytes = 0;
        while let Some(piece) = body.next().await {
            let piece = piece.unwrap();
            assert!(piece.iter().all(|byte| *byte == b'A'));
            bytes += piece.len();
        }
        assert_eq!(bytes, PIECES * (64 << 10));
        let peak = run.ended().await.unwrap().usage.peak_memory_bytes;
        assert!(peak < 16 << 20, "{peak}");
    });
}

#[test]
fn who_stops_reading_stops_the_guest_and_who_goes_away_ends_it() {
    block_on(async {
        let source = "
            export default { fetch() {
                let pulled = 0;
                return new Response(new ReadableStream({
                    pull(controller) { pulled++; controller.enqueue(new Uint8Array(60000)); },
                    cancel() { console.log(pulled); },
                }, { highWaterMark: 0 }));
            } }";
        let Answered { answer, run } = answered(source, get("/").into()).await;
        let mut body = answer.unwrap().body;
        for _ in 0..5 {
            assert_eq!(body.next().await.unwrap().unwrap().len(), 60_000);
        }
        drop(body);
        let outcome = run.ended().await.unwrap();
        let pulled: u32 = outcome.logs[0].parse().unwrap();
        // One may lie in the channel, and one be on its way.
        assert!((5..=7).contains(&pulled), "{pulled}");
        assert_eq!(outcome.answer, Ok(()));
    });
}

#[test]
fn a_body_that_is_not_complete_does_not_look_as_if_it_were() {
    block_on(async {
        let stream = |pull: &str| {
            format!(
                "export default {{ fetch: () => new Response(new ReadableStream({{ n: 0, async pull(c) {{ {pull} }} }}, {{ highWaterMark: 0 }})) }}"
            )
        };
        for (pull, told, killed) in [
            ("if (this.n++) throw new Error('dry'); c.enqueue(new Uint8Array(3))", "Error: dry", None),
            (
                "if (this.n++) c.enqueue('text'); else c.enqueue(new Uint8Array(3))",
                "TypeError: A stream of bytes gave something else than a Uint8Array",
                None,
            ),
            (
                "if (this.n++) for (;;) {} c.enqueue(new Uint8Array(3))",
                "the run ended before its response was complete",
                Some(Termination::FuelExhausted),
            ),
            (
                "if (this.n++) await new Promise(() => {}); c.enqueue(new Uint8Array(3))",
                "the run ended before its response was complete",
                None,
            ),
        ] {
            let stub = registry(ROOM).await.load(code(&stream(pull)));
            let mut invocation = invocation(Value::Null);
            invocation.limits.fuel = 500_000_000;
            let Answered { answer, run } = stub.fetch(Entrypoint::default(), get("/"), invocation).await.unwrap();
            let mut body = answer.unwrap().body;
            assert_eq!(body.next().await.unwrap().unwrap().len(), 3, "{pull}");
            assert_eq!(body.next().await.unwrap().unwrap_err().to_string(), told, "{pull}");
            assert!(body.next().await.is_none());
            assert_eq!(run.ended().await.unwrap().answer.err().and_then(|error| error.code), killed, "{pull}");
        }
    });
}

#[test]
fn a_request_that_breaks_off_is_an_error_to_catch() {
    block_on(async {
        let source = "export default { async fetch(request) {
            try { return new Response(await request.text()) } catch (error) { return new Response(`${error}`) }
        } }";
        let pieces = [Ok(Bytes::from("half")), Err(std::io::Error::other("connection lost"))];
        let Answered { answer, .. } = answered(source, post(Body::from_stream(stream::iter(pieces)))).await;
        let text = answer.unwrap().body.collect(1000).await.unwrap();
        assert_eq!(text, "TypeError: the body broke off: connection lost");
    });
}

#[test]
fn what_streams_is_not_endless() {
    block_on(async {
        let endless = "export default { fetch: () => new Response(new ReadableStream({ pull(c) { c.enqueue(new Uint8Array(60000)) } })) }";
        let stub = registry(ROOM).await.load(code(endless));
        let limited = || {
            let mut invocation = invocation(Value::Null);
            invocation.limits.transfer_bytes = 1_000_000;
            invocation.limits.output_bytes = 500_000;
            invocation
        };
        let Answered { answer, run } = stub.fetch(Entrypoint::default(), get("/"), limited()).await.unwrap();
        let bytes = answer.unwrap().body.collect(u64::MAX).await;
        assert_eq!(bytes.unwrap_err().to_string(), "the run ended before its response was complete");
        let outcome = run.ended().await.unwrap();
        let killed = outcome.answer.unwrap_err();
        assert_eq!(killed.message, "Limit of 1000000 bytes through calls exceeded");
        assert_eq!(outcome.usage.output_bytes, 960_000);
        // Who wants all of it at once has the limit of what is kept.
        let whole = stub.fetch_whole(Entrypoint::default(), get("/"), limited()).await.unwrap();
        assert_eq!(whole.answer.unwrap_err().code, Some(Termination::OutputLimit));
    });
}
