//! The web platform of the guest: natives in Rust, classes in `web/*.js`.
//!
//! The scripts run once, at boot. They reach their natives, and each other, through one object that is
//! passed to each as an argument; nothing but the standard's own names ends up on the global object.
//! What the invoker needs later is kept as [`handoff`] functions, out of reach of user code.

use flate2::{Decompress, FlushDecompress};
use rquickjs::{Ctx, Error, Object, Result};

mod base64;
mod bytes;
mod class_id;
mod clock;
mod compression;
mod crypto;
mod data_url;
mod encoding;
mod form;
mod gzip;
mod handoff;
mod headers;
mod mime;
mod multipart;
mod network;
mod script;
mod text;
mod url;
mod url_pattern;

#[cfg(test)]
mod tests;

pub use handoff::{
    TakenResponse, buffer_response, bytes_of, fetch_function, is_response, new_request, report, response_from_network,
    take_response,
};

/// What many runs touch, in the order in which they build on each other.
const USUAL: &[&str] = &[
    "core",
    "iterable",
    "quota",
    "event",
    "event_target",
    "error_event",
    "abort",
    "url_search_params",
    "url",
    "encoding",
    "blob",
    "headers",
    "form_data",
    "body",
    "request",
    "response",
    "fetch",
    "clone",
    "crypto",
    "performance",
    "globals",
];

/// What few runs touch, and large.
const LARGE: &[&str] = &[
    VENDORED_STREAMS,
    "streams",
    "text_streams",
    "compression",
    "url_pattern",
    "crypto_key",
    "crypto_algorithms",
    "crypto_import",
    "subtle",
    "message",
];

/// Somebody else's, and wrapped so that it leaves its classes where ours look for them.
const VENDORED_STREAMS: &str = "vendor/web-streams-polyfill";

/// To be called before each invocation's code runs. Without `network`, `fetch` refuses.
pub fn begin_invocation(network: bool) {
    clock::begin_invocation();
    network::permit(network);
}

/// The platform amid its installation.
pub struct Platform<'js> {
    native: Object<'js>,
    scripts: Scripts,
}

/// Puts what many runs touch on the global object.
///
/// # Errors
/// Only if the platform's own scripts do not run, which is a defect of the build.
pub fn install<'js>(ctx: &Ctx<'js>) -> Result<Platform<'js>> {
    let scripts = Scripts::unpack();
    let native = Object::new_proto(ctx.clone(), None)?;
    base64::install(&native)?;
    class_id::install(&native)?;
    clock::install(&native)?;
    compression::install(&native)?;
    crypto::install(&native)?;
    data_url::install(&native)?;
    encoding::install(&native)?;
    form::install(&native)?;
    headers::install(&native)?;
    mime::install(&native)?;
    multipart::install(&native)?;
    network::install(&native)?;
    url::install(&native)?;
    url_pattern::install(&native)?;
    run(&native, &scripts, USUAL)?;
    handoff::keep(ctx, &native)?;
    Ok(Platform { native, scripts })
}

impl Platform<'_> {
    /// Puts the rest there. Gives back what has held the scripts' text: a block low in the heap, from before all of them.
    ///
    /// # Errors
    /// As [`install`].
    pub fn complete(self) -> Result<String> {
        run(&self.native, &self.scripts, LARGE)?;
        Ok(self.scripts.0)
    }
}

fn run(native: &Object<'_>, scripts: &Scripts, names: &[&str]) -> Result<()> {
    let ctx = native.ctx();
    for name in names {
        let text = scripts.text(name).ok_or(Error::Unknown)?;
        let wrapped;
        let text = if *name == VENDORED_STREAMS {
            wrapped = format!(
                "(function (native) {{ const exports = {{}}, module = {{}}; native.vendoredStreams = exports;\n{text}\n}})"
            );
            &wrapped
        } else {
            text
        };
        // Frames of the platform in a user's stack trace are recognisable by this prefix.
        let script = script::compile(ctx, &format!("doer:web/{name}"), text)?;
        script.call::<_, ()>((native.clone(), ctx.globals()))?;
    }
    Ok(())
}

/// The text of all scripts, packed by `build.rs`: name, zero, text, zero, for each.
struct Scripts(String);

impl Scripts {
    const PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/scripts.deflated"));
    const LEN: usize = include!(concat!(env!("OUT_DIR"), "/scripts_len.rs"));

    fn unpack() -> Self {
        let mut texts = Vec::with_capacity(Self::LEN);
        let unpacked = Decompress::new(false).decompress_vec(Self::PACKED, &mut texts, FlushDecompress::Finish);
        debug_assert!(unpacked.is_ok());
        Self(String::from_utf8(texts).unwrap_or_default())
    }

    fn text(&self, name: &str) -> Option<&str> {
        let mut parts = self.0.split('\0');
        parts.by_ref().step_by(2).position(|other| other == name).and_then(|at| self.0.split('\0').nth(2 * at + 1))
    }
}
