//! What an owner does with sessions. Every statement carries tenant and subject.

use podling_session::{
    id::{Incarnation, RunnerId, SessionId, Uid},
    phase::End,
    principal::Owner,
    session::Session,
    store::{Created, Filter, Idempotency, NewSession, Page},
};
use rusqlite::{ToSql, named_params, params_from_iter};

use super::{
    clock::millis,
    error::Error,
    phases, quotas,
    row::{self, SESSION},
    runners,
    transaction::Tx,
};

/// How long a repeated request is the same request.
pub(super) const IDEMPOTENCY_MILLIS: i64 = 24 * 3_600 * 1_000;

const LABELLED: &str = " AND EXISTS (SELECT 1 FROM session_labels AS label \
    WHERE label.uid = sessions.uid AND label.key = ? AND label.value = ?)";

pub(super) fn create(tx: &Tx<'_>, new: &NewSession) -> Result<Created, Error> {
    let made = try_create(tx, new)?;
    if !matches!(made, Created::New(_) | Created::Claimed(..)) {
        tx.undo();
    }
    Ok(made)
}

fn try_create(tx: &Tx<'_>, new: &NewSession) -> Result<Created, Error> {
    if let Some(idempotency) = &new.idempotency
        && let Some(earlier) = repeat(tx, new, idempotency)?
    {
        return Ok(earlier);
    }
    if id_taken(tx, new)? {
        return Ok(Created::IdTaken);
    }
    if let Some(max) = quotas::raise(tx, &new.owner, new.max_per_owner, new.max_per_tenant)? {
        return Ok(Created::QuotaExceeded { max });
    }
    let session = insert(tx, new)?;
    match claim(tx, &session, &new.warm)? {
        Some(runner) => {
            let started = phases::find(tx, session.uid)?.expect("it was made in this transaction");
            Ok(Created::Claimed(started, runner))
        }
        None => Ok(Created::New(session)),
    }
}

/// The first of these runners that still waits is the session's.
fn claim(tx: &Tx<'_>, session: &Session, warm: &[RunnerId]) -> Result<Option<RunnerId>, Error> {
    for runner in warm {
        if runners::claim(tx, *runner, session.life())? {
            phases::starting(tx, session.life())?;
            return Ok(Some(*runner));
        }
    }
    Ok(None)
}

/// Claims the key for this request, or tells what became of the request that claimed it before.
fn repeat(tx: &Tx<'_>, new: &NewSession, idempotency: &Idempotency) -> Result<Option<Created>, Error> {
    let key = (new.owner.tenant.as_str(), &*new.owner.subject, idempotency.key.as_str());
    let sql = "DELETE FROM idempotency WHERE tenant = ?1 AND subject = ?2 AND key = ?3 AND created_at <= ?4";
    tx.execute(sql, (key.0, key.1, key.2, tx.now - IDEMPOTENCY_MILLIS))?;
    let sql = "INSERT INTO idempotency (tenant, subject, key, body_hash, uid, created_at) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING";
    let values = (key.0, key.1, key.2, idempotency.body_hash, new.uid.to_string(), tx.now);
    if tx.execute(sql, values)? == 1 {
        return Ok(None);
    }
    let sql = "SELECT uid, body_hash FROM idempotency WHERE tenant = ?1 AND subject = ?2 AND key = ?3";
    let earlier = tx.first(sql, key, |row| Ok((row::uid(row)?, row::bytes32(row, "body_hash")?)))?;
    let (uid, _) = match earlier {
        Some(earlier) if earlier.1 == idempotency.body_hash => earlier,
        _ => return Ok(Some(Created::IdempotencyConflict)),
    };
    // A session that was pruned meanwhile leaves nothing to answer with, and must not be made twice.
    Ok(Some(phases::find(tx, uid)?.map_or(Created::IdempotencyConflict, Created::Existing)))
}

/// Also a uid is taken: a session found by one name must not be another by the other.
fn id_taken(tx: &Tx<'_>, new: &NewSession) -> Result<bool, Error> {
    let sql = "SELECT uid FROM sessions WHERE tenant = ?1 AND deleted_at IS NULL AND (id = ?2 OR uid = ?2)";
    Ok(tx.first(sql, (new.owner.tenant.as_str(), new.id.as_str()), row::uid)?.is_some())
}

