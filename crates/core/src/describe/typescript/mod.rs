//! The services as TypeScript declarations, for editors, for compilers and for language models.
//!
//! A service is an interface (`Queue`) and a namespace of the same name with its types (`Queue.SendOptions`), so that
//! types of two services may have one name and nothing but these names becomes global.

mod business;
mod docs;
mod section;
mod types;

use schemars::SchemaGenerator;

pub(crate) use docs::wrapped;
pub use section::type_name;

use self::{
    business::business,
    docs::comment,
    section::{Detail, section},
    types::{Json, Types},
};
use crate::{auth::User, scoped::Grants, service::Code};

/// What does not depend on the services.
const PLATFORM: &str = include_str!("platform.d.ts");

/// `types.d.ts`: everything that code sees beside the language and the web platform, documented, with the services that
/// are granted.
pub fn declarations(grants: Grants) -> String {
    let mut sections = vec![PLATFORM.to_owned(), platform_types(), environment(grants)];
    sections.extend(business(grants));
    sections.extend(grants.iter().map(|service| section(service, Detail::Full)));
    sections.join("\n")
}

/// The services that are granted in as few words as a program can be written from: what a language model is told with
/// every tool that takes code.
pub fn summary(grants: Grants) -> String {
    let bindings: String = grants.iter().map(|service| format!("  {service}: {};\n", type_name(service))).collect();
    let mut sections = vec![format!("declare const env: {{\n{bindings}}};\n")];
    sections.extend(grants.iter().map(|service| section(service, Detail::Brief)));
    sections.join("\n")
}

/// What `Env` and `DO` consist of.
fn environment(grants: Grants) -> String {
    let mut env = String::new();
    let mut unified = String::new();
    for service in grants.iter() {
        let name = type_name(service);
        env += &format!("  readonly {service}: {name};\n");
        for method in service.methods() {
            unified += &format!("  {}: {name}[\"{}\"];\n", method.flat_name(), method.name);
        }
    }
    format!(
        "{}interface Env {{\n  readonly DO: DO;\n{env}}}\n\n{}interface DO {{\n{unified}  fetch: typeof fetch;\n}}\n",
        comment(
            "What code may use. What was not granted is absent when the code runs, and stands here all the same: whoever\n\
             writes code knows what it will be granted. Bindings of your own are declared by another `interface Env`.",
            0
        ),
        comment(
            "All services in one: `env.DO.db_query` is `env.db.query`. A call of what was not granted is `forbidden`.",
            0
        ),
    )
}

/// Types of ours that belong to no service.
fn platform_types() -> String {
    let types = Types { scope: "", json: Json::Any };
    let mut generator = SchemaGenerator::default();
    let user = generator.root_schema_for::<User>().to_value();
    let code = generator.root_schema_for::<Code>().to_value();
    format!(
        "declare namespace Context {{\n{}}}\n\ndeclare namespace ServiceError {{\n{}}}\n",
        types.declaration("User", None, &user, 2),
        types.declaration("Code", None, &code, 2),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::Service;

    fn all() -> String {
        declarations(Grants::of(Service::ALL))
    }

    #[test]
    fn every_method_stands_in_its_service_and_in_the_unified_binding() {
        let text = all();
        for method in Service::ALL.into_iter().flat_map(Service::methods) {
            let member = format!("\n  {}: {}[\"{}\"];\n", method.flat_name(), type_name(method.service), method.name);
            assert_eq!(text.matches(&member).count(), 1, "{member}");
        }
    }

    #[test]
    fn only_what_is_granted_is_declared() {
        let text = declarations(Grants::of([Service::Db]));
        assert!(text.contains("interface Env {\n  readonly DO: DO;\n  readonly db: Db;\n}\n"));
        assert!(text.contains("declare namespace Db {"));
        assert!(!text.contains("Queue"));
        assert!(declarations(Grants::default()).contains("interface DO {\n  fetch: typeof fetch;\n}\n"));
    }

    #[test]
    fn codes_of_errors_are_those_that_calls_give() {
        let text = platform_types();
        for code in Code::ALL {
            assert_eq!(text.matches(&format!("\n    | \"{code}\"")).count(), 1, "{code}");
        }
    }

    #[test]
    fn lines_are_as_long_as_ours_and_speak_of_no_rust() {
        for line in all().lines().chain(summary(Grants::of(Service::ALL)).lines()) {
            assert!(line.chars().count() <= docs::WIDTH, "{line}");
            assert_eq!(line.trim_end(), line);
            assert!(!line.contains("[`"), "{line}");
        }
    }

    #[test]
    fn a_summary_is_short() {
        let (long, short) = (all(), summary(Grants::of(Service::ALL)));
        assert!(short.len() * 2 < long.len(), "{} of {}", short.len(), long.len());
        assert!(short.starts_with("declare const env: {\n  db: Db;\n  auth: Auth;\n"));
        assert!(!short.contains("@param"));
        assert_eq!(summary(Grants::default()), "declare const env: {\n};\n");
    }
}
