//! `schedule`, embedded.
