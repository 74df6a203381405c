//! Transcripts without what must differ from run to run, so that they can be compared to the letter: the name of the
//! run, times, and what the server made up. Of the latter it remains which is which: the first id that is told is
//! `made up 1` wherever it stands.

use serde_json::{Map, Value};

use crate::scenarios::{Answer, Transcript};

/// Milliseconds since the Unix epoch that may be the present, or what follows from it: 2017 to 2096.
const TIMES: std::ops::Range<i64> = 1_500_000_000_000..4_000_000_000_000;
/// What JSON numbers hold exactly wherever they are read.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Where each step was, and what it came to.
pub fn alike(transcript: Transcript, run: &str) -> Vec<(String, Answer)> {
    let plain = |text: &str| text.replace(run, "run");
    let mut steps: Vec<(String, Answer)> = transcript
        .into_iter()
        .map(|told| match told.answer {
            Ok(result) => (told.place, Ok(timeless(result, &plain))),
            Err((code, message)) => (told.place, Err((code, plain(&message)))),
        })
        .collect();
    let mut names = Names::default();
    for (_, answer) in &steps {
        match answer {
            Ok(result) => names.learn(result),
            Err((_, message)) => names.learn_of_text(message),
        }
    }
    // What a longer one begins with is not to be found in it.
    names.0.sort_by_key(|name| std::cmp::Reverse(name.len()));
    for (_, answer) in &mut steps {
        match answer {
            Ok(result) => names.rename(result),
            Err((_, message)) => *message = names.renamed(message),
        }
    }
    steps
}

