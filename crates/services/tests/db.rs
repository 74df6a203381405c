//! The embedded `db`, attacked, filled, closed and forgotten.

#[path = "db/hostile.rs"]
mod hostile;
#[path = "db/isolation.rs"]
mod isolation;
#[path = "db/life.rs"]
mod life;
#[path = "db/limits.rs"]
mod limits;
#[path = "db/support.rs"]
mod support;
#[path = "db/things.rs"]
mod things;
