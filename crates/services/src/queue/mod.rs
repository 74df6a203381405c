//! `queue`, embedded.
