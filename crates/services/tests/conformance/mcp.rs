//! Conformance of the embedded `mcp`.
