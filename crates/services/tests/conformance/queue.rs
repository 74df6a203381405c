//! Conformance of the embedded `queue`.
