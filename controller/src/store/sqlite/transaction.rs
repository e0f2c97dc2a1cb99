//! One transaction: its time, its statements, and whether anything is to stay of it.

use std::cell::Cell;

use podling_session::id::Uid;
use rusqlite::{Connection, OptionalExtension, Params, Row, TransactionBehavior};

use super::{clock::Clock, error::Error};

/// What becomes of a transaction in a power failure; see `SqliteStore::promise` and `SqliteStore::hint`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durability {
    Promise,
    Hint,
}

impl Durability {
    /// Cannot be changed within a transaction.
    pub(super) fn apply(self, connection: &Connection) -> rusqlite::Result<()> {
        connection.execute_batch(match self {
            Durability::Promise => "PRAGMA synchronous = FULL",
            Durability::Hint => "PRAGMA synchronous = NORMAL",
        })
    }
}

/// An open transaction.
pub(super) struct Tx<'connection> {
    transaction: rusqlite::Transaction<'connection>,
    /// One time for all that the transaction does, in milliseconds.
    pub(super) now: i64,
    undone: Cell<bool>,
    changed: Cell<bool>,
}

/// Runs `work` in a transaction, which an error undoes. Also tells whether somebody may want to look again.
pub(super) fn run<T>(
    connection: &mut Connection,
    clock: &Clock,
    work: impl FnOnce(&Tx<'_>) -> Result<T, Error>,
) -> Result<(T, bool), Error> {
    // Immediate: a transaction that has read cannot fail to become one that writes.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let now = clock.now(&transaction)?;
    let tx = Tx { transaction, now, undone: Cell::new(false), changed: Cell::new(false) };
    let outcome = work(&tx)?;
    if tx.undone.get() {
        tx.transaction.rollback()?;
        return Ok((outcome, false));
    }
    let changed = tx.changed.get();
    tx.transaction.commit()?;
    Ok((outcome, changed))
}

impl Tx<'_> {
    /// Nothing of this transaction is to stay: it has an outcome, and that is a refusal.
    pub(super) fn undo(&self) {
        self.undone.set(true);
    }

    /// A session changed: whoever waits on one looks again.
    pub(super) fn changed(&self) {
        self.changed.set(true);
    }

    /// How many rows were changed.
    pub(super) fn execute(&self, sql: &str, params: impl Params) -> Result<usize, Error> {
        Ok(self.transaction.prepare_cached(sql)?.execute(params)?)
    }

    /// Its first row.
    pub(super) fn first<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let mut statement = self.transaction.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        // A statement with RETURNING has done all its work before it gives its first row.
        rows.next()?.map(read).transpose()
    }

    /// Its every row.
    pub(super) fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        mut read: impl FnMut(&Row<'_>) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let mut statement = self.transaction.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(read(row)?);
        }
        Ok(all)
    }

    /// Changes one session, by a statement that counts its event and returns the count. `false` when its `WHERE`
    /// found nothing.
    pub(super) fn change(
        &self,
        uid: Uid,
        sql: &str,
        params: impl Params,
        kind: &str,
        detail: &str,
    ) -> Result<bool, Error> {
        let counted: Option<i64> =
            self.transaction.prepare_cached(sql)?.query_row(params, |row| row.get("events")).optional()?;
        let Some(sequence) = counted else { return Ok(false) };
        self.event(&uid.to_string(), sequence, kind, detail)?;
        Ok(true)
    }

    /// Writes the event that a statement has counted.
    pub(super) fn event(&self, uid: &str, sequence: i64, kind: &str, detail: &str) -> Result<(), Error> {
        let sql = "INSERT INTO events (uid, sequence, at, kind, detail) VALUES (?1, ?2, ?3, ?4, ?5)";
        self.execute(sql, (uid, sequence, self.now, kind, detail))?;
        self.changed();
        Ok(())
    }
}
