//! Conformance of the embedded `auth`.
