//! The transitions of a session. Each is one statement that finds the phase it leaves and counts its event.

use podling_session::{
    id::{Incarnation, RunnerId, Uid},
    phase::{End, Stage},
    session::{Isolation, Session},
    store::Sealed,
};

use super::{
    error::Error,
    leases,
    row::{self, SESSION},
    runners,
    tx::Tx,
    value::values,
};

/// Ends a session. A lease is kept: whoever holds one is busy with this session, and its release waits until the lease
/// is given back.
pub(super) const END: &str = "phase = 'ended', stage = NULL, end_reason = $1, exit_code = $2, \
    detail = $3, ended_at = $4, sealed_secrets = NULL, due_at = $4, events = events + 1";

pub(super) async fn find(tx: &Tx<'_>, uid: Uid) -> Result<Option<Session>, Error> {
    let sql = format!("SELECT {SESSION} FROM sessions WHERE uid = $1");
    tx.first(&sql, values![uid], row::session).await
}

pub(super) async fn sealed(tx: &Tx<'_>, uid: Uid) -> Result<Option<Sealed>, Error> {
    let sql = "SELECT sealed_key, sealed_secrets FROM sessions WHERE uid = $1";
    tx.first(sql, values![uid], |row| Ok(Sealed { key: row.get("sealed_key")?, secrets: row.get("sealed_secrets")? }))
        .await
}

pub(super) async fn launched(tx: &Tx<'_>, life: Incarnation, runner: RunnerId) -> Result<bool, Error> {
    if !starting(tx, life).await? && !rejoined(tx, life).await? {
        leases::give_way(tx, life).await?;
        return Ok(false);
    }
    runners::insert(tx, runner, life).await?;
    Ok(true)
}

/// Pending becomes Starting. Nothing is left to do on it, so the lease is given back: its end, which may come at once,
/// is work for anybody.
pub(super) async fn starting(tx: &Tx<'_>, life: Incarnation) -> Result<bool, Error> {
    let sql = "UPDATE sessions SET phase = 'starting', stage = 'scheduling', due_at = NULL, lease_until = NULL, \
        events = events + 1 WHERE uid = $1 AND incarnation = $2 AND phase = 'pending' RETURNING events";
    let values = values![life.uid, life.number];
    tx.change(life.uid, sql, values, "session.starting", "The session is starting: scheduling.").await
}

/// A session that was parted from its runner has another.
async fn rejoined(tx: &Tx<'_>, life: Incarnation) -> Result<bool, Error> {
    let sql = "UPDATE sessions SET due_at = NULL, lease_until = NULL \
        WHERE uid = $1 AND incarnation = $2 AND phase = 'starting' AND due_at IS NOT NULL";
    Ok(tx.execute(sql, values![life.uid, life.number]).await? == 1)
}

pub(super) async fn forsake(tx: &Tx<'_>, life: Incarnation, runner: RunnerId) -> Result<bool, Error> {
    let sql = "UPDATE sessions SET due_at = $3, events = events + 1 WHERE uid = $1 AND incarnation = $2 \
        AND phase = 'starting' AND stage = 'scheduling' AND due_at IS NULL RETURNING events";
    let values = values![life.uid, life.number, tx.now()];
    let detail = "The runner was lost before the command began; the session gets another.";
    // The session's row first, as everywhere: two that lock the same rows the other way round stop each other.
    let parted =
        tx.change(life.uid, sql, values, "session.starting", detail).await? && runners::part(tx, runner, life).await?;
    if !parted {
        tx.undo();
    }
    Ok(parted)
}

pub(super) async fn stage(tx: &Tx<'_>, life: Incarnation, stage: Stage) -> Result<bool, Error> {
    let Some(earlier) = earlier_than(stage) else { return Ok(false) };
    let sql = format!(
        "UPDATE sessions SET stage = $3, events = events + 1 \
        WHERE uid = $1 AND incarnation = $2 AND phase = 'starting' AND stage IN ({earlier}) RETURNING events"
    );
    let values = values![life.uid, life.number, stage.as_str()];
    tx.change(life.uid, &sql, values, "session.starting", &format!("The session is starting: {stage}.")).await
}

/// The stages before this one, as SQL lists them; none before the first.
fn earlier_than(stage: Stage) -> Option<String> {
    let earlier: Vec<_> = Stage::ALL.iter().filter(|known| **known < stage).map(|known| format!("'{known}'")).collect();
    (!earlier.is_empty()).then(|| earlier.join(", "))
}

pub(super) async fn running(tx: &Tx<'_>, life: Incarnation, isolation: Isolation) -> Result<bool, Error> {
    let sql = "UPDATE sessions SET phase = 'running', stage = NULL, started_at = $3, deadline_at = $3 + deadline_millis, \
        last_activity_at = $3, isolation = $4, events = events + 1 \
        WHERE uid = $1 AND incarnation = $2 AND phase = 'starting' RETURNING events";
    let values = values![life.uid, life.number, tx.now(), isolation.as_str()];
    let detail = format!("The command runs, with {} isolation.", isolation.as_str());
    tx.change(life.uid, sql, values, "session.running", &detail).await
}

pub(super) async fn end(tx: &Tx<'_>, life: Incarnation, end: &End) -> Result<bool, Error> {
    let sql =
        format!("UPDATE sessions SET {END} WHERE uid = $5 AND incarnation = $6 AND phase <> 'ended' RETURNING events");
    let values = values![end.reason.as_str(), end.exit_code, &end.detail, tx.now(), life.uid, life.number];
    tx.change(life.uid, &sql, values, "session.ended", &end.detail).await
}

pub(super) async fn log_end(tx: &Tx<'_>, life: Incarnation, end: u64) -> Result<(), Error> {
    let sql = "UPDATE sessions SET log_end = $3 WHERE uid = $1 AND incarnation = $2 AND log_end <> $3";
    if tx.execute(sql, values![life.uid, life.number, end]).await? > 0 {
        tx.changed();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_follows_those_before_it() {
        assert_eq!(earlier_than(Stage::Scheduling), None);
        assert_eq!(earlier_than(Stage::Verifying).as_deref(), Some("'scheduling', 'fetching'"));
    }
}
