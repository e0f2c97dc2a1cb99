//! What people do with sessions. Every statement carries the tenant, and but for its admins the subject.

use std::collections::BTreeMap;

use podling_session::{
    id::{Incarnation, RunnerId, SessionId, Uid},
    phase::End,
    principal::Reach,
    session::Session,
    spec::Spans,
    store::{Created, Extended, Filter, Idempotency, NewSession, Page},
};

use super::{
    clock::millis,
    error::Error,
    listing::Listing,
    phases, quotas,
    row::{self, SESSION},
    runners,
    tx::Tx,
    value::{Row, values},
};

/// How long a repeated request is the same request.
pub(super) const IDEMPOTENCY_MILLIS: i64 = 24 * 3_600 * 1_000;

/// One look at a session's labels for all that are asked for: a join each takes Postgres seconds to plan.
const LABELLED: &str = " AND (SELECT COUNT(*) FROM session_labels AS label WHERE label.uid = sessions.uid AND (";

pub(super) async fn create(tx: &Tx<'_>, new: &NewSession) -> Result<Created, Error> {
    let made = try_create(tx, new).await?;
    if !matches!(made, Created::New(_) | Created::Claimed(..)) {
        tx.undo();
    }
    Ok(made)
}

async fn try_create(tx: &Tx<'_>, new: &NewSession) -> Result<Created, Error> {
    if let Some(idempotency) = &new.idempotency
        && let Some(earlier) = repeat(tx, new, idempotency).await?
    {
        return Ok(earlier);
    }
    if uid_taken(tx, new).await? {
        return Ok(Created::IdTaken);
    }
    let Some(session) = insert(tx, new).await? else { return Ok(Created::IdTaken) };
    let created = match claim(tx, &session, &new.warm).await? {
        Some(runner) => {
            let started = phases::find(tx, session.uid).await?.expect("it was made in this transaction");
            Created::Claimed(started, runner)
        }
        None => Created::New(session),
    };
    Ok(quotas::raise(tx, new).await?.unwrap_or(created))
}

/// The first of these runners that still waits is the session's.
async fn claim(tx: &Tx<'_>, session: &Session, warm: &[RunnerId]) -> Result<Option<RunnerId>, Error> {
    for runner in warm {
        if runners::claim(tx, *runner, session.life()).await? {
            phases::starting(tx, session.life()).await?;
            return Ok(Some(*runner));
        }
    }
    Ok(None)
}

/// Claims the key for this request, or tells what became of the request that claimed it before.
async fn repeat(tx: &Tx<'_>, new: &NewSession, idempotency: &Idempotency) -> Result<Option<Created>, Error> {
    let key = (new.owner.tenant.as_str(), &*new.owner.subject, idempotency.key.as_str());
    let sql = "DELETE FROM idempotency WHERE tenant = $1 AND subject = $2 AND key = $3 AND created_at <= $4";
    tx.execute(sql, values![key.0, key.1, key.2, tx.now() - IDEMPOTENCY_MILLIS]).await?;
    let sql = "INSERT INTO idempotency (tenant, subject, key, body_hash, uid, created_at) \
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
    let values = values![key.0, key.1, key.2, &idempotency.body_hash, new.uid, tx.now()];
    if tx.execute(sql, values).await? == 1 {
        return Ok(None);
    }
    let sql = "SELECT uid, body_hash FROM idempotency WHERE tenant = $1 AND subject = $2 AND key = $3";
    let read = |row: Row<'_>| Ok((row.uid("uid")?, row.bytes32("body_hash")?));
    let earlier = tx.first(sql, values![key.0, key.1, key.2], read).await?;
    let (uid, _) = match earlier {
        Some(earlier) if earlier.1 == idempotency.body_hash => earlier,
        _ => return Ok(Some(Created::IdempotencyConflict)),
    };
    // A session that was pruned meanwhile leaves nothing to answer with, and must not be made twice.
    Ok(Some(phases::find(tx, uid).await?.map_or(Created::IdempotencyConflict, Created::Existing)))
}

/// Whether the id is the uid of a session of the tenant: one found by one name must not be another by the other.
async fn uid_taken(tx: &Tx<'_>, new: &NewSession) -> Result<bool, Error> {
    let Ok(uid) = new.id.as_str().parse::<Uid>() else { return Ok(false) };
    let sql = "SELECT uid FROM sessions WHERE tenant = $1 AND deleted_at IS NULL AND uid = $2";
    Ok(tx.first(sql, values![new.owner.tenant.as_str(), uid], |row| row.uid("uid")).await?.is_some())
}

