//! One transaction: its time, its statements, and whether anything is to stay of it.
//!
//! Statements name their parameters `$1`, `$2`, … and mean the same in either database. In SQLite each is done when its
//! future is first polled.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering},
};

use podling_session::id::Uid;

use super::{
    error::Error,
    postgres, sqlite,
    value::{Row, Value, values},
};

/// What becomes of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Only looks, by one statement; has no time.
    Look,
    /// May be lost in a power failure, with all after it, but not when this process is killed: what it says is said
    /// again, or found again on the disk.
    Hint,
    /// Was promised to somebody once it is answered: it survives a power failure.
    Promise,
    /// The same, of what nobody waits for and may take longer.
    Chore,
}

impl Kind {
    /// What metrics call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Look => "look",
            Kind::Hint => "hint",
            Kind::Promise => "promise",
            Kind::Chore => "chore",
        }
    }
}

/// Where a transaction is open.
#[derive(Clone, Copy)]
pub(super) enum Connection<'c> {
    Sqlite(&'c Mutex<rusqlite::Connection>),
    Postgres(&'c deadpool_postgres::Client),
}

/// In which words a statement is written, where no words are both databases'.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
}

/// An open transaction.
pub(super) struct Tx<'c> {
    connection: Connection<'c>,
    now: Option<i64>,
    undone: AtomicBool,
    changed: AtomicBool,
}

impl<'c> Tx<'c> {
    pub(super) fn new(connection: Connection<'c>, now: Option<i64>) -> Tx<'c> {
        Tx { connection, now, undone: AtomicBool::new(false), changed: AtomicBool::new(false) }
    }

    /// One time for all that the transaction does, in milliseconds.
    pub(super) fn now(&self) -> i64 {
        self.now.expect("only a transaction of `Kind::Look` has no time, and asks for none")
    }

    pub(super) fn dialect(&self) -> Dialect {
        match self.connection {
            Connection::Sqlite(_) => Dialect::Sqlite,
            Connection::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Nothing of this transaction is to stay: it has an outcome, and that is a refusal.
    pub(super) fn undo(&self) {
        self.undone.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_undone(&self) -> bool {
        self.undone.load(Ordering::Relaxed)
    }

    /// A session changed: whoever waits on one looks again.
    pub(super) fn changed(&self) {
        self.changed.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_changed(&self) -> bool {
        self.changed.load(Ordering::Relaxed)
    }

    /// Ends a `SELECT` of rows that this transaction is about to change: those that another one is changing are left
    /// to it. SQLite has one transaction at a time.
    pub(super) fn skip_locked(&self) -> &'static str {
        match self.dialect() {
            Dialect::Sqlite => "",
            Dialect::Postgres => "FOR UPDATE SKIP LOCKED",
        }
    }

    /// Until this transaction ends no other one passes here with the same name.
    pub(super) async fn alone(&self, name: &'static str) -> Result<(), Error> {
        match self.connection {
            Connection::Sqlite(_) => Ok(()),
            Connection::Postgres(client) => postgres::statement::lock(client, name).await,
        }
    }

    /// How many rows were changed.
    pub(super) async fn execute(&self, sql: &str, values: &[Value<'_>]) -> Result<u64, Error> {
        match self.connection {
            Connection::Sqlite(connection) => sqlite::statement::execute(connection, sql, values),
            Connection::Postgres(client) => postgres::statement::execute(client, sql, values).await,
        }
    }

    /// Its first row.
    pub(super) async fn first<T>(
        &self,
        sql: &str,
        values: &[Value<'_>],
        read: impl FnOnce(Row<'_>) -> Result<T, Error> + Send,
    ) -> Result<Option<T>, Error> {
        match self.connection {
            Connection::Sqlite(connection) => sqlite::statement::first(connection, sql, values, read),
            Connection::Postgres(client) => {
                let rows = postgres::statement::query(client, sql, values).await?;
                rows.first().map(|row| read(Row::Postgres(row))).transpose()
            }
        }
    }

    /// Its every row.
    pub(super) async fn all<T>(
        &self,
        sql: &str,
        values: &[Value<'_>],
        mut read: impl FnMut(Row<'_>) -> Result<T, Error> + Send,
    ) -> Result<Vec<T>, Error> {
        match self.connection {
            Connection::Sqlite(connection) => sqlite::statement::all(connection, sql, values, read),
            Connection::Postgres(client) => {
                let rows = postgres::statement::query(client, sql, values).await?;
                rows.iter().map(|row| read(Row::Postgres(row))).collect()
            }
        }
    }

    /// Changes one session, by a statement that counts its event and returns the count. `false` when its `WHERE`
    /// found nothing.
    pub(super) async fn change(
        &self,
        uid: Uid,
        sql: &str,
        values: &[Value<'_>],
        kind: &str,
        detail: &str,
    ) -> Result<bool, Error> {
        let counted: Option<i64> = self.first(sql, values, |row| row.get("events")).await?;
        let Some(sequence) = counted else { return Ok(false) };
        self.event(uid, sequence, kind, detail).await?;
        Ok(true)
    }

    /// Writes the event that a statement has counted.
    pub(super) async fn event(&self, uid: Uid, sequence: i64, kind: &str, detail: &str) -> Result<(), Error> {
        let sql = "INSERT INTO events (uid, sequence, at, kind, detail) VALUES ($1, $2, $3, $4, $5)";
        self.execute(sql, values![uid, sequence, self.now(), kind, detail]).await?;
        self.changed();
        Ok(())
    }
}
