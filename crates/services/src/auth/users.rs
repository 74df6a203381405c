//! Users as they are stored.

use doer_core::auth::User;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::authority::ListedUser;
use super::schema::{from_json, stored, to_json};
use crate::Error;

const COLUMNS: &str = "id, email, name, role, permissions, metadata, disabled, namespace, password";

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
struct Raw {
    stored: StoredUser,
    permissions: String,
    metadata: String,
}

impl Raw {
    /// Reads the JSON.
    fn into_user(self) -> Result<StoredUser, Error> {
        let user = User {
            permissions: from_json(&self.permissions, "users.permissions")?,
            metadata: from_json(&self.metadata, "users.metadata")?,
            ..self.stored.user
        };
        Ok(StoredUser { user, ..self.stored })
    }
}

fn read(row: &Row<'_>) -> Result<Raw, rusqlite::Error> {
    Ok(Raw {
        stored: StoredUser {
            user: User {
                id: row.get(0)?,
                email: row.get(1)?,
                name: row.get(2)?,
                role: row.get(3)?,
                permissions: Vec::new(),
                metadata: Default::default(),
            },
            disabled: row.get(6)?,
            namespace: row.get(7)?,
            password: row.get(8)?,
        },
        permissions: row.get(4)?,
        metadata: row.get(5)?,
    })
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
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM users WHERE {column} = ?1"))?;
    statement.query_row([key], read).optional()?.map(Raw::into_user).transpose()
}

/// Every user, by address.
pub fn all(connection: &Connection) -> Result<Vec<ListedUser>, Error> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM users ORDER BY email"))?;
    let rows = statement.query_map([], read)?.collect::<Result<Vec<_>, _>>()?;
    let listed = |user: StoredUser| {
        let StoredUser { user, disabled, namespace, .. } = user;
        ListedUser { user, disabled, namespace }
    };
    rows.into_iter().map(|row| row.into_user().map(listed)).collect()
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
