//! Lists that are read a page at a time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Entries of a list, and where they stand in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "{T}Page")]
pub struct Page<T> {
    /// The entries.
    pub data: Vec<T>,
    /// Where they stand.
    pub pagination: Pagination,
}

/// Where a page stands in its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pagination {
    /// The most entries that were asked for.
    pub limit: u32,
    /// Entries before this page.
    pub offset: u64,
    /// Entries in the whole list.
    pub total: u64,
}

/// Which way a list runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// Lowest first.
    Asc,
    /// Highest first.
    #[default]
    Desc,
}
