//! `email`, embedded.
