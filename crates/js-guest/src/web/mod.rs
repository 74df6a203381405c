//! The web platform of the guest: natives in Rust, classes in `web/*.js`.
//!
//! The scripts run once, at boot. They reach their natives, and each other, through one object that is
//! passed to each as an argument; nothing but the standard's own names ends up on the global object.
//! What the invoker needs later is kept as [`handoff`] functions, out of reach of user code.

use flate2::{Decompress, FlushDecompress};
use rquickjs::{Ctx, Error, Object, Result};

mod base64;
mod business;
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
mod pieces;
mod script;
mod stubs;
mod text;
mod url;
mod url_pattern;

#[cfg(test)]
mod tests;

pub use business::{begin as begin_for, business};
pub use handoff::{
    IncomingBody, ResponseKind, SentResponse, TakenResponse, buffer_response, bytes_of, fetch_function, new_request,
    report, response_from_network, response_kind, send_response, take_response,
};
pub use stubs::{absent_service, exports, from_wire, loader, to_wire, worker};

/// What many runs touch (`web/*.js`), in the order in which they build on each other.
const USUAL: &[&str] = &[
    "room",
    "core",
    "iterable",
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
    "pieces",
    "fetch",
    "performance",
    "globals",
];

/// What few runs touch, and large (`web/large/*.js`).
const LARGE: &[&str] = &[
    VENDORED_STREAMS,
    "streams",
    "text_streams",
    "compression",
    "url_pattern",
    "quota",
    "crypto_key",
    "crypto_algorithms",
    "crypto_import",
    "subtle",
    "crypto",
    "clone",
    "date",
    "message",
    "wire",
    "stubs",
    "business_calls",
    "business_conditions",
    "business_db",
    "business_later",
    "business_schema",
    "business_ai",
    "business",
];

/// Somebody else's, and wrapped so that it leaves its classes where ours look for them.
const VENDORED_STREAMS: &str = "web-streams-polyfill";

/// The path of what `build.rs` has made.
macro_rules! packed {
    ($name:literal) => {
        concat!(env!("OUT_DIR"), "/", $name)
    };
}

/// To be called before each invocation's code runs. Without `network`, `fetch` refuses.
pub fn begin_invocation(network: bool) {
    clock::begin_invocation();
    network::permit(network);
}

/// The platform amid its installation.
pub struct Platform<'js> {
    native: Object<'js>,
    usual: Scripts,
}

/// Puts what many runs touch on the global object.
///
/// # Errors
/// Only if the platform's own scripts do not run, which is a defect of the build.
pub fn install<'js>(ctx: &Ctx<'js>) -> Result<Platform<'js>> {
    let usual = Scripts::unpack(include_bytes!(packed!("usual.deflated")), include!(packed!("usual.len")));
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
    pieces::install(&native)?;
    stubs::install(&native)?;
    url::install(&native)?;
    url_pattern::install(&native)?;
    run(&native, &usual, USUAL)?;
    handoff::keep(ctx, &native)?;
    Ok(Platform { native, usual })
}

impl Platform<'_> {
    /// Puts the rest there. Gives back what held the text of the usual scripts: a block low in the heap, from before them.
    ///
    /// # Errors
    /// As [`install`].
    pub fn complete(self) -> Result<String> {
        let large = Scripts::unpack(include_bytes!(packed!("large.deflated")), include!(packed!("large.len")));
        business::install(&self.native)?;
        run(&self.native, &large, LARGE)?;
        stubs::keep(self.native.ctx(), &self.native)?;
        Ok(self.usual.0)
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

/// The text of scripts, packed by `build.rs`: name, zero, text, zero, for each.
struct Scripts(String);

impl Scripts {
    fn unpack(packed: &[u8], len: usize) -> Self {
        let mut texts = Vec::with_capacity(len);
        let unpacked = Decompress::new(false).decompress_vec(packed, &mut texts, FlushDecompress::Finish);
        debug_assert!(unpacked.is_ok());
        Self(String::from_utf8(texts).unwrap_or_default())
    }

    fn text(&self, name: &str) -> Option<&str> {
        let mut parts = self.0.split('\0');
        parts.by_ref().step_by(2).position(|other| other == name).and_then(|at| self.0.split('\0').nth(2 * at + 1))
    }
}
