//! What SQL of untrusted callers may do. SQLite asks while it compiles a statement, for each thing that the statement
//! would do; what is not known to be harmless is refused.

use std::{
    borrow::Cow,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

use super::schema::{self, THINGS};

/// Why nothing temporary may be made.
pub(super) const TEMPORARY: &str = "Temporary tables, views and triggers are forbidden: a call is one statement, and \
                                    nothing temporary outlasts it";

/// Stands between a connection and its statements.
#[derive(Debug, Default)]
pub(super) struct Gate {
    /// The statements are our own at present.
    open: AtomicBool,
    refusal: Mutex<Option<String>>,
}

/// Why something is refused, as a sentence.
type Refusal = Cow<'static, str>;

impl Gate {
    /// SQLite's question.
    pub(super) fn ask(&self, context: &AuthContext<'_>) -> Authorization {
        if self.open.load(Relaxed) {
            return Authorization::Allow;
        }
        let Err(refusal) = check(context.action) else { return Authorization::Allow };
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(refusal.into_owned());
        Authorization::Deny
    }

    /// Lets statements of ours pass.
    pub(super) fn ours<T>(&self, work: impl FnOnce() -> T) -> T {
        self.open.store(true, Relaxed);
        let result = work();
        self.open.store(false, Relaxed);
        result
    }

    /// A statement begins: what was refused to an earlier one is of no interest.
    pub(super) fn forget(&self) {
        self.refusal();
    }

    /// What was refused first, since this was last asked.
    pub(super) fn refusal(&self) -> Option<String> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

fn check(action: AuthAction<'_>) -> Result<(), Refusal> {
    match action {
        AuthAction::Select | AuthAction::Recursive => Ok(()),
        AuthAction::Read { table_name, .. } => read(table_name),
        AuthAction::Insert { table_name }
        | AuthAction::Update { table_name, .. }
        | AuthAction::Delete { table_name } => write(table_name),
        AuthAction::Function { function_name } => function(function_name),
        AuthAction::Pragma { pragma_name, pragma_value } => pragma(pragma_name, pragma_value),

        AuthAction::CreateTable { table_name }
        | AuthAction::DropTable { table_name }
        | AuthAction::AlterTable { table_name, .. }
        | AuthAction::CreateIndex { table_name, .. }
        | AuthAction::DropIndex { table_name, .. }
        | AuthAction::CreateTrigger { table_name, .. }
        | AuthAction::DropTrigger { table_name, .. } => define(table_name),
        AuthAction::CreateView { view_name } | AuthAction::DropView { view_name } => define(view_name),
        // Asked of every new index too.
        AuthAction::Reindex { index_name } => define(index_name),

        AuthAction::CreateTempTable { .. }
        | AuthAction::CreateTempIndex { .. }
        | AuthAction::CreateTempTrigger { .. }
        | AuthAction::CreateTempView { .. }
        | AuthAction::DropTempTable { .. }
        | AuthAction::DropTempIndex { .. }
        | AuthAction::DropTempTrigger { .. }
        | AuthAction::DropTempView { .. } => Err(TEMPORARY.into()),
        AuthAction::Attach { .. } => Err("ATTACH is forbidden".into()),
        AuthAction::Detach { .. } => Err("DETACH is forbidden".into()),
        AuthAction::Transaction { .. } | AuthAction::Savepoint { .. } => {
            Err("Transactions are forbidden: every statement is one of its own".into())
        }
        AuthAction::Analyze { .. } => Err("ANALYZE is forbidden".into()),
        // Modules are a large surface, and FTS5 can be told to use any amount of memory.
        AuthAction::CreateVtable { module_name, .. } | AuthAction::DropVtable { module_name, .. } => {
            Err(format!("Virtual tables ({}) are forbidden: `search` finds text", shorten(module_name)).into())
        }
        _ => Err("The statement is forbidden".into()),
    }
}

/// The tables of SQLite's own that are a part of SQL. Writing to the schema is authorised for every definition;
/// writing to it directly is something that SQLite itself refuses.
const SYSTEM: &[&str] =
    &["sqlite_master", "sqlite_schema", "sqlite_temp_master", "sqlite_temp_schema", "sqlite_sequence"];

/// Tables that modules have without anybody making them, beside the harmless ones of JSON and `pragma_*` (whose pragma
/// is asked for when they are read).
const MODULES: &[&str] = &["dbstat", "sqlite_dbpage", "sqlite_dbptr", "sqlite_stmt", "fts3tokenize"];

fn read(table: &str) -> Result<(), Refusal> {
    if schema::is_index_of_text(table) {
        return Err("Reading the full-text index is forbidden: use search".into());
    }
    match is_among(table, MODULES) {
        true => Err(format!("Reading {table} is forbidden").into()),
        false => Ok(()),
    }
}

fn write(table: &str) -> Result<(), Refusal> {
    if schema::is_ours(table) {
        return Err(format!("Writing to {table} is forbidden: use upsert, delete and batch").into());
    }
    match is_system(table) && !is_among(table, SYSTEM) {
        true => Err(format!("Writing to {} is forbidden", shorten(table)).into()),
        false => Ok(()),
    }
}

fn define(name: &str) -> Result<(), Refusal> {
    if schema::is_ours(name) {
        return Err(format!("Changing {THINGS}, its indexes and triggers is forbidden").into());
    }
    match is_among(name, MODULES) {
        true => Err(format!("The name {name} is reserved").into()),
        false => Ok(()),
    }
}

/// With an argument they say what they say of a table, without one of the whole database; none of them changes anything.
const PRAGMAS_OF: &[&str] =
    &["table_list", "table_info", "table_xinfo", "index_list", "index_info", "index_xinfo", "foreign_key_list"];
/// Only without an argument, which would change something.
const PRAGMAS: &[&str] = &["page_count", "page_size", "freelist_count", "max_page_count", "encoding"];

fn pragma(name: &str, value: Option<&str>) -> Result<(), Refusal> {
    match is_among(name, PRAGMAS_OF) || value.is_none() && is_among(name, PRAGMAS) {
        true => Ok(()),
        false => Err(format!("PRAGMA {} is forbidden", shorten(name)).into()),
    }
}

#[rustfmt::skip]
const FUNCTIONS: &[&str] = &[
    // Operators.
    "->", "->>", "like", "glob",
    // Values.
    "abs", "changes", "char", "coalesce", "concat", "concat_ws", "format", "hex", "if", "ifnull", "iif", "instr",
    "last_insert_rowid", "length", "likelihood", "likely", "lower", "ltrim", "max", "min", "nullif", "octet_length",
    "printf", "quote", "random", "randomblob", "replace", "round", "rtrim", "sign", "soundex", "sqlite_version",
    "substr", "substring", "subtype", "total_changes", "trim", "typeof", "unhex", "unicode", "unistr", "unistr_quote",
    "unlikely", "upper", "zeroblob",
    // Time.
    "date", "time", "datetime", "julianday", "unixepoch", "strftime", "timediff", "current_date", "current_time",
    "current_timestamp",
    // Aggregates and windows.
    "avg", "count", "group_concat", "string_agg", "sum", "total", "row_number", "rank", "dense_rank", "percent_rank",
    "cume_dist", "ntile", "lag", "lead", "first_value", "last_value", "nth_value",
    // JSON.
    "json", "json_array", "json_array_insert", "json_array_length", "json_error_position", "json_extract",
    "json_group_array", "json_group_object", "json_insert", "json_object", "json_patch", "json_pretty", "json_quote",
    "json_remove", "json_replace", "json_set", "json_type", "json_valid", "json_each", "json_tree", "jsonb",
    "jsonb_array", "jsonb_array_insert", "jsonb_each", "jsonb_extract", "jsonb_group_array", "jsonb_group_object",
    "jsonb_insert", "jsonb_object", "jsonb_patch", "jsonb_remove", "jsonb_replace", "jsonb_set", "jsonb_tree",
    // What SQLite calls itself while it changes a table; it gives them to nobody else.
    "sqlite_rename_column", "sqlite_rename_table", "sqlite_rename_test", "sqlite_rename_quotefix",
    "sqlite_drop_column", "sqlite_drop_constraint", "sqlite_fail",
];

fn function(name: &str) -> Result<(), Refusal> {
    match is_among(name, FUNCTIONS) {
        true => Ok(()),
        false => Err(format!("The function {} is forbidden", shorten(name)).into()),
    }
}

fn is_among(name: &str, names: &[&str]) -> bool {
    names.iter().any(|known| name.eq_ignore_ascii_case(known))
}

fn is_system(table: &str) -> bool {
    table.get(..7).is_some_and(|prefix| prefix.eq_ignore_ascii_case("sqlite_"))
}

/// Names come from the statement, and go into a message.
fn shorten(name: &str) -> Cow<'_, str> {
    match name.char_indices().nth(64) {
        Some((end, _)) => format!("{}...", &name[..end]).into(),
        None => name.into(),
    }
}
