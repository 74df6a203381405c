//! What callers learn of SQLite's errors: of their own mistakes all, of what is too much which limit it was, of our
//! failures nothing.

use doer_core::service::{Code, ServiceError};
use rusqlite::{Error as Sql, ErrorCode};

use super::{
    budget::{Pressure, Stop},
    pool::busy,
};
use crate::Error;

const FULL: &str = "The database is full: delete something first";

/// Of statements of ours.
pub(super) fn of_things(error: Error, stopped: Option<Stop>, pressure: &Pressure) -> ServiceError {
    let Error::Statement(sql) = &error else { return error.into() };
    match code(sql) {
        Some(ErrorCode::DiskFull) => ServiceError::quota(FULL),
        Some(ErrorCode::OutOfMemory) => {
            pressure.raise();
            busy("Memory is short")
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => busy("The database is busy"),
        Some(ErrorCode::OperationInterrupted) if stopped.is_some() => busy("The call took too long"),
        _ => error.into(),
    }
}

/// Of a caller's statement. `refusal` is what the authorizer says, where it was asked in vain.
pub(super) fn of_query(
    error: Error,
    stopped: Option<Stop>,
    refusal: Option<String>,
    pressure: &Pressure,
) -> ServiceError {
    let Error::Statement(sql) = error else { return error.into() };
    let Some(code) = code(&sql) else { return ServiceError::internal(sql) };
    let message = message(&sql);
    match (code, refusal) {
        (_, Some(refusal)) if is_denied(code, &message) => ServiceError::forbidden(refusal),
        (ErrorCode::OperationInterrupted, _) => interrupted(stopped),
        (ErrorCode::DiskFull, _) => ServiceError::quota(FULL),
        (ErrorCode::OutOfMemory, _) => {
            pressure.raise();
            ServiceError::quota("The statement needs more memory than there is for it")
        }
        (ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked, _) => busy("The database is busy"),
        _ if is_own_mistake(code) => ServiceError::invalid(format!("SQL error: {message}")),
        _ => ServiceError::internal(sql),
    }
}

/// The time is up, for a statement of a caller.
pub(super) fn timeout() -> ServiceError {
    ServiceError::new(Code::Timeout, "The statement took too long")
}

fn interrupted(stopped: Option<Stop>) -> ServiceError {
    match stopped {
        Some(Stop::Memory) => busy("Memory is short"),
        Some(Stop::Time | Stop::Abandoned) | None => timeout(),
    }
}

/// What the authorizer refuses fails at once with a code of its own, and in table-valued pragmas later with words.
fn is_denied(code: ErrorCode, message: &str) -> bool {
    code == ErrorCode::AuthorizationForStatementDenied
        || message.contains("not authorized")
        || message.contains("is prohibited")
}

/// Errors that follow from the statement and its values. Their texts quote the statement, and never name a file.
fn is_own_mistake(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::Unknown
            | ErrorCode::ConstraintViolation
            | ErrorCode::TypeMismatch
            | ErrorCode::TooBig
            | ErrorCode::SchemaChanged
            | ErrorCode::OperationAborted
            | ErrorCode::ParameterOutOfRange
            | ErrorCode::AuthorizationForStatementDenied
    )
}

fn code(error: &Sql) -> Option<ErrorCode> {
    match error {
        Sql::SqlInputError { error, .. } => Some(error.code),
        other => other.sqlite_error_code(),
    }
}

fn message(error: &Sql) -> String {
    match error {
        Sql::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    }
}