fn timeless(value: Value, plain: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::Number(number) => match number.as_f64() {
            // JSON has one kind of number: `1.0` is `1`.
            Some(whole) if whole.fract() == 0.0 && whole.abs() < EXACT => match whole as i64 {
                time if TIMES.contains(&time) => "a time, in milliseconds".into(),
                whole => whole.into(),
            },
            _ => Value::Number(number),
        },
        Value::String(text) if is_http_date(&text) => "a time, as HTTP has it".into(),
        Value::String(text) if is_iso_date(&text) => "a time, as ISO 8601 has it".into(),
        Value::String(text) => plain(&text).into(),
        Value::Array(items) => items.into_iter().map(|item| timeless(item, plain)).collect(),
        Value::Object(members) => {
            let member = |(name, member): (String, Value)| {
                let member = match member {
                    Value::Number(_) if name == "durationMs" => "a duration".into(),
                    Value::Object(pull) if name == "pullRequest" => without_number(pull),
                    member => timeless(member, plain),
                };
                (name, member)
            };
            Value::Object(members.into_iter().map(member).collect())
        }
        other => other,
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
fn is_http_date(text: &str) -> bool {
    text.len() == 29 && text.ends_with(" GMT")
}

/// `2026-01-31T23:59:59Z` and its like.
fn is_iso_date(text: &str) -> bool {
    let (Some(date), Some(b'T')) = (text.get(..10), text.as_bytes().get(10)) else { return false };
    date.split('-').map(str::len).eq([4, 2, 2])
}

/// All doors open requests in one repository, which counts them.
fn without_number(mut pull: Map<String, Value>) -> Value {
    let number = pull.insert("number".to_owned(), "a number".into()).unwrap_or_default();
    let url = pull["url"].as_str().and_then(|url| url.strip_suffix(&number.to_string())).map(str::to_owned);
    pull.insert("url".to_owned(), url.into());
    Value::Object(pull)
}

/// What the server made up, in the order in which it was told.
#[derive(Default)]
struct Names(Vec<Name>);

struct Name {
    text: String,
    number: usize,
}

impl Name {
    const fn len(&self) -> usize {
        self.text.len()
    }
}

impl Names {
    fn learn(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.learn_of_text(text),
            Value::Array(items) => items.iter().for_each(|item| self.learn(item)),
            Value::Object(members) => {
                for (name, member) in members {
                    match member.as_str() {
                        // Names of sources have no other mark.
                        Some(text) if name == "endpoint" && text.len() == 24 => self.push(text),
                        _ => self.learn(member),
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn learn_of_text(&mut self, text: &str) {
        // Base64 and access tokens have more than words in them.
        if text.starts_with("whsec_") || text.starts_with("eyJ") {
            return self.push(text);
        }
        let in_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
        for word in text.split(|letter| !in_word(letter)) {
            if let Some(random) = word.strip_prefix("sk_live_") {
                // What a key is found by.
                self.push(&random[..random.len().min(12)]);
            }
            if is_secret(word) || is_hash_or_id(word) {
                self.push(word);
            }
        }
    }

    fn push(&mut self, text: &str) {
        if !text.is_empty() && self.0.iter().all(|known| known.text != text) {
            self.0.push(Name { text: text.to_owned(), number: self.0.len() + 1 });
        }
    }

    fn rename(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.renamed(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.rename(item)),
            Value::Object(members) => members.values_mut().for_each(|member| self.rename(member)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn renamed(&self, text: &str) -> String {
        let rename = |text: String, name: &Name| text.replace(&name.text, &format!("(made up {})", name.number));
        self.0.iter().fold(text.to_owned(), rename)
    }
}

fn is_secret(word: &str) -> bool {
    word.len() == 51 && (word.starts_with("sk_live_") || word.starts_with("rt_live_"))
}

/// `usr_` and a UUID, or a commit.
fn is_hash_or_id(word: &str) -> bool {
    let random = word.rsplit('_').next().unwrap_or_default();
    matches!(random.len(), 32 | 40) && random.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use doer_core::service::Service;
    use serde_json::json;

    use super::*;
    use crate::scenarios::Told;

    fn told(result: Value) -> Vec<(String, Answer)> {
        let method = &Service::Db.methods()[0];
        alike(vec![Told { place: "here".to_owned(), method, answer: Ok(result) }], "one-run")
    }

    fn id(digit: char) -> String {
        format!("usr_{}", digit.to_string().repeat(32))
    }

    #[test]
    fn what_is_made_up_may_differ_and_which_is_which_may_not() {
        let [a, b, c, d] = ['a', 'b', 'c', 'd'].map(id);
        assert_eq!(told(json!([a, b, a])), told(json!([c, d, c])));
        assert_ne!(told(json!([a, b, a])), told(json!([c, d, d])));
        assert_eq!(told(json!(format!("no {a}.1"))), told(json!(format!("no {b}.1"))));
        assert_ne!(told(json!(format!("no {a}.1"))), told(json!(format!("no {b}.2"))));
        let key = |letter: &str| json!({ "key": format!("sk_live_{}", letter.repeat(43)), "id": letter.repeat(12) });
        assert_eq!(told(key("x")), told(key("y")));
        let source = |name: &str| json!({ "endpoint": name.repeat(24), "path": format!("/hooks/{}", name.repeat(24)) });
        assert_eq!(told(source("x")), told(source("y")));
    }

    #[test]
    fn a_time_may_differ_and_nothing_else() {
        assert_eq!(told(json!({ "at": 1_700_000_000_000_u64 })), told(json!({ "at": 1_800_000_000_000_u64 })));
        assert_eq!(told(json!("2026-01-31T23:59:59Z")), told(json!("2027-01-31T23:59:59.5Z")));
        assert_eq!(told(json!("one-run-5")), told(json!("run-5")));
        assert_eq!(told(json!(1.0)), told(json!(1)));
        for (one, other) in [
            (json!({ "at": 1_700_000_000_000_u64 }), json!({ "at": "1700000000000" })),
            (json!({ "at": 1_700_000_000_000_u64 }), json!({ "at": null })),
            (json!(1), json!("1")),
            (json!(1), json!(2)),
            (json!(1.5), json!(1)),
            (json!(9_007_199_254_740_993_u64), json!(9_007_199_254_740_992_u64)),
            (json!(null), json!(false)),
            (json!("text"), json!("Text")),
            (json!([1]), json!([1, 1])),
            (json!({}), json!({ "a": null })),
        ] {
            assert_ne!(told(one.clone()), told(other.clone()), "{one} {other}");
        }
    }
}
