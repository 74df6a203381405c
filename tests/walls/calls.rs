//! Calls that somebody might make: of any method there is, with parameters that its schema allows and that mean
//! something. Texts have the caller's mark in them; ids may be anybody's.

use base64::{Engine, engine::general_purpose::STANDARD};
use doer_core::{
    describe::schema,
    service::{Method, Service},
};
use serde_json::{Map, Value, json};

use super::world::World;

/// Parameters by name.
pub fn parameters(world: &mut World, who: usize, method: &'static Method) -> Map<String, Value> {
    let schema = schema::input(method);
    match (Maker { world, who, method }).object(&schema) {
        Value::Object(members) => members,
        other => panic!("{}: {other}", method.path()),
    }
}

struct Maker<'a> {
    world: &'a mut World,
    who: usize,
    method: &'static Method,
}

impl Maker<'_> {
    fn object(&mut self, schema: &Map<String, Value>) -> Value {
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
            return json!({ "text": self.text() });
        };
        let required: Vec<&str> =
            schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let mut made = Map::new();
        for (name, schema) in properties {
            let is_required = required.contains(&name.as_str()) || is_needed(self.method, name);
            if (is_required || self.world.dice.once_in(2))
                && let Some(value) = self.member(name, schema, is_required)
            {
                made.insert(name.clone(), value);
            }
        }
        Value::Object(made)
    }

    /// By what the name means where that is known, else by the schema.
    fn member(&mut self, name: &str, schema: &Value, is_required: bool) -> Option<Value> {
        match self.meant(name, schema) {
            Meant::This(value) => Some(value),
            Meant::Nothing if !is_required => None,
            Meant::Nothing | Meant::Anything => Some(self.value(schema)),
        }
    }

    fn value(&mut self, schema: &Value) -> Value {
        let Some(members) = schema.as_object() else { return json!({ "text": self.text() }) };
        if let Some(constant) = members.get("const") {
            return constant.clone();
        }
        if let Some(choices) = members.get("enum").and_then(Value::as_array) {
            let choices: Vec<&Value> = choices.iter().filter(|choice| !choice.is_null()).collect();
            return (*self.world.dice.pick(&choices)).clone();
        }
        for key in ["oneOf", "anyOf"] {
            if let Some(choices) = members.get(key).and_then(Value::as_array) {
                let choices: Vec<&Value> = choices.iter().filter(|choice| choice["type"] != "null").collect();
                let choice = (*self.world.dice.pick(&choices)).clone();
                return self.value(&choice);
            }
        }
        let types = match members.get("type") {
            Some(Value::Array(types)) => types.iter().filter_map(Value::as_str).find(|name| *name != "null"),
            name => name.and_then(Value::as_str),
        };
        match types {
            Some("string") => self.text().into(),
            Some("integer" | "number") => (1 + self.world.dice.roll(9)).into(),
            Some("boolean") => self.world.dice.once_in(2).into(),
            Some("array") => {
                let items = members.get("items").cloned().unwrap_or(Value::Bool(true));
                (0..1 + self.world.dice.roll(2)).map(|_| self.value(&items)).collect::<Vec<_>>().into()
            }
            Some("object") => self.object(members),
            _ => json!({ "text": self.text() }),
        }
    }

    fn text(&mut self) -> String {
        self.world.text(self.who)
    }

    /// What a parameter or member of that name is for.
    fn meant(&mut self, name: &str, schema: &Value) -> Meant {
        let service = self.method.service;
        let dice = &mut self.world.dice;
        let is_text = schema["type"] == "string" || schema["type"][0] == "string";
        let value = match (service, name) {
            // One that is written would be the writer's own from then on.
            (Service::Db, "id") => match dice.roll(4) {
                0 if matches!(self.method.name, "get" | "delete") => self.id(name).into(),
                1 => self.text().into(),
                _ => json!("one"),
            },
            (_, "id" | "userId" | "sessionId" | "conflictId" | "endpointId" | "sourceId") => self.id(name).into(),
            (_, "ids") => json!([self.id(name), self.id(name)]),
            (_, "sql") => statement(self.world, self.who).into(),
            (Service::Db, "params") => return Meant::Nothing,
            (_, "ns") => json!("common"),
            (_, "query") if is_text => json!(*dice.pick(&["text", "common", "a*"])),
            (_, "queue") if is_text => match dice.roll(4) {
                0 => format!("q-{}", self.world.actors[self.who].mark).into(),
                1 => json!("common-dlq"),
                _ => json!("common"),
            },
            // For everyone the same: what it is for must not reach across.
            (Service::Queue, "key") => json!("same"),
            (_, "to") => format!("{}@example.com", self.text()).into(),
            (_, "cc" | "bcc") => json!([format!("{}@example.com", self.text())]),
            (_, "replyTo" | "email") => format!("{}@example.com", self.text()).into(),
            (_, "from") => return Meant::Nothing,
            (Service::Email, "content") => STANDARD.encode(self.text()).into(),
            (_, "contentType") => json!("text/plain"),
            (Service::Email | Service::Gateway, "headers") => json!({ "X-Mark": self.text() }),
            (_, "template") => self.template().0.into(),
            (Service::Email, "data") => {
                let fields = self.template().1;
                let text = self.text();
                let field = |field: String| match field.as_str() {
                    "url" => (field, format!("https://example.com/{text}").into()),
                    _ => (field, Value::from(text.clone())),
                };
                Value::Object(fields.into_iter().map(field).collect())
            }
            (_, "role") => json!(*dice.pick(&["user", "tenant"])),
            (_, "permissions") => json!(["execute"]),
            (_, "permission") => json!(*dice.pick(&["execute", "rpc:db"])),
            (_, "password") => self.world.actors[self.who].hidden.clone().into(),
            (_, "expiresAt") => json!(4_000_000_000_000_u64),
            (_, "schedule") => json!(*dice.pick(&["@yearly", "every 300 days", "0 0 1 1 *"])),
            (_, "timezone") => json!("UTC"),
            (Service::Schedule, "name" | "taskName") => match dice.roll(3) {
                0 => format!("task-{}", self.world.actors[self.who].mark).into(),
                _ => json!("common"),
            },
            (_, "code") => snippet(&self.text()).into(),
            (_, "language") => json!("javascript"),
            (_, "bindings") => json!(["db"]),
            (_, "url") => {
                let text = self.text();
                let path = *self.world.dice.pick(&["ok", "status/500"]);
                format!("{}/{path}?{text}", self.world.receiver).into()
            }
            (Service::Webhooks, "events") => json!(["*"]),
            (Service::Webhooks, "event") => json!("thing.happened"),
            (_, "secret") => STANDARD.encode(&self.world.actors[self.who].hidden).into(),
            (Service::Webhooks, "endpoint") if is_text => return Meant::Nothing,
            (_, "repository") => json!("acme/site"),
            (_, "branch") => json!("main"),
            (_, "createPR") => json!(false),
            (Service::Webhooks, "path") => match dice.once_in(3) {
                true => format!("docs/{}.md", self.world.actors[self.who].mark).into(),
                false => json!("shared.md"),
            },
            (Service::Gateway, "path") => match dice.roll(4) {
                0 => json!("/own"),
                1 => json!("/none"),
                _ => format!("/echo/{}", self.text()).into(),
            },
            (_, "method") => json!(*dice.pick(&["POST", "GET"])),
            (_, "timeout") => json!(20_000),
            (_, "toolName") => json!(*dice.pick(&["test.echo", "test.fail", "test.nothing"])),
            (_, "args") => json!({ "text": self.text() }),
            (_, "server") => json!("test"),
            (_, "uri") => json!(*dice.pick(&["test://greeting", "test://bytes", "test://none"])),
            (_, "token") => self.own_token().map_or_else(|| "none".to_owned(), |(access, _)| access).into(),
            (_, "refreshToken") => {
                let tokens = &mut self.world.actors[self.who].tokens;
                tokens.pop().map_or_else(|| "none".to_owned(), |(_, refresh)| refresh).into()
            }
            (_, "delaySeconds" | "offset" | "priority") => json!(0),
            (_, "visibilitySeconds") => json!(1),
            (_, "limit") => json!(1000),
            _ => return Meant::Anything,
        };
        Meant::This(value)
    }

    fn id(&mut self, name: &str) -> String {
        let prefix = match (self.method.name, name) {
            (_, "userId") | ("getUser", _) => "usr_",
            (_, "sessionId") => "ses_",
            (_, "endpointId") | ("deleteEndpoint", _) => "ep_",
            (_, "sourceId") | ("deleteSource", _) => "src_",
            ("retryDelivery", _) => "msg_",
            ("retryEvent", _) => "evt_",
            (_, "conflictId") => "cfl_",
            ("getEmailStatus", _) => "mail_",
            _ => "",
        };
        self.world.id(self.who, prefix)
    }

    fn own_token(&self) -> Option<(String, String)> {
        self.world.actors[self.who].tokens.last().cloned()
    }

    fn template(&mut self) -> (String, Vec<String>) {
        match self.world.templates.as_slice() {
            [] => ("welcome".to_owned(), vec!["product".to_owned()]),
            templates => templates[usize::try_from(self.world.seed).unwrap_or_default() % templates.len()].clone(),
        }
    }
}

