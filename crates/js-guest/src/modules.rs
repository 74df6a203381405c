//! Imports among the modules of one program, and nowhere else.

use std::{cell::RefCell, collections::BTreeMap};

use doer_guest_protocol::{Module as Source, ModuleBody};
use rquickjs::{
    Ctx, Exception, Function, Module, Object, Persistent, Result, Value,
    loader::{ImportAttributes, Loader, Resolver},
    module::{Declarations, Declared, Exports, ModuleDef},
};

use crate::{error, intrinsics, json, raw, services, web};

thread_local! {
    static BODIES: RefCell<BTreeMap<String, ModuleBody>> = const { RefCell::new(BTreeMap::new()) };
    /// `module` objects of CommonJS modules that have begun to run.
    static REQUIRED: RefCell<BTreeMap<String, Persistent<Object<'static>>>> = const { RefCell::new(BTreeMap::new()) };
}

/// Makes a program's modules known; names lose a leading `./`.
pub fn provide(modules: Vec<Source>) {
    BODIES.with_borrow_mut(|bodies| {
        for module in modules {
            let name = module.name.strip_prefix("./").unwrap_or(&module.name).to_owned();
            if let ModuleBody::Js(source) | ModuleBody::Cjs(source) = &module.body {
                error::register(&name, source);
            }
            bodies.insert(name, module.body);
        }
    });
}

/// Compiles the module of that name and all that it imports.
///
/// # Errors
/// A `SyntaxError`, or an `Error` for an import that does not exist.
pub fn declare<'js>(ctx: &Ctx<'js>, name: &str) -> Result<Module<'js, Declared>> {
    let name = name.strip_prefix("./").unwrap_or(name);
    match body(name) {
        Some(ModuleBody::Js(source)) => Module::declare(ctx.clone(), name, source.code),
        Some(_) => Module::declare_def::<Synthetic, _>(ctx.clone(), name),
        None => Err(Exception::throw_message(ctx, &format!("No such module: {name:?}"))),
    }
}

fn body(name: &str) -> Option<ModuleBody> {
    BODIES.with_borrow(|bodies| bodies.get(name).cloned())
}

/// Resolves and loads what `import` names.
pub struct Imports;

impl Resolver for Imports {
    fn resolve<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        base: &str,
        name: &str,
        _attributes: Option<ImportAttributes<'js>>,
    ) -> Result<String> {
        if PLATFORM.contains(&name) {
            return Ok(name.to_owned());
        }
        resolve(base, name)
            .filter(|path| BODIES.with_borrow(|bodies| bodies.contains_key(path)))
            .ok_or_else(|| Exception::throw_message(ctx, &format!("No such module: {name:?}, imported from {base:?}")))
    }
}

impl Loader for Imports {
    fn load<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        name: &str,
        _attributes: Option<ImportAttributes<'js>>,
    ) -> Result<Module<'js, Declared>> {
        if PLATFORM.contains(&name) {
            return Module::declare_def::<Platform, _>(ctx.clone(), name);
        }
        declare(ctx, name)
    }
}

/// What the platform gives to import: one module by two names.
const PLATFORM: [&str; 2] = ["cloudflare:workers", "doer:workers"];

struct Platform;

impl ModuleDef for Platform {
    fn declare(declarations: &Declarations<'_>) -> Result<()> {
        declarations.declare("WorkerEntrypoint")?;
        declarations.declare("env")?;
        declarations.declare("$")?;
        Ok(())
    }

    fn evaluate<'js>(ctx: &Ctx<'js>, exports: &Exports<'js>) -> Result<()> {
        exports.export("WorkerEntrypoint", intrinsics::worker_entrypoint(ctx)?)?;
        exports.export("env", services::imported(ctx)?)?;
        exports.export("$", web::business(ctx)?)?;
        Ok(())
    }
}

/// The key that `name` stands for in the module `base`; `None` where it leads above the root.
fn resolve(base: &str, name: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    if name.starts_with("./") || name.starts_with("../") {
        parts.extend(base.split('/'));
        parts.pop();
    }
    for part in name.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop()?;
            }
            other => parts.push(other),
        }
    }
    Some(parts.join("/"))
}

/// A module without JavaScript of its own, or with CommonJS: one default export.
struct Synthetic;

impl ModuleDef for Synthetic {
    fn declare(declarations: &Declarations<'_>) -> Result<()> {
        declarations.declare("default")?;
        Ok(())
    }

    fn evaluate<'js>(ctx: &Ctx<'js>, exports: &Exports<'js>) -> Result<()> {
        let name: String = exports.module().name()?;
        let value = value_of(ctx, &name)?;
        exports.export("default", value)?;
        Ok(())
    }
}

fn value_of<'js>(ctx: &Ctx<'js>, name: &str) -> Result<Value<'js>> {
    match body(name) {
        Some(ModuleBody::Json(text)) => json::parse(ctx, &text),
        Some(ModuleBody::Text(text)) => Ok(rquickjs::String::from_str(ctx.clone(), &text)?.into_value()),
        Some(ModuleBody::Data(bytes)) => Ok(rquickjs::ArrayBuffer::new_copy(ctx.clone(), bytes)?.into_value()),
        Some(ModuleBody::Cjs(source)) => run_commonjs(ctx, name, &source.code),
        Some(ModuleBody::Js(_)) => {
            let text = format!("Cannot require() the ES module {name:?}; use import");
            Err(Exception::throw_message(ctx, &text))
        }
        None => Err(Exception::throw_message(ctx, &format!("No such module: {name:?}"))),
    }
}

fn run_commonjs<'js>(ctx: &Ctx<'js>, name: &str, code: &str) -> Result<Value<'js>> {
    if let Some(module) = REQUIRED.with_borrow(|required| required.get(name).cloned()) {
        return module.restore(ctx)?.get("exports");
    }
    let module = Object::new(ctx.clone())?;
    module.set("exports", Object::new(ctx.clone())?)?;
    REQUIRED.with_borrow_mut(|required| required.insert(name.to_owned(), Persistent::save(ctx, module.clone())));
    let base = name.to_owned();
    let require = Function::new(ctx.clone(), move |ctx: Ctx<'js>, wanted: String| {
        match resolve(&base, &wanted).filter(|path| BODIES.with_borrow(|bodies| bodies.contains_key(path))) {
            Some(path) => value_of(&ctx, &path),
            None => {
                let text = format!("No such module: {wanted:?}, required from {base:?}");
                Err(Exception::throw_message(&ctx, &text))
            }
        }
    })?;
    let wrapper = raw::eval_at(ctx, &format!("(function(exports,require,module){{\n\n{code}\n}})"), name, -1)?;
    intrinsics::run_commonjs(ctx, wrapper, module, require)
}

#[cfg(test)]
mod tests {
    use super::resolve;

    #[test]
    fn names_resolve_within_the_root() {
        assert_eq!(resolve("a/b.js", "./c.js").as_deref(), Some("a/c.js"));
        assert_eq!(resolve("a/b.js", "../c.js").as_deref(), Some("c.js"));
        assert_eq!(resolve("a/b.js", "c.js").as_deref(), Some("c.js"));
        assert_eq!(resolve("b.js", "../c.js"), None);
        assert_eq!(resolve("b.js", "./x/../../c.js"), None);
    }
}
