//! A transaction on the connection of the store's thread.

use std::{
    pin::pin,
    sync::Mutex,
    task::{Context, Poll, Waker},
};

use rusqlite::Connection;

use super::statement::lock;
use crate::store::{
    clock::Clock,
    error::Error,
    tx::{self, Tx},
};

/// Rolls back when it is dropped.
struct Open<'c> {
    connection: &'c Mutex<Connection>,
    committed: bool,
}

impl<'c> Open<'c> {
    /// Immediate: a transaction that has read cannot fail to become one that writes.
    fn begin(connection: &'c Mutex<Connection>) -> Result<Open<'c>, Error> {
        lock(connection).prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        Ok(Open { connection, committed: false })
    }

    fn now(&self) -> Result<i64, Error> {
        let sql = "SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER)";
        Ok(lock(self.connection).prepare_cached(sql)?.query_row([], |row| row.get(0))?)
    }

    fn commit(mut self) -> Result<(), Error> {
        lock(self.connection).prepare_cached("COMMIT")?.execute([])?;
        self.committed = true;
        Ok(())
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        let connection = lock(self.connection);
        // An error of the worst kind has rolled back already.
        if !self.committed && !connection.is_autocommit() {
            let _ = connection.execute_batch("ROLLBACK"); // What cannot be rolled back now is so at the next opening.
        }
    }
}

/// Runs `work` in a transaction, which an error undoes. Also tells whether somebody may want to look again.
pub(super) fn run<T>(
    connection: &Mutex<Connection>,
    clock: &Clock,
    work: impl AsyncFnOnce(&Tx<'_>) -> Result<T, Error>,
) -> Result<(T, bool), Error> {
    let open = Open::begin(connection)?;
    let tx = Tx::new(tx::Connection::Sqlite(connection), Some(clock.shift(open.now()?)));
    let outcome = at_once(work(&tx))?;
    if tx.is_undone() {
        return Ok((outcome, false));
    }
    open.commit()?;
    Ok((outcome, tx.has_changed()))
}

/// No statement waits here.
fn at_once<T>(work: impl Future<Output = T>) -> T {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => unreachable!("a transaction waits for nothing but its statements"),
    }
}
