//! `$.ai` against an endpoint that speaks OpenAI's wire: what is asked of it, and what becomes of its answers.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::{OriginalUri, State},
    http::{HeaderMap, StatusCode},
};
use serde_json::{Value, json};

use super::{result, thrown};
use crate::{
    services::fixtures::serve::serve,
    support::{Caller, Server, Setup},
};

/// What it was asked, and what it is to answer next.
#[derive(Debug, Default)]
struct Talk {
    asked: Vec<Value>,
    answers: VecDeque<(u16, Value)>,
}

#[derive(Debug, Clone, Default)]
struct Endpoint(Arc<Mutex<Talk>>);

impl Endpoint {
    fn router(&self) -> Router {
        Router::new().fallback(answer).with_state(self.clone())
    }

    fn will_say(&self, content: &str) {
        let choice =
            json!({ "index": 0, "message": { "role": "assistant", "content": content }, "finish_reason": "stop" });
        self.will_answer(200, json!({ "id": "c", "object": "chat.completion", "choices": [choice] }));
    }

    fn will_answer(&self, status: u16, body: Value) {
        self.0.lock().unwrap().answers.push_back((status, body));
    }

    /// Path, authorization and body of each request since the last look.
    fn asked(&self) -> Vec<Value> {
        std::mem::take(&mut self.0.lock().unwrap().asked)
    }
}

async fn answer(
    State(endpoint): State<Endpoint>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> (StatusCode, Json<Value>) {
    let key = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
    let mut talk = endpoint.0.lock().unwrap();
    talk.asked.push(json!([uri.path(), key, body]));
    let (status, body) = talk.answers.pop_front().unwrap_or((500, json!({ "error": { "message": "nothing to say" } })));
    (StatusCode::from_u16(status).unwrap(), Json(body))
}

const KEY: &str = "Bearer sk-of-the-installation";

async fn world() -> (Server, Endpoint) {
    let endpoint = Endpoint::default();
    let address = serve(endpoint.router()).await;
    let route = |prefix: &str, upstream: &str, model: &str| {
        format!(
            "[[services.gateway.routes]]\nprefix = '{prefix}'\nupstream = '{upstream}'\n\
             headers = {{ authorization = '{KEY}' }}\ndefaults = {{ model = '{model}' }}\n"
        )
    };
    let config = [
        route("/ai", &format!("{address}/v1"), "small"),
        route("/ai/embeddings", &format!("{address}/v1/embeddings"), "embedder"),
        route("/other", &address, "large"),
    ];
    (Server::start(Setup::production().config(&config.concat())).await, endpoint)
}

/// The request's body without what is told in words.
fn spoken(mut request: Value) -> (Value, Vec<(String, String)>) {
    let messages = request[2]["messages"].take();
    request[2].as_object_mut().unwrap().remove("messages");
    let text = |message: &Value, name: &str| message[name].as_str().unwrap().to_owned();
    let messages = messages.as_array().unwrap();
    (request, messages.iter().map(|message| (text(message, "role"), text(message, "content"))).collect())
}

#[tokio::test]
async fn text_is_asked_for_and_given() {
    let (server, endpoint) = world().await;
    endpoint.will_say("Hello");
    endpoint.will_say("Again");
    let code = "return [
        await $.ai.generateText('Say hello', { system: 'Be brief', temperature: 0, max_tokens: 5 }),
        await $.ai.generateText(
            [{ role: 'user', content: 'A' }, { role: 'assistant', content: 'B' }], { route: '/other', model: 'mine' }),
    ]";
    assert_eq!(result(&server, Caller::Admin, code).await, json!(["Hello", "Again"]));
    let system = json!({ "role": "system", "content": "Be brief" });
    let user = json!({ "role": "user", "content": "Say hello" });
    let first = json!({ "messages": [system, user], "temperature": 0, "max_tokens": 5, "model": "small" });
    let messages = json!([{ "role": "user", "content": "A" }, { "role": "assistant", "content": "B" }]);
    let second = json!({ "messages": messages, "model": "mine" });
    let expected = [json!(["/v1/chat/completions", KEY, first]), json!(["/chat/completions", KEY, second])];
    assert_eq!(endpoint.asked(), expected);
}

