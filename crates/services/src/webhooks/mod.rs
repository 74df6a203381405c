//! `webhooks`, embedded.
