//! `db`, embedded.
