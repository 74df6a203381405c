//! Who acts, what is known of them, and the one look that every answer gets.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use doer_core::service::Service;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use super::dice::Dice;
use crate::support::{Answer, Caller, Server, key_of};

/// Ids that the server makes have at least so many characters.
const ID_CHARS: usize = 12;

/// Somebody with a namespace of its own.
pub struct Actor {
    /// The id of its user.
    pub user: String,
    pub namespace: String,
    /// Its own credentials.
    pub key: String,
    /// Services that its tier has.
    pub services: Vec<Service>,
    /// In everything that it writes, and in nothing else. Nobody can guess it.
    pub mark: String,
    /// In everything that it gives away to be kept secret, and that no answer shows, not even to itself.
    pub hidden: String,
    /// Ids that it was given.
    pub ids: Vec<String>,
    /// Refresh tokens and access tokens that it was given, and has not used.
    pub tokens: Vec<(String, String)>,
    /// Sources of webhooks: path and secret.
    pub sources: Vec<(String, String)>,
    /// How often it saw its own mark.
    pub seen: usize,
}

/// All of them, and a server.
pub struct World {
    pub server: Server,
    pub seed: u64,
    pub dice: Dice,
    pub actors: Vec<Actor>,
    /// Ids, and who was given them.
    owners: HashMap<String, usize>,
    /// Ids of others that somebody has tried.
    given: HashSet<(Option<usize>, String)>,
    /// Those that their owners leave alone.
    locked: BTreeSet<String>,
    /// Methods that somebody has called with success.
    pub done: BTreeSet<String>,
    /// Answers by status, for whoever wonders what the rounds were spent on.
    pub statuses: BTreeMap<u16, usize>,
    /// Where requests may go.
    pub receiver: String,
    /// The port of the workers' own listener.
    pub ingress: u16,
    /// Names and fields of the templates of mails.
    pub templates: Vec<(String, Vec<String>)>,
    count: u64,
}

impl World {
    pub fn new(server: Server, seed: u64, dice: Dice, actors: Vec<Actor>, receiver: String, ingress: u16) -> Self {
        let owners = actors.iter().enumerate().map(|(number, actor)| (actor.user.clone(), number)).collect();
        Self {
            server,
            seed,
            dice,
            actors,
            owners,
            given: HashSet::new(),
            locked: BTreeSet::new(),
            done: BTreeSet::new(),
            statuses: BTreeMap::new(),
            receiver,
            ingress,
            templates: Vec::new(),
            count: 0,
        }
    }

    /// A text of an actor's that nobody wrote before.
    pub fn text(&mut self, who: usize) -> String {
        self.count += 1;
        format!("{}-{}", self.actors[who].mark, self.count)
    }

    /// An id for an actor to try: one of its own, or somebody else's; mostly of the kind that `prefix` names.
    pub fn id(&mut self, who: usize, prefix: &str) -> String {
        let whose = if self.dice.once_in(2) { who } else { self.dice.roll(self.actors.len()) };
        let is_fitting = |id: &&String| id.starts_with(prefix) && !self.is_locked_for(id, who);
        let fitting: Vec<String> = self.actors[whose].ids.iter().filter(is_fitting).cloned().collect();
        let any = self.actors[whose].ids.iter().filter(|id| !self.is_locked_for(id, who));
        let any: Vec<String> = any.cloned().collect();
        match (fitting.as_slice(), any.as_slice()) {
            ([], []) => "none-of-that-name".to_owned(),
            (_, any) if fitting.is_empty() || self.dice.once_in(5) => any[self.dice.roll(any.len())].clone(),
            // The newest are the likeliest to be good for something.
            (fitting, _) => {
                let from = fitting.len().saturating_sub(10);
                fitting[from + self.dice.roll(fitting.len() - from)].clone()
            }
        }
    }

    fn is_locked_for(&self, id: &str, who: usize) -> bool {
        self.locked.contains(id) && self.owners.get(id) == Some(&who)
    }

