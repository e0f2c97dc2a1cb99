//! What time does to sessions: deadlines, silence, and forgetting.
//!
//! What somebody is just changing is left to the next sweep, a second later.

use std::collections::BTreeMap;

use podling_session::{
    id::Uid,
    phase::{End, EndReason},
    principal::Owner,
    session::Session,
    store::Swept,
};

use super::{
    error::Error,
    keys,
    phases::END,
    quotas,
    row::{self, SESSION},
    sessions::IDEMPOTENCY_MILLIS,
    tx::Tx,
    value::{Row, values},
    watch,
};

/// Sessions that one sweep ends for one reason, and prunes: what it leaves is for the next, and other callers have
/// their turn between the two. A pruned session may take a thousand rows with it.
const BATCH: u32 = 100;
/// Idempotency keys that one sweep forgets.
const KEYS_BATCH: u32 = 1_000;

const START_DEADLINE: &str = "phase IN ('pending', 'starting') AND start_deadline_at <= $5";
const DEADLINE: &str = "phase = 'running' AND deadline_at <= $5";
const IDLE: &str = "phase = 'running' AND last_activity_at + idle_millis <= $5";
/// A runner that never registered is no matter of silence but of the start deadline.
const SILENCE: &str = "phase IN ('starting', 'running') AND EXISTS (SELECT 1 FROM runners \
    WHERE runners.uid = sessions.uid AND runners.incarnation = sessions.incarnation AND runners.seen_at <= $5)";

/// Of several that sweep at once, one goes after the other.
pub(super) async fn sweep(tx: &Tx<'_>, keep_millis: i64, silence_millis: i64) -> Result<Swept, Error> {
    tx.alone("sweep").await?;
    let lost_since = watch::sweep(tx, silence_millis).await?;
    let mut ended = end_all(tx, EndReason::StartDeadline, START_DEADLINE, tx.now()).await?;
    ended.extend(end_all(tx, EndReason::Deadline, DEADLINE, tx.now()).await?);
    ended.extend(end_all(tx, EndReason::Idle, IDLE, tx.now()).await?);
    if let Some(limit) = lost_since {
        ended.extend(end_all(tx, EndReason::RunnerLost, SILENCE, limit).await?);
    }
    let pruned = prune(tx, tx.now() - keep_millis).await?;
    forget_keys(tx).await?;
    quotas::prune(tx).await?;
    keys::prune(tx).await?;
    Ok(Swept { ended, pruned })
}

async fn end_all(tx: &Tx<'_>, reason: EndReason, rule: &str, limit: i64) -> Result<Vec<(Uid, End)>, Error> {
    let end = End::because(reason);
    let sql = format!(
        "UPDATE sessions SET {END} WHERE phase <> 'ended' AND uid IN ( \
        SELECT uid FROM sessions WHERE {rule} ORDER BY uid LIMIT $6 {}) RETURNING uid, events",
        tx.skip_locked()
    );
    let values = values![reason.as_str(), end.exit_code, &end.detail, tx.now(), limit, BATCH];
    let ended: Vec<(Uid, i64)> = tx.all(&sql, values, |row| Ok((row.uid("uid")?, row.get("events")?))).await?;
    for (uid, sequence) in &ended {
        tx.event(*uid, *sequence, "session.ended", &end.detail).await?;
    }
    Ok(ended.into_iter().map(|(uid, _)| (uid, end.clone())).collect())
}

/// With the session go its labels, runners, segments and events.
async fn prune(tx: &Tx<'_>, ended_before: i64) -> Result<Vec<Session>, Error> {
    let sql = format!(
        "DELETE FROM sessions WHERE uid IN (SELECT uid FROM sessions WHERE release = 'released' AND phase = 'ended' \
        AND (deleted_at IS NOT NULL OR ended_at <= $1) ORDER BY ended_at LIMIT $2 {}) RETURNING {SESSION}, stored_bytes",
        tx.skip_locked()
    );
    let read = |row: Row<'_>| Ok((row::session(row)?, row.unsigned("stored_bytes")?));
    let pruned: Vec<(Session, u64)> = tx.all(&sql, values![ended_before, BATCH], read).await?;
    let mut bytes: BTreeMap<(&str, &str), (&Owner, u64)> = BTreeMap::new();
    for (Session { owner, .. }, stored) in pruned.iter().filter(|(_, stored)| *stored > 0) {
        bytes.entry((owner.tenant.as_str(), &owner.subject)).or_insert((owner, 0)).1 += stored;
    }
    // In one order, so that two that lower the same counters do not stop each other.
    for (owner, bytes) in bytes.into_values() {
        quotas::unstore(tx, owner, bytes).await?;
    }
    Ok(pruned.into_iter().map(|(session, _)| session).collect())
}

async fn forget_keys(tx: &Tx<'_>) -> Result<(), Error> {
    let sql = format!(
        "DELETE FROM idempotency WHERE (tenant, subject, key) IN ( \
        SELECT tenant, subject, key FROM idempotency WHERE created_at <= $1 LIMIT $2 {})",
        tx.skip_locked()
    );
    tx.execute(&sql, values![tx.now() - IDEMPOTENCY_MILLIS, KEYS_BATCH]).await?;
    Ok(())
}
