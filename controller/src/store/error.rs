//! What goes wrong in a database, and what of it a caller may know.

use podling_session::store::StoreError;
use rusqlite::ErrorCode;
use tokio_postgres::error::SqlState;

/// Why a transaction was rolled back.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("the database refused")]
    Sqlite(#[from] rusqlite::Error),
    #[error("the database refused")]
    Postgres(#[from] tokio_postgres::Error),
    #[error("there is no connection to the database")]
    Pool(#[from] deadpool_postgres::PoolError),
    #[error("the database was not migrated")]
    Migration(#[from] Box<refinery::Error>),
    #[error("the database file cannot be opened")]
    File(#[from] std::io::Error),
    #[error("{0}")]
    Corrupt(String),
}

impl Error {
    /// Two transactions stood in each other's way and this one was undone: it may succeed now.
    pub(super) fn is_passing(&self) -> bool {
        let Error::Postgres(error) = self else { return false };
        let states = [SqlState::T_R_DEADLOCK_DETECTED, SqlState::T_R_SERIALIZATION_FAILURE];
        error.code().is_some_and(|code| states.contains(code))
    }
}

/// Why a transaction has no outcome.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    #[error("the store is closed")]
    Closed,
    #[error("the store did not answer in time")]
    Slow,
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Error {
        Error::Corrupt(error.to_string())
    }
}

impl From<podling_session::id::InvalidId> for Error {
    fn from(error: podling_session::id::InvalidId) -> Error {
        Error::Corrupt(error.to_string())
    }
}

impl From<NoAnswer> for StoreError {
    fn from(error: NoAnswer) -> StoreError {
        StoreError::Unavailable(error.into())
    }
}

impl From<Error> for StoreError {
    fn from(error: Error) -> StoreError {
        match &error {
            Error::Corrupt(what) => StoreError::Corrupt(what.clone()),
            Error::Sqlite(sql) if makes_no_sense(sql) => StoreError::Corrupt(sql.to_string()),
            Error::Postgres(sql) if is_of_another_build(sql) => StoreError::Corrupt(sql.to_string()),
            Error::Migration(migration) => match migration.kind() {
                refinery::error::Kind::Connection(..) => StoreError::Unavailable(error.into()),
                _ => StoreError::Corrupt(migration.to_string()),
            },
            Error::Sqlite(_) | Error::Postgres(_) | Error::Pool(_) | Error::File(_) => {
                StoreError::Unavailable(error.into())
            }
        }
    }
}

fn makes_no_sense(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => {
            matches!(failure.code, ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt)
        }
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..) => true,
        _ => false,
    }
}

/// A table or a column is missing, or its file is damaged.
fn is_of_another_build(error: &tokio_postgres::Error) -> bool {
    let states =
        [SqlState::UNDEFINED_TABLE, SqlState::UNDEFINED_COLUMN, SqlState::DATA_CORRUPTED, SqlState::INDEX_CORRUPTED];
    error.code().is_some_and(|code| states.contains(code))
}
