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
    let sql = "SELECT uid, sequence, at, kind, detail FROM events WHERE uid = $1 AND sequence > $2 ORDER BY sequence";
    tx.all(sql, values![uid, sequence], event).await
}

/// Rows are numbered when they are written and seen when they are committed. In Postgres a transaction that is older than
/// every one still running can be followed by none before it; in SQLite there is one at a time.
pub(super) async fn feed(tx: &Tx<'_>, after: Cursor, limit: u32) -> Result<Feed, Error> {
    let read = |row: Row<'_>| Ok((cursor(row)?, event(row)?));
    let rows = match tx.dialect() {
        Dialect::Sqlite => {
            let sql = "SELECT '0' AS xact, cursor, uid, sequence, at, kind, detail FROM events \
                WHERE cursor > $1 ORDER BY cursor LIMIT $2";
            tx.all(sql, values![after.row, limit], read).await?
        }
        Dialect::Postgres => {
            let sql = "SELECT xact::text AS xact, cursor, uid, sequence, at, kind, detail FROM events \
                WHERE (events.xact, cursor) > ($1::text::xid8, $2) \
                AND events.xact < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY events.xact, cursor LIMIT $3";
            tx.all(sql, values![&after.transaction.to_string(), after.row, limit], read).await?
        }
    };
    let next = rows.last().map_or(after, |(cursor, _)| *cursor);
    Ok(Feed { events: rows.into_iter().map(|(_, event)| event).collect(), next })
}

fn cursor(row: Row<'_>) -> Result<Cursor, Error> {
    let transaction = row.text("xact")?.parse();
    let transaction = transaction.map_err(|_| Error::Corrupt("xact is no transaction".to_owned()))?;
    Ok(Cursor { transaction, row: row.unsigned("cursor")? })
}

fn event(row: Row<'_>) -> Result<Event, Error> {
    Ok(Event {
        uid: row.uid("uid")?,
        sequence: row.unsigned("sequence")?,
        at: row.timestamp("at")?,
        kind: row.text("kind")?,
        detail: row.text("detail")?,
    })
}
