//! Values as console text: JSON where they are data, and something readable where JSON has no word.

use rquickjs::{Ctx, Object, Value};

use crate::{
    error, intrinsics, json,
    raw::{self, Kind},
};

/// Deeper objects are named and not entered.
const MAX_DEPTH: usize = 32;
/// More members than this are counted and not shown.
const MAX_MEMBERS: usize = 1_000;

/// The line of a console call: format specifiers of the Console standard, then the rest, by spaces.
pub fn format<'js>(ctx: &Ctx<'js>, arguments: &[Value<'js>]) -> String {
    let mut rest = arguments;
    let mut out = String::new();
    if let [first, tail @ ..] = arguments
        && first.is_string()
        && !tail.is_empty()
    {
        let template = string(ctx, first);
        let used = substitute(ctx, &template, tail, &mut out);
        rest = &tail[used..];
        if !rest.is_empty() {
            out.push(' ');
        }
    }
    for (index, argument) in rest.iter().enumerate() {
        if index > 0 {
            out.push(' ');
        }
        out.push_str(&if argument.is_string() { string(ctx, argument) } else { value(ctx, argument) });
    }
    out
}

fn substitute<'js>(ctx: &Ctx<'js>, template: &str, arguments: &[Value<'js>], out: &mut String) -> usize {
    let mut used = 0;
    let mut pieces = template.split('%');
    out.push_str(pieces.next().unwrap_or(""));
    let mut literal = false;
    for piece in pieces {
        if std::mem::take(&mut literal) {
            out.push_str(piece);
            continue;
        }
        let Some(specifier) = piece.chars().next() else {
            // `%%` is a percent sign.
            out.push('%');
            literal = true;
            continue;
        };
        let Some(argument) = arguments.get(used).filter(|_| "sdifoOc".contains(specifier)) else {
            out.push('%');
            out.push_str(piece);
            continue;
        };
        used += 1;
        match specifier {
            'c' => {}
            's' if argument.is_string() => out.push_str(&string(ctx, argument)),
            'd' | 'i' => match argument.as_number() {
                Some(number) if specifier == 'i' => out.push_str(&format!("{}", number.trunc())),
                Some(_) => out.push_str(&value(ctx, argument)),
                None => out.push_str("NaN"),
            },
            _ => out.push_str(&value(ctx, argument)),
        }
        out.push_str(&piece[1..]);
    }
    used
}

fn string<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> String {
    raw::text(ctx, value).unwrap_or_default()
}

/// One value.
pub fn value<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> String {
    let mut inspector = Inspector { ctx, out: String::new(), open: Vec::new() };
    inspector.value(value);
    inspector.out
}

struct Inspector<'a, 'js> {
    ctx: &'a Ctx<'js>,
    out: String,
    open: Vec<Value<'js>>,
}

