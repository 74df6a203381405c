//! Conformance of the embedded `db`.
