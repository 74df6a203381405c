//! Users that others vouch for, an issuer or another `auth`: nothing of them is stored but their tenant, which is told
//! with their tokens alone, and is asked for when somebody works in their namespace without them.

use doer_core::auth::User;
use rusqlite::{Connection, OptionalExtension, params};

use super::users;
use crate::{Database, Error};

/// Writes down which tenant a user belongs to, where that is not what stands there already.
pub async fn remember(database: &Database, user: &User) -> Result<(), Error> {
    let (id, tenant) = (user.id.clone(), users::tenant(user).map(str::to_owned));
    if database.read_now(|connection| tenant_of(connection, &id))? == tenant {
        return Ok(());
    }
    let set = database.write(move |tx| {
        match tenant {
            Some(tenant) => tx.execute(
                "INSERT INTO foreign_users VALUES (?1, ?2) ON CONFLICT DO UPDATE SET tenant = ?2",
                params![id, tenant],
            )?,
            None => tx.execute("DELETE FROM foreign_users WHERE id = ?1", [id])?,
        };
        Ok(())
    });
    set.await
}

/// The tenant of a user that was seen.
pub fn tenant_of(connection: &Connection, id: &str) -> Result<Option<String>, Error> {
    let mut statement = connection.prepare_cached("SELECT tenant FROM foreign_users WHERE id = ?1")?;
    Ok(statement.query_row([id], |row| row.get(0)).optional()?)
}
