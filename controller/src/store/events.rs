//! What happened to sessions.

use podling_session::{event::Event, id::Uid};

use super::{
    error::Error,
    tx::Tx,
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

fn event(row: Row<'_>) -> Result<Event, Error> {
    Ok(Event {
        uid: row.uid("uid")?,
        sequence: row.unsigned("sequence")?,
        at: row.timestamp("at")?,
        kind: row.text("kind")?,
        detail: row.text("detail")?,
    })
}
