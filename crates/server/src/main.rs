//! The binary `doer`.
fn main() {}
