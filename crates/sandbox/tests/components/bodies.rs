//! Bodies piece by piece, both ways.

use bytes::Bytes;
use doer_core::fault::Termination;
use doer_sandbox::{Answered, Body, Request};
use futures_util::{StreamExt as _, stream};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::{
    common::{block_on, invocation},
    guest::{answered, worker},
    workers::ECHO,
};

fn post(body: Body) -> Request {
    Request { method: "POST".to_owned(), url: "http://worker.test/".to_owned(), headers: Vec::new(), body }
}

/// A body that is sent here and there.
fn sent() -> (mpsc::Sender<Result<Bytes, std::io::Error>>, Body) {
    let (sender, mut receiver) = mpsc::channel(1);
    (sender, Body::from_stream(stream::poll_fn(move |context| receiver.poll_recv(context))))
}

#[test]
fn a_piece_that_comes_in_goes_out_before_the_next_is_there() {
    block_on(async {
        let (sender, body) = sent();
        let Answered { answer, run } = answered(worker("", ECHO), post(body), invocation(Value::Null)).await;
        let mut body = answer.unwrap().body;
        assert_eq!(body.next().await.unwrap().unwrap(), "/");
        for piece in ["one", "two", "three"] {
            sender.send(Ok(piece.into())).await.unwrap();
            assert_eq!(body.next().await.unwrap().unwrap(), piece);
        }
        assert!(!run.is_over());
        drop(sender);
        assert!(body.next().await.is_none());
        let outcome = run.ended().await.unwrap();
        assert_eq!(outcome.answer, Ok(()));
        assert!(outcome.usage.output_bytes >= 12, "{:?}", outcome.usage);
    });
}

#[test]
fn who_goes_away_is_told_to_the_component() {
    block_on(async {
        let forever = "(call $open (local.get $out) (i32.const 200))
            (loop $l (call $say (i32.const 1024) (i32.const 4)) (br $l))";
        let request = || post(Body::empty());
        let Answered { answer, run } = answered(worker("more", forever), request(), invocation(Value::Null)).await;
        let mut body = answer.unwrap().body;
        assert_eq!(body.next().await.unwrap().unwrap(), "more");
        drop(body);
        // The stream is closed: what this one does about that is to trap.
        let outcome = run.ended().await.unwrap();
        assert_eq!(outcome.answer.unwrap_err().name, "RuntimeError");
    });
}

#[test]
fn a_body_breaks_off_where_its_run_ends_first() {
    block_on(async {
        let half = "(call $open (local.get $out) (i32.const 200)) (call $say (i32.const 1024) (i32.const 4))
            (call $block (call $after (i64.const 50000000))) unreachable";
        let Answered { answer, run } =
            answered(worker("half", half), post(Body::empty()), invocation(Value::Null)).await;
        let mut body = answer.unwrap().body;
        let mut pieces = Vec::new();
        let broken = loop {
            match body.next().await.unwrap() {
                Ok(piece) => pieces.push(piece),
                Err(broken) => break broken,
            }
        };
        assert!(pieces.concat().len() <= 4);
        assert!(broken.to_string().contains("before its response was complete"), "{broken}");
        assert_eq!(run.ended().await.unwrap().answer.unwrap_err().name, "RuntimeError");
    });
}

#[test]
fn what_comes_in_has_a_budget_and_may_break_off() {
    block_on(async {
        let mut limited = invocation(Value::Null);
        limited.limits.transfer_bytes = 1000;
        let pieces = stream::iter((0..100).map(|_| Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 100]))));
        let Answered { answer, run } = answered(worker("", ECHO), post(Body::from_stream(pieces)), limited).await;
        answer.unwrap().body.collect(1 << 20).await.unwrap_err();
        assert_eq!(run.ended().await.unwrap().answer.unwrap_err().code, Some(Termination::CallLimit));
        let broken = stream::iter([Err::<Bytes, _>(std::io::Error::other("gone"))]);
        let body = Body::from_stream(broken);
        let Answered { answer, .. } = answered(worker("", ECHO), post(body), invocation(Value::Null)).await;
        // To the component it is the end of the stream, by an error.
        assert_eq!(answer.unwrap().body.collect(100).await.unwrap(), "/");
    });
}
