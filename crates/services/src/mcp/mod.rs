//! `mcp`, embedded.
