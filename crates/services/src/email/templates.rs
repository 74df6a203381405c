//! Templates: what there is, which fields each needs, and mails made from them.
//!
//! A template is up to three files, all in Jinja: `<name>.subject`, `<name>.txt` and `<name>.html`. The fields that it
//! needs are the variables that it uses; those that it can do without stand in a comment in one of the files:
//! `{# optional: name, url #}`. Whatever a caller gives as a field is plain data: it is escaped in HTML, and never
//! itself a template. `{{ url|link }}` lets web addresses pass and nothing else, `javascript:` least of all.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use doer_core::service::{ServiceError, email::Template};
use minijinja::{Environment, ErrorKind, UndefinedBehavior, value::Serde};
use serde_json::Value;

use super::OpenError;

/// Steps of one rendering: thousands of lines, not millions.
const FUEL: u64 = 200_000;
/// What one part of a mail may become.
const MAX_OUTPUT_BYTES: usize = 1 << 20;
const MAX_SOURCE_BYTES: u64 = 256 << 10;
const MAX_OWN_TEMPLATES: usize = 256;
const MAX_NAME_BYTES: usize = 64;

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        [$((
            $name,
            Source {
                subject: include_str!(concat!("templates/", $name, ".subject")).to_owned(),
                text: include_str!(concat!("templates/", $name, ".txt")).to_owned(),
                html: Some(include_str!(concat!("templates/", $name, ".html")).to_owned()),
            },
        )),*]
    };
}

/// A template as it is written.
#[derive(Debug)]
struct Source {
    subject: String,
    text: String,
    html: Option<String>,
}

/// What a template and its fields make.
#[derive(Debug, PartialEq)]
pub(super) struct Rendered {
    pub subject: String,
    pub text: String,
    pub html: Option<String>,
}

/// All templates of an installation.
#[derive(Debug)]
pub(super) struct Templates {
    environment: Environment<'static>,
    /// By name.
    known: BTreeMap<String, Known>,
}

#[derive(Debug)]
struct Known {
    template: Template,
    has_html: bool,
}

impl Templates {
    /// The built-in ones, and those of the installation in `directory`.
    pub fn load(directory: Option<&Path>) -> Result<Self, OpenError> {
        let mut sources: BTreeMap<String, Source> =
            built_in!("apikey", "invite", "magic-link", "notification", "password-reset", "verification", "welcome",)
                .into_iter()
                .map(|(name, source)| (name.to_owned(), source))
                .collect();
        if let Some(directory) = directory {
            sources.extend(read_directory(directory)?);
        }
        let mut templates = Self { environment: environment(), known: BTreeMap::new() };
        for (name, source) in sources {
            let known = templates.add(&name, source)?;
            templates.known.insert(name, known);
        }
        Ok(templates)
    }

    /// What there is, by name.
    pub fn list(&self) -> Vec<Template> {
        self.known.values().map(|known| known.template.clone()).collect()
    }

    /// The parts of a mail.
    ///
    /// # Errors
    /// `not_found`; `invalid_request` where a field is missing, or is not what the template can use.
    pub fn render(&self, name: &str, mut data: BTreeMap<String, Value>) -> Result<Rendered, ServiceError> {
        let Some(Known { template, has_html }) = self.known.get(name) else {
            let names: Vec<&str> = self.known.keys().map(String::as_str).collect();
            return Err(ServiceError::not_found(format!("template: no such template; there are {}", names.join(", "))));
        };
        // Null is as good as absent, as everywhere.
        data.retain(|_, value| !value.is_null());
        if let Some(missing) = template.required.iter().find(|field| !data.contains_key(*field)) {
            return Err(ServiceError::invalid(format!("data.{missing}: is required by the template {name}")));
        }
        let fields = minijinja::Value::from(Serde(&data));
        Ok(Rendered {
            // The line end of the file is not part of the subject; one that a field brings along is refused later.
            subject: self.part(name, "subject", &fields)?,
            text: self.part(name, "txt", &fields)?,
            html: has_html.then(|| self.part(name, "html", &fields)).transpose()?,
        })
    }

