//! The modules of a directory: every file whose name says what it is, by its path.

use std::{error::Error, fs, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

/// Text whose kind the name says.
const CODE: [&str; 10] = ["js", "mjs", "cjs", "ts", "mts", "tsx", "jsx", "json", "txt", "wat"];
/// Text that is imported as text.
pub const TEXT: [&str; 5] = ["html", "css", "svg", "xml", "csv"];
/// Files of tools.
const TOOLS: [&str; 3] = ["package.json", "package-lock.json", "tsconfig.json"];
const PACKAGES: &str = "node_modules";
/// Where one starts, where nobody says.
const USUAL: [&str; 4] = ["index", "main", "src/index", "src/main"];
const USUAL_ENDINGS: [&str; 3] = ["ts", "js", "tsx"];
/// Directories within directories.
const MAX_DEPTH: usize = 32;

/// The module to start with, where nobody says.
pub fn usual_main(modules: &Map<String, Value>) -> Option<String> {
    let names = USUAL.iter().flat_map(|name| USUAL_ENDINGS.map(|ending| format!("{name}.{ending}")));
    names.into_iter().find(|name| modules.contains_key(name))
}

/// One file.
///
/// # Errors
/// Where it cannot be read, or is no module.
pub fn one(directory: &Path, name: &str) -> Result<Map<String, Value>, Box<dyn Error>> {
    let module = module(&directory.join(name), name)?.ok_or_else(|| format!("{name} is no module"))?;
    Ok(Map::from_iter([(name.to_owned(), module)]))
}

/// All of a directory. Hidden files, packages and links are left out.
///
/// # Errors
/// Where one cannot be read.
pub fn all(directory: &Path) -> Result<Map<String, Value>, Box<dyn Error>> {
    let mut modules = Map::new();
    walk(directory, "", 0, &mut modules)?;
    Ok(modules)
}

fn walk(directory: &Path, prefix: &str, depth: usize, modules: &mut Map<String, Value>) -> Result<(), Box<dyn Error>> {
    if depth > MAX_DEPTH {
        return Err(format!("{} is too deep", directory.display()).into());
    }
    for entry in fs::read_dir(directory).map_err(|error| format!("cannot read {}: {error}", directory.display()))? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if name.starts_with('.') || name == PACKAGES || TOOLS.contains(&name.as_str()) {
            continue;
        }
        let (path, kind) = (entry.path(), entry.file_type()?);
        let name = format!("{prefix}{name}");
        if kind.is_dir() {
            walk(&path, &format!("{name}/"), depth + 1, modules)?;
        } else if kind.is_file()
            && let Some(module) = module(&path, &name)?
        {
            modules.insert(name, module);
        }
    }
    Ok(())
}

/// A file as a module; nothing where its name does not say that it is one.
fn module(path: &Path, name: &str) -> Result<Option<Value>, Box<dyn Error>> {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    if name.ends_with(".d.ts") {
        return Ok(None);
    }
    let failed = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
    Ok(match extension {
        "wasm" => Some(STANDARD.encode(fs::read(path).map_err(failed)?).into()),
        code if CODE.contains(&code) => Some(fs::read_to_string(path).map_err(failed)?.into()),
        text if TEXT.contains(&text) => Some(json!({ "text": fs::read_to_string(path).map_err(failed)? })),
        _ => None,
    })
}
