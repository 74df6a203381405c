//! The web platform of the guest: natives in Rust, classes in `web/*.js`.
//!
//! The scripts run once, at boot. They reach their natives, and each other, through one object that is
//! passed to each as an argument; nothing but the standard's own names ends up on the global object.
//! What the invoker needs later is kept as [`handoff`] functions, out of reach of user code.

use rquickjs::{Ctx, Object, Result};

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

/// Name and text of each script, in the order in which they build on each other.
const SCRIPTS: &[(&str, &str)] = &[
    ("core", include_str!("../../web/core.js")),
    ("iterable", include_str!("../../web/iterable.js")),
    ("quota", include_str!("../../web/quota.js")),
    ("event", include_str!("../../web/event.js")),
    ("event_target", include_str!("../../web/event_target.js")),
    ("abort", include_str!("../../web/abort.js")),
    // Somebody else's, and wrapped so that it leaves its classes where ours look for them.
    (
        "vendor/web-streams-polyfill",
        concat!(
            "(function (native) { const exports = {}, module = {}; native.vendoredStreams = exports;\n",
            include_str!("../../web/vendor/web-streams-polyfill.js"),
            "\n})"
        ),
    ),
    ("streams", include_str!("../../web/streams.js")),
    ("url_search_params", include_str!("../../web/url_search_params.js")),
    ("url", include_str!("../../web/url.js")),
    ("url_pattern", include_str!("../../web/url_pattern.js")),
    ("encoding", include_str!("../../web/encoding.js")),
    ("text_streams", include_str!("../../web/text_streams.js")),
    ("compression", include_str!("../../web/compression.js")),
    ("blob", include_str!("../../web/blob.js")),
    ("headers", include_str!("../../web/headers.js")),
    ("form_data", include_str!("../../web/form_data.js")),
    ("body", include_str!("../../web/body.js")),
    ("request", include_str!("../../web/request.js")),
    ("response", include_str!("../../web/response.js")),
    ("fetch", include_str!("../../web/fetch.js")),
    ("crypto_key", include_str!("../../web/crypto_key.js")),
    ("crypto_algorithms", include_str!("../../web/crypto_algorithms.js")),
    ("crypto_import", include_str!("../../web/crypto_import.js")),
    ("subtle", include_str!("../../web/subtle.js")),
    ("clone", include_str!("../../web/clone.js")),
    ("crypto", include_str!("../../web/crypto.js")),
    ("error_event", include_str!("../../web/error_event.js")),
    ("message", include_str!("../../web/message.js")),
    ("performance", include_str!("../../web/performance.js")),
    ("globals", include_str!("../../web/globals.js")),
];

/// To be called before each invocation's code runs. Without `network`, `fetch` refuses.
pub fn begin_invocation(network: bool) {
    clock::begin_invocation();
    network::permit(network);
}

/// Puts the web platform on the global object.
///
/// # Errors
/// Only if the platform's own scripts do not run, which is a defect of the build.
pub fn install(ctx: &Ctx<'_>) -> Result<()> {
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
    for (name, text) in SCRIPTS {
        // Frames of the platform in a user's stack trace are recognisable by this prefix.
        let script = script::compile(ctx, &format!("doer:web/{name}"), text)?;
        script.call::<_, ()>((native.clone(), ctx.globals()))?;
    }
    handoff::keep(ctx, &native)
}
