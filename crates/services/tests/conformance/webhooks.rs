//! Conformance of the embedded `webhooks`.
