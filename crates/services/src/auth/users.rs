//! Users as they are stored.

use doer_core::auth::User;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::authority::ListedUser;
use super::schema::{from_json, stored, to_json};
use crate::Error;

/// The columns that [`read`] takes, of a table called `u`.
pub const COLUMNS: &str =
    "u.id, u.email, u.name, u.role, u.permissions, u.metadata, u.disabled, u.namespace, u.password";

/// A row.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredUser {
    /// As the contract has it.
    pub user: User,
    /// May do nothing.
    pub disabled: bool,
    /// Whose it is.
    pub namespace: String,
    /// Hash of the password.
    pub password: Option<String>,
}

/// A row whose JSON is not read yet.
pub struct Raw {
    stored: StoredUser,
    permissions: String,
    metadata: String,
}

impl Raw {
    /// Reads the JSON.
    pub fn into_user(self) -> Result<StoredUser, Error> {
        let user = User {
            permissions: from_json(&self.permissions, "users.permissions")?,
            metadata: from_json(&self.metadata, "users.metadata")?,
            ..self.stored.user
        };
        Ok(StoredUser { user, ..self.stored })
    }
}

/// The columns of [`COLUMNS`], from column `at` on; `None` where an outer join found no user.
pub fn read(row: &Row<'_>, at: usize) -> Result<Option<Raw>, rusqlite::Error> {
    let Some(id) = row.get(at)? else { return Ok(None) };
    Ok(Some(Raw {
        stored: StoredUser {
            user: User {
                id,
                email: row.get(at + 1)?,
                name: row.get(at + 2)?,
                role: row.get(at + 3)?,
                permissions: Vec::new(),
                metadata: Default::default(),
            },
            disabled: row.get(at + 6)?,
            namespace: row.get(at + 7)?,
            password: row.get(at + 8)?,
        },
        permissions: row.get(at + 4)?,
        metadata: row.get(at + 5)?,
    }))
}

/// What a user is looked up by.
#[derive(Debug, Clone, Copy)]
pub enum By<'a> {
    /// The id.
    Id(&'a str),
    /// The address, in lower case.
    Email(&'a str),
}

/// A user, in whichever namespace.
pub fn find(connection: &Connection, by: By<'_>) -> Result<Option<StoredUser>, Error> {
    let (column, key) = match by {
        By::Id(id) => ("id", id),
        By::Email(email) => ("email", email),
    };
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM users u WHERE u.{column} = ?1"))?;
    let found = statement.query_row([key], |row| read(row, 0)).optional()?.flatten();
    found.map(Raw::into_user).transpose()
}

/// Every user, by address.
pub fn all(connection: &Connection) -> Result<Vec<ListedUser>, Error> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM users u ORDER BY u.email"))?;
    let rows = statement.query_map([], |row| read(row, 0))?.collect::<Result<Vec<_>, _>>()?;
    let users = rows.into_iter().flatten().map(Raw::into_user);
    users
        .map(|user| user.map(|StoredUser { user, disabled, namespace, .. }| ListedUser { user, disabled, namespace }))
        .collect()
}

/// A user of a namespace.
pub fn find_in(connection: &Connection, namespace: &str, by: By<'_>) -> Result<Option<StoredUser>, Error> {
    Ok(find(connection, by)?.filter(|found| found.namespace == namespace))
}

/// Stores a new one.
///
/// # Errors
/// SQLite's, among them that of an address that is taken.
pub fn insert(connection: &Connection, new: &StoredUser, now_ms: u64) -> Result<(), Error> {
    let user = &new.user;
    connection.execute(
        "INSERT INTO users (id, namespace, email, name, role, permissions, metadata, tenant, password, disabled, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        params![
            user.id,
            new.namespace,
            user.email,
            user.name,
            user.role,
            to_json(&user.permissions, "users.permissions")?,
            to_json(&user.metadata, "users.metadata")?,
            tenant(user),
            new.password,
            new.disabled,
            stored(now_ms),
        ],
    )?;
    Ok(())
}

/// Stores what a user may do.
pub fn set_permissions(connection: &Connection, id: &str, permissions: &[String]) -> Result<(), Error> {
    let permissions = to_json(&permissions, "users.permissions")?;
    connection.execute("UPDATE users SET permissions = ?2 WHERE id = ?1", params![id, permissions])?;
    Ok(())
}

/// How many a namespace has.
pub fn count(connection: &Connection, namespace: &str) -> Result<u64, Error> {
    tally(connection, namespace, "users")
}

/// The tenant that a user belongs to.
pub fn tenant(user: &User) -> Option<&str> {
    user.metadata.get("tenantId")?.as_str().filter(|id| !id.is_empty())
}

/// What triggers have counted.
pub fn tally(connection: &Connection, namespace: &str, kind: &str) -> Result<u64, Error> {
    let mut statement = connection.prepare_cached("SELECT n FROM tallies WHERE namespace = ?1 AND kind = ?2")?;
    let n: Option<i64> = statement.query_row([namespace, kind], |row| row.get(0)).optional()?;
    Ok(n.unwrap_or_default().unsigned_abs())
}