    /// A request with an actor's credentials, an admin's, or none.
    pub fn request(&self, key: Option<&str>, method: Method, path: &str) -> RequestBuilder {
        let request = self.server.client.request(Caller::Anonymous, method, path);
        match key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    /// Sends it, on behalf of an actor or of nobody, and looks at whatever comes back. `sent` is all that was sent.
    pub async fn send(&mut self, who: Option<usize>, request: RequestBuilder, sent: &str) -> Answer {
        let answer = Answer::read(request.send().await.unwrap()).await;
        let headers = answer.headers.iter().map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap()));
        let whole = headers.chain([answer.text.clone()]).collect::<String>();
        *self.statuses.entry(answer.status.as_u16()).or_default() += 1;
        self.look(who, sent, &whole);
        assert_ne!(answer.status, 500, "seed {}: {sent}: {}", self.seed, answer.text);
        answer
    }

    /// Nothing of anybody else may be in there.
    pub fn look(&mut self, who: Option<usize>, sent: &str, answer: &str) {
        // Whoever shows a token has what is written in it, and what was once given may come back: as the target of a task.
        let sent = &opened(sent);
        let given: Vec<String> = ids(sent).filter(|word| self.owners.contains_key(*word)).map(str::to_owned).collect();
        self.given.extend(given.into_iter().map(|word| (who, word)));
        for (number, actor) in self.actors.iter().enumerate() {
            let told = |what: &str| {
                let to = who.map_or("nobody", |who| self.actors[who].namespace.as_str());
                format!("seed {}: {sent}\nshows {to} {what} of {}:\n{answer}", self.seed, actor.namespace)
            };
            assert!(!shows(answer, &actor.hidden), "{}", told("a secret"));
            assert!(Some(number) == who || !shows(answer, &actor.mark), "{}", told("something"));
        }
        for word in ids(answer) {
            if let Some(owner) = self.owners.get(word)
                && Some(*owner) != who
            {
                let owner = &self.actors[*owner].namespace;
                assert!(
                    self.given.contains(&(who, word.to_owned())),
                    "seed {}: {sent}\nshows the id {word} of {owner}:\n{answer}",
                    self.seed
                );
            }
        }
        if let Some(who) = who
            && shows(answer, &self.actors[who].mark)
        {
            self.actors[who].seen += 1;
        }
    }

    /// Remembers an id for everyone to try.
    pub fn own(&mut self, who: usize, id: &str) {
        if id.len() >= ID_CHARS && !self.owners.contains_key(id) {
            self.owners.insert(id.to_owned(), who);
            self.actors[who].ids.push(id.to_owned());
        }
    }

    /// Whose id it is.
    pub fn owner(&self, id: &str) -> Option<usize> {
        self.owners.get(id).copied()
    }

    /// Remembers an id for everyone to try but for whose it is.
    pub fn lock_away(&mut self, who: usize, id: &str) {
        self.owners.insert(id.to_owned(), who);
        self.locked.insert(id.to_owned());
        for (_, other) in self.actors.iter_mut().enumerate().filter(|(number, _)| *number != who) {
            other.ids.push(id.to_owned());
        }
    }

    /// Remembers whatever ids are in a result.
    pub fn learn(&mut self, who: usize, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.learn(who, item)),
            Value::Object(members) => {
                for (name, member) in members {
                    let is_id = matches!(name.as_str(), "id" | "receipt" | "userId" | "endpointId" | "sourceId")
                        || name == "conflictId";
                    match member {
                        Value::String(id) if is_id && id.len() >= ID_CHARS && !id.contains(&self.actors[who].mark) => {
                            // Who came by it first, or had it from the beginning.
                            self.own(who, id);
                        }
                        Value::Array(ids) if name == "ids" => {
                            let ids: Vec<Value> = ids.iter().map(|id| serde_json::json!({ "id": id })).collect();
                            self.learn(who, &Value::Array(ids));
                        }
                        member => self.learn(who, member),
                    }
                }
            }
            _ => {}
        }
    }
}

/// Whatever could be an id in a text.
fn ids(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || "_-".contains(c)));
    words.filter(|word| word.len() >= ID_CHARS)
}

/// A text, and what the JSON Web Tokens in it say.
fn opened(text: &str) -> String {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || "_-.".contains(c)));
    let payloads = words.filter(|word| word.starts_with("eyJ")).filter_map(|word| word.split('.').nth(1));
    let payloads = payloads.filter_map(|payload| URL_SAFE_NO_PAD.decode(payload).ok());
    let payloads = payloads.map(|payload| String::from_utf8_lossy(&payload).into_owned());
    [text.to_owned()].into_iter().chain(payloads).collect::<Vec<_>>().join("\n")
}

/// Is a mark in a text, as it is or in base64?
fn shows(text: &str, mark: &str) -> bool {
    if text.contains(mark) {
        return true;
    }
    // Whatever stands before it, one of three texts in base64 has it.
    (0..3).any(|before| {
        let encoded = STANDARD.encode([&vec![b'x'; before], mark.as_bytes()].concat());
        text.contains(&encoded[4..encoded.len() - 4])
    })
}

/// The key of an admin.
pub fn admin() -> &'static str {
    key_of(Caller::Admin).unwrap()
}

#[test]
fn a_mark_is_seen_through_base64() {
    let mark = "alpha0123456789abcdef";
    for before in ["", "a", "ab", "abc"] {
        assert!(shows(&STANDARD.encode(format!("{before}{mark} and more")), mark), "{before}");
    }
    assert!(!shows(&STANDARD.encode("alpha012345678xabcdef and more"), mark));
}
