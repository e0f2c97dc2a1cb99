//! The transitions of a session. Each is one statement that finds the phase it leaves and counts its event.

use podling_session::{
    id::{Incarnation, RunnerId, Uid},
    phase::{End, Stage},
    session::{Isolation, Session},
    store::{Beat, Sealed},
};
use rusqlite::named_params;

use super::{
    clock::millis,
    error::Error,
    leases,
    row::{self, SESSION, number},
    runners,
    transaction::Tx,
};

/// Ends a session. A lease is kept: whoever holds one is busy with this session, and its release waits until the lease
/// is given back.
pub(super) const END: &str = "phase = 'ended', stage = NULL, end_reason = :reason, exit_code = :code, \
    detail = :detail, ended_at = :now, sealed_secrets = NULL, due_at = :now, events = events + 1";

pub(super) fn find(tx: &Tx<'_>, uid: Uid) -> Result<Option<Session>, Error> {
    let sql = format!("SELECT {SESSION} FROM sessions WHERE uid = ?1");
    tx.first(&sql, [uid.to_string()], row::session)
}

pub(super) fn sealed(tx: &Tx<'_>, uid: Uid) -> Result<Option<Sealed>, Error> {
    let sql = "SELECT sealed_key, sealed_secrets FROM sessions WHERE uid = ?1";
    tx.first(sql, [uid.to_string()], |row| {
        Ok(Sealed { key: row.get("sealed_key")?, secrets: row.get("sealed_secrets")? })
    })
}

pub(super) fn launched(tx: &Tx<'_>, life: Incarnation, runner: RunnerId) -> Result<bool, Error> {
    if !starting(tx, life)? && !rejoined(tx, life)? {
        leases::give_way(tx, life)?;
        return Ok(false);
    }
    runners::insert(tx, runner, life)?;
    Ok(true)
}

/// Pending becomes Starting. Nothing is left to do on it, so the lease is given back: its end, which may come at once,
/// is work for anybody.
pub(super) fn starting(tx: &Tx<'_>, life: Incarnation) -> Result<bool, Error> {
    let sql = "UPDATE sessions SET phase = 'starting', stage = 'scheduling', due_at = NULL, lease_until = NULL, \
        events = events + 1 WHERE uid = ?1 AND incarnation = ?2 AND phase = 'pending' RETURNING events";
    let values = (life.uid.to_string(), life.number);
    tx.change(life.uid, sql, values, "session.starting", "The session is starting: scheduling.")
}

/// A session that was parted from its runner has another.
fn rejoined(tx: &Tx<'_>, life: Incarnation) -> Result<bool, Error> {
    let sql = "UPDATE sessions SET due_at = NULL, lease_until = NULL \
        WHERE uid = ?1 AND incarnation = ?2 AND phase = 'starting' AND due_at IS NOT NULL";
    Ok(tx.execute(sql, (life.uid.to_string(), life.number))? == 1)
}

pub(super) fn forsake(tx: &Tx<'_>, life: Incarnation, runner: RunnerId) -> Result<bool, Error> {
    let sql = "UPDATE sessions SET due_at = ?3, events = events + 1 WHERE uid = ?1 AND incarnation = ?2 \
        AND phase = 'starting' AND stage = 'scheduling' AND due_at IS NULL RETURNING events";
    let values = (life.uid.to_string(), life.number, tx.now);
    let detail = "The runner was lost before the command began; the session gets another.";
    let parted = runners::part(tx, runner, life)? && tx.change(life.uid, sql, values, "session.starting", detail)?;
    if !parted {
        tx.undo();
    }
    Ok(parted)
}

pub(super) fn stage(tx: &Tx<'_>, life: Incarnation, stage: Stage) -> Result<bool, Error> {
    let Some(earlier) = earlier_than(stage) else { return Ok(false) };
    let sql = format!(
        "UPDATE sessions SET stage = ?3, events = events + 1 \
        WHERE uid = ?1 AND incarnation = ?2 AND phase = 'starting' AND stage IN ({earlier}) RETURNING events"
    );
    let values = (life.uid.to_string(), life.number, stage.as_str());
    tx.change(life.uid, &sql, values, "session.starting", &format!("The session is starting: {stage}."))
}

/// The stages before this one, as SQL lists them; none before the first.
fn earlier_than(stage: Stage) -> Option<String> {
    let earlier: Vec<_> = Stage::ALL.iter().filter(|known| **known < stage).map(|known| format!("'{known}'")).collect();
    (!earlier.is_empty()).then(|| earlier.join(", "))
}

pub(super) fn running(tx: &Tx<'_>, life: Incarnation, isolation: Isolation) -> Result<bool, Error> {
    let sql = "UPDATE sessions SET phase = 'running', stage = NULL, started_at = ?3, deadline_at = ?3 + deadline_millis, \
        last_activity_at = ?3, isolation = ?4, events = events + 1 \
        WHERE uid = ?1 AND incarnation = ?2 AND phase = 'starting' RETURNING events";
    let values = (life.uid.to_string(), life.number, tx.now, isolation.as_str());
    let detail = format!("The command runs, with {} isolation.", isolation.as_str());
    tx.change(life.uid, sql, values, "session.running", &detail)
}

pub(super) fn end(tx: &Tx<'_>, life: Incarnation, end: &End) -> Result<bool, Error> {
    let sql = format!(
        "UPDATE sessions SET {END} WHERE uid = :uid AND incarnation = :number AND phase <> 'ended' RETURNING events"
    );
    let values = named_params! {
        ":uid": life.uid.to_string(),
        ":number": life.number,
        ":now": tx.now,
        ":reason": end.reason.as_str(),
        ":code": end.exit_code,
        ":detail": end.detail,
    };
    tx.change(life.uid, &sql, values, "session.ended", &end.detail)
}

pub(super) fn log_end(tx: &Tx<'_>, life: Incarnation, end: u64) -> Result<(), Error> {
    let sql = "UPDATE sessions SET log_end = ?3 WHERE uid = ?1 AND incarnation = ?2 AND log_end <> ?3";
    if tx.execute(sql, (life.uid.to_string(), life.number, number(end)))? > 0 {
        tx.changed();
    }
    Ok(())
}

pub(super) fn beat(tx: &Tx<'_>, life: Incarnation, beat: Beat) -> Result<bool, Error> {
    // Activity and log end only go forward: beats may come late, and over another connection than those before.
    let sql = "UPDATE sessions SET viewers = :viewers, \
        last_activity_at = CASE WHEN last_activity_at < :active THEN :active ELSE last_activity_at END, \
        log_end = CASE WHEN log_end < :log_end THEN :log_end ELSE log_end END \
        WHERE uid = :uid AND incarnation = :number AND phase <> 'ended'";
    let uid = life.uid.to_string();
    let values = named_params! {
        ":uid": uid,
        ":number": life.number,
        ":viewers": beat.viewers,
        ":active": tx.now - millis(beat.idle_for),
        ":log_end": number(beat.log_end),
    };
    if tx.execute(sql, values)? == 0 {
        return Ok(false);
    }
    let sql = "UPDATE runners SET seen_at = ?3 WHERE uid = ?1 AND incarnation = ?2";
    tx.execute(sql, (uid, life.number, tx.now))?;
    Ok(true)
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
