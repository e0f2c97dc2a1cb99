//! Statements on the connection of the store's thread.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{CachedStatement, Connection};

use crate::store::{
    error::Error,
    value::{Row, Value},
};

/// Never waits: one thread has the connection.
pub(super) fn lock(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(in crate::store) fn execute(connection: &Mutex<Connection>, sql: &str, values: &[Value<'_>]) -> Result<u64, Error> {
    let connection = lock(connection);
    let changed = bind(&connection, sql, values)?.raw_execute()?;
    Ok(u64::try_from(changed).unwrap_or(u64::MAX))
}

/// A statement with RETURNING has done all its work before it gives its first row.
pub(in crate::store) fn first<T>(
    connection: &Mutex<Connection>,
    sql: &str,
    values: &[Value<'_>],
    read: impl FnOnce(Row<'_>) -> Result<T, Error>,
) -> Result<Option<T>, Error> {
    let connection = lock(connection);
    let mut statement = bind(&connection, sql, values)?;
    let mut rows = statement.raw_query();
    rows.next()?.map(|row| read(Row::Sqlite(row))).transpose()
}

pub(in crate::store) fn all<T>(
    connection: &Mutex<Connection>,
    sql: &str,
    values: &[Value<'_>],
    mut read: impl FnMut(Row<'_>) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let connection = lock(connection);
    let mut statement = bind(&connection, sql, values)?;
    let mut rows = statement.raw_query();
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(read(Row::Sqlite(row))?);
    }
    Ok(all)
}

/// To SQLite `$1` is a name: it stands for the first value wherever in the statement it comes first.
fn bind<'c>(connection: &'c Connection, sql: &str, values: &[Value<'_>]) -> Result<CachedStatement<'c>, Error> {
    let mut statement = connection.prepare_cached(sql)?;
    for (number, value) in (1_u32..).zip(values) {
        let index = statement.parameter_index(&format!("${number}"))?.ok_or(rusqlite::Error::InvalidQuery)?;
        statement.raw_bind_parameter(index, value)?;
    }
    Ok(statement)
}
