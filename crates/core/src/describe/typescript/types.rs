//! JSON Schemas as TypeScript types, in the shapes in which schemars writes Rust types.

use serde_json::{Map, Value};

use super::{
    super::interface::referred,
    docs::{WIDTH, comment},
};

type Members = Map<String, Value>;

/// How types are written in one place.
#[derive(Debug, Clone, Copy)]
pub struct Types<'a> {
    /// Stands before names of types: nothing inside their own namespace, else `Db.`.
    pub scope: &'a str,
    /// What any JSON is called.
    pub json: Json,
}

/// What any JSON is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Json {
    /// What goes in: everything may.
    Unknown,
    /// What comes out: whoever asked knows what it is.
    Any,
}

/// A type as text, and whether an operator holds it together.
struct Printed {
    text: String,
    compound: bool,
}

impl Printed {
    fn simple(text: impl Into<String>) -> Self {
        Self { text: text.into(), compound: false }
    }

    /// Several, held together by an operator.
    fn joined(parts: Vec<Self>, operator: &str) -> Self {
        let compound = parts.len() > 1 || parts.iter().any(|part| part.compound);
        let texts: Vec<String> = parts.into_iter().map(|part| part.text).collect();
        Self { text: texts.join(operator), compound }
    }

    /// To stand beside an operator that binds more strongly.
    fn operand(self) -> String {
        if self.compound { format!("({})", self.text) } else { self.text }
    }
}