/// May be absent, and then nothing comes of most calls.
fn is_needed(method: &Method, name: &str) -> bool {
    matches!((method.name, name), ("createApiKey", "options" | "userId") | ("createUser", "options" | "permissions"))
}

enum Meant {
    This(Value),
    /// It is better left out.
    Nothing,
    /// Its schema says enough.
    Anything,
}

/// Code that writes, says and gives something.
fn snippet(text: &str) -> String {
    format!(
        "console.log('{text}'); await env.db.upsert('made', 'one', {{ text: '{text}' }}); \
         return {{ text: '{text}', things: (await env.db.list('common')).data }}"
    )
}

/// SQL, some of it of somebody who wants more than is due.
fn statement(world: &mut World, who: usize) -> String {
    let text = world.text(who);
    let statements = [
        "CREATE TABLE IF NOT EXISTS notes (text)".to_owned(),
        format!("INSERT INTO notes VALUES ('{text}') RETURNING *"),
        format!("CREATE TABLE IF NOT EXISTS notes (text); INSERT INTO notes VALUES ('{text}')"),
        "SELECT * FROM notes".to_owned(),
        "SELECT * FROM sqlite_master".to_owned(),
        "SELECT * FROM things".to_owned(),
        "SELECT * FROM pragma_database_list".to_owned(),
        "ATTACH '../auth.db' AS stolen".to_owned(),
        "SELECT * FROM things_search".to_owned(),
        format!("SELECT '{text}' /* -- */ UNION ALL SELECT name FROM main.sqlite_schema"),
        format!("SELECT {text}"),
        "SELECT load_extension('x')".to_owned(),
    ];
    world.dice.pick(&statements).clone()
}
