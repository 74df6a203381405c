//! Conformance of the embedded `email`.
