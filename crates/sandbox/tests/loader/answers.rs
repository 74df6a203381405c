//! `ctx.waitUntil`: the reply comes first, and the run goes on.

use doer_core::fault::Termination;
use doer_sandbox::{Body, Request};
use tokio::sync::mpsc;

use super::*;

/// A request whose body comes when the test says so: what a run waits for.
fn gated() -> (mpsc::Sender<Result<bytes::Bytes, std::io::Error>>, Request) {
    let (sender, mut receiver) = mpsc::channel(1);
    let body = Body::from_stream(futures_util::stream::poll_fn(move |context| receiver.poll_recv(context)));
    (sender, Request { method: "POST".into(), url: "http://worker.test/".into(), headers: Vec::new(), body })
}

const LATER: &str = "
    export default { fetch(request, env, ctx) {
        ctx.waitUntil(request.text().then((text) => console.log('later', text)));
        console.log('now');
        return new Response('reply', { status: 202 });
    } }";

#[test]
fn a_reply_comes_before_what_it_left_to_do_and_the_outcome_after() {
    block_on(async {
        let stub = registry(ROOM).await.load(code(LATER));
        let (gate, request) = gated();
        let answered = stub.fetch(Entrypoint::default(), request, invocation(Value::Null)).await.unwrap();
        let reply = answered.answer.unwrap();
        assert_eq!(reply.head.status, 202);
        assert_eq!(&*reply.body.collect(100).await.unwrap(), b"reply");
        assert!(!answered.run.is_over());
        gate.send(Ok("text".into())).await.unwrap();
        drop(gate);
        let outcome = answered.run.ended().await.unwrap();
        assert_eq!((outcome.answer, outcome.logs), (Ok(()), vec!["now".to_owned(), "later text".to_owned()]));
    });
}

#[test]
fn who_goes_away_after_the_reply_stops_nothing_and_before_it_everything() {
    block_on(async {
        let stub = registry(ROOM).await.load(code(LATER));
        let (gate, request) = gated();
        drop(stub.fetch(Entrypoint::default(), request, invocation(Value::Null)).await.unwrap());
        gate.send(Ok("one".into())).await.unwrap();
        // Taken out of the channel by the run: so it is alive.
        gate.send(Ok("two".into())).await.unwrap();
        assert!(!gate.is_closed());
        drop(gate);

        let waits = "export default { async fetch(request) { return new Response(await request.text()) } }";
        let stub = registry(ROOM).await.load(code(waits));
        let (gate, request) = gated();
        let mut fetch = Box::pin(stub.fetch(Entrypoint::default(), request, invocation(Value::Null)));
        // The first piece is read, and the second waits: the run has begun.
        tokio::select! {
            biased;
            _ = &mut fetch => panic!("it waits for the body"),
            () = async { gate.send(Ok("one".into())).await.unwrap(); gate.send(Ok("two".into())).await.unwrap() } => {}
        }
        drop(fetch);
        gate.closed().await;
    });
}

#[test]
fn what_is_left_to_do_is_inside_the_same_limits() {
    block_on(async {
        let after = |work: &str| {
            code(&format!(
                "export default {{ fetch(request, env, ctx) {{
                    ctx.waitUntil(new Promise((resolve) => setTimeout(resolve, 1)).then(async () => {{ {work} }}));
                    return new Response('reply');
                }} }}"
            ))
        };
        for (work, wanted) in [
            ("for (;;) {}", Termination::CpuLimit),
            ("await new Promise((resolve) => setTimeout(resolve, 1e6))", Termination::Timeout),
            ("for (;;) console.log('x'.repeat(1000))", Termination::OutputLimit),
        ] {
            let stub = registry(ROOM).await.load(after(work));
            let mut invocation = invocation(Value::Null);
            invocation.limits.cpu = Duration::from_millis(300);
            // What computes gives way to everything else: on a busy machine that takes its time.
            let seconds = if wanted == Termination::Timeout { 2 } else { 60 };
            invocation.limits.wall = Duration::from_secs(seconds);
            invocation.limits.output_bytes = 20_000;
            let answered = stub.fetch(Entrypoint::default(), get("/"), invocation).await.unwrap();
            assert_eq!(answered.answer.unwrap().head.status, 200, "{work}");
            let killed = answered.run.ended().await.unwrap().answer.unwrap_err();
            assert_eq!(killed.code, Some(wanted), "{work}");
        }
    });
}

#[test]
fn what_fails_after_the_reply_is_told_in_the_logs() {
    block_on(async {
        let source = "export default { fetch(request, env, ctx) {
            ctx.waitUntil(Promise.reject(new RangeError('too late')));
            ctx.waitUntil(new Promise((resolve) => setTimeout(resolve, 1)));
            return new Response('reply');
        } }";
        let outcome = fetched(&registry(ROOM).await.load(code(source)), get("/")).await;
        assert_eq!(&*outcome.answer.unwrap().body, b"reply");
        assert!(outcome.logs[0].starts_with("[error] Uncaught RangeError: too late"), "{:?}", outcome.logs);
    });
}

#[test]
fn a_method_of_a_worker_may_leave_something_to_do_too() {
    block_on(async {
        let source = "
            import { WorkerEntrypoint } from 'cloudflare:workers';
            export default class extends WorkerEntrypoint {
                add(a, b) {
                    this.ctx.waitUntil(new Promise((resolve) => setTimeout(resolve, 1)).then(() => console.log('noted')));
                    return a + b;
                }
                scheduled(event) { console.log('at', event.cron) }
            }";
        let stub = registry(ROOM).await.load(code(source));
        let outcome = called(&stub, None, "add", json!([1, 2])).await;
        assert_eq!((outcome.answer.unwrap().result.get(), outcome.logs), ("3", vec!["noted".to_owned()]));
        let event = to_raw_value(&json!({"cron": "* * * * *"})).unwrap();
        let handled = stub.handle(Entrypoint::default(), "scheduled".into(), event.clone(), invocation(Value::Null));
        assert_eq!(handled.await.unwrap().logs, ["at * * * * *"]);
        let none = stub.handle(Entrypoint::default(), "queue".into(), event, invocation(Value::Null)).await.unwrap();
        assert_eq!(none.answer.unwrap_err().message, "Handler does not export a queue() function");
    });
}