impl Types<'_> {
    /// A named type, with its documentation. Objects are interfaces, which may extend others.
    pub fn declaration(self, name: &str, extends: Option<&str>, schema: &Value, indent: usize) -> String {
        let margin = " ".repeat(indent);
        let docs = comment(description(schema), indent);
        let extends = extends.map(|parent| format!(" extends {parent}")).unwrap_or_default();
        match schema.as_object().filter(|members| is_plain_object(members)) {
            Some(members) => {
                let head = format!("{margin}interface {name}{extends} ");
                let body = self.block(members, indent, head.len());
                format!("{docs}{head}{body}\n")
            }
            None => format!("{docs}{margin}type {name} ={};\n", self.alias(schema, indent, margin.len() + name.len())),
        }
    }

    /// What a name stands for: each alternative on a line of its own where something is said about one, or where they
    /// are too long for a line.
    fn alias(self, schema: &Value, indent: usize, column: usize) -> String {
        let line = format!(" {}", self.of(schema, indent));
        let members = schema.as_object().filter(|members| !has_shape(members));
        let Some(alternatives) = members.and_then(|members| list(members, "oneOf").or_else(|| list(members, "anyOf")))
        else {
            return line;
        };
        let fits = column + "type  =;".len() + line.chars().count() <= WIDTH;
        if fits && alternatives.iter().all(|one| description(one).is_empty()) {
            return line;
        }
        let inner = indent + 2;
        let margin = " ".repeat(inner);
        let lines = alternatives
            .iter()
            .map(|one| format!("\n{}{margin}| {}", comment(description(one), inner), self.of(one, inner + 2)));
        lines.collect()
    }

    /// A type where it is used. Lines after the first begin `indent` columns to the right.
    pub fn of(self, schema: &Value, indent: usize) -> String {
        self.printed(schema, indent).text
    }

    /// `name: type` or `name?: type`.
    pub fn member(self, name: &str, required: bool, schema: &Value, indent: usize) -> String {
        let name = if is_identifier(name) { name.to_owned() } else { Value::from(name).to_string() };
        let mark = if required { "" } else { "?" };
        format!("{name}{mark}: {}", self.of(schema, indent))
    }

    fn printed(self, schema: &Value, indent: usize) -> Printed {
        let Some(members) = schema.as_object() else {
            return Printed::simple(if *schema == Value::Bool(false) { "never" } else { self.any_json() });
        };
        if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
            return Printed::simple(format!("{}{}", self.scope, referred(reference)));
        }
        let mut parts: Vec<Printed> = Vec::new();
        if let Some(constant) = members.get("const") {
            parts.push(Printed::simple(constant.to_string()));
        } else if let Some(constants) = list(members, "enum") {
            parts.push(Printed::joined(constants.iter().map(|one| Printed::simple(one.to_string())).collect(), " | "));
        } else if has_shape(members) {
            parts.push(self.by_type(members, indent));
        }
        for alternatives in ["oneOf", "anyOf"].into_iter().filter_map(|key| list(members, key)) {
            parts.push(Printed::joined(alternatives.iter().map(|one| self.printed(one, indent)).collect(), " | "));
        }
        parts.extend(list(members, "allOf").into_iter().flatten().map(|one| self.printed(one, indent)));
        match parts.len() {
            0 => Printed::simple(self.any_json()),
            1 => parts.remove(0),
            _ => Printed::joined(parts.into_iter().map(|part| Printed::simple(part.operand())).collect(), " & "),
        }
    }

    /// By the keyword `type`, which may name several.
    fn by_type(self, members: &Members, indent: usize) -> Printed {
        match members.get("type") {
            Some(Value::Array(names)) => {
                let names = names.iter().filter_map(Value::as_str);
                Printed::joined(names.map(|name| self.of_type(name, members, indent)).collect(), " | ")
            }
            name => self.of_type(name.and_then(Value::as_str).unwrap_or("object"), members, indent),
        }
    }

    fn of_type(self, name: &str, members: &Members, indent: usize) -> Printed {
        match name {
            "integer" | "number" => Printed::simple("number"),
            "array" => self.array(members, indent),
            "object" => Printed::simple(self.object(members, indent)),
            // `string`, `boolean` and `null` are called the same.
            name => Printed::simple(name),
        }
    }

    fn array(self, members: &Members, indent: usize) -> Printed {
        if let Some(places) = list(members, "prefixItems") {
            let places: Vec<String> = places.iter().map(|place| self.of(place, indent)).collect();
            return Printed::simple(format!("[{}]", places.join(", ")));
        }
        let item = self.printed(members.get("items").unwrap_or(&Value::Bool(true)), indent);
        Printed::simple(format!("{}[]", item.operand()))
    }

    fn object(self, members: &Members, indent: usize) -> String {
        if members.contains_key("properties") {
            return self.block(members, indent, indent);
        }
        match members.get("additionalProperties") {
            Some(Value::Bool(false)) => "Record<string, never>".to_owned(),
            // Not `unknown`, even for what goes in: values of interface types would not be accepted.
            None | Some(Value::Bool(true)) => "Record<string, any>".to_owned(),
            Some(values) => format!("Record<string, {}>", self.of(values, indent)),
        }
    }

    /// The members of an object in braces: on one line where that begins at `column`, has room, and nothing is to be
    /// said about any of them.
    fn block(self, members: &Members, indent: usize, column: usize) -> String {
        let inner = indent + 2;
        let mut lines: Vec<(String, String)> = properties(members)
            .into_iter()
            .map(|(name, required, schema)| {
                (comment(description(schema), inner), self.member(name, required, schema, inner))
            })
            .collect();
        if let Some(others) = members.get("additionalProperties").filter(|others| **others != Value::Bool(false)) {
            let text = format!("[name: string]: {}", self.of(others, inner));
            lines.push((String::new(), text));
        }
        if lines.is_empty() {
            return "{}".to_owned();
        }
        let plain = lines.iter().all(|(docs, text)| docs.is_empty() && !text.contains('\n'));
        let texts: Vec<&str> = lines.iter().map(|(_, text)| &**text).collect();
        let line = format!("{{ {} }}", texts.join("; "));
        if plain && column + line.len() <= WIDTH {
            return line;
        }
        let margin = " ".repeat(indent);
        let body: String = lines.iter().map(|(docs, text)| format!("{docs}{margin}  {text};\n")).collect();
        format!("{{\n{body}{margin}}}")
    }

    const fn any_json(self) -> &'static str {
        match self.json {
            Json::Unknown => "unknown",
            Json::Any => "any",
        }
    }
}

/// Its documentation, or nothing.
pub fn description(schema: &Value) -> &str {
    schema.get("description").and_then(Value::as_str).unwrap_or_default()
}

/// Name, whether it must be there, and schema of each property. Those that must be there come first, and in the order
/// of the declaration: schemas keep that in `required` alone.
fn properties(members: &Members) -> Vec<(&str, bool, &Value)> {
    let Some(properties) = members.get("properties").and_then(Value::as_object) else { return Vec::new() };
    let required: Vec<&str> = list(members, "required").into_iter().flatten().filter_map(Value::as_str).collect();
    let first = required
        .iter()
        .filter_map(|name| properties.get_key_value(*name))
        .map(|(name, schema)| (&**name, true, schema));
    let others = properties.iter().filter(|(name, _)| !required.contains(&&***name));
    first.chain(others.map(|(name, schema)| (&**name, false, schema))).collect()
}

