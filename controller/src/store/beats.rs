//! Heartbeats of many runners at once.
//!
//! Activity and log end only go forward: beats may come late, and over another connection than those before.

use std::collections::HashSet;

use podling_session::{
    id::{Incarnation, Uid},
    store::Beat,
};

use super::{
    clock::millis,
    error::Error,
    tx::{Dialect, Tx},
    value::{Row, Value, values},
};

/// Those whose session does not go on.
pub(super) async fn write(tx: &Tx<'_>, beats: &[(Incarnation, Beat)]) -> Result<Vec<Incarnation>, Error> {
    match tx.dialect() {
        Dialect::Sqlite => one_by_one(tx, beats).await,
        Dialect::Postgres => at_once(tx, beats).await,
    }
}

/// Each takes microseconds.
async fn one_by_one(tx: &Tx<'_>, beats: &[(Incarnation, Beat)]) -> Result<Vec<Incarnation>, Error> {
    let mut over = Vec::new();
    for (life, beat) in beats {
        if !write_one(tx, *life, *beat).await? {
            over.push(*life);
        }
    }
    Ok(over)
}

async fn write_one(tx: &Tx<'_>, life: Incarnation, beat: Beat) -> Result<bool, Error> {
    let sql = "UPDATE sessions SET viewers = $3, \
        last_activity_at = CASE WHEN last_activity_at < $4 THEN $4 ELSE last_activity_at END, \
        log_end = CASE WHEN log_end < $5 THEN $5 ELSE log_end END \
        WHERE uid = $1 AND incarnation = $2 AND phase <> 'ended'";
    let active = tx.now() - millis(beat.idle_for);
    let values = values![life.uid, life.number, beat.viewers, active, beat.log_end];
    if tx.execute(sql, values).await? == 0 {
        return Ok(false);
    }
    let sql = "UPDATE runners SET seen_at = $3 WHERE uid = $1 AND incarnation = $2";
    tx.execute(sql, values![life.uid, life.number, tx.now()]).await?;
    Ok(true)
}

/// One statement, which locks the rows in the order of their uids: two controllers that hear of the same runners do not
/// stop each other.
async fn at_once(tx: &Tx<'_>, beats: &[(Incarnation, Beat)]) -> Result<Vec<Incarnation>, Error> {
    let sql = "WITH told AS (SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[]) \
            AS told (uid, incarnation, viewers, active, log_end)), \
        locked AS (SELECT uid FROM sessions WHERE uid = ANY ($1) AND phase <> 'ended' ORDER BY uid FOR NO KEY UPDATE), \
        alive AS (UPDATE sessions SET viewers = told.viewers, \
            last_activity_at = GREATEST(sessions.last_activity_at, told.active), \
            log_end = GREATEST(sessions.log_end, told.log_end) \
            FROM told JOIN locked USING (uid) WHERE sessions.uid = told.uid \
            AND sessions.incarnation = told.incarnation AND sessions.phase <> 'ended' \
            RETURNING sessions.uid, sessions.incarnation), \
        heard AS (UPDATE runners SET seen_at = $6 FROM alive \
            WHERE runners.uid = alive.uid AND runners.incarnation = alive.incarnation) \
        SELECT uid, incarnation FROM alive";
    let uids: Vec<_> = beats.iter().map(|(life, _)| *life.uid.as_uuid()).collect();
    let column = |value: fn(&Incarnation, &Beat, i64) -> i64| -> Vec<i64> {
        beats.iter().map(|(life, beat)| value(life, beat, tx.now())).collect()
    };
    let numbers = column(|life, _, _| life.number.into());
    let viewers = column(|_, beat, _| beat.viewers.into());
    let active = column(|_, beat, now| now - millis(beat.idle_for));
    let log_ends = column(|_, beat, _| i64::try_from(beat.log_end).unwrap_or(i64::MAX));
    let arrays = [&numbers, &viewers, &active, &log_ends].map(|numbers| Value::Numbers(numbers));
    let [numbers, viewers, active, log_ends] = arrays;
    let values = [Value::Uids(&uids), numbers, viewers, active, log_ends, tx.now().into()];
    let read = |row: Row<'_>| Ok((row.uid("uid")?, row.small("incarnation")?));
    let alive: HashSet<(Uid, u32)> = tx.all(sql, &values, read).await?.into_iter().collect();
    let told = beats.iter().map(|(life, _)| *life);
    Ok(told.filter(|life| !alive.contains(&(life.uid, life.number))).collect())
}
