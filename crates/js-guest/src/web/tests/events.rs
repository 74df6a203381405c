//! Events and aborting.

use super::run;

#[test]
fn everything_is_there() {
    run(r#"
        for (const name of ['DOMException', 'Event', 'CustomEvent', 'EventTarget', 'AbortController', 'AbortSignal', 'URL', 'URLSearchParams',
            'Headers', 'Request', 'Response', 'Blob', 'File', 'TextEncoder', 'TextDecoder', 'Crypto', 'SubtleCrypto', 'Performance']) {
            equal(typeof globalThis[name], 'function', name);
        }
        for (const name of ['fetch', 'structuredClone', 'atob', 'btoa', 'reportError']) equal(typeof globalThis[name], 'function', name);
    "#);
}
