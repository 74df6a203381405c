//! Wrong passwords are counted, by account and by address; after a few of them each must wait longer than the one
//! before. An attempt counts as wrong until it turns out right, so that many at once gain nothing.

use std::{net::IpAddr, time::Duration};

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    SignIn,
    schema::{number, stored},
    sessions::millis,
};
use crate::Error;

/// What attempts are counted by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subjects {
    account: String,
    address: String,
}

impl Subjects {
    /// An account, whether or not there is one, and an address. Of IPv6 addresses the first half counts: whoever has
    /// one has all that begin alike.
    pub fn new(email: &str, address: IpAddr) -> Self {
        let address = match address.to_canonical() {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
            }
        };
        // What people type there may be a password: nothing of it is kept in the clear.
        let account = blake3::derive_key("doer 2026-11 sign-in attempts", email.as_bytes());
        Self { account: format!("account {}", hex::encode(account)), address: format!("address {address}") }
    }
}

/// Counts an attempt; or says how long it has to wait, and counts nothing.
pub fn begin(
    connection: &Connection,
    subjects: &Subjects,
    settings: &SignIn,
    now_ms: u64,
) -> Result<Result<(), Duration>, Error> {
    let account = failures(connection, &subjects.account, settings, now_ms)?;
    let address = failures(connection, &subjects.address, settings, now_ms)?;
    let wait = account.blocked_until.max(address.blocked_until).saturating_sub(now_ms);
    if wait > 0 {
        return Ok(Err(Duration::from_millis(wait)));
    }
    count(connection, &subjects.account, account.count + 1, settings.account_failures, settings, now_ms)?;
    count(connection, &subjects.address, address.count + 1, settings.address_failures, settings, now_ms)?;
    Ok(Ok(()))
}

/// It turned out right: the account's failures are forgotten, and the address's is taken back. Others there may still
/// be guessing.
pub fn succeed(connection: &Connection, subjects: &Subjects) -> Result<(), Error> {
    connection.execute("DELETE FROM attempts WHERE subject = ?1", [&subjects.account])?;
    connection.execute(
        "UPDATE attempts SET failures = max(failures - 1, 0), blocked_until = 0 WHERE subject = ?1",
        [&subjects.address],
    )?;
    Ok(())
}

/// Forgets what counts no more.
pub fn forget_old(connection: &Connection, settings: &SignIn, now_ms: u64) -> Result<(), Error> {
    let before = stored(now_ms.saturating_sub(millis(settings.forgiven_after)));
    connection.execute("DELETE FROM attempts WHERE last_at <= ?1", [before])?;
    Ok(())
}

#[derive(Debug, Clone, Copy, Default)]
struct Failures {
    count: u32,
    blocked_until: u64,
}

fn failures(connection: &Connection, subject: &str, settings: &SignIn, now_ms: u64) -> Result<Failures, Error> {
    let mut statement =
        connection.prepare_cached("SELECT failures, blocked_until, last_at FROM attempts WHERE subject = ?1")?;
    let found = statement.query_row([subject], |row| {
        Ok((Failures { count: row.get(0)?, blocked_until: number(row, 1)? }, number(row, 2)?))
    });
    let recent = |(_, last_at): &(Failures, u64)| now_ms < last_at.saturating_add(millis(settings.forgiven_after));
    Ok(found.optional()?.filter(recent).map(|(failures, _)| failures).unwrap_or_default())
}

fn count(
    connection: &Connection,
    subject: &str,
    failures: u32,
    free: u32,
    settings: &SignIn,
    now_ms: u64,
) -> Result<(), Error> {
    let blocked_until = match failures.checked_sub(free) {
        None => 0,
        Some(beyond) => {
            let doubled = millis(settings.first_wait).saturating_mul(1_u64.checked_shl(beyond).unwrap_or(u64::MAX));
            now_ms.saturating_add(doubled.min(millis(settings.longest_wait)))
        }
    };
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO attempts (subject, failures, blocked_until, last_at) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![subject, failures, stored(blocked_until), stored(now_ms)])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{auth::schema::MIGRATIONS, sqlite};

    fn database(dir: &tempfile::TempDir) -> Connection {
        sqlite::open(&dir.path().join("auth.db"), MIGRATIONS).unwrap()
    }

    fn settings() -> SignIn {
        SignIn { account_failures: 2, address_failures: 4, ..SignIn::default() }
    }

    fn subjects(email: &str) -> Subjects {
        Subjects::new(email, "192.0.2.1".parse().unwrap())
    }

    #[test]
    fn each_wrong_password_waits_twice_as_long_as_the_one_before() {
        let dir = tempfile::tempdir().unwrap();
        let connection = database(&dir);
        let mut now = 1000;
        let attempt = |now| begin(&connection, &subjects("a@x.com"), &settings(), now).unwrap();
        assert_eq!(attempt(now), Ok(()));
        assert_eq!(attempt(now), Ok(()), "two are free");
        for wait in [1000, 2000, 4000] {
            assert_eq!(attempt(now), Err(Duration::from_millis(wait)));
            assert_eq!(attempt(now + wait - 1), Err(Duration::from_millis(1)));
            now += wait;
            assert_eq!(attempt(now), Ok(()));
        }
        for _ in 0..40 {
            let wait = attempt(now).unwrap_err();
            assert!(wait <= settings().longest_wait);
            now += millis(wait);
            assert_eq!(attempt(now), Ok(()));
        }
        assert_eq!(attempt(now).unwrap_err(), settings().longest_wait);
        now += millis(settings().forgiven_after);
        assert_eq!(attempt(now), Ok(()));
        assert_eq!(attempt(now), Ok(()), "all is forgiven");
    }

    #[test]
    fn an_address_that_tries_many_accounts_waits_too_and_others_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let connection = database(&dir);
        for account in ["a", "b", "c", "d"] {
            assert_eq!(begin(&connection, &subjects(account), &settings(), 0).unwrap(), Ok(()));
        }
        assert!(begin(&connection, &subjects("e"), &settings(), 0).unwrap().is_err());
        let elsewhere = Subjects::new("e", "192.0.2.2".parse().unwrap());
        assert_eq!(begin(&connection, &elsewhere, &settings(), 0).unwrap(), Ok(()));
    }

    #[test]
    fn success_forgives_the_account() {
        let dir = tempfile::tempdir().unwrap();
        let connection = database(&dir);
        for _ in 0..20 {
            assert_eq!(begin(&connection, &subjects("a"), &settings(), 0).unwrap(), Ok(()));
            succeed(&connection, &subjects("a")).unwrap();
        }
    }

    #[test]
    fn neighbours_in_ipv6_count_as_one_and_mapped_addresses_as_what_they_map() {
        let subjects = |address: &str| Subjects::new("a", address.parse().unwrap());
        assert_eq!(subjects("2001:db8:1:2::1"), subjects("2001:db8:1:2:ffff::9"));
        assert_ne!(subjects("2001:db8:1:2::1"), subjects("2001:db8:1:3::1"));
        assert_eq!(subjects("::ffff:192.0.2.1"), subjects("192.0.2.1"));
    }
}