/// Does it say what it is by `type` or by properties?
fn has_shape(members: &Members) -> bool {
    ["type", "properties", "additionalProperties"].iter().any(|key| members.contains_key(*key))
}

/// An object with members that have names, and nothing beside.
fn is_plain_object(members: &Members) -> bool {
    let others = ["oneOf", "anyOf", "allOf"];
    members.contains_key("properties") && !others.iter().any(|key| members.contains_key(*key))
}

fn list<'a>(members: &'a Members, key: &str) -> Option<&'a Vec<Value>> {
    members.get(key).and_then(Value::as_array)
}

fn is_identifier(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_' || c == '$';
    name.starts_with(letter) && name.chars().all(|c| letter(c) || c.is_ascii_digit())
}

#[cfg(test)]
#[allow(dead_code, reason = "these types are only looked at")]
mod tests {
    use std::collections::BTreeMap;

    use schemars::{JsonSchema, SchemaGenerator};
    use serde::Serialize;

    use super::*;

    const OUT: Types<'static> = Types { scope: "", json: Json::Any };
    const IN: Types<'static> = Types { scope: "Db.", json: Json::Unknown };

    fn used<T: JsonSchema>(types: Types<'_>) -> String {
        types.of(&SchemaGenerator::default().subschema_for::<T>().to_value(), 0)
    }

    fn declared<T: JsonSchema>() -> String {
        let schema = T::json_schema(&mut SchemaGenerator::default()).to_value();
        OUT.declaration("T", None, &schema, 0)
    }

    #[derive(Serialize, JsonSchema)]
    struct Sent {
        id: String,
    }

    #[derive(Serialize, JsonSchema)]
    #[serde(rename_all = "camelCase")]
    enum Way {
        Up,
        FarDown,
    }

    #[test]
    fn simple_types() {
        assert_eq!(used::<String>(OUT), "string");
        assert_eq!(used::<bool>(OUT), "boolean");
        assert_eq!(used::<()>(OUT), "null");
        for number in [used::<u8>(OUT), used::<u32>(OUT), used::<i64>(OUT), used::<u64>(OUT), used::<f64>(OUT)] {
            assert_eq!(number, "number");
        }
        assert_eq!(used::<Option<u32>>(OUT), "number | null");
    }

    #[test]
    fn any_json_depends_on_the_direction() {
        assert_eq!(used::<Value>(OUT), "any");
        assert_eq!(used::<Value>(IN), "unknown");
        assert_eq!(used::<Option<Vec<Value>>>(IN), "unknown[] | null");
        assert_eq!(used::<Map<String, Value>>(OUT), "Record<string, any>");
        assert_eq!(used::<Map<String, Value>>(IN), "Record<string, any>", "interfaces are not Record<string, unknown>");
        assert_eq!(IN.of(&Value::Bool(false), 0), "never");
        assert_eq!(IN.of(&serde_json::json!({ "description": "Anything." }), 0), "unknown");
    }

    #[test]
    fn named_types_have_a_scope() {
        assert_eq!(used::<Sent>(OUT), "Sent");
        assert_eq!(used::<Sent>(IN), "Db.Sent");
        assert_eq!(used::<Vec<Option<Sent>>>(IN), "(Db.Sent | null)[]");
        assert_eq!(used::<BTreeMap<String, Vec<Sent>>>(IN), "Record<string, Db.Sent[]>");
        assert_eq!(used::<(String, Option<Sent>)>(IN), "[string, Db.Sent | null]");
    }

    #[test]
    fn objects_without_comments_fit_on_a_line() {
        assert_eq!(declared::<Sent>(), "interface T { id: string }\n");

        #[derive(Serialize, JsonSchema)]
        struct Nothing {}
        assert_eq!(declared::<Nothing>(), "type T = Record<string, any>;\n");
        assert_eq!(
            OUT.declaration("T", Some("P"), &serde_json::json!({ "properties": {} }), 0),
            "interface T extends P {}\n"
        );
    }

    #[test]
    fn objects_with_too_much_for_a_line_do_not() {
        let name = |length: usize| "n".repeat(length);
        let schema = |length: usize| serde_json::json!({ "properties": { name(length): { "type": "string" } } });
        assert_eq!(OUT.declaration("T", None, &schema(95), 0), format!("interface T {{ {}?: string }}\n", name(95)));
        assert_eq!(
            OUT.declaration("T", None, &schema(96), 0),
            format!("interface T {{\n  {}?: string;\n}}\n", name(96))
        );
    }

