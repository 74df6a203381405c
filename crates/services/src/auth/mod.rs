//! `auth`, embedded.
