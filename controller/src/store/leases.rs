//! Work that is due, and who does it.
//!
//! `due_at` is when work on a session may be claimed next: at once when it arises, when the lease runs out while it is
//! leased. Work that arises under a lease (the session ends while it is being launched) sets it to now, and so is seen
//! to be due as soon as the lease is given back.

use std::time::Duration;

use podling_session::{
    id::{Incarnation, Uid},
    phase::Phase,
    session::Session,
    store::{Claim, Held, LeaseToken, Work},
};

use super::{
    clock::millis,
    error::Error,
    quotas,
    row::{self, SESSION},
    tx::Tx,
    value::{Row, values},
};

/// At the start of the only controller: whoever held a lease is dead.
pub(super) async fn void_all(tx: &Tx<'_>) -> Result<(), Error> {
    let sql = "UPDATE sessions SET lease_until = NULL, due_at = $1 WHERE lease_until IS NOT NULL";
    tx.execute(sql, values![tx.now()]).await?;
    Ok(())
}

/// The token is the time when the lease runs out: a later claim of the same session has a later one.
pub(super) async fn claim(tx: &Tx<'_>, lease: Duration) -> Result<Option<Claim>, Error> {
    let sql = format!(
        "UPDATE sessions SET lease_until = $2, due_at = $2 WHERE uid = ( \
        SELECT uid FROM sessions WHERE due_at <= $1 AND (lease_until IS NULL OR lease_until <= $1) \
        ORDER BY due_at, uid LIMIT 1 {}) RETURNING {SESSION}",
        tx.skip_locked()
    );
    let until = tx.now() + millis(lease);
    let claimed = tx.first(&sql, values![tx.now(), until], row::session).await?;
    claimed.map(|session| Ok(Claim { work: work(session)?, token: LeaseToken(until) })).transpose()
}

fn work(session: Session) -> Result<Work, Error> {
    match session.phase {
        Phase::Pending | Phase::Starting { .. } => Ok(Work::Launch(session)),
        Phase::Ended(_) => Ok(Work::Release(session)),
        _ => Err(Error::Corrupt(format!("session {} is {} and has work due", session.uid, session.phase.name()))),
    }
}

pub(super) async fn give_back(tx: &Tx<'_>, uid: Uid, token: LeaseToken, again: Duration) -> Result<(), Error> {
    let sql = "UPDATE sessions SET due_at = CASE WHEN due_at = lease_until THEN $2 ELSE due_at END, lease_until = NULL \
        WHERE uid = $1 AND lease_until = $3 RETURNING due_at";
    let due: Option<i64> =
        tx.first(sql, values![uid, tx.now() + millis(again), token.0], |row| row.get("due_at")).await?;
    if due.is_some_and(|due| due <= tx.now()) {
        tx.changed();
    }
    Ok(())
}

/// The launch is over and the session has ended under it: its release need not wait for the lease. A lease that was
/// claimed for the release itself, by somebody quicker, stays.
pub(super) async fn give_way(tx: &Tx<'_>, life: Incarnation) -> Result<(), Error> {
    let sql = "UPDATE sessions SET lease_until = NULL WHERE uid = $1 AND incarnation = $2 AND phase = 'ended' \
        AND due_at <> lease_until";
    if tx.execute(sql, values![life.uid, life.number]).await? > 0 {
        tx.changed();
    }
    Ok(())
}

pub(super) async fn release(tx: &Tx<'_>, life: Incarnation) -> Result<bool, Error> {
    let sql = "UPDATE sessions SET release = 'released', viewers = 0, due_at = NULL, lease_until = NULL, \
        stored_bytes = log_end - log_first, events = events + 1 WHERE uid = $1 AND incarnation = $2 AND phase = 'ended' AND release = 'held' \
        RETURNING events";
    let detail = "The session's resources were released.";
    if !tx.change(life.uid, sql, values![life.uid, life.number], "session.released", detail).await? {
        return Ok(false);
    }
    let sql = "SELECT tenant, subject, stored_bytes FROM sessions WHERE uid = $1";
    let read = |row: Row<'_>| Ok((row::owner(row)?, row.unsigned("stored_bytes")?));
    let (owner, bytes) = tx.first(sql, values![life.uid], read).await?.expect("changed in this transaction");
    quotas::lower(tx, &owner, bytes).await?;
    Ok(true)
}

pub(super) async fn held(tx: &Tx<'_>) -> Result<Vec<Held>, Error> {
    let sql = "SELECT sessions.uid AS uid, sessions.incarnation AS incarnation, launch FROM sessions \
        LEFT JOIN runners ON runners.uid = sessions.uid AND runners.incarnation = sessions.incarnation \
        WHERE release = 'held' ORDER BY sessions.uid";
    tx.all(sql, &[], |row| {
        let life = Incarnation { uid: row.uid("uid")?, number: row.small("incarnation")? };
        let launch = row.get::<Option<String>>("launch")?.map(|name| name.parse()).transpose()?;
        Ok(Held { life, launched: launch.is_some(), launch: launch.unwrap_or_else(|| life.launch_name()) })
    })
    .await
}