fn insert(tx: &Tx<'_>, new: &NewSession) -> Result<Session, Error> {
    let sql = format!(
        "INSERT INTO sessions (uid, tenant, subject, id, incarnation, phase, release, spec, created_at, \
        start_deadline_at, deadline_millis, idle_millis, last_activity_at, sealed_key, sealed_secrets, due_at, events) \
        VALUES (:uid, :tenant, :subject, :id, 1, 'pending', 'held', :spec, :now, \
        :start_deadline, :deadline, :idle, :now, :key, :secrets, :now, 1) RETURNING {SESSION}"
    );
    let uid = new.uid.to_string();
    let values = named_params! {
        ":uid": uid,
        ":tenant": new.owner.tenant.as_str(),
        ":subject": &*new.owner.subject,
        ":id": new.id.as_str(),
        ":spec": row::spec_json(&new.spec),
        ":now": tx.now,
        ":start_deadline": tx.now + millis(new.spec.start_deadline),
        ":deadline": millis(new.spec.deadline),
        ":idle": millis(new.spec.idle),
        ":key": new.sealed.key,
        ":secrets": new.sealed.secrets,
    };
    let made = tx.first(&sql, values, row::session)?.expect("an INSERT that succeeded returns its row");
    for (key, value) in &new.spec.labels {
        tx.execute("INSERT INTO session_labels (uid, key, value) VALUES (?1, ?2, ?3)", (&uid, key, value))?;
    }
    tx.event(&uid, 1, "session.created", "The session was created.")?;
    Ok(made)
}

pub(super) fn get(tx: &Tx<'_>, owner: &Owner, id: &SessionId) -> Result<Option<Session>, Error> {
    let sql = format!(
        "SELECT {SESSION} FROM sessions WHERE tenant = ?1 AND subject = ?2 AND deleted_at IS NULL \
        AND (id = ?3 OR uid = ?3)"
    );
    tx.first(&sql, (owner.tenant.as_str(), &*owner.subject, id.as_str()), row::session)
}

pub(super) fn list(tx: &Tx<'_>, owner: &Owner, filter: &Filter, after: Option<Uid>, limit: u32) -> Result<Page, Error> {
    let mut sql = format!("SELECT {SESSION} FROM sessions WHERE tenant = ? AND subject = ? AND deleted_at IS NULL");
    let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(owner.tenant.to_string()), Box::new(owner.subject.to_string())];
    if let Some(after) = after {
        sql.push_str(" AND uid < ?");
        values.push(Box::new(after.to_string()));
    }
    if let Some(phase) = &filter.phase {
        sql.push_str(" AND phase = ?");
        values.push(Box::new(phase.clone()));
    }
    for (key, value) in &filter.labels {
        sql.push_str(LABELLED);
        values.push(Box::new(key.clone()));
        values.push(Box::new(value.clone()));
    }
    sql.push_str(" ORDER BY uid DESC LIMIT ?");
    values.push(Box::new(i64::from(limit) + 1));
    page(tx.all(&sql, params_from_iter(values), row::session)?, limit)
}

/// One row more than the page holds was read, to know whether another page follows.
fn page(mut sessions: Vec<Session>, limit: u32) -> Result<Page, Error> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = sessions.len() > limit;
    sessions.truncate(limit);
    Ok(Page { next: sessions.last().filter(|_| more).map(|last| last.uid), sessions })
}

pub(super) fn stop(tx: &Tx<'_>, owner: &Owner, id: &SessionId, end: &End) -> Result<Option<Session>, Error> {
    let Some(life) = life(tx, owner, id)? else { return Ok(None) };
    phases::end(tx, life, end)?;
    phases::find(tx, life.uid)
}

pub(super) fn delete(tx: &Tx<'_>, owner: &Owner, id: &SessionId, end: &End) -> Result<Option<Session>, Error> {
    let Some(life) = life(tx, owner, id)? else { return Ok(None) };
    phases::end(tx, life, end)?;
    let sql = "UPDATE sessions SET deleted_at = ?2, events = events + 1 WHERE uid = ?1 AND deleted_at IS NULL \
        RETURNING events";
    let values = (life.uid.to_string(), tx.now);
    tx.change(life.uid, sql, values, "session.deleted", "The session was deleted.")?;
    phases::find(tx, life.uid)
}

fn life(tx: &Tx<'_>, owner: &Owner, id: &SessionId) -> Result<Option<Incarnation>, Error> {
    Ok(get(tx, owner, id)?.map(|session| session.life()))
}
