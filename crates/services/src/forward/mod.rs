//! Services that are elsewhere: calls forwarded over HTTP.
