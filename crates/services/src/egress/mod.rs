//! The way out: which requests may leave, and where they may go.
