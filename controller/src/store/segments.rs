//! The segments of terminal logs that are stored.

use podling_session::{id::Incarnation, store::SegmentRow};

use super::{error::Error, tx::Tx, value::values};

pub(super) async fn add(tx: &Tx<'_>, life: Incarnation, segment: SegmentRow, first_kept: u64) -> Result<(), Error> {
    // From the session's row, because a runner may outlive it by a moment. A report that comes late brings back nothing
    // that was dropped.
    let sql = "INSERT INTO segments (uid, incarnation, sequence, first_offset, end_offset, bytes, hash) \
        SELECT uid, $2, $3, $4, $5, $6, $7 FROM sessions WHERE uid = $1 \
        AND (incarnation <> $2 OR $5 > log_first OR $4 >= log_first) ON CONFLICT DO NOTHING";
    let SegmentRow { sequence, first_offset, end_offset, bytes, hash } = segment;
    let values = values![life.uid, life.number, sequence, first_offset, end_offset, bytes, &hash];
    let added = tx.execute(sql, values).await?;
    let dropped = drop_before(tx, life, first_kept).await?;
    if added + dropped > 0 {
        widen(tx, life, first_kept, end_offset).await?;
        tx.changed();
    }
    Ok(())
}

/// Removes what lies wholly before the first kept offset. A segment without output at that very offset stays.
async fn drop_before(tx: &Tx<'_>, life: Incarnation, first_kept: u64) -> Result<u64, Error> {
    let sql = "DELETE FROM segments WHERE uid = $1 AND incarnation = $2 AND end_offset <= $3 AND first_offset < $3";
    tx.execute(sql, values![life.uid, life.number, first_kept]).await
}

async fn widen(tx: &Tx<'_>, life: Incarnation, first_kept: u64, end: u64) -> Result<(), Error> {
    let sql = "UPDATE sessions SET log_first = CASE WHEN log_first < $3 THEN $3 ELSE log_first END, \
        log_end = CASE WHEN log_end < $4 THEN $4 ELSE log_end END WHERE uid = $1 AND incarnation = $2";
    tx.execute(sql, values![life.uid, life.number, first_kept, end]).await?;
    Ok(())
}

pub(super) async fn of(tx: &Tx<'_>, life: Incarnation) -> Result<Vec<SegmentRow>, Error> {
    let sql = "SELECT sequence, first_offset, end_offset, bytes, hash FROM segments \
        WHERE uid = $1 AND incarnation = $2 ORDER BY sequence";
    tx.all(sql, values![life.uid, life.number], |row| {
        Ok(SegmentRow {
            sequence: row.unsigned("sequence")?,
            first_offset: row.unsigned("first_offset")?,
            end_offset: row.unsigned("end_offset")?,
            bytes: row.unsigned("bytes")?,
            hash: row.bytes32("hash")?,
        })
    })
    .await
}