/// `None` when the id is taken: of two that ask for it at once, the second waits for the outcome of the first.
async fn insert(tx: &Tx<'_>, new: &NewSession) -> Result<Option<Session>, Error> {
    let sql = format!(
        "INSERT INTO sessions (uid, tenant, subject, id, spec, created_at, start_deadline_at, deadline_millis, \
        idle_millis, sealed_key, sealed_secrets, last_activity_at, due_at, incarnation, phase, release, events) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $6, $6, 1, 'pending', 'held', 1) \
        ON CONFLICT DO NOTHING RETURNING {SESSION}"
    );
    let (owner, spec, json) = (&new.owner, &new.spec, row::spec_json(&new.spec));
    let values = values![
        new.uid,
        owner.tenant.as_str(),
        &*owner.subject,
        new.id.as_str(),
        &json,
        tx.now(),
        tx.now() + millis(spec.start_deadline),
        millis(spec.deadline),
        millis(spec.idle),
        &new.sealed.key,
        new.sealed.secrets.as_ref(),
    ];
    let Some(made) = tx.first(&sql, values, row::session).await? else { return Ok(None) };
    for (key, value) in &spec.labels {
        let sql = "INSERT INTO session_labels (uid, key, value) VALUES ($1, $2, $3)";
        tx.execute(sql, values![new.uid, key, value]).await?;
    }
    tx.event(new.uid, 1, "session.created", "The session was created.").await?;
    Ok(Some(made))
}

pub(super) async fn get(tx: &Tx<'_>, reach: &Reach, id: &SessionId) -> Result<Option<Session>, Error> {
    let uid = id.as_str().parse::<Uid>().ok(); // Another name than a uid is no uid.
    let mut looking = within(reach);
    looking.add(" AND (id = ", id.as_str().into(), "").add(" OR uid = ", uid.into(), ")");
    tx.first(&looking.sql, &looking.values, row::session).await
}

pub(super) async fn list(
    tx: &Tx<'_>,
    reach: &Reach,
    filter: &Filter,
    after: Option<Uid>,
    limit: u32,
) -> Result<Page, Error> {
    let mut listing = within(reach);
    listing.add_if(" AND uid < ", after).add_if(" AND phase = ", filter.phase.as_ref());
    add_labels(&mut listing, &filter.labels);
    listing.add(" ORDER BY uid DESC LIMIT ", (i64::from(limit) + 1).into(), "");
    page(tx.all(&listing.sql, &listing.values, row::session).await?, limit)
}

/// A session has a key once, so that as many labels match as are asked for when all do.
pub(super) fn add_labels<'a>(listing: &mut Listing<'a>, labels: &'a BTreeMap<String, String>) {
    let mut before = LABELLED;
    for (key, value) in labels {
        listing.add(before, key.into(), " = label.key").add(" AND label.value = ", value.into(), "");
        before = " OR ";
    }
    if !labels.is_empty() {
        listing.add(")) = ", i64::try_from(labels.len()).unwrap_or(i64::MAX).into(), "");
    }
}

/// The sessions that are not deleted and within reach.
fn within(reach: &Reach) -> Listing<'_> {
    let mut listing = Listing::begin(format!("SELECT {SESSION} FROM sessions WHERE deleted_at IS NULL"));
    listing.add(" AND tenant = ", reach.tenant().as_str().into(), "").add_if(" AND subject = ", reach.subject());
    listing
}

/// One row more than the page holds was read, to know whether another page follows.
pub(super) fn page(mut sessions: Vec<Session>, limit: u32) -> Result<Page, Error> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = sessions.len() > limit;
    sessions.truncate(limit);
    Ok(Page { next: sessions.last().filter(|_| more).map(|last| last.uid), sessions })
}

pub(super) async fn stop(tx: &Tx<'_>, reach: &Reach, id: &SessionId, end: &End) -> Result<Option<Session>, Error> {
    let Some(life) = life(tx, reach, id).await? else { return Ok(None) };
    phases::end(tx, life, end).await?;
    phases::find(tx, life.uid).await
}

pub(super) async fn extend(tx: &Tx<'_>, reach: &Reach, id: &SessionId, spans: Spans) -> Result<Extended, Error> {
    let Some(life) = life(tx, reach, id).await? else { return Ok(Extended::NotFound) };
    let sql = "UPDATE sessions SET deadline_millis = COALESCE($3, deadline_millis), \
        deadline_at = started_at + COALESCE($3, deadline_millis), idle_millis = COALESCE($4, idle_millis), \
        events = events + 1 WHERE uid = $1 AND incarnation = $2 AND phase <> 'ended' RETURNING events";
    let values = values![life.uid, life.number, spans.deadline.map(millis), spans.idle.map(millis)];
    if !tx.change(life.uid, sql, values, "session.extended", "The session has other deadlines.").await? {
        return Ok(Extended::Ended);
    }
    Ok(phases::find(tx, life.uid).await?.map_or(Extended::NotFound, Extended::Changed))
}

pub(super) async fn delete(tx: &Tx<'_>, reach: &Reach, id: &SessionId, end: &End) -> Result<Option<Session>, Error> {
    let Some(life) = life(tx, reach, id).await? else { return Ok(None) };
    phases::end(tx, life, end).await?;
    let sql = "UPDATE sessions SET deleted_at = $2, events = events + 1 WHERE uid = $1 AND deleted_at IS NULL \
        RETURNING events";
    let values = values![life.uid, tx.now()];
    tx.change(life.uid, sql, values, "session.deleted", "The session was deleted.").await?;
    phases::find(tx, life.uid).await
}

async fn life(tx: &Tx<'_>, reach: &Reach, id: &SessionId) -> Result<Option<Incarnation>, Error> {
    Ok(get(tx, reach, id).await?.map(|session| session.life()))
}