#[tokio::test]
async fn values_keep_their_schema() {
    let (server, endpoint) = world().await;
    let schema = "
        const schema = { type: 'object', required: ['total', 'lines'], additionalProperties: false, properties: {
            total: { type: 'number' }, lines: { type: 'array', items: { enum: ['a', 'b'] } },
            note: { type: ['string', 'null'] } } };";
    endpoint.will_say(r#"{"total": 5, "lines": ["a"], "note": null}"#);
    endpoint.will_say("```json\n{\"total\": 5.5, \"lines\": []}\n```");
    let code = format!(
        "{schema} return [await $.ai.generate('An order', {{ schema, name: 'order' }}),
            await $.ai.extract('It was 5.50', schema, {{ system: 'In euros' }})]"
    );
    let expected = json!([{ "total": 5, "lines": ["a"], "note": null }, { "total": 5.5, "lines": [] }]);
    assert_eq!(result(&server, Caller::Admin, &code).await, expected);
    let [first, second] = <[Value; 2]>::try_from(endpoint.asked()).unwrap();
    let ((first, told), (second, extracted)) = (spoken(first), spoken(second));
    let format = first[2]["response_format"].clone();
    assert_eq!((&format["type"], &format["json_schema"]["name"]), (&json!("json_schema"), &json!("order")));
    assert_eq!(
        (&format["json_schema"]["strict"], &format["json_schema"]["schema"]["required"]),
        (&json!(false), &json!(["total", "lines"]))
    );
    assert!(told[0].0 == "system" && told[0].1.contains("\"required\":[\"total\",\"lines\"]"), "{told:?}");
    assert_eq!(told[1], ("user".to_owned(), "An order".to_owned()));
    assert_eq!(second[2]["response_format"]["json_schema"]["name"], "result");
    assert!(extracted[0].1.starts_with("Extract ") && extracted[0].1.contains("In euros"), "{extracted:?}");
    assert_eq!(extracted[1].1, "It was 5.50");

    for (said, why) in [
        ("{}", "result.total: is missing"),
        ("[]", "result: must be object"),
        (r#"{"total": "5", "lines": []}"#, "result.total: must be number"),
        (r#"{"total": 5, "lines": ["a", "c"]}"#, r#"result.lines[1]: must be one of ["a","b"]"#),
        (r#"{"total": 5, "lines": [], "more": 1}"#, "result.more: must not be there"),
    ] {
        endpoint.will_say(said);
        let code = format!(
            "{schema}
            return $.ai.generate('An order', {{ schema }}).catch(({{ name, code, message }}) => [name, code, message])"
        );
        let message = format!("The model gave JSON that does not keep the schema: {why}");
        assert_eq!(result(&server, Caller::Admin, &code).await, json!(["ServiceError", "upstream_error", message]));
    }
}

#[tokio::test]
async fn a_label_is_one_of_those_given() {
    let (server, endpoint) = world().await;
    endpoint.will_say(r#"{"label": "bad"}"#);
    assert_eq!(result(&server, Caller::Admin, "return $.ai.classify('What a day', ['good', 'bad'])").await, "bad");
    let (request, told) = spoken(endpoint.asked().remove(0));
    let format = &request[2]["response_format"]["json_schema"];
    assert_eq!(format["schema"]["properties"]["label"]["enum"], json!(["good", "bad"]));
    assert_eq!((&format["strict"], &*told[1].1), (&json!(true), "What a day"));
    endpoint.will_say(r#"{"label": "ugly"}"#);
    let said = thrown(&server, Caller::Admin, &["$.ai.classify('What a day', ['good', 'bad'])"]).await;
    assert!(said[0].1 == "upstream_error" && said[0].2.contains("result.label: must be one of"), "{said:?}");
}

#[tokio::test]
async fn texts_become_numbers_in_their_order() {
    let (server, endpoint) = world().await;
    let entry = |index: u32, numbers: [f64; 2]| json!({ "object": "embedding", "index": index, "embedding": numbers });
    endpoint.will_answer(200, json!({ "data": [entry(0, [0.5, -1.0])] }));
    endpoint.will_answer(200, json!({ "data": [entry(1, [3.0, 4.0]), entry(0, [1.0, 2.0])] }));
    endpoint.will_answer(200, json!({ "data": [entry(1, [3.0, 4.0])] }));
    let code = "return [await $.ai.embed('a'), await $.ai.embed(['a', 'b'], { model: 'mine', dimensions: 2 })]";
    assert_eq!(result(&server, Caller::Admin, code).await, json!([[0.5, -1], [[1, 2], [3, 4]]]));
    let expected = [
        json!(["/v1/embeddings", KEY, { "input": ["a"], "model": "embedder" }]),
        json!(["/v1/embeddings", KEY, { "input": ["a", "b"], "model": "mine", "dimensions": 2 }]),
    ];
    assert_eq!(endpoint.asked(), expected);
    let said = thrown(&server, Caller::Admin, &["$.ai.embed(['a', 'b'])"]).await;
    assert_eq!(said[0].2, "The model gave no embedding for some text");
}

#[tokio::test]
async fn what_a_model_does_not_give_is_an_error_with_its_words() {
    let (server, endpoint) = world().await;
    endpoint.will_answer(
        401,
        json!({ "error": { "message": "Incorrect API key provided", "type": "invalid_request_error" } }),
    );
    endpoint.will_answer(200, json!({ "choices": [{ "message": { "content": null, "refusal": "I cannot" } }] }));
    endpoint.will_answer(200, json!({ "choices": [] }));
    endpoint.will_say("no JSON");
    endpoint
        .will_answer(200, json!({ "choices": [{ "message": { "content": "{\"a\"" }, "finish_reason": "length" }] }));
    let generate = "$.ai.generate('a', { schema: { type: 'object' } })";
    let text = "$.ai.generateText('a')";
    let said = thrown(&server, Caller::Admin, &[text, text, text, generate, generate]).await;
    let messages = [
        "POST /ai/chat/completions: the upstream answered 401: Incorrect API key provided",
        "The model refused: I cannot",
        "The model gave no text",
        "The model gave no JSON",
        "The model was cut off before its JSON ended: allow it more tokens",
    ];
    for ((name, code, message), expected) in said.iter().zip(messages) {
        assert_eq!((&**name, &**code, &**message), ("ServiceError", "upstream_error", expected));
    }
    endpoint.asked();
    let mistakes = [
        "$.ai.generateText('')",
        "$.ai.generate('a', {})",
        "$.ai.classify('a', [])",
        "$.ai.embed([''])",
        "$.ai.generateText('a', { route: '/nowhere' })",
    ];
    let said = thrown(&server, Caller::Admin, &mistakes).await;
    let told: Vec<_> = said.iter().map(|(_, code, message)| (&**code, &**message)).collect();
    let expected = [
        ("invalid_request", "prompt: must be text, or an array of messages"),
        ("invalid_request", "schema: must be an object"),
        ("invalid_request", "labels: must be an array of texts"),
        ("invalid_request", "texts[0]: must be text"),
        ("not_found", "Not found"),
    ];
    assert_eq!(told, expected);
    assert_eq!(endpoint.asked(), Vec::<Value>::new(), "nothing was asked");
}
