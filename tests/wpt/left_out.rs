//! What is left out of the platform on purpose. The numbers of whole directories count it all the same; beside them
//! stands the share without it.

/// Files, or tests of a file whose names hold a word, and why.
pub const LEFT_OUT: [(&str, &str, &str); 20] = [
    ("fetch/api/basic/request-forbidden-headers", "", "a server sets the headers that a page may not"),
    ("fetch/api/basic/request-private-network-headers", "", "a server sets the headers that a page may not"),
    ("fetch/api/request/request-headers", "Adding invalid", "a server sets the headers that a page may not"),
    ("fetch/api/headers/header-setcookie", "forbidden response header", "a server reads the cookies that it is sent"),
    ("fetch/api/basic/referrer", "", "there is no page that could be the referrer"),
    ("fetch/api/basic/request-referrer", "", "there is no page that could be the referrer"),
    ("fetch/api/basic/mode-", "", "there is no origin, so no request crosses one"),
    ("fetch/api/basic/request-headers.any", "", "there is no origin"),
    ("fetch/api/basic/accept-header", "accept-language", "there is no user whose language it could be"),
    ("fetch/api/basic/scheme-blob", "", "URL.createObjectURL keeps blobs for ever"),
    ("fetch/api/request/request-cache-", "", "there is no HTTP cache"),
    ("fetch/api/abort/cache", "", "there is no Cache API"),
    ("fetch/api/abort/general", "onnection", "a response arrives whole: there is no connection left to close"),
    ("fetch/api/basic/stream-response", "", "a response arrives whole"),
    ("streams/readable-streams/owning-type", "", "a proposal"),
    ("streams/readable-byte-streams/non-transferable", "", "there is no WebAssembly inside of WebAssembly"),
    ("urlpattern/urlpattern-compare", "", "a proposal"),
    ("encoding/replacement-encodings", "", "there is no XMLHttpRequest"),
    ("encoding/unsupported-encodings", "", "there is no XMLHttpRequest"),
    ("WebCryptoAPI/", "448", "no well-kept crate has the curve"),
];

/// Is this left out?
pub fn is_left_out(path: &str, test: &str) -> bool {
    LEFT_OUT.iter().any(|(file, words, _)| {
        path.starts_with(file) && (words.is_empty() || test.contains(words) || path.contains(words))
    })
}