    fn part(&self, name: &str, kind: &str, fields: &minijinja::Value) -> Result<String, ServiceError> {
        let template = self.environment.get_template(&format!("{name}.{kind}")).map_err(ServiceError::internal)?;
        let mut output = Bounded(Vec::new());
        let rendered = template.render_captured_to(fields.clone(), &mut output).map(drop);
        rendered.map_err(|error| {
            let why = match error.kind() {
                ErrorKind::OutOfFuel => "it takes too long".to_owned(),
                ErrorKind::WriteFailure => format!("it becomes larger than {MAX_OUTPUT_BYTES} bytes"),
                kind => error.detail().map_or_else(|| kind.to_string(), str::to_owned),
            };
            let line = error.line().map(|line| format!(", line {line}")).unwrap_or_default();
            ServiceError::invalid(format!("data: the template {name} ({kind}{line}) cannot use it: {why}"))
        })?;
        String::from_utf8(output.0).map_err(ServiceError::internal)
    }

    fn add(&mut self, name: &str, source: Source) -> Result<Known, OpenError> {
        let Source { subject, text, html } = source;
        let has_html = html.is_some();
        let parts = [("subject", Some(subject.clone())), ("txt", Some(text)), ("html", html)];
        let mut fields = BTreeSet::new();
        let mut optional = BTreeSet::new();
        for (kind, source) in parts.into_iter().filter_map(|(kind, source)| Some((kind, source?))) {
            let file = format!("{name}.{kind}");
            let bad = |why: String| OpenError::Template { file: file.clone(), why };
            optional.extend(optional_fields(&source));
            self.environment.add_template_owned(file.clone(), source).map_err(|error| bad(error.to_string()))?;
            let template = self.environment.get_template(&file).map_err(|error| bad(error.to_string()))?;
            fields.extend(template.undeclared_variables(false));
        }
        let globals: BTreeSet<&str> = self.environment.globals().map(|(name, _)| name).collect();
        fields.retain(|field| !globals.contains(field.as_str()));
        if let Some(unused) = optional.iter().find(|field| !fields.contains(*field)) {
            let why = format!("the optional field {unused} is used nowhere");
            return Err(OpenError::Template { file: name.to_owned(), why });
        }
        let required = fields.difference(&optional).cloned().collect();
        let subject = subject.trim_end().to_owned();
        let template = Template { name: name.to_owned(), subject, required, optional: optional.into_iter().collect() };
        Ok(Known { template, has_html })
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    // An optional field may be asked for with `if`; printing one that is not there is an error.
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_fuel(Some(FUEL));
    environment.add_filter("link", link);
    environment
}

fn link(url: String) -> Result<String, minijinja::Error> {
    let parsed = url::Url::parse(&url).ok();
    match parsed.is_some_and(|parsed| matches!(parsed.scheme(), "http" | "https")) {
        true => Ok(url),
        false => Err(minijinja::Error::new(
            ErrorKind::InvalidOperation,
            "a link must be a URL that begins with https:// or http://",
        )),
    }
}

/// The names in comments like `{# optional: name, url #}`.
fn optional_fields(source: &str) -> Vec<String> {
    let comments = source.split("{#").skip(1).filter_map(|rest| rest.split_once("#}"));
    comments
        .filter_map(|(comment, _)| comment.trim_matches(['-', '+']).trim().strip_prefix("optional:"))
        .flat_map(|names| names.split(','))
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect()
}

/// Templates of the installation's own.
fn read_directory(directory: &Path) -> Result<Vec<(String, Source)>, OpenError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| OpenError::Read { path, source }
    };
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(directory).map_err(failed(directory))? {
        let path = entry.map_err(failed(directory))?.path();
        let kind = path.extension().and_then(|kind| kind.to_str());
        if !matches!(kind, Some("subject" | "txt" | "html")) {
            continue;
        }
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        if !is_name(name) {
            let why = format!("its name must have 1 to {MAX_NAME_BYTES} of a-z, 0-9 and -");
            return Err(OpenError::Template { file: path.display().to_string(), why });
        }
        names.insert(name.to_owned());
    }
    if names.len() > MAX_OWN_TEMPLATES {
        let why = format!("there are more than {MAX_OWN_TEMPLATES} templates");
        return Err(OpenError::Template { file: directory.display().to_string(), why });
    }
    let file = |name: &str, kind: &str| directory.join(format!("{name}.{kind}"));
    let read = |path: PathBuf| read_source(&path).map_err(failed(&path));
    names
        .into_iter()
        .map(|name| {
            let html = match read_source(&file(&name, "html")) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                html => Some(html.map_err(failed(&file(&name, "html")))?),
            };
            let (subject, text) = (read(file(&name, "subject"))?, read(file(&name, "txt"))?);
            Ok((name, Source { subject, text, html }))
        })
        .collect()
}

