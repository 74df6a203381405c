//! One service: an interface with its methods, and a namespace with its types.

use serde_json::Value;

use super::{
    super::interface::{Interface, NamedType, Signature},
    docs::{WIDTH, comment},
    types::{Json, Types, description},
};
use crate::service::{Parameter, Service};

/// The type of what every call takes last.
const CALL_OPTIONS: &str = "CallOptions";

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Everything.
    Full,
    /// What each method is for; of the rest only what a program needs.
    Brief,
}

/// `Db`, the type of `env.db`.
pub const fn type_name(service: Service) -> &'static str {
    match service {
        Service::Db => "Db",
        Service::Auth => "Auth",
        Service::Gateway => "Gateway",
        Service::Schedule => "Schedule",
        Service::Webhooks => "Webhooks",
        Service::Email => "Email",
        Service::Mcp => "Mcp",
        Service::Queue => "Queue",
    }
}

/// The declarations of a service.
pub fn section(service: Service, detail: Detail) -> String {
    let Interface { signatures, types, .. } = Interface::of(service);
    let name = type_name(service);
    let separator = if detail == Detail::Full { "\n" } else { "" };
    let methods: Vec<String> = signatures.iter().map(|signature| method(name, signature, detail)).collect();
    let types: Vec<String> = types.into_iter().map(|named| named_type(named, detail)).collect();
    let about = if detail == Detail::Full { comment(service.docs(), 0) } else { String::new() };
    let interface = format!("{about}interface {name} {{\n{}}}\n", methods.join(separator));
    if types.is_empty() {
        return interface;
    }
    format!("{interface}{separator}declare namespace {name} {{\n{}}}\n", types.join(separator))
}

fn method(service: &str, signature: &Signature, detail: Detail) -> String {
    let docs = match detail {
        Detail::Full => documentation(signature),
        Detail::Brief => signature.method.summary().to_owned(),
    };
    comment(&docs, 2) + &call(service, signature, detail)
}

/// What it does, what its parameters mean, and how it fails.
fn documentation(signature: &Signature) -> String {
    let method = signature.method;
    let tag = |(parameter, schema): (&Parameter, &Value)| {
        format!("\n@param {} {}", parameter.name, description(schema).replace('\n', " "))
    };
    let mut tags: String = method.parameters.iter().zip(&signature.parameters).map(tag).collect();
    if !method.errors.is_empty() {
        let codes: Vec<&str> = method.errors.iter().map(|code| code.name()).collect();
        tags += &format!("\n@throws {{ServiceError}} {}", codes.join(", "));
    }
    let gap = if tags.is_empty() { "" } else { "\n" };
    format!("{}{gap}{tags}", method.docs)
}

/// The method with its types, on one line where that has room.
fn call(service: &str, signature: &Signature, detail: Detail) -> String {
    let scope = format!("{service}.");
    let given = Types { scope: &scope, json: Json::Unknown };
    let made = Types { scope: &scope, json: Json::Any };
    let declared = &signature.method.parameters;
    let mut parameters: Vec<String> = declared
        .iter()
        .zip(&signature.parameters)
        .map(|(parameter, schema)| given.member(&parameter.name, parameter.required, schema, 4))
        .collect();
    if detail == Detail::Full && !declared.iter().any(|parameter| parameter.name == "options") {
        parameters.push(format!("options?: {CALL_OPTIONS}"));
    }
    let name = signature.method.name;
    let result = made.of(&signature.result, 2);
    let line = format!("  {name}({}): Promise<{result}>;\n", parameters.join(", "));
    // Its line break does not count.
    if line.chars().count() <= WIDTH + 1 {
        return line;
    }
    format!("  {name}(\n    {},\n  ): Promise<{result}>;\n", parameters.join(",\n    "))
}

fn named_type(named: NamedType, detail: Detail) -> String {
    let json = if named.of_results { Json::Any } else { Json::Unknown };
    let types = Types { scope: "", json };
    match detail {
        Detail::Full => {
            let parent = named.of_options.then_some(CALL_OPTIONS);
            types.declaration(&named.name, parent, &named.schema, 2)
        }
        Detail::Brief => types.declaration(&named.name, None, &undocumented(named.schema), 2),
    }
}

/// The same schema, with nothing said about it. A property may be called `description` too.
fn undocumented(schema: Value) -> Value {
    match schema {
        Value::Object(members) => members
            .into_iter()
            .filter(|(key, member)| key != "description" || !member.is_string())
            .map(|(key, member)| (key, undocumented(member)))
            .collect(),
        Value::Array(items) => items.into_iter().map(undocumented).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_says_what_it_does_what_it_takes_and_how_it_fails() {
        let text = section(Service::Queue, Detail::Full);
        // The words are the contract's, and change.
        let method = Service::Queue.method("retry").unwrap();
        let docs: String = method.docs.lines().map(|line| format!("   * {}\n", line.trim())).collect();
        let member = "  retry(ids: string[], options?: Queue.RetryOptions | null): Promise<Queue.Count>;\n";
        let (before, _) = text.split_once(member).unwrap();
        let (_, comment) = before.rsplit_once("  /**\n").unwrap();
        let tags = comment.strip_prefix(&docs).unwrap().strip_prefix("   *\n").unwrap();
        let lines: Vec<&str> = tags.lines().collect();
        assert!(lines[0].starts_with("   * @param ids ") && lines[1].starts_with("   * @param options "), "{tags}");
        assert_eq!(lines[2..], ["   */"]);
        assert!(text.contains("   * @throws {ServiceError} quota\n   */\n  batch("));
        assert!(text.contains("  interface RetryOptions extends CallOptions {\n"));
        assert!(text.contains(
            "  batch(queue: string, messages: unknown[], options?: CallOptions): Promise<Queue.SentBatch>;\n"
        ));
    }

    #[test]
    fn a_brief_section_has_a_line_for_most_things() {
        let text = section(Service::Mcp, Detail::Brief);
        assert!(text.starts_with("interface Mcp {\n  /** The tools of all servers. Of a server that cannot"));
        assert!(text.contains("\n  listTools(): Promise<Mcp.Tool[]>;\n"));
        assert!(text.contains("\n  interface Tool { name: string; description: string | null; inputSchema: any }\n"));
    }

    #[test]
    fn names_of_types_are_the_services_names() {
        for service in Service::ALL {
            assert_eq!(type_name(service).to_lowercase(), service.name());
        }
    }
}
