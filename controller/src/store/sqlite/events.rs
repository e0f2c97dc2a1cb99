//! What happened to sessions.

use podling_session::{event::Event, id::Uid};

use super::{
    clock::timestamp,
    error::Error,
    row::{self, number},
    transaction::Tx,
};

pub(super) fn note(tx: &Tx<'_>, uid: Uid, kind: &str, detail: &str) -> Result<(), Error> {
    let sql = "UPDATE sessions SET events = events + 1 WHERE uid = ?1 RETURNING events";
    tx.change(uid, sql, [uid.to_string()], kind, detail)?;
    Ok(())
}

pub(super) fn after(tx: &Tx<'_>, uid: Uid, sequence: u64) -> Result<Vec<Event>, Error> {
    let sql = "SELECT uid, sequence, at, kind, detail FROM events WHERE uid = ?1 AND sequence > ?2 ORDER BY sequence";
    tx.all(sql, (uid.to_string(), number(sequence)), |row| {
        Ok(Event {
            uid: row::uid(row)?,
            sequence: row::unsigned(row, "sequence")?,
            at: timestamp(row.get("at")?)?,
            kind: row.get("kind")?,
            detail: row.get("detail")?,
        })
    })
}
