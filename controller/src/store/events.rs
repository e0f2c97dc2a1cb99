//! What happened to sessions.

use podling_session::{
    event::{Cursor, Event, Feed},
    id::Uid,
};

use super::{
    error::Error,
    tx::{Dialect, Tx},
    value::{Row, values},
};

pub(super) async fn note(tx: &Tx<'_>, uid: Uid, kind: &str, detail: &str) -> Result<(), Error> {
    let sql = "UPDATE sessions SET events = events + 1 WHERE uid = $1 RETURNING events";
    tx.change(uid, sql, values![uid], kind, detail).await?;
    Ok(())
}

pub(super) async fn after(tx: &Tx<'_>, uid: Uid, sequence: u64) -> Result<Vec<Event>, Error> {
    let sql = format!(
        "SELECT {}, uid, sequence, at, kind, detail FROM events WHERE uid = $1 AND sequence > $2 ORDER BY sequence",
        cursor_of("events", tx.dialect())
    );
    tx.all(&sql, values![uid, sequence], event).await
}

/// Rows are numbered when they are written and seen when they are committed. In Postgres a transaction that is older than
/// every one still running can be followed by none before it; in SQLite there is one at a time.
pub(super) async fn feed(tx: &Tx<'_>, after: Cursor, limit: u32) -> Result<Feed, Error> {
    let columns = format!("{}, uid, sequence, at, kind, detail", cursor_of("events", tx.dialect()));
    let events = match tx.dialect() {
        Dialect::Sqlite => {
            let sql = format!("SELECT {columns} FROM events WHERE cursor > $1 ORDER BY cursor LIMIT $2");
            tx.all(&sql, values![after.row, limit], event).await?
        }
        Dialect::Postgres => {
            let sql = format!(
                "SELECT {columns} FROM events WHERE (events.xact, cursor) > ($1::text::xid8, $2) \
                AND events.xact < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY events.xact, cursor LIMIT $3"
            );
            tx.all(&sql, values![&after.transaction.to_string(), after.row, limit], event).await?
        }
    };
    let next = events.last().map_or(after, |event: &Event| event.cursor);
    Ok(Feed { events, next })
}

/// The columns that [`cursor`] reads, of a table that numbers its rows by transaction.
pub(super) fn cursor_of(table: &str, dialect: Dialect) -> String {
    match dialect {
        Dialect::Sqlite => "'0' AS xact, cursor".to_owned(),
        Dialect::Postgres => format!("{table}.xact::text AS xact, cursor"),
    }
}

pub(super) fn cursor(row: Row<'_>) -> Result<Cursor, Error> {
    let transaction = row.text("xact")?.parse();
    let transaction = transaction.map_err(|_| Error::Corrupt("xact is no transaction".to_owned()))?;
    Ok(Cursor { transaction, row: row.unsigned("cursor")? })
}

pub(super) fn event(row: Row<'_>) -> Result<Event, Error> {
    Ok(Event {
        cursor: cursor(row)?,
        uid: row.uid("uid")?,
        sequence: row.unsigned("sequence")?,
        at: row.timestamp("at")?,
        kind: row.text("kind")?,
        detail: row.text("detail")?,
    })
}
