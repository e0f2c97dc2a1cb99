//! What time does to sessions: deadlines, silence, and forgetting.

use podling_session::{
    id::Uid,
    phase::{End, EndReason},
    session::Session,
    store::Swept,
};
use rusqlite::named_params;

use super::{
    error::Error,
    phases::END,
    quotas,
    row::{self, SESSION},
    sessions::IDEMPOTENCY_MILLIS,
    transaction::Tx,
};

/// Sessions that one sweep ends for one reason, and prunes: what it leaves is for the next, a second later, and other
/// callers have their turn between the two. A pruned session may take a thousand rows with it.
const BATCH: u32 = 100;

const START_DEADLINE: &str = "phase IN ('pending', 'starting') AND start_deadline_at <= :limit";
const DEADLINE: &str = "phase = 'running' AND deadline_at <= :limit";
const IDLE: &str = "phase = 'running' AND last_activity_at + idle_millis <= :limit";
/// A runner that never registered is no matter of silence but of the start deadline.
const SILENCE: &str = "phase IN ('starting', 'running') AND EXISTS (SELECT 1 FROM runners \
    WHERE runners.uid = sessions.uid AND runners.incarnation = sessions.incarnation AND runners.seen_at <= :limit)";

/// `silent_since` is the last time at which a runner may have been heard of to be lost; none when none may be lost.
pub(super) fn sweep(tx: &Tx<'_>, keep_millis: i64, silent_since: Option<i64>) -> Result<Swept, Error> {
    let mut ended = end_all(tx, EndReason::StartDeadline, START_DEADLINE, tx.now)?;
    ended.extend(end_all(tx, EndReason::Deadline, DEADLINE, tx.now)?);
    ended.extend(end_all(tx, EndReason::Idle, IDLE, tx.now)?);
    if let Some(limit) = silent_since {
        ended.extend(end_all(tx, EndReason::RunnerLost, SILENCE, limit)?);
    }
    let pruned = prune(tx, tx.now - keep_millis)?;
    tx.execute("DELETE FROM idempotency WHERE created_at <= ?1", [tx.now - IDEMPOTENCY_MILLIS])?;
    quotas::prune(tx)?;
    Ok(Swept { ended, pruned })
}

fn end_all(tx: &Tx<'_>, reason: EndReason, rule: &str, limit: i64) -> Result<Vec<(Uid, End)>, Error> {
    let end = End::because(reason);
    let sql = format!(
        "UPDATE sessions SET {END} WHERE phase <> 'ended' AND uid IN ( \
        SELECT uid FROM sessions WHERE {rule} ORDER BY uid LIMIT :batch) RETURNING uid, events"
    );
    let values = named_params! {
        ":reason": reason.as_str(),
        ":code": end.exit_code,
        ":detail": end.detail,
        ":now": tx.now,
        ":limit": limit,
        ":batch": BATCH,
    };
    let ended: Vec<(Uid, i64)> = tx.all(&sql, values, |row| Ok((row::uid(row)?, row.get("events")?)))?;
    for (uid, sequence) in &ended {
        tx.event(&uid.to_string(), *sequence, "session.ended", &end.detail)?;
    }
    Ok(ended.into_iter().map(|(uid, _)| (uid, end.clone())).collect())
}

/// With the session go its labels, runners, segments and events.
fn prune(tx: &Tx<'_>, ended_before: i64) -> Result<Vec<Session>, Error> {
    let sql = format!(
        "DELETE FROM sessions WHERE uid IN (SELECT uid FROM sessions WHERE release = 'released' AND phase = 'ended' \
        AND (deleted_at IS NOT NULL OR ended_at <= ?1) ORDER BY ended_at LIMIT ?2) RETURNING {SESSION}"
    );
    tx.all(&sql, (ended_before, BATCH), row::session)
}
