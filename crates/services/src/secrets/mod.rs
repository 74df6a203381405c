//! Secrets of namespaces: written, used, never read back.