fn read_source(path: &Path) -> io::Result<String> {
    if fs::metadata(path)?.len() > MAX_SOURCE_BYTES {
        return Err(io::Error::other(format!("it has more than {MAX_SOURCE_BYTES} bytes")));
    }
    fs::read_to_string(path)
}

fn is_name(name: &str) -> bool {
    let letters = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    !name.is_empty() && name.len() <= MAX_NAME_BYTES && letters
}

/// Takes so much and no more.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_OUTPUT_BYTES {
            return Err(io::Error::other("too large"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn data(value: Value) -> BTreeMap<String, Value> {
        serde_json::from_value(value).unwrap()
    }

    fn own(files: &[(&str, &str)]) -> (tempfile::TempDir, Result<Templates, OpenError>) {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in files {
            fs::write(dir.path().join(name), content).unwrap();
        }
        let templates = Templates::load(Some(dir.path()));
        (dir, templates)
    }

    fn refusal(result: Result<Rendered, ServiceError>) -> String {
        result.unwrap_err().message.into_owned()
    }

    #[test]
    fn each_built_in_template_is_made_from_what_it_requires_and_from_all_that_it_knows() {
        let templates = Templates::load(None).unwrap();
        let names: Vec<String> = templates.list().into_iter().map(|template| template.name).collect();
        assert_eq!(
            names,
            ["apikey", "invite", "magic-link", "notification", "password-reset", "verification", "welcome"]
        );
        for Template { name, required, optional, .. } in templates.list() {
            let value = |field: &str| match field {
                "url" => json!("https://doer.example/x?a=1&b=2"),
                other => json!(format!("the {other}")),
            };
            let fields = |names: &[String]| -> BTreeMap<String, Value> {
                names.iter().map(|name| (name.clone(), value(name))).collect()
            };
            let least = templates.render(&name, fields(&required)).unwrap();
            let all: Vec<String> = required.iter().chain(&optional).cloned().collect();
            let most = templates.render(&name, fields(&all)).unwrap();
            for field in &all {
                let shown = if field == "url" { "https://doer.example" } else { &format!("the {field}") };
                let shown = most.subject.contains(shown) || most.text.contains(shown);
                assert!(shown, "{name} shows {field}");
            }
            assert!(!least.subject.is_empty() && !least.subject.contains('\n'), "{name}");
            assert!(least.text.len() < most.text.len() && !least.text.contains("none"), "{name}: {}", least.text);
            assert!(least.html.unwrap().starts_with("<p>Hello,</p>"), "{name}");
            for missing in &required {
                let mut fields = fields(&all);
                fields.insert(missing.clone(), Value::Null);
                assert_eq!(
                    refusal(templates.render(&name, fields)),
                    format!("data.{missing}: is required by the template {name}")
                );
            }
        }
    }

    #[test]
    fn a_mail_reads_as_it_should() {
        let templates = Templates::load(None).unwrap();
        let fields = json!({"name": "Ada", "url": "https://doer.example/r/1?a=1&b=2", "expiresIn": "one hour"});
        let Rendered { subject, text, html } = templates.render("password-reset", data(fields)).unwrap();
        assert_eq!(subject, "Reset your password");
        assert_eq!(
            text,
            "Hello Ada,\n\n\
             someone asked for a new password for your account. If it was you, choose one here:\n\n\
             https://doer.example/r/1?a=1&b=2\n\n\
             The link works for one hour.\n\n\
             If it was not you, you need do nothing: your password stays as it is."
        );
        assert_eq!(
            html.unwrap(),
            "<p>Hello Ada,</p>\n\
             <p>someone asked for a new password for your account. If it was you, choose one here:</p>\n\
             <p><a href=\"https:&#x2f;&#x2f;doer.example&#x2f;r&#x2f;1?a=1&amp;b=2\">Choose a new password</a></p>\n\
             <p>The link works for one hour.</p>\n\
             <p>If it was not you, you need do nothing: your password stays as it is.</p>"
        );
    }

    #[test]
    fn fields_are_data_and_never_markup_or_templates() {
        let templates = Templates::load(None).unwrap();
        let fields = json!({"title": "{{ message }}", "message": "<script>{% raw %}</script>"});
        let Rendered { subject, text, html } = templates.render("notification", data(fields)).unwrap();
        assert_eq!(subject, "{{ message }}");
        assert!(text.contains("<script>{% raw %}</script>"));
        assert!(html.unwrap().contains("&lt;script&gt;{% raw %}&lt;&#x2f;script&gt;"));
        let fields = json!({"url": "javascript:alert(1)"});
        assert_eq!(
            refusal(templates.render("password-reset", data(fields))),
            "data: the template password-reset (txt, line 6) cannot use it: \
             a link must be a URL that begins with https:// or http://"
        );
    }

    #[test]
    fn an_installation_adds_and_replaces() {
        let (_dir, templates) = own(&[
            ("welcome.subject", "Hi {{ user.name }}\n"),
            ("welcome.txt", "{# optional: team #}{% for item in items %}{{ item }} {% endfor %}{{ team or '' }}"),
            ("reminder.subject", "Reminder"),
            ("reminder.txt", "It is {{ day }}, {{ range(2)|length }}."),
            ("reminder.html", "<b>{{ day }}</b>"),
            ("README.md", "not a template"),
        ]);
        let templates = templates.unwrap();
        let welcome = templates.list().into_iter().find(|template| template.name == "welcome").unwrap();
        assert_eq!(welcome.subject, "Hi {{ user.name }}");
        assert_eq!(
            (welcome.required, welcome.optional),
            (vec!["items".to_owned(), "user".to_owned()], vec!["team".to_owned()])
        );
        let fields = json!({"user": {"name": "Ada"}, "items": [1, "b"]});
        let rendered = templates.render("welcome", data(fields)).unwrap();
        assert_eq!(rendered, Rendered { subject: "Hi Ada".to_owned(), text: "1 b ".to_owned(), html: None });
        let rendered = templates.render("reminder", data(json!({"day": "<Monday>"}))).unwrap();
        assert_eq!(rendered.text, "It is <Monday>, 2.");
        assert_eq!(rendered.html.unwrap(), "<b>&lt;Monday&gt;</b>");
        assert_eq!(
            refusal(templates.render("welcome", data(json!({"user": {}, "items": []})))),
            "data: the template welcome (subject, line 1) cannot use it: undefined value"
        );
    }

    #[test]
    fn a_template_that_is_wrong_is_told_at_the_start() {
        for (files, told) in [
            (vec![("a.subject", "A"), ("a.txt", "{% if %}")], "a.txt"),
            (vec![("a.subject", "A"), ("a.txt", "{# optional: nam #}{{ name }}")], "nam"),
            (vec![("a.subject", "A")], "a.txt"),
            (vec![("A B.txt", "A")], "A B.txt"),
        ] {
            let (_dir, templates) = own(&files);
            let error = templates.unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }

    #[test]
    fn a_bomb_does_not_go_off() {
        let (_dir, templates) = own(&[
            ("loop.subject", "L"),
            (
                "loop.txt",
                "{% for a in items %}{% for b in items %}{% for c in items %}{% endfor %}{% endfor %}{% endfor %}",
            ),
            ("big.subject", "B"),
            ("big.txt", "{% for a in items %}{{ text }}{% endfor %}"),
        ]);
        let templates = templates.unwrap();
        let items: Vec<u32> = (0..1_000).collect();
        assert!(refusal(templates.render("loop", data(json!({"items": items})))).ends_with("it takes too long"));
        let fields = data(json!({"items": items, "text": "x".repeat(2_000)}));
        assert!(refusal(templates.render("big", fields)).ends_with("it becomes larger than 1048576 bytes"));
    }
}
