//! `gateway`, embedded.
