//! Conformance of the embedded `schedule`.