    #[test]
    fn required_members_come_first_in_the_order_of_the_declaration() {
        /// An object.
        #[derive(Serialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        struct Object {
            /// Optional.
            #[serde(default)]
            a: Option<String>,
            zeta: u8,
            /// Over two
            /// lines.
            #[serde(rename = "be-ta")]
            beta: Way,
        }
        assert_eq!(
            declared::<Object>(),
            concat!(
                "/** An object. */\n",
                "interface T {\n",
                "  zeta: number;\n",
                "  /**\n   * Over two\n   * lines.\n   */\n",
                "  \"be-ta\": Way;\n",
                "  /** Optional. */\n",
                "  a?: string | null;\n",
                "}\n",
            )
        );
    }

    #[test]
    fn enums_of_words() {
        assert_eq!(declared::<Way>(), "type T = \"up\" | \"farDown\";\n");

        /// A way.
        #[derive(Serialize, JsonSchema)]
        #[serde(rename_all = "lowercase")]
        enum Documented {
            /// To the top.
            Up,
            /// To the bottom.
            Down,
        }
        assert_eq!(
            declared::<Documented>(),
            concat!(
                "/** A way. */\n",
                "type T =\n",
                "  /** To the top. */\n",
                "  | \"up\"\n",
                "  /** To the bottom. */\n",
                "  | \"down\";\n",
            )
        );
    }

    #[test]
    fn alternatives_that_are_too_long_for_a_line_have_one_each() {
        let word = |length: usize| "w".repeat(length);
        let schema = |length: usize| serde_json::json!({ "oneOf": [{ "const": "a" }, { "const": word(length) }] });
        assert_eq!(OUT.declaration("T", None, &schema(102), 0), format!("type T = \"a\" | \"{}\";\n", word(102)));
        let long = format!("type T =\n  | \"a\"\n  | \"{}\";\n", word(103));
        assert_eq!(OUT.declaration("T", None, &schema(103), 0), long);
    }

    #[test]
    fn enums_that_carry_something() {
        #[derive(Serialize, JsonSchema)]
        #[serde(rename_all = "lowercase")]
        enum External {
            Sent(Sent),
            Way { up: bool },
        }
        assert_eq!(declared::<External>(), "type T = { sent: Sent } | { way: { up: boolean } };\n");

        #[derive(Serialize, JsonSchema)]
        #[serde(tag = "op", rename_all = "lowercase")]
        enum Tagged {
            /// Goes up.
            Up {
                /// So far.
                by: u32,
            },
            Stop,
        }
        assert_eq!(
            declared::<Tagged>(),
            concat!(
                "type T =\n",
                "  /** Goes up. */\n",
                "  | {\n",
                "      op: \"up\";\n",
                "      /** So far. */\n",
                "      by: number;\n",
                "    }\n",
                "  | { op: \"stop\" };\n",
            )
        );

        #[derive(Serialize, JsonSchema)]
        #[serde(untagged)]
        enum Untagged {
            One(String),
            Many(Vec<String>),
        }
        assert_eq!(declared::<Untagged>(), "type T = string | string[];\n");
        assert_eq!(used::<Vec<Untagged>>(OUT), "Untagged[]");
    }

    #[test]
    fn flattened_members_are_members() {
        #[derive(Serialize, JsonSchema)]
        struct Outer {
            rank: f64,
            #[serde(flatten)]
            sent: Sent,
        }
        assert_eq!(declared::<Outer>(), "interface T { rank: number; id: string }\n");

        #[derive(Serialize, JsonSchema)]
        struct Open {
            id: String,
            #[serde(flatten)]
            rest: BTreeMap<String, Value>,
        }
        assert_eq!(declared::<Open>(), "interface T { id: string; [name: string]: any }\n");

        #[derive(Serialize, JsonSchema)]
        #[serde(tag = "kind")]
        enum Kind {
            A { a: bool },
            B { b: bool },
        }
        #[derive(Serialize, JsonSchema)]
        struct Both {
            id: String,
            #[serde(flatten)]
            kind: Kind,
        }
        assert_eq!(
            declared::<Both>(),
            "type T = { id: string } & ({ kind: \"A\"; a: boolean } | { kind: \"B\"; b: boolean });\n"
        );
    }
}
