//! `db`: documents with full-text search, and SQL, in the namespace's own database.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Order, Page, Service};

contract! {
    /// Documents with full-text search, and SQL. Every namespace has a database of its own, which no other one can
    /// name. Documents ("things") live in collections (`ns`) inside it, and stand in the table `things`, which SQL may
    /// read; SQL has whatever other tables it makes.
    ///
    /// Names of collections and types have 1 to 128 bytes, ids 1 to 256, without control characters; data has at most
    /// 1,000,000 bytes as JSON. An anonymous caller's database is small, and gone after the request.
    trait Db for Service::Db;

    /// Runs one SQL statement of SQLite's dialect. `params` are the values for `?`; a blob is `{"$base64": "..."}`,
    /// there and in rows. Of a row's values that JSON lacks, infinity is null, and text that is not UTF-8 is a blob.
    ///
    /// `ATTACH`, `VACUUM`, transactions, extensions, most of `PRAGMA`, virtual and temporary tables, and writing to
    /// `things` are forbidden. A statement that runs too long ends with `timeout`; a result that is too large, or a
    /// database that is full, with `quota`. Whatever fails has changed nothing. A statement has at most 100,000 bytes
    /// and 1,000 values, a value about a million bytes.
    write query(Query {
        /// The statement.
        sql: String,
        /// Values for `?1`, `?2`, ...: null, booleans, numbers, strings, blobs.
        params: Option<Vec<Value>>,
    }) -> Rows, fails with [Forbidden, Quota, Timeout];

    /// The thing, or null.
    read get(Get {
        /// Collection.
        ns: String,
        /// Id in the collection.
        id: String,
    }) -> Option<Thing>;

    /// The things of a collection. A page ends early where it would grow too large: what follows begins after as many
    /// things as it has.
    read list(List {
        /// Collection.
        ns: String,
        /// Which of them, and in which order.
        options: Option<ListOptions>,
    }) -> Page<Thing>;

    /// Writes a thing, whether it was there or not.
    write upsert(Upsert {
        /// Collection.
        ns: String,
        /// Id in the collection.
        id: String,
        /// The content: any JSON.
        data: Value,
        /// What else is known of it; what is absent stays as it was.
        options: Option<UpsertOptions>,
    }) -> Thing, fails with [Quota];

    /// Writes a thing that is not there yet; `conflict` where it is.
    write insert(Insert {
        /// Collection.
        ns: String,
        /// Id in the collection.
        id: String,
        /// The content: any JSON.
        data: Value,
        /// What else is known of it.
        options: Option<UpsertOptions>,
    }) -> Thing, fails with [Conflict, Quota];

    /// Changes a thing that is there, in one step: members of `changes` take the place of those in its data, objects are
    /// merged member by member, and what is `null` is removed (JSON Merge Patch, RFC 7396).
    write patch(Patch {
        /// Collection.
        ns: String,
        /// Id in the collection.
        id: String,
        /// What becomes different.
        changes: Value,
    }) -> Thing, fails with [NotFound, Quota];

    /// Removes a thing; gives it back, or null where there was none.
    write delete(Delete {
        /// Collection.
        ns: String,
        /// Id in the collection.
        id: String,
    }) -> Option<Thing>;

    /// Full-text search in a collection: words, `"phrases"`, `prefix*`, `AND`, `OR`, `NOT`. The best match first. Found
    /// are things by their id, their type, and all strings in their data, whatever the case and accents.
    ///
    /// Words beside each other must all be there. `NOT` binds closest, then `AND`, then `OR`. Other punctuation, brackets
    /// too, only separates words: `e-mail` finds what `"e mail"` finds. A query has at most 1,000 bytes and 50 words.
    read search(Search {
        /// Collection.
        ns: String,
        /// What to look for.
        query: String,
        /// Which of the matches.
        options: Option<SearchOptions>,
    }) -> Page<Match>;

    /// How many things a collection has.
    read count(Count {
        /// Collection.
        ns: String,
        /// Which of them.
        options: Option<CountOptions>,
    }) -> u64;

    /// Does all of it in one transaction, or nothing. All data together has at most 8 MiB as JSON.
    write batch(Batch {
        /// At most 1000.
        operations: Vec<Operation>,
    }) -> Vec<Option<Thing>>, fails with [Quota];
}

/// A document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Thing {
    /// Collection.
    pub ns: String,
    /// Id in the collection.
    pub id: String,
    /// What kind of thing it is.
    pub r#type: Option<String>,
    /// The content.
    pub data: Value,
    /// Who is meant to see it; for the caller's own use.
    pub visibility: Visibility,
    /// Milliseconds since the Unix epoch.
    pub created_at: u64,
    /// Milliseconds since the Unix epoch.
    pub updated_at: u64,
}

/// Who is meant to see a thing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    /// Everybody.
    Public,
    /// Its owner.
    #[default]
    Private,
    /// Whoever knows its id.
    Unlisted,
}

/// What a statement gave.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rows {
    /// One object a row, by column; of columns with the same name the last one counts.
    pub rows: Vec<serde_json::Map<String, Value>>,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Rows that were inserted, updated or deleted.
    pub changes: u64,
    /// Of the last inserted row, where one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_insert_rowid: Option<i64>,
}

/// Which things to list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ListOptions {
    /// At most so many; 100 where absent, 1000 at most.
    pub limit: Option<u32>,
    /// After so many.
    pub offset: Option<u64>,
    /// Of this type only.
    pub r#type: Option<String>,
    /// Of this visibility only.
    pub visibility: Option<Visibility>,
    /// By what.
    pub order_by: Option<OrderBy>,
    /// Which way; `desc` where absent.
    pub order: Option<Order>,
}

/// What things are ordered by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OrderBy {
    /// When they were first written.
    #[default]
    CreatedAt,
    /// When they were last written.
    UpdatedAt,
}

/// What is known of a thing beside its content.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct UpsertOptions {
    /// What kind of thing it is.
    pub r#type: Option<String>,
    /// Who is meant to see it; `private` where nothing was ever said.
    pub visibility: Option<Visibility>,
}

/// Which matches to give.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SearchOptions {
    /// At most so many; 100 where absent, 1000 at most.
    pub limit: Option<u32>,
    /// After so many.
    pub offset: Option<u64>,
    /// Of this type only.
    pub r#type: Option<String>,
    /// Of this visibility only.
    pub visibility: Option<Visibility>,
}

/// Which things to count.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CountOptions {
    /// Of this type only.
    pub r#type: Option<String>,
    /// Of this visibility only.
    pub visibility: Option<Visibility>,
}

/// A thing that was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Match {
    /// The thing.
    #[serde(flatten)]
    pub thing: Thing,
    /// How well it matches: the lower, the better.
    pub rank: f64,
}

/// One step of a batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "op", rename_all = "lowercase", deny_unknown_fields)]
pub enum Operation {
    /// As `upsert`; gives the thing.
    Upsert {
        /// Collection.
        ns: String,
        /// Id in the collection.
        id: String,
        /// The content.
        data: Value,
        /// What kind of thing it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        r#type: Option<String>,
        /// Who is meant to see it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        visibility: Option<Visibility>,
    },
    /// As `delete`; gives the thing that was there, or null.
    Delete {
        /// Collection.
        ns: String,
        /// Id in the collection.
        id: String,
    },
}
