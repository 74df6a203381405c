//! `WorkerCode` out of JSON.

use std::collections::BTreeSet;

use serde_json::value::RawValue;

use super::{
    CompatibilityDate, Env, Flag, GlobalOutbound, InvalidCode, Rules, WorkerCode, WorkerLimits, WorkerRef,
    json::{self, Fields},
    modules::decode_modules,
};
use crate::{ModuleSource, program::size_of_modules};

const KNOWN: [&str; 8] =
    ["compatibilityDate", "compatibilityFlags", "mainModule", "modules", "env", "globalOutbound", "tails", "limits"];
/// Each is called after every invocation.
const MAX_TAILS: usize = 10;

impl WorkerCode {
    /// Reads code. A member that is `null` is as good as absent, but for `globalOutbound` and in data.
    ///
    /// # Errors
    /// [`InvalidCode`], with the path of what is wrong.
    pub fn decode(json: &str, rules: &Rules) -> Result<Self, InvalidCode> {
        let raw: &RawValue = serde_json::from_str(json).map_err(|error| InvalidCode::at("", error))?;
        let fields = Fields::read("", raw, &KNOWN)?;
        let main = json::text("mainModule", fields.required("mainModule")?)?;
        let (main_module, modules) = decode_modules(fields.required("modules")?, &main)?;
        check_main(&main_module, modules.get(&main_module))?;
        let size = size_of_modules(&modules);
        if size > rules.max_code_bytes {
            let message = format_args!("the code has {size} bytes, and may have {}", rules.max_code_bytes);
            return Err(InvalidCode::at("modules", message));
        }
        let date = fields.get("compatibilityDate");
        Ok(Self {
            compatibility_date: match date {
                Some(raw) => CompatibilityDate::decode("compatibilityDate", raw, rules.today)?,
                None => rules.default_date,
            },
            compatibility_flags: flags(fields.get("compatibilityFlags"))?,
            main_module,
            modules,
            env: fields.get("env").map(|raw| Env::decode("env", raw)).transpose()?.unwrap_or_default(),
            global_outbound: GlobalOutbound::decode("globalOutbound", fields.get_or_null("globalOutbound"))?,
            tails: tails(fields.get("tails"))?,
            limits: fields
                .get("limits")
                .map(|raw| WorkerLimits::decode("limits", raw))
                .transpose()?
                .unwrap_or_default(),
        })
    }
}

fn check_main(name: &str, main: Option<&ModuleSource>) -> Result<(), InvalidCode> {
    let kind = match main {
        Some(ModuleSource::Text(_)) => "text",
        Some(ModuleSource::Json(_)) => "JSON",
        Some(ModuleSource::Data(_)) => "data",
        Some(
            ModuleSource::Js(_)
            | ModuleSource::Ts(_)
            | ModuleSource::Cjs(_)
            | ModuleSource::Wasm(_)
            | ModuleSource::Wat(_),
        )
        | None => return Ok(()),
    };
    Err(InvalidCode::at("mainModule", format_args!("{name:?} is {kind}, which cannot be run")))
}

/// Reads `compatibilityFlags`.
pub(crate) fn flags(raw: Option<&RawValue>) -> Result<BTreeSet<Flag>, InvalidCode> {
    let mut flags = BTreeSet::new();
    let Some(raw) = raw else { return Ok(flags) };
    for (path, item) in json::items("compatibilityFlags", raw)? {
        let flag = Flag::decode(&path, item)?;
        if !flags.insert(flag) {
            return Err(InvalidCode::at(&path, format_args!("{:?} is there twice", flag.name())));
        }
    }
    Ok(flags)
}

fn tails(raw: Option<&RawValue>) -> Result<Vec<WorkerRef>, InvalidCode> {
    let Some(raw) = raw else { return Ok(Vec::new()) };
    let items = json::items("tails", raw)?;
    if items.len() > MAX_TAILS {
        return Err(InvalidCode::at("tails", format_args!("there are {}, and there may be {MAX_TAILS}", items.len())));
    }
    items.into_iter().map(|(path, item)| WorkerRef::decode(&path, item)).collect()
}