impl<'js> Inspector<'_, 'js> {
    fn value(&mut self, value: &Value<'js>) {
        let ctx = self.ctx;
        if value.is_string() {
            let text = string(ctx, value);
            self.out.push_str(&if self.open.is_empty() { text } else { json::quote(&text) });
        } else if value.is_symbol() {
            let description = value.as_symbol().and_then(|symbol| symbol.description().ok());
            let description = description.filter(Value::is_string).map(|text| string(ctx, &text));
            self.out.push_str(&format!("Symbol({})", description.unwrap_or_default()));
        } else if value.is_object() {
            self.object(value);
        } else {
            self.out.push_str(&string(ctx, value));
            if value.is_big_int() {
                self.out.push('n');
            }
        }
    }

    fn object(&mut self, value: &Value<'js>) {
        if self.open.iter().any(|open| raw::same_object(open, value)) {
            return self.out.push_str("[Circular]");
        }
        if self.open.len() >= MAX_DEPTH {
            return self.out.push_str("[Object]");
        }
        let top = self.open.is_empty();
        self.open.push(value.clone());
        match raw::kind(value) {
            Kind::Function => self.function(value),
            Kind::Error => self.error(value, top),
            Kind::Date => match intrinsics::iso_string(self.ctx, value.clone()) {
                Ok(text) if top => self.out.push_str(&text),
                Ok(text) => self.out.push_str(&json::quote(&text)),
                Err(_) => self.thrown("Invalid Date"),
            },
            Kind::RegExp => match intrinsics::regexp_string(self.ctx, value.clone()) {
                Ok(text) => self.out.push_str(&string(self.ctx, &text)),
                Err(_) => self.thrown("[RegExp]"),
            },
            Kind::Map => self.map(value),
            Kind::Set => self.set(value),
            Kind::Binary => self.binary(value),
            Kind::Promise => self.out.push_str("Promise {}"),
            kind @ (Kind::Array | Kind::Proxy | Kind::Plain) => self.data(kind, value),
        }
        self.open.pop();
    }

    fn thrown(&mut self, instead: &str) {
        self.ctx.catch();
        self.out.push_str(instead);
    }

    fn function(&mut self, value: &Value<'js>) {
        let name = value.as_object().and_then(|function| function.get::<_, String>("name").ok());
        match name.filter(|name| !name.is_empty()) {
            Some(name) => self.out.push_str(&format!("[Function: {name}]")),
            None => self.thrown("[Function]"),
        }
    }

    fn error(&mut self, value: &Value<'js>, top: bool) {
        let exception = error::describe_value(self.ctx, value);
        let head = if exception.message.is_empty() {
            exception.name.into_owned()
        } else {
            format!("{}: {}", exception.name, exception.message)
        };
        match &*exception.stack {
            _ if !top => self.out.push_str(&format!("[{head}]")),
            "" => self.out.push_str(&head),
            stack => self.out.push_str(&format!("{head}\n{stack}")),
        }
    }

    fn map(&mut self, value: &Value<'js>) {
        let Ok(entries) = intrinsics::map_entries(self.ctx, value.clone()) else {
            return self.thrown("[Map]");
        };
        self.out.push_str(&format!("Map({}) ", entries.len()));
        self.members(('{', '}'), entries.len(), |inspector, index| {
            inspector.value(&entries[index].0);
            inspector.out.push_str(" => ");
            inspector.value(&entries[index].1);
        });
    }

    fn set(&mut self, value: &Value<'js>) {
        let Ok(values) = intrinsics::set_values(self.ctx, value.clone()) else {
            return self.thrown("[Set]");
        };
        self.out.push_str(&format!("Set({}) ", values.len()));
        self.members(('{', '}'), values.len(), |inspector, index| inspector.value(&values[index]));
    }

    fn binary(&mut self, value: &Value<'js>) {
        let bytes = raw::bytes(value).unwrap_or_default();
        self.out.push_str(&format!("Bytes({}) ", bytes.len()));
        self.members(('[', ']'), bytes.len(), |inspector, index| inspector.out.push_str(&bytes[index].to_string()));
    }

    fn data(&mut self, kind: Kind, value: &Value<'js>) {
        let Some(object) = value.as_object() else { return };
        match object.get::<_, Value<'js>>("toJSON") {
            Ok(to_json) if to_json.is_function() => match json::stringify(self.ctx, value) {
                Ok(text) => return self.out.push_str(&text),
                Err(_) => {
                    self.ctx.catch();
                }
            },
            Ok(_) => {}
            Err(_) => {
                self.ctx.catch();
            }
        }
        if kind == Kind::Array { self.array(object) } else { self.properties(object) }
    }

    fn array(&mut self, object: &Object<'js>) {
        let length = object.get::<_, f64>("length").unwrap_or(0.0) as usize;
        self.members(('[', ']'), length, |inspector, index| inspector.property(object, index as f64));
    }

    fn properties(&mut self, object: &Object<'js>) {
        let keys = object.own_keys::<Value<'js>>(rquickjs::Filter::new().string().enum_only());
        let keys: Vec<_> = keys.filter_map(Result::ok).collect();
        self.members(('{', '}'), keys.len(), |inspector, index| {
            let key = string(inspector.ctx, &keys[index]);
            inspector.out.push_str(&json::quote(&key));
            inspector.out.push(':');
            inspector.property(object, keys[index].clone());
        });
    }

    fn property<K: rquickjs::IntoAtom<'js>>(&mut self, object: &Object<'js>, key: K) {
        match object.get::<_, Value<'js>>(key) {
            Ok(value) => self.value(&value),
            Err(_) => self.thrown("[Throws]"),
        }
    }

    fn members(&mut self, brackets: (char, char), count: usize, mut member: impl FnMut(&mut Self, usize)) {
        self.out.push(brackets.0);
        for index in 0..count.min(MAX_MEMBERS) {
            if index > 0 {
                self.out.push(',');
            }
            member(self, index);
        }
        if count > MAX_MEMBERS {
            self.out.push_str(&format!(",… {} more", count - MAX_MEMBERS));
        }
        self.out.push(brackets.1);
    }
}
