//! Conformance of the embedded `gateway`.
