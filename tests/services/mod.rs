//! The conformance suite of the services, through every door of a running server. The scenarios say what each answer
//! is; beyond that the doors are compared with each other, answer by answer.

mod doors;
pub mod fixtures;
mod surroundings;

use std::collections::BTreeMap;

use doer_core::service::Service;
use serde_json::Value;

use self::{
    doors::{Batch, Guest, Mcp, Rpc, Way},
    surroundings::Surroundings,
};
use crate::scenarios::{self, Door, Transcript};

/// One test a service, so that they run side by side and a failure names its service.
macro_rules! every_door_answers_alike {
    ($($test:ident: $service:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                every_door_answers_alike(Service::$service).await;
            }
        )*
    };
}

every_door_answers_alike! {
    db: Db, auth: Auth, gateway: Gateway, schedule: Schedule, webhooks: Webhooks, email: Email, mcp: Mcp, queue: Queue,
}

async fn every_door_answers_alike(service: Service) {
    scenarios::covers_the_contract(service);
    let surroundings = Surroundings::start(service).await;
    let client = &surroundings.server.client;
    let doors: [(&str, &dyn Door); 6] = [
        ("rpc", &Rpc(client)),
        ("batch", &Batch(client)),
        ("guest", &Guest { client, way: Way::Service }),
        ("unified", &Guest { client, way: Way::Unified }),
        ("fetch", &Guest { client, way: Way::Fetch }),
        ("mcp", &Mcp(client)),
    ];
    let mut first: Option<(&str, Transcript)> = None;
    for (name, door) in doors {
        let run = format!("{name}-run");
        let transcript = scenarios::run(service, door, &surroundings.fixtures, &run).await;
        let transcript = alike(transcript, &run);
        match &first {
            None => first = Some((name, transcript)),
            Some((other, expected)) => assert_eq!(&transcript, expected, "{name} answers otherwise than {other}"),
        }
    }
}

/// A transcript without what must differ from run to run: ids, times, secrets. Of a text or a number remains what it
/// is, of an error everything.
fn alike(transcript: Transcript, run: &str) -> Transcript {
    let plain = |text: String| text.replace(run, "run");
    let steps = transcript.into_iter().map(|(place, answer)| {
        let answer = match answer {
            Ok(result) => Ok(shape(result)),
            Err((code, message)) => Err((code, without_ids(&plain(message)))),
        };
        (place, answer)
    });
    steps.collect()
}

fn shape(value: Value) -> Value {
    match value {
        // What happens by itself may have got further: a time may be there, or not yet.
        Value::Null | Value::Number(_) | Value::String(_) => "a value".into(),
        // A list of what happens by itself may be longer by now; what is in it the scenarios say.
        Value::Array(_) => "a list".into(),
        Value::Object(members) => members.into_iter().map(|(name, member)| (name, shape(member))).collect(),
        other => other,
    }
}

/// Ids are words with digits in them, of at least twelve characters.
fn without_ids(message: &str) -> String {
    let is_id = |word: &str| word.len() >= 12 && word.chars().any(|c| c.is_ascii_digit());
    let words = message.split(' ').map(|word| if is_id(word) { "id" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

/// The fixtures by name, as scenarios know them.
pub type Fixtures = BTreeMap<String, String>;
