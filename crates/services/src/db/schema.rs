//! The tables of ours that stand in every namespace's database, beside whatever its owner makes there.

/// The schema, as migrations.
///
/// - `things.data` is the last column: what is asked of the others never reads the pages that it overflows to.
/// - Every way to filter and to order a collection has its index; a rowid stands at the end of each, so that equal
///   times have an order too.
/// - `things_counts` makes the size of a collection known without counting; a thing without a type counts as `''`.
/// - `things_fts` keeps the index and no text. Its first column holds one token that stands for the collection, so
///   that a search in a small collection does not walk through the matches of a large one.
pub(super) const MIGRATIONS: &[&str] = &["
    CREATE TABLE things (
        n          INTEGER PRIMARY KEY,
        ns         TEXT NOT NULL,
        id         TEXT NOT NULL,
        type       TEXT,
        visibility TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        data       TEXT NOT NULL,
        UNIQUE (ns, id)
    ) STRICT;
    CREATE INDEX things_created ON things (ns, created_at);
    CREATE INDEX things_updated ON things (ns, updated_at);
    CREATE INDEX things_type_created ON things (ns, type, created_at);
    CREATE INDEX things_type_updated ON things (ns, type, updated_at);
    CREATE INDEX things_visibility_created ON things (ns, visibility, created_at);
    CREATE INDEX things_visibility_updated ON things (ns, visibility, updated_at);
    CREATE TABLE things_counts (
        ns         TEXT NOT NULL,
        type       TEXT NOT NULL,
        visibility TEXT NOT NULL,
        things     INTEGER NOT NULL,
        PRIMARY KEY (ns, type, visibility)
    ) STRICT, WITHOUT ROWID;
    CREATE VIRTUAL TABLE things_fts USING fts5 (
        collection, text,
        content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 2'
    );
"];

/// The documents.
pub(super) const THINGS: &str = "things";

/// Is it a table or an index of ours? SQL may not change any of them.
pub(super) fn is_ours(name: &str) -> bool {
    const OTHERS: [&str; 9] = [
        THINGS,
        "things_counts",
        "things_created",
        "things_updated",
        "things_type_created",
        "things_type_updated",
        "things_visibility_created",
        "things_visibility_updated",
        "sqlite_autoindex_things_1",
    ];
    OTHERS.iter().any(|ours| name.eq_ignore_ascii_case(ours)) || is_index_of_text(name)
}

/// Is it the full-text index, or one of the tables that it consists of?
pub(super) fn is_index_of_text(name: &str) -> bool {
    const PARTS: [&str; 6] = [
        "things_fts",
        "things_fts_data",
        "things_fts_idx",
        "things_fts_content",
        "things_fts_docsize",
        "things_fts_config",
    ];
    PARTS.iter().any(|part| name.eq_ignore_ascii_case(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_the_schema_makes_is_known_as_ours() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        connection.execute_batch(MIGRATIONS[0]).unwrap();
        let mut names = connection.prepare("SELECT name FROM sqlite_schema").unwrap();
        let names = names.query_map([], |row| row.get::<_, String>(0)).unwrap();
        let strangers: Vec<String> = names.map(Result::unwrap).filter(|name| !is_ours(name)).collect();
        assert_eq!(strangers, Vec::<String>::new());
        assert!(!is_ours("things_of_mine") && is_ours("THINGS"));
    }
}
