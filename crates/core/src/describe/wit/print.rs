//! The files of the package.

use super::{
    COMMON, PACKAGE, VERSION, WASI,
    model::{Case, Definition, Field, Function, Interface, Named, Type, interfaces},
    names::written,
};
use crate::{
    describe::typescript::wrapped,
    service::{Code, Service},
};

const WIDTH: usize = 120;

/// Names and texts of all files: one for each service, one for what they have in common, one for the worlds.
pub fn files() -> Vec<(String, String)> {
    let services = interfaces().iter().map(|interface| (interface.service.name().to_owned(), service(interface)));
    let others = [(COMMON.to_owned(), common()), ("worlds".to_owned(), worlds())];
    let package = format!("package {PACKAGE}@{VERSION};\n\n");
    services.chain(others).map(|(name, text)| (format!("{name}.wit"), format!("{package}{text}"))).collect()
}

fn common() -> String {
    let codes: Vec<String> = Code::ALL.iter().map(|code| format!("`{code}`")).collect();
    let mut text = comment("What all services have in common.", 0) + &format!("interface {COMMON} {{\n");
    text += &comment("Any JSON, as text.", 2);
    text += "  type json = string;\n\n";
    text += &comment("Why a call gave nothing.", 2);
    text += "  record error {\n";
    text += &comment("`ServiceError`.", 4);
    text += "    name: string,\n";
    text += &comment("What is wrong, for people.", 4);
    text += "    message: string,\n";
    text += &comment(&format!("What is wrong, for programs: one of {}.", codes.join(", ")), 4);
    text += "    code: string,\n";
    text += &comment("When it is worth trying again, in milliseconds, where that is known.", 4);
    text += "    retry-after-ms: option<u64>,\n  }\n}\n";
    text
}

fn worlds() -> String {
    let imports: String = Service::ALL.map(|service| format!("  import {service};\n")).concat();
    let all =
        comment("Everything that the platform has. What is imported and not granted answers with `forbidden`.", 0);
    let worker = comment("A worker: it answers requests, and may use the platform and the network.", 0);
    format!(
        "{all}world imports {{\n{imports}}}\n\n{worker}world worker {{\n  include imports;\n  include wasi:http/proxy@{WASI};\n}}\n"
    )
}

fn service(interface: &Interface) -> String {
    let functions: Vec<String> = interface.functions.iter().map(function).collect();
    let types: Vec<String> = interface.types.iter().map(named).collect();
    let docs = comment(interface.service.docs(), 0);
    let body: Vec<String> = types.into_iter().chain(functions).collect();
    let uses = if body.iter().any(|part| part.contains("json")) { "json, error" } else { "error" };
    let name = interface.service.name();
    format!("{docs}interface {name} {{\n  use {COMMON}.{{{uses}}};\n\n{}}}\n", body.join("\n"))
}

fn function(function: &Function) -> String {
    let parameters: Vec<String> = function.parameters.iter().map(member).collect();
    let mut docs = function.method.docs.to_owned();
    let told: Vec<String> = function
        .parameters
        .iter()
        .filter(|field| !field.docs.is_empty())
        .map(|field| format!("- `{}`: {}", field.name, field.docs.replace('\n', " ")))
        .collect();
    if !told.is_empty() {
        docs += &format!("\n\n{}", told.join("\n"));
    }
    let result = r#type(&function.result);
    let name = written(&function.name);
    format!("{}  {name}: func({}) -> result<{result}, error>;\n", comment(&docs, 2), parameters.join(", "))
}

fn named(named: &Named) -> String {
    let docs = comment(&named.docs, 2);
    let name = written(&named.name);
    let block = |kind: &str, lines: Vec<String>| format!("{docs}  {kind} {name} {{\n{}  }}\n", lines.concat());
    match &named.definition {
        Definition::Record(fields) => {
            let line = |field: &Field| format!("{}    {},\n", comment(&field.docs, 4), member(field));
            block("record", fields.iter().map(line).collect())
        }
        Definition::Enum(cases) => block("enum", cases.iter().map(case).collect()),
        Definition::Variant(_, cases) => block("variant", cases.iter().map(case).collect()),
        Definition::Alias(other) => format!("{docs}  type {name} = {};\n", r#type(other)),
    }
}

fn case(case: &Case) -> String {
    let payload = case.payload.as_ref().map(|payload| format!("({})", r#type(payload))).unwrap_or_default();
    format!("{}    {}{payload},\n", comment(&case.docs, 4), written(&case.name))
}

fn member(field: &Field) -> String {
    format!("{}: {}", written(&field.name), r#type(&field.r#type))
}

fn r#type(of: &Type) -> String {
    match of {
        Type::Primitive(name) => (*name).to_owned(),
        Type::Json => "json".to_owned(),
        Type::Option(inner) => format!("option<{}>", r#type(inner)),
        Type::List(item) | Type::OneOrMany(item) => format!("list<{}>", r#type(item)),
        Type::Map(value) => format!("list<tuple<string, {}>>", r#type(value)),
        Type::Tuple(places) => format!("tuple<{}>", places.iter().map(r#type).collect::<Vec<_>>().join(", ")),
        Type::Named(name) => written(name),
    }
}

/// Lines of documentation, or nothing where there is nothing to say.
fn comment(text: &str, indent: usize) -> String {
    let margin = " ".repeat(indent);
    let room = WIDTH - indent - "/// ".len();
    let lines = text.trim().lines().map(str::trim).flat_map(|line| wrapped(line, room));
    let lines = lines.map(|line| format!("{margin}/// {line}").trim_end().to_owned() + "\n");
    if text.trim().is_empty() { String::new() } else { lines.collect() }
}

#[cfg(test)]
mod tests {
    use std::{env, fs, path::PathBuf};

    use super::*;

    /// The directory that is published. With `DOER_WRITE` set, the files are written instead of compared.
    #[test]
    fn the_published_files_are_what_the_contracts_give() {
        let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../sandbox/wit");
        for (name, text) in files() {
            let path = directory.join(&name);
            if env::var_os("DOER_WRITE").is_some() {
                fs::write(&path, &text).unwrap();
            }
            let published = fs::read_to_string(&path).unwrap_or_default();
            assert!(published == text, "{name} is not what the contracts give; write it with DOER_WRITE=1");
        }
    }

    #[test]
    fn nothing_speaks_of_rust_or_of_json_names_only() {
        for (name, text) in files() {
            assert!(!text.contains("[`") && !text.contains("Option<"), "{name}");
        }
    }
}
